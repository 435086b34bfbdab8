"""What docs/command-line.md promises to scripts: the envelope, bare tables, exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from localsessions import Session, SessionSummary
from localsessions.cli import program
from localsessions.cli.commands import loaded
from localsessions.cli.exits import ExitCode
from localsessions.models import SearchHit, TrashedSession

if TYPE_CHECKING:
    from .conftest import Cli

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
WITHOUT = {"completion", "edit", "export", "help", "mcp", "resume", "serve"}


def section(title: str) -> list[list[str]]:
    """Return the rows of the table under a heading."""
    text = GUIDE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.fixture
def full(cli: Cli) -> Cli:
    with cli.store() as store:
        for name in ("a", "b"):
            store.save(Session(session_id=name, title=f"Title {name}"))
            store.append(name, {"role": "user", "content": f"words of {name}"})
    return cli


EVERY: list[tuple[list[str], list[str], list[str]]] = [
    (["list"], list(SessionSummary.model_fields), ["next_cursor"]),
    (["count"], ["sessions"], []),
    (["search", "words"], list(SearchHit.__dataclass_fields__), []),
    (["show", "a"], ["session", "path", "children", "messages"], []),
    (["history", "a"], ["role", "content", "id", "created_at"], ["session_id"]),
    (["stats"], ["save_dir"], []),
    (["path", "a"], ["path"], []),
    (["new"], list(SessionSummary.model_fields), []),
    (["fork", "a"], list(SessionSummary.model_fields), []),
    (["rename", "a", "New"], list(SessionSummary.model_fields), []),
    (["tag", "a", "+x"], list(SessionSummary.model_fields), []),
    (["pin", "a"], list(SessionSummary.model_fields), []),
    (["archive", "a"], list(SessionSummary.model_fields), []),
    (["append", "a", "--role", "user", "x"], ["role", "content", "id"], ["session_id"]),
    (["delete", "a", "--yes"], list(TrashedSession.__dataclass_fields__), []),
    (
        ["cleanup", "--older-than", "0s", "--yes"],
        ["session_id", "deleted", "reason", "last_activity"],
        ["cutoff", "dry_run"],
    ),
    (["reindex"], ["sessions"], []),
    (
        ["backup", "{folder}/chats.tar.gz"],
        ["path", "size_bytes", "created_at", "sessions", "deleted"],
        ["left_out"],
    ),
    (
        ["restore-backup", "--merge", "{folder}/before.tar"],
        ["session_id", "deleted_at", "outcome"],
        ["dry_run", "created_at"],
    ),
    (["mv", "a", "--to", "{folder}/other"], list(SessionSummary.model_fields), ["dry_run"]),
    (["import", str(ROOT / "examples" / "transcripts" / "codex")], ["path"], ["totals", "total"]),
]


@pytest.mark.parametrize(("arguments", "fields", "more"), EVERY, ids=[one[0][0] for one in EVERY])
def test_every_command_writes_the_same_envelope(
    full: Cli, tmp_path: Path, arguments: list[str], fields: list[str], more: list[str]
) -> None:
    assert full("backup", f"{tmp_path}/before.tar").exit_code == 0
    document = full.json(*(one.replace("{folder}", str(tmp_path)) for one in arguments))
    assert list(document) == ["version", "command", "items", *more]
    assert document["items"]
    for item in document["items"]:
        assert set(fields) <= set(item)


def test_every_command_has_json_or_is_said_to_have_none() -> None:
    def has_json(command: click.Command) -> bool:
        return any("--json" in option.opts for option in command.params)

    context = click.Context(program)
    known = (program.get_command(context, name) for name in program.list_commands(context))
    commands = {one.name: loaded(one) for one in known if one is not None}
    having = {name for name, one in commands.items() if has_json(one)}
    assert having == commands.keys() - WITHOUT
    told = {command.split()[0] for row in section("JSON") for command in quoted(row[0])}
    assert told == having
    without = re.search(r"What cannot be said in JSON \((.*)\)", GUIDE)
    assert without is not None
    assert {*quoted(without.group(1))} == WITHOUT


def test_the_example_is_an_envelope(full: Cli) -> None:
    match = re.search(r"```json\n(.*)\n```", GUIDE)
    assert match is not None
    assert list(json.loads(match.group(1))) == list(full.json("list"))


def test_what_is_in_the_trash_and_what_is_found_are_in_the_envelope_too(full: Cli) -> None:
    full("delete", "a", "--yes")
    assert full.item("restore", "--list")["session_id"] == "a"
    assert full.item("restore", "a")["session_id"] == "a"
    full("delete", "a", "--yes")
    assert full.item("cleanup", "--empty-trash", "--yes")["session_id"] == "a"
    full.write("torn", "{")
    finding: dict[str, Any] = json.loads(full("verify", "--json").stdout)["items"][0]
    assert list(finding) == ["kind", "path", "problem", "repair", "session_id", "automatic"]


def test_in_a_pipe_a_table_is_bare(full: Cli) -> None:
    columns = {quoted(row[0])[0]: row[1].split(", ") for row in section("Streams")}
    full("delete", "a", "--yes")
    for command in ("list", "search words", "restore --list"):
        (line,) = full(*command.split()).stdout.splitlines()
        assert len(line.split("\t")) == len(columns[command.replace(" words", "")])
        assert not re.search(r"  |\t\t\t\t| \t|\t ", line)


def test_the_exit_codes_are_these() -> None:
    assert [int(row[0]) for row in section("Exit codes")] == [*ExitCode]
    told = re.sub(r"\s+", " ", program.help or "").split("Exit codes:")[1]
    assert [int(number) for number in re.findall(r"\b\d+\b", told)] == [*ExitCode]


def test_no_hit_is_no_and_a_hit_is_done(full: Cli) -> None:
    assert full("search", "words").exit_code == ExitCode.DONE
    for options, shown in (([], ""), (["--json"], '"items": []')):
        result = full("search", "nowhere", *options)
        assert (result.exit_code, result.stderr) == (ExitCode.NO, "nothing found\n")
        assert shown in result.stdout
    assert full("list", "--tag", "none").exit_code == ExitCode.DONE


def test_a_context_in_a_pipe_is_refused(full: Cli) -> None:
    result = full("search", "words", "-C", "1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--context needs a terminal or --json" in result.stderr


def test_what_is_asked_for_in_words_and_by_an_option_must_both_fit(full: Cli) -> None:
    full("archive", "a")
    assert full("search", '"words" status:archived').stdout.startswith("a\t")
    assert full("search", "words", "--archived", "status:active").exit_code == ExitCode.NO


def test_an_id_is_written_as_it_is(cli: Cli) -> None:
    cli.add("a  b", "x")
    assert cli("list").stdout.split("\t")[0] == "a  b"
