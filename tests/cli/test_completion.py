"""``completion``, and what it completes."""

from __future__ import annotations

import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Cli


def complete(cli: Cli, *words: str) -> list[str]:
    """Return what bash would be told for the last word."""
    result = cli(
        env={
            "_LOCALSESSIONS_COMPLETE": "bash_complete",
            "COMP_WORDS": shlex.join(("localsessions", *words)),
            "COMP_CWORD": str(len(words)),
        }
    )
    return [line.removeprefix("plain,") for line in result.stdout.split()]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_printed(cli: Cli, shell: str) -> None:
    result = cli("completion", shell)
    assert result.exit_code == 0
    assert f"_LOCALSESSIONS_COMPLETE={shell}_complete" in result.stdout


@pytest.mark.needs("bash")
def test_the_script_is_one_that_bash_takes(cli: Cli) -> None:
    script = cli("completion", "bash").stdout
    done = subprocess.run(["bash", "-n"], input=script.encode(), capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_another_shell_is_refused(cli: Cli) -> None:
    assert cli("completion", "tcsh").exit_code == 2


def test_commands_complete(cli: Cli) -> None:
    assert complete(cli, "re") == ["reindex", "rename", "restore", "restore-backup", "resume"]


def test_session_ids_complete(cli: Cli) -> None:
    cli.add("session-1")
    cli.add("session-2")
    cli.add("other")
    assert complete(cli, "show", "sess") == ["session-2", "session-1"]
    assert complete(cli, "delete", "other", "session-1") == ["session-1"]


def test_session_ids_of_the_folder_that_is_named_complete(cli: Cli, tmp_path: object) -> None:
    cli.add("session-1")
    assert complete(cli, "--dir", f"{tmp_path}/nowhere", "show", "sess") == []
    assert complete(cli, "--dir", str(cli.folder), "show", "sess") == ["session-1"]


def test_more_sessions_than_a_page_complete(cli: Cli) -> None:
    cli.folder.mkdir()
    for number in range(600):
        cli.write(f"s{number:03}", '{"created_at": "2026-01-01", "messages": []}')
    cli.write("zzz", '{"created_at": "2020-01-01", "messages": []}')
    assert complete(cli, "show", "zz") == ["zzz"]
    assert len(complete(cli, "show", "s")) == 100


def test_titles_stand_beside_the_ids_where_the_shell_shows_them(cli: Cli) -> None:
    cli.add("session-1", title="A\ntitle \x1b")
    result = cli(
        env={
            "_LOCALSESSIONS_COMPLETE": "fish_complete",
            "COMP_WORDS": "localsessions show ",
            "COMP_CWORD": "",
        }
    )
    assert "session-1" in result.stdout
    assert r"A title \x1b" in result.stdout


@pytest.mark.needs("links")
def test_completion_of_what_cannot_be_opened_is_empty(cli: Cli) -> None:
    cli.folder.mkdir()
    (cli.folder / ".localsessions").symlink_to("/nowhere")
    assert complete(cli, "show", "s") == []


def test_only_sessions_that_begin_so_are_looked_at(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.add("a")
    cli.add("ab", title="An ab")
    cli.add("b", title="ab")
    assert complete(cli, "show", "a") == ["ab", "a"]

    def refuse(*_: object) -> None:
        raise AssertionError("every session is listed")

    monkeypatch.setattr("localsessions.cli.folder.every_session", refuse)
    cli.add("session-1")
    cli.add("session-2", title="sess")
    assert complete(cli, "show", "sess") == ["session-2", "session-1"]
    assert complete(cli, "show", "nothing") == []
