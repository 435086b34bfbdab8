"""What a command imports: each import is time that a person waits. Times are in benchmarks."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from localsessions.cli import program
from localsessions.cli.commands import COMMANDS, PLACES, loaded

if TYPE_CHECKING:
    import click

    from .conftest import Cli

# Runs a command and writes the names of all modules as the last line of standard error.
RUN = """
import os, sys
if "_AS" in os.environ:
    sys.stdout.isatty = lambda: True
from localsessions.__main__ import main
code = main()
sys.stderr.write("\\n" + " ".join(sys.modules))
sys.exit(code)
"""

HEAVY = {
    *("pydantic", "pydantic_core", "watchdog", "filelock", "starlette", "uvicorn", "platformdirs"),
    *("rich.console", "rich.table", "rich.text", "asyncio", "logging", "hashlib", "secrets"),
    *("localsessions.models.session", "localsessions.models.results", "localsessions.aio"),
    *("localsessions._local.engine", "localsessions._local.writing", "localsessions.transcripts"),
    *("localsessions._local.index.fulltext", "localsessions._rules.merging"),
}
DATABASE = {"sqlite3", "localsessions._local"}


def child(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run code in a new process whose coverage is not measured, which would import more."""
    unmeasured = {name: one for name, one in os.environ.items() if not name.startswith("COV")}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        env={**unmeasured, **environment},
        check=True,
    )


def ran(cli: Cli, *arguments: str, **environment: str) -> tuple[str, set[str]]:
    """Run a command in a new process; return its output and the modules that it imported."""
    done = child(RUN, *arguments, **cli.env, **environment)
    return done.stdout.decode(), set(done.stderr.decode().splitlines()[-1].split())


def completed(cli: Cli, *words: str) -> tuple[str, set[str]]:
    """Complete the last word in a new process; return the proposals and what was imported."""
    return ran(
        cli,
        _LOCALSESSIONS_COMPLETE="bash_complete",
        COMP_WORDS=shlex.join(("localsessions", *words)),
        COMP_CWORD=str(len(words)),
    )


def commands_among(modules: set[str]) -> set[str]:
    """Return the modules of commands."""
    places = {f"localsessions.cli.{place.partition('.')[0]}" for _, place, _ in PLACES}
    return modules & places - {"localsessions.cli.completion"}


def test_a_table_on_a_terminal_is_drawn_without_rich_console(cli: Cli) -> None:
    cli.add("session-1")
    cli.write("torn", "{")
    shown, modules = ran(cli, "list", _AS="terminal")
    assert "\x1b[31munreadable" in shown
    assert "rich.cells" in modules
    assert not modules & {"rich.console", "rich.table", "rich.text", "pydantic"}


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"], ["list", "--all"]])
def test_a_list_imports_no_models_and_no_other_command(cli: Cli, arguments: list[str]) -> None:
    cli.add("session-1")
    shown, modules = ran(cli, *arguments)
    assert "session-1" in shown
    assert modules >= DATABASE
    assert modules.isdisjoint(HEAVY)
    assert commands_among(modules) == {"localsessions.cli.listing"}


@pytest.mark.parametrize(
    "text", ['{\n  "title": "copied",\n  "messages": []\n}\n', '{"title": "copied']
)
def test_a_list_reads_what_another_program_wrote_without_models(cli: Cli, text: str) -> None:
    cli.add("session-1")
    cli.write("copied", text)
    shown, modules = ran(cli, "list")
    assert "copied" in shown
    assert "pydantic" not in modules


def test_a_list_reads_a_file_in_another_layout_as_every_store_does(cli: Cli) -> None:
    cli.add("session-1")
    cli.write("mine", '{"title": "by hand", "messages": []}')
    shown, modules = ran(cli, "list")
    assert "by hand" in shown
    assert "pydantic" in modules


@pytest.mark.parametrize("command", ["show", "history"])
def test_in_a_pipe_messages_are_written_without_rich(cli: Cli, command: str) -> None:
    cli.add("session-1", "text")
    shown, modules = ran(cli, command, "session-1")
    assert "  text" in shown
    assert modules.isdisjoint({"rich.console", "rich.markdown", "markdown_it", "subprocess"})


def test_names_of_commands_complete_without_a_store(cli: Cli) -> None:
    shown, modules = completed(cli, "re")
    assert shown.split() == [
        "plain,reindex",
        "plain,rename",
        "plain,restore",
        "plain,restore-backup",
        "plain,resume",
    ]
    assert modules.isdisjoint(HEAVY | DATABASE)
    assert commands_among(modules) == set()


def test_options_complete_without_a_store(cli: Cli) -> None:
    shown, modules = completed(cli, "list", "--or")
    assert shown.split() == ["plain,--order"]
    assert modules.isdisjoint(HEAVY | DATABASE)
    assert commands_among(modules) == {"localsessions.cli.listing"}


def test_session_ids_complete_without_models(cli: Cli) -> None:
    cli.add("session-1")
    shown, modules = completed(cli, "show", "sess")
    assert shown.split() == ["plain,session-1"]
    assert modules >= DATABASE
    assert modules.isdisjoint(HEAVY)
    assert commands_among(modules) == {"localsessions.cli.reading"}


def test_help_imports_no_command(cli: Cli) -> None:
    _, modules = ran(cli, "--help")
    assert modules.isdisjoint(HEAVY | DATABASE)
    assert commands_among(modules) == set()


@pytest.mark.parametrize("known", COMMANDS, ids=lambda known: known.name)
def test_what_stands_for_a_command_says_the_same_as_the_command(known: click.Command) -> None:
    command = loaded(known)
    assert command is not known
    assert command is loaded(known)
    assert command is loaded(command)
    assert (command.name, command.hidden) == (known.name, known.hidden)
    assert command.get_short_help_str(999) == known.get_short_help_str(999)
    assert command.get_short_help_str() == known.get_short_help_str()
    assert [param.name for param in command.params].count("dir") == 1


def test_each_command_has_one_place_in_the_help() -> None:
    names = sorted(str(known.name) for known in COMMANDS)
    assert names == sorted(program.commands)


def test_the_first_screen_of_the_picker_is_drawn_without_textual() -> None:
    code = "import localsessions.cli.picker.opening as o, sys; o.is_possible(); print(*sys.modules)"
    modules = {*child(code).stdout.decode().split()}
    assert "localsessions.cli.picker.listed" in modules
    assert modules.isdisjoint(HEAVY)
    assert not any(one.partition(".")[0] == "textual" for one in modules)
