"""What a terminal gets: colours, widths, encodings, questions, bars."""

from __future__ import annotations

import json
import re
import signal
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from localsessions import Session

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import JsonValue

    from .conftest import Cli

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
STYLE = re.compile(r"\x1b\[[0-9;]*m")


def plain(text: str) -> str:
    return CONTROL.sub("", text)


def exists(cli: Cli, session_id: str) -> bool:
    return (cli.folder / f"{session_id}.json").exists()


@pytest.mark.needs("terminals")
@pytest.mark.parametrize("columns", [20, 40, 60, 80, 200])
def test_a_table_fits_the_terminal(cli: Cli, columns: int) -> None:
    cli.add("session-1", title="A long title " * 10, agent_id="coder")
    cli.add("x" * 60)
    code, shown = cli.terminal("list", columns=columns)
    assert code == 0
    assert max(map(len, plain(shown).splitlines())) <= columns


@pytest.mark.needs("terminals")
def test_a_narrowed_table_cuts_titles_and_no_ids(cli: Cli) -> None:
    cli.add("session-1", title="A long title " * 10)
    _, shown = cli.terminal("list", columns=80)
    assert re.search(r"^A long title.*…  just now +0  session-$", plain(shown), re.MULTILINE)


@pytest.mark.needs("terminals")
def test_a_narrow_terminal_has_the_title_rather_than_other_columns(cli: Cli) -> None:
    with cli.store() as store:
        for name in ("alpha", "beta"):
            source: JsonValue = {"program": "claude-code", "project": f"/home/ann/project-{name}"}
            store.save(Session(session_id=name, title="Show the files of it", source=source))
    for columns, header in [
        (50, "TITLE AGE MSGS ID"),
        (66, "TITLE AGE PROJECT MSGS ID"),
        (90, "TITLE AGE PROJECT PROGRAM MSGS ID"),
    ]:
        first, second, _ = plain(cli.terminal("list", columns=columns)[1]).splitlines()
        assert first.split() == header.split()
        assert second.startswith("Show the files")
        assert ("project-beta" in second) == ("PROJECT" in header)


@pytest.mark.needs("terminals")
def test_the_reason_of_an_unreadable_session_is_whole_on_a_narrow_terminal(cli: Cli) -> None:
    cli.write("torn", "{")
    _, shown = cli.terminal("list", columns=70)
    _, *lines = plain(shown).splitlines()
    end = lines[0].index("  just now")
    words = "".join(line[:end].strip().replace(" ", "") for line in lines)
    assert words == "unreadableatline1,column2:thefileendsinthemiddle,asafteratornwrite"


@pytest.mark.needs("terminals")
def test_the_title_stays_beside_an_id_that_fills_the_terminal(cli: Cli) -> None:
    cli.add("x" * 60, title="Show the files of the project")
    cli.add("x" * 60 + "y")
    _, shown = cli.terminal("list", columns=60)
    header, *lines = plain(shown).splitlines()
    assert header.split() == ["TITLE", "AGE", "MSGS", "ID"]
    assert any(line.startswith("Show the fi…") for line in lines)
    assert sum(line.count("x") for line in lines) == 120


@pytest.mark.needs("terminals")
def test_wide_characters_are_cut_by_their_cells(cli: Cli) -> None:
    cli.add("s", title="日本語" * 30)
    _, shown = cli.terminal("list", columns=60)
    (line,) = [line for line in plain(shown).splitlines() if line.endswith(" s")]
    assert "…  just now" in line
    assert sum(1 + (ord(char) > 0x3000) for char in line) <= 60


@pytest.mark.needs("terminals")
def test_a_terminal_gets_styles(cli: Cli) -> None:
    cli.add("s", "needle")
    assert CONTROL.search(cli.terminal("list")[1])
    assert "\x1b[1;31mneedle\x1b[0m" in cli.terminal("search", "needle")[1]


@pytest.mark.needs("terminals")
@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
@pytest.mark.parametrize("command", [["list"], ["search", "needle"], ["show", "s"]])
def test_no_color_and_dumb_terminals_get_none(
    cli: Cli, env: dict[str, str], command: list[str]
) -> None:
    cli.add("s", "needle")
    code, shown = cli.terminal(*command, env=env)
    assert code == 0
    assert not STYLE.search(shown)


def test_a_pipe_gets_no_styles(cli: Cli) -> None:
    cli.add("s", "needle")
    for command in (["list"], ["search", "needle"], ["show", "s"]):
        assert b"\x1b" not in cli.process(*command, env={"FORCE_COLOR": "1"}).stdout


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_the_encoding_lacks_is_spelled_out(cli: Cli, encoding: str) -> None:
    cli.add("s", "Привет", title="Заголовок")
    env = {"PYTHONIOENCODING": encoding}
    for command in (["list"], ["history", "s"], ["show", "s"], ["search", "привет"]):
        result = cli.process(*command, env=env)
        assert (result.returncode, result.stderr) == (0, b"")
        result.stdout.decode("ascii")
    assert "\\u0417" in cli.process("list", env=env).stdout.decode()


