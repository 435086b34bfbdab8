"""The help: of the whole, of a command, and its examples, which are what a person copies."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
import pytest

from localsessions.cli import program
from localsessions.cli.commands import COMMANDS, COMMANDS_BY_TASK, loaded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .conftest import Cli

# These go on until they are ended, start another program, look at the person's own files, or need a
# server.
NOT_RUN = {"copy", "edit", "import", "mcp", "resume", "serve", "watch"}


def lines_of(command: click.Command) -> list[str]:
    title, *lines = (command.epilog or "").lstrip("\b\n").splitlines() or [""]
    assert title == ("Example:" if len(lines) == 1 else "Examples:")
    return [line.strip() for line in lines]


def examples() -> Iterator[tuple[str, list[list[str]]]]:
    """Yield the name of each command with the calls of each of its examples, as in a pipe."""
    call = r"localsessions (?!-- )((?:\"[^\"]*\"|'[^']*'|[^|)\"' ]| (?! ))+)"
    for known in COMMANDS:
        for line in lines_of(loaded(known)):
            if calls := re.findall(call, line):
                yield str(known.name), [shlex.split(one) for one in calls]


EXAMPLES = list(examples())
each = pytest.mark.parametrize(("name", "calls"), EXAMPLES, ids=lambda one: str(one)[:50])


def of_command(call: list[str]) -> list[str]:
    """Return a call without the folder before the command."""
    return call[2:] if call[0] == "--dir" else call


def test_every_command_has_an_example_of_itself() -> None:
    assert {name for name, _ in EXAMPLES} == {str(known.name) for known in COMMANDS}


@each
def test_an_example_is_a_line_that_click_takes(name: str, calls: list[list[str]]) -> None:
    context = click.Context(program)
    names = []
    for call in calls:
        command_name, command, rest = program.resolve_command(context, of_command(call))
        assert command is not None
        with command.make_context(command_name, rest, parent=context):
            names.append(command_name)
    assert name in names


@each
def test_an_example_runs(
    cli: Cli, name: str, calls: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name in NOT_RUN or any("--follow" in call for call in calls):
        return
    monkeypatch.chdir(tmp_path)
    cli.add("gone", "text")
    cli("delete", "gone", "--yes")
    cli.add("sess_0192abc", "deploy failed", agent_id="codex")
    cli.add("other", *map(str, range(60)), "connection refused", title="Show the files")
    with cli.store() as store:
        session = store.load("other")
        session.source = {"project": str(tmp_path)}
        session.last_activity = datetime.now(UTC)
        store.save(session)
    if name == "restore-backup":
        assert cli("backup", "chats.tar.gz").exit_code == 0
    text = "from standard input"
    for call in calls:
        result = cli(*call, input=text)
        if result.exit_code:  # nothing is found, or a question that nobody answers
            assert result.exit_code in (1, 2)
            told = ("nothing", "no session", "give --yes")
            assert any(one in result.stderr for one in told), result.stderr
        text = result.stdout


def test_help_is_the_help_of_the_whole(cli: Cli) -> None:
    result = cli("help")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == cli("--help").stdout
    for task in COMMANDS_BY_TASK:
        assert f"\nTo {task}:\n" in result.stdout


@pytest.mark.parametrize("name", sorted(program.commands))
def test_help_of_a_command_is_its_help(cli: Cli, name: str) -> None:
    result = cli("help", name)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == cli(name, "--help").stdout
    assert f"Usage: localsessions {name} " in result.stdout


def test_help_of_what_is_no_command_names_the_near_one(cli: Cli) -> None:
    result = cli("help", "serach")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "there is no command 'serach'; did you mean 'search'?" in result.stderr


def test_the_help_fits_on_80_columns(cli: Cli) -> None:
    for name in ["", *sorted(program.commands)]:
        shown = cli(*([name] if name else []), "--help", env={"COLUMNS": "80"}).stdout
        assert [line for line in shown.splitlines() if len(line) > 80] == []
