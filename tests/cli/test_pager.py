"""The pager: when there is one, which, and how it ends."""

from __future__ import annotations

import shlex
import signal
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Cli

pytestmark = pytest.mark.needs("terminals")

LINES = 60


@pytest.fixture
def long(cli: Cli) -> Cli:
    cli.add("s", *(f"text {number}" for number in range(LINES)))
    return cli


def pager(tmp_path: Path, code: str) -> str:
    """Return the name of a pager that says where it begins and ends; ``code`` stands between."""
    path = tmp_path / "pager.py"
    path.write_text(
        f"import os, sys\nprint('BEGIN', *sys.argv[1:], flush=True)\n{code}\nprint('END')"
    )
    return shlex.join([sys.executable, str(path)])


COUNT = "print(len(sys.stdin.read().split('text')) - 1, 'texts')"


@pytest.mark.parametrize("command", [["show", "s", "--all"], ["history", "s"]])
def test_what_is_longer_than_the_screen_goes_to_the_pager(
    long: Cli, tmp_path: Path, command: list[str]
) -> None:
    env = {"LOCALSESSIONS_PAGER": pager(tmp_path, COUNT), "PAGER": "false"}
    code, shown = long.terminal(*command, env=env)
    assert code == 0
    assert shown.startswith("BEGIN\n")
    assert shown.endswith("END\n")
    assert "text 5" not in shown


def test_many_hits_go_to_the_pager(cli: Cli, tmp_path: Path) -> None:
    for number in range(20):
        cli.add(f"s{number}", "a text")
    env = {"LOCALSESSIONS_PAGER": pager(tmp_path, COUNT)}
    _, shown = cli.terminal("search", "text", env=env)
    assert "\n40 texts\nEND\n" in shown  # in the title and in the snippet
    assert "BEGIN" not in cli.terminal("search", "text", "--no-pager", env=env)[1]


@pytest.mark.parametrize(
    ("command", "env"),
    [
        (["show", "s", "-n", "1"], {}),
        (["show", "s", "--all", "--no-pager"], {}),
        (["history", "s", "--no-pager"], {}),
        (["show", "s", "--all", "--json"], {}),
        (["history", "s"], {"TERM": "dumb"}),
        (["history", "s"], {"LOCALSESSIONS_PAGER": ""}),
        (["history", "s"], {"LOCALSESSIONS_PAGER": "cat"}),
    ],
)
def test_there_is_no_pager(
    long: Cli, tmp_path: Path, command: list[str], env: dict[str, str]
) -> None:
    env = {"LOCALSESSIONS_PAGER": pager(tmp_path, COUNT), "PAGER": "false", **env}
    code, shown = long.terminal(*command, env=env)
    assert code == 0
    assert "BEGIN" not in shown
    assert f"text {LINES - 1}" in shown


def test_a_pipe_has_no_pager(long: Cli, tmp_path: Path) -> None:
    env = {"LOCALSESSIONS_PAGER": pager(tmp_path, COUNT)}
    shown = long.process("history", "s", env=env).stdout.decode()
    assert shown.count("text ") == LINES


def test_the_name_is_split_into_words_and_no_shell_reads_it(
    long: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOCALSESSIONS_PAGER")
    name = pager(tmp_path, COUNT)
    _, shown = long.terminal("history", "s", env={"PAGER": f"{name} 'two words' $HOME; ls"})
    assert shown.startswith("BEGIN two words $HOME; ls\n")


def test_less_gets_its_options_unless_the_person_has_some(long: Cli, tmp_path: Path) -> None:
    env = {"LOCALSESSIONS_PAGER": pager(tmp_path, "print(os.environ['LESS'])")}
    assert "\nFRX\n" in long.terminal("history", "s", env=env)[1]
    assert "\n-i\n" in long.terminal("history", "s", env={**env, "LESS": "-i"})[1]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no-such-pager -R", "no-such-pager -R cannot be run: No such file or directory"),
        ("'less", "'less cannot be run: No closing quotation"),
        ("/", "/ cannot be run: Permission denied"),
    ],
)
def test_a_pager_that_cannot_be_run_is_said_and_the_text_printed(
    long: Cli, name: str, why: str
) -> None:
    code, shown = long.terminal("history", "s", env={"LOCALSESSIONS_PAGER": name})
    assert code == 0
    assert shown.startswith(f"the pager {why}; $LOCALSESSIONS_PAGER names another")
    assert shown.count("text ") == LINES


def test_a_pager_that_fails_is_said(long: Cli) -> None:
    code, shown = long.terminal("history", "s", env={"LOCALSESSIONS_PAGER": "false"})
    assert code == 0
    assert shown == "the pager false ended with 1; --no-pager prints the text\n"


def test_quitting_the_pager_early_is_no_failure(cli: Cli, tmp_path: Path) -> None:
    cli.add("s", *("text " * 1_000 for _ in range(200)))
    env = {"LOCALSESSIONS_PAGER": pager(tmp_path, "sys.stdin.readline(); os._exit(0)")}
    code, shown = cli.terminal("history", "s", env=env)
    assert (code, shown) == (0, "BEGIN\n")


# Ctrl-C as it is typed reaches the command and its pager; less takes it for a key of its own.
TYPED = """
import signal
sys.stdin.read()
for _ in range(20):
    os.kill(os.getppid(), signal.SIGINT)
"""


def test_ctrl_c_while_the_person_reads_ends_nothing(long: Cli, tmp_path: Path) -> None:
    env = {"LOCALSESSIONS_PAGER": pager(tmp_path, TYPED)}
    assert long.terminal("history", "s", env=env) == (0, "BEGIN\nEND\n")


def test_ctrl_c_while_the_pager_is_filled_ends_with_the_pager(cli: Cli, tmp_path: Path) -> None:
    cli.add("s", *("text " * 1_000 for _ in range(200)))
    early = TYPED.replace("sys.stdin.read()", "sys.stdin.readline()") + "sys.stdin.read()"
    env = {"LOCALSESSIONS_PAGER": pager(tmp_path, early)}
    assert cli.terminal("history", "s", env=env) == (0, "BEGIN\nEND\n")


def test_an_error_is_not_for_the_pager(long: Cli) -> None:
    code, shown = long.terminal("show", "s", "--at", "99")
    assert (code, shown) == (
        3,
        f"error: there is no message 99: the session has {LINES} messages\n",
    )


@pytest.mark.needs("less")
def test_less_is_the_pager_where_it_is_there(long: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCALSESSIONS_PAGER")
    code, shown = long.terminal("history", "s", answers={"text 5": "q"})
    assert code == 0
    assert f"text {LINES - 1}" not in shown


def test_ctrl_c_before_the_pager_is_an_interruption(cli: Cli) -> None:
    cli.add("s", "text")
    code, _ = cli.terminal("show", "s", "--follow", answers={"Ctrl-C": signal.SIGINT})
    assert code == 130
