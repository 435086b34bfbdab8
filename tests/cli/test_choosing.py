"""Which sessions a command on many is about: names, a filter, or standard input."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from localsessions import LockTimeoutError, SessionStore
from localsessions.cli import program
from localsessions.cli.commands import loaded

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Cli

MANY = ["tag", "pin", "archive", "delete", "export", "mv", "cleanup"]
ENDS: dict[str, list[str]] = {
    "tag": ["+x"],
    "pin": [],
    "archive": [],
    "delete": ["--yes"],
    "export": ["--format", "jsonl"],
    "mv": ["--to", "{folder}"],
}


@pytest.fixture
def three(cli: Cli) -> Cli:
    for name in ("a", "b", "c"):
        cli.add(name, f"words of {name}", title=f"Title {name}")
    with cli.store() as store:
        store.tag("b", "work")
        store.tag("c", "work")
    return cli


def concerned(cli: Cli, command: str, folder: Path, *chosen: str, **options: Any) -> set[str]:
    """Run a command on some sessions, and return which it was about."""
    end = [one.replace("{folder}", str(folder / "other")) for one in ENDS[command]]
    before = cli.store()
    with before as store:
        were = {one.session_id: store.raw(one.session_id) for one in store.list()}
    result = cli(command, *chosen, *end, **options)
    assert result.exit_code == 0, result.stderr
    if command == "export":
        return {name for name in were if f"words of {name}" in result.stdout}
    with cli.store() as store:
        now = {one: store.raw(one) for one in were if store.get(one) is not None}
    return {name for name in were if now.get(name) != were[name]}


@pytest.mark.parametrize("command", ENDS)
def test_several_are_named(three: Cli, tmp_path: Path, command: str) -> None:
    assert concerned(three, command, tmp_path, "a", "Title b", "a") == {"a", "b"}


@pytest.mark.parametrize("command", ENDS)
def test_a_filter_says_which(three: Cli, tmp_path: Path, command: str) -> None:
    assert concerned(three, command, tmp_path, "--tag", "work") == {"b", "c"}


@pytest.mark.parametrize("command", ENDS)
def test_standard_input_says_which(three: Cli, tmp_path: Path, command: str) -> None:
    lines = "a\r\n\nTitle c\tmore\ta\n"
    assert concerned(three, command, tmp_path, "-", input=lines) == {"a", "c"}


@pytest.mark.parametrize("command", ["list", "search words"])
def test_what_a_table_says_in_a_pipe_goes_in_as_it_is(three: Cli, command: str) -> None:
    table = three(*command.split()).stdout
    assert len(table.splitlines()) == 3
    assert three("pin", "-", input=table).exit_code == 0
    assert {one["session_id"] for one in three.items("list", "--pinned")} == {"a", "b", "c"}


@pytest.mark.parametrize("command", ENDS)
def test_a_command_on_nothing_tells_the_three_ways(
    three: Cli, tmp_path: Path, command: str
) -> None:
    result = three(command, *(one.replace("{folder}", str(tmp_path)) for one in ENDS[command]))
    assert result.exit_code == 2
    for way in ("a SESSION or more", "a filter (--project FOLDER)", "'-'"):
        assert way in result.stderr


@pytest.mark.parametrize("command", ENDS)
def test_names_that_fit_nothing_are_all_told_and_nothing_is_done(
    three: Cli, tmp_path: Path, command: str
) -> None:
    end = [one.replace("{folder}", str(tmp_path / "other")) for one in ENDS[command]]
    with three.store() as store:
        were = [store.raw(one) for one in ("a", "b", "c")]
    result = three(command, "a", "none", "b", "nobody", *end)
    assert (result.exit_code, result.stdout) == (3, "")
    assert [line.split("'")[1] for line in result.stderr.splitlines()] == ["none", "nobody"]
    with three.store() as store:
        assert [store.raw(one) for one in ("a", "b", "c")] == were
    assert not (tmp_path / "other").exists()


def test_names_that_all_fit_several_are_a_mistake_of_usage(cli: Cli) -> None:
    for name in ("same-1", "same-2"):
        cli.add(name)
    assert cli("pin", "same", "same-").exit_code == 2
    assert cli.items("list", "--pinned") == []


def test_names_and_a_filter_do_not_go_together(three: Cli) -> None:
    result = three("pin", "a", "--tag", "work")
    assert result.exit_code == 2
    assert "name some SESSIONs, or give a filter, but not both" in result.stderr


def test_standard_input_is_read_once(three: Cli) -> None:
    assert three("pin", "-", "-", input="a\n").exit_code == 2


def test_standard_input_that_is_no_text_is_refused(three: Cli) -> None:
    result = three("pin", "-", input=b"a\n\xff\n")
    assert result.exit_code == 2
    assert "not UTF-8 (byte 2)" in result.stderr


@pytest.mark.parametrize("chosen", [["-"], ["--tag", "nothing"]])
def test_where_no_session_was_asked_for_the_answer_is_no(three: Cli, chosen: list[str]) -> None:
    result = three("pin", *chosen, input="\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "there is no session that was asked for\n"


def test_archived_sessions_are_left_out_of_a_filter_and_named_ones_are_not(three: Cli) -> None:
    three("archive", "b")
    assert three("tag", "--tag", "work", "+seen").exit_code == 0
    assert [one["session_id"] for one in three.items("list", "--tag", "seen")] == ["c"]
    assert three("archive", "--off", "--tag", "work").stderr == "b: status: active\n"


def test_an_error_at_one_session_is_told_and_the_others_go_on(
    three: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = SessionStore.pin

    def failing(store: SessionStore, session_id: str, *, pinned: bool) -> object:
        if session_id == "b":
            raise LockTimeoutError(1.0, session_id="b", path="b.json")
        return pin(store, session_id, pinned=pinned)

    monkeypatch.setattr(SessionStore, "pin", failing)
    result = three("pin", "a", "b", "c", "--json")
    assert result.exit_code == 4
    assert [one["session_id"] for one in json.loads(result.stdout)["items"]] == ["a", "c"]
    assert result.stderr.startswith("error: b: ")
    assert len(result.stderr.splitlines()) == 1


def test_of_many_the_first_ten_are_told(cli: Cli) -> None:
    for number in range(12):
        cli.add(f"s{number}")
    told = cli("pin", "--readable").stderr.splitlines()
    assert len(told) == 11
    assert told[-1] == "and 2 more"


def test_words_with_a_plus_are_tags(three: Cli) -> None:
    result = three("tag", "a", "b", "+x", "++y", "--remove", "work")
    assert result.stderr == "a: tags: x, +y\nb: tags: x, +y\n"
    assert three("tag", "a", "+").exit_code == 2
    assert "as +TAG" in three("tag", "a").stderr


def test_a_cleanup_may_be_about_some_sessions(three: Cli) -> None:
    three("archive", "c")
    result = three("cleanup", "--older-than", "0s", "a", "c", "--yes")
    assert result.exit_code == 0
    assert [one["session_id"] for one in three.items("list", "--with-archived")] == ["b"]
    assert three("cleanup", "--empty-trash", "b", "--yes").exit_code == 2


@pytest.mark.parametrize("name", MANY)
def test_the_help_says_which_sessions(name: str) -> None:
    command = loaded(program.commands[name])
    help_ = " ".join((command.help or "").split())
    assert "some SESSIONs; or all that the options from --user on ask for; or '-'" in help_


# -- what is removed -----------------------------------------------------------------------------


def test_a_dry_run_of_delete_says_what_would_go(three: Cli) -> None:
    result = three("delete", "a", "c", "--dry-run")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "would delete a: Title a\nwould delete c: Title c\n"
    assert [one["title"] for one in three.items("delete", "b", "--dry-run")] == ["Title b"]
    assert len(three.items("list")) == 3


def test_what_is_not_there_is_told_before_anybody_is_asked(three: Cli) -> None:
    result = three("delete", "none")  # without a terminal and without --yes
    assert result.exit_code == 3
    assert "'none'" in result.stderr


@pytest.mark.needs("terminals")
def test_the_question_shows_the_first_ten_titles(cli: Cli) -> None:
    for number in range(22):
        cli.add(f"s{number:02}", title=f"Title {number}")
    code, shown = cli.terminal("delete", "--readable", answers={"[y/N]: ": "n\n"})
    assert code == 1
    lines = shown.splitlines()
    assert lines[0] == "  s21: Title 21"
    assert lines[10] == "  and 12 more"
    assert lines[11].startswith("Move 22 sessions to the trash? [y/N]: ")
    assert len(cli.items("list")) == 22


def test_a_title_cannot_steer_a_terminal(cli: Cli) -> None:
    cli.add("s", title="red \x1b[31m")
    assert "\x1b" not in cli("delete", "s", "--dry-run").stdout