@pytest.mark.needs("terminals")
@pytest.mark.parametrize("columns", [60, 200])
def test_a_terminal_without_unicode_gets_a_table_that_fits(cli: Cli, columns: int) -> None:
    cli.add("s", title="A long title " * 10)
    code, shown = cli.terminal("list", columns=columns, env={"PYTHONIOENCODING": "ascii"})
    assert code == 0
    assert shown.isascii()
    assert max(map(len, plain(shown).splitlines())) <= columns


def test_json_is_utf_8_whatever_the_encoding(cli: Cli) -> None:
    cli.add("s", title="Заголовок")
    result = cli.process("list", "--json", env={"PYTHONIOENCODING": "ascii"})
    assert "Заголовок" in result.stdout.decode()


@pytest.mark.needs("terminals")
@pytest.mark.parametrize("form", ["markdown", "json", "jsonl"])
def test_an_export_to_a_terminal_has_no_raw_control_characters(cli: Cli, form: str) -> None:
    cli.add("s", "red \x1b[31m \x9b")
    code, shown = cli.terminal("export", "s", "--format", form)
    assert code == 0
    assert not re.search(r"[\x1b\x9b]", shown)


@pytest.mark.needs("terminals")
@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_json_that_is_exported_to_a_terminal_stays_json(cli: Cli, form: str) -> None:
    text = "\x1b[31m \x9b31m \u202e \x7f \t \\ \u2028 é"
    cli.add("s", text)
    _, shown = cli.terminal("export", "s", "--format", form)
    found = json.loads(shown) if form == "json" else json.loads(shown.splitlines()[-1])
    assert found["messages"][-1]["content"] == text


def test_an_export_to_a_pipe_is_untouched(cli: Cli) -> None:
    cli.add("s", "red \x1b[31m")
    assert b"red \x1b[31m" in cli.process("export", "s").stdout


# questions


@pytest.mark.needs("terminals")
def test_delete_asks_and_does_what_is_answered(cli: Cli) -> None:
    cli.add("a")
    code, shown = cli.terminal("delete", "a", answers={"[y/N]: ": "n\n"})
    assert code == 1
    assert "  a: (no title)\nMove 1 session to the trash? [y/N]: n\nnothing was removed" in shown
    assert exists(cli, "a")
    code, _ = cli.terminal("delete", "a", answers={"[y/N]: ": "y\n"})
    assert code == 0
    assert not exists(cli, "a")


@pytest.mark.needs("terminals")
@pytest.mark.parametrize("answer", [signal.SIGINT, "\x04"])
def test_no_answer_removes_nothing(cli: Cli, answer: str | signal.Signals) -> None:
    cli.add("a")
    code, shown = cli.terminal("delete", "a", answers={"[y/N]: ": answer})
    assert code == 130
    assert "nothing was lost" in shown
    assert exists(cli, "a")


@pytest.mark.needs("terminals")
def test_cleanup_shows_what_it_would_do_before_it_asks(cli: Cli) -> None:
    cli.add("old")
    with cli.store() as store, store.edit("old") as session:
        session.last_activity = datetime.now(UTC) - timedelta(days=40)
    command = ("cleanup", "--older-than", "30d")
    code, shown = cli.terminal(*command, answers={"[y/N]: ": "n\n"})
    assert code == 1
    assert shown.index("would delete old") < shown.index("Move 1 session to the trash?")
    assert exists(cli, "old")
    code, shown = cli.terminal(*command, answers={"[y/N]: ": "y\n"})
    assert code == 0
    assert "\ndeleted old: last active at " in shown
    assert not exists(cli, "old")


@pytest.mark.needs("terminals")
def test_cleanup_leaves_what_became_old_while_it_asked(cli: Cli) -> None:
    for name in ("old", "young"):
        cli.add(name)

    def grow_old(session_id: str, age: timedelta) -> str:
        with cli.store() as store, store.edit(session_id) as session:
            session.last_activity = datetime.now(UTC) - age
        return "y\n"

    grow_old("old", timedelta(days=40))
    answer = {"[y/N]: ": lambda: grow_old("young", timedelta(days=30))}
    code, _ = cli.terminal("cleanup", "--older-than", "30d", answers=answer)
    assert code == 0
    assert (exists(cli, "old"), exists(cli, "young")) == (False, True)


@pytest.mark.needs("terminals")
def test_cleanup_of_expired_sessions_asks_too(cli: Cli) -> None:
    cli.add("old")
    with cli.store() as store, store.edit("old") as session:
        session.expires_at = datetime.now(UTC) - timedelta(days=1)
    code, _ = cli.terminal("cleanup", "--expired", answers={"[y/N]: ": "y\n"})
    assert code == 0
    assert not exists(cli, "old")


@pytest.mark.needs("terminals")
@pytest.mark.parametrize("command", [["--older-than", "30d"], ["--expired"], ["--empty-trash"]])
def test_cleanup_asks_nothing_when_there_is_nothing_to_do(cli: Cli, command: list[str]) -> None:
    cli.add("young")
    code, shown = cli.terminal("cleanup", *command)
    assert (code, shown) == (0, "there is nothing to remove\n")


@pytest.mark.needs("terminals")
def test_emptying_the_trash_asks(cli: Cli) -> None:
    cli.add("a")
    cli("delete", "a", "--yes")
    code, _ = cli.terminal("cleanup", "--empty-trash", answers={"for good? [y/N]: ": "n\n"})
    assert code == 1
    assert len(cli.items("restore", "--list")) == 1
    code, shown = cli.terminal("cleanup", "--empty-trash", answers={"for good? [y/N]: ": "y\n"})
    assert code == 0
    assert "removed a for good" in shown
    assert cli.items("restore", "--list") == []


@pytest.mark.needs("terminals")
def test_append_on_a_terminal_says_what_to_do(cli: Cli) -> None:
    cli.add("s")
    code, _ = cli.terminal(
        "append", "s", "--role", "user", answers={"Ctrl-D on a line of its own ends it": "hi\n\x04"}
    )
    assert code == 0
    assert cli.items("history", "s")[0]["content"] == "hi"


# bars


@pytest.mark.needs("terminals")
def test_long_work_shows_a_bar_that_is_gone_afterwards(cli: Cli, tmp_path: Path) -> None:
    cli.add("s", "needle")
    code, shown = cli.terminal("search", "needle")
    assert code == 0
    assert "reading" in shown
    assert shown.rstrip("\n").endswith("\x1b[0m")


@pytest.mark.needs("terminals")
def test_an_import_counts_its_files(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"messages": [{"role": "user", "content": "text"}]}')
    code, shown = cli.terminal("import", str(path))
    assert code == 0
    assert "files" in shown
    assert "openai-messages: sessions 1 new" in shown


def test_a_bar_is_not_drawn_into_a_pipe(cli: Cli) -> None:
    cli.add("s", "needle")
    assert cli.process("search", "needle").stderr == b""


@pytest.mark.needs("terminals")
def test_on_a_terminal_a_list_says_what_a_person_asks(cli: Cli) -> None:
    with cli.store() as store:
        at = datetime(2026, 1, 1, tzinfo=UTC)
        source: dict[str, JsonValue] = {"undated": "2026-01-01T00:00:00.000Z"}
        store.save(Session(session_id="a", title="T", source=source, last_activity=at, pinned=True))
        source = {"parent": {"session_id": "a"}}
        at = datetime.now(UTC) - timedelta(days=3, hours=1)
        store.save(Session(session_id="b" * 20, title="T", source=source, last_activity=at))
        store.create("c", title=None)
        store.save(Session(session_id="d", title="Done", status="done", pinned=True))
    shown = plain(cli.terminal("list", columns=120)[1])
    assert re.search(r"^\[pinned\] T +undated +0  a$", shown, re.MULTILINE)
    assert re.search(r"^\[pinned, done\] Done +just now +0  d$", shown, re.MULTILINE)
    assert re.search(r"^\(no title\) +just now +0  c$", shown, re.MULTILINE)
    assert re.search(r"^T \(of a\) +3 d ago +0  bbbbbbbb$", shown, re.MULTILINE)
    cli("delete", "b" * 20, "--yes")
    assert re.search(r"^b+  +20.* \d+$", plain(cli.terminal("restore", "--list")[1]), re.MULTILINE)


@pytest.mark.needs("terminals")
def test_a_list_on_a_terminal_is_of_this_folders_project(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, home = tmp_path / "home" / "repository", tmp_path / "home"
    inner = repository / "src"
    inner.mkdir(parents=True)
    (repository / ".git").mkdir()
    with cli.store() as store:
        for name, folder in (("here", repository), ("home", home), ("far", tmp_path / "far")):
            source: dict[str, JsonValue] = {"project": str(folder)}
            store.save(Session(session_id=name, title=f"T {name}", source=source))
    everything = ["T far", "T here", "T home"]
    others = "2 sessions of other folders: --everywhere shows them, too"

    def titles(*options: str) -> tuple[list[str], bool]:
        shown = plain(cli.terminal("list", *options)[1])
        return sorted(re.findall(r"^T \w+", shown, re.MULTILINE)), others in shown

    for folder in (inner, repository):
        monkeypatch.chdir(folder)
        assert titles() == (["T here"], True)
        assert titles("--everywhere") == (everything, False)
        assert titles("--all") == (everything, False)
        assert titles("--project", str(home)) == (["T home"], False)
        assert len(cli("list").stdout.splitlines()) == 3  # in a pipe, nothing depends on the folder
        assert len(cli.items("list")) == 3
    outside = tmp_path / "home" / "other"
    outside.mkdir()
    monkeypatch.chdir(outside)  # the home folder, above it, is no project of everything
    assert titles() == (everything, False)
    outside.rmdir()
    assert titles() == (everything, False)
