"""``list``, ``search``, ``stats`` and ``path``."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from localsessions import SearchHit, Session, SessionSummary, StoreStats

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import JsonValue

    from .conftest import Cli


def ids(document: dict[str, list[dict[str, object]]]) -> list[object]:
    return [item["session_id"] for item in document["items"]]


def age(cli: Cli, session_id: str, days: float) -> None:
    with cli.store() as store, store.edit(session_id) as session:
        session.last_activity = datetime.now(UTC) - timedelta(days=days)


def test_lists_the_last_active_first_with_title_and_count(cli: Cli) -> None:
    cli.add("old", "first words", "more")
    cli.add("new", title="A title", agent_id="coder")
    with cli.store() as store:
        store.pin("new")
    age(cli, "old", 1)
    first, second = cli("list").stdout.splitlines()
    document = cli.items("list")
    at = [one["last_activity"] for one in document]
    assert first.split("\t") == ["new", at[0], "0", "active", "coder", "A title"]
    assert second.split("\t") == ["old", at[1], "2", "active", "", "first words"]


def test_a_tab_in_a_title_parts_no_columns(cli: Cli) -> None:
    cli.add("s", title="a\tb\nc")
    assert cli("list").stdout.split("\t")[5:] == ["a b c\n"]


def test_a_long_id_is_whole_when_piped(cli: Cli) -> None:
    cli.add("x" * 200)
    assert "x" * 200 in cli("list").stdout


def test_an_unreadable_session_is_listed_with_reason_line_and_column(cli: Cli) -> None:
    cli.write("torn", '{\n  "messages": [,]\n}\n')
    result = cli("list")
    assert result.exit_code == 0
    assert "unreadable at line 2, column 16: Expecting value" in result.stdout


def test_an_unreadable_session_without_a_place_is_listed_with_its_reason(cli: Cli) -> None:
    cli.folder.mkdir()
    (cli.folder / "folder.json").mkdir()
    assert "unreadable: it is a folder" in cli("list").stdout


def test_json_of_a_listing_has_the_fields_of_page_and_summary(cli: Cli) -> None:
    cli.add("s", "Привет", user_id="ann")
    document = cli.json("list")
    assert list(document) == ["version", "command", "items", "next_cursor"]
    assert list(document["items"][0]) == list(SessionSummary.model_fields)
    assert SessionSummary.model_validate(document["items"][0]).title == "Привет"
    assert document["items"][0]["created_at"].endswith("Z")


def test_json_of_a_listing_is_the_same_to_the_byte_without_the_index(cli: Cli) -> None:
    for number in range(5):
        cli.add(f"s{number}", "text")
    cli.write("torn", "{")
    before = cli("list", "--json", "--limit", "4").stdout_bytes
    shutil.rmtree(cli.folder / ".localsessions")
    assert cli("list", "--json", "--limit", "4").stdout_bytes == before


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--user", "ann"], ["a"]),
        (["--agent", "coder"], ["b"]),
        (["--status", "archived"], ["c"]),
        (["--with-archived"], ["b", "a", "c"]),
        (["--archived"], ["c"]),
        (["--since", "36h"], ["b"]),
        (["--until", "2d"], []),
        (["--until", "2d", "--with-archived"], ["c"]),
        (["--since", "2026-01-01", "--with-archived"], ["b", "a", "c"]),
        (["--since", "2026-01-01"], ["b", "a"]),
        (["--tag", "work"], ["b", "a"]),
        (["--tag", "work", "--tag", "urgent"], ["b"]),
        (["--pinned"], ["a"]),
        (["--not-pinned", "--with-archived"], ["b", "c"]),
        (["--unreadable"], []),
        (["--readable", "--live"], ["b", "a"]),
        (["--branch", "main"], []),
        (["--until", "2026-01-01T00:00:00+02:00"], []),
        (["--order", "last_activity"], ["a", "b"]),
        (["--order", "-created_at", "--with-archived"], ["c", "b", "a"]),
    ],
)
def test_filters_and_orders(cli: Cli, options: list[str], expected: list[str]) -> None:
    cli.add("a", "text", user_id="ann")
    cli.add("b", "text", agent_id="coder")
    cli.add("c", "text")
    with cli.store() as store:
        store.archive("c")
        store.tag("a", "work")
        store.tag("b", "work", "urgent")
        store.pin("a")
    age(cli, "a", 1.8)
    age(cli, "c", 3)
    assert ids(cli.json("list", *options)) == expected
    if "--order" not in options:
        assert cli.item("count", *options) == {"sessions": len(expected)}
        cli.add("of another kind", "nothing")
        hits = json.loads(cli("search", "text", "--json", *options).stdout)["items"]
        assert {hit["session"]["session_id"] for hit in hits} == {*expected}


@pytest.mark.parametrize(
    "text",
    ["soon", "2x", "2026-13-01", "999999999999w", "99999999d", "5.11.2026", "7", "x" * 999, ""],
)
def test_a_time_that_is_none_is_refused_with_the_forms_that_are(cli: Cli, text: str) -> None:
    cli.add("s")
    result = cli("list", "--since", text)
    assert result.exit_code == 2
    assert "is no time: give a day (yesterday" in result.stderr


def test_archived_sessions_are_left_out_and_counted(cli: Cli) -> None:
    cli.add("a", "text")
    cli.add("b", "text")
    with cli.store() as store:
        store.archive("b")
    assert cli("list").stderr == "1 archived session left out: --with-archived shows them, too\n"
    assert cli("list", "--with-archived").stderr == ""
    assert cli("search", "text").stdout.startswith("a\t")
    assert "b\t" in cli("search", "text", "status:archived").stdout
    assert cli("count").stdout == "1\n"
    assert cli("list", "--status", "archived").stdout.startswith("b\t")


def test_a_cursor_goes_on_where_the_listing_ended(cli: Cli) -> None:
    for number in range(3):
        cli.add(f"s{number}")
    document = cli.json("list", "--limit", "2")
    cursor = document["next_cursor"]
    first = cli("list", "--limit", "2")
    assert first.stderr == f"there are more: --all shows them, --cursor {cursor} the next ones\n"
    rest = cli.json("list", "--cursor", cursor)
    assert ids(document) + ids(rest) == ["s2", "s1", "s0"]


def test_a_cursor_of_another_listing_is_refused(cli: Cli) -> None:
    cli.add("s")
    result = cli("list", "--cursor", "nonsense")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: --cursor 'nonsense' is none that 'list' gave")


def test_all_lists_more_than_a_page(cli: Cli) -> None:
    cli.folder.mkdir()
    for number in range(60):
        cli.write(f"s{number}", '{"messages": []}')
    assert len(cli.json("list", "--all")["items"]) == 60


def test_where_sessions_came_from_is_asked_and_shown(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources: dict[str, dict[str, JsonValue]] = {
        "main": {"program": "claude-code", "project": str(tmp_path)},
        "main-agent-1": {"program": "claude-code", "parent": {"session_id": "main"}},
        "other": {"program": "codex", "undated": "2026-01-01T00:00:00.000Z"},
    }
    active = datetime(2026, 1, 1, tzinfo=UTC)
    with cli.store() as store:
        for name, source in sources.items():
            store.save(Session(session_id=name, title="T", source=source, last_activity=active))
    assert [one["session_id"] for one in cli.json("list", "--fold")["items"]] == ["main", "other"]
    found = cli.items("list", "--program", "claude-code", "--parent", "main")
    assert [one["session_id"] for one in found] == ["main-agent-1"]
    monkeypatch.chdir(tmp_path.parent)
    found = cli.json("list", "--project", tmp_path.name + os.sep)["items"]
    assert [one["session_id"] for one in found] == ["main"]
    lines = cli("list").stdout.splitlines()
    assert lines[-1].split() == ["other", "2026-01-01T00:00:00.000Z", "0", "active", "T"]


def test_all_and_limit_exclude_each_other(cli: Cli) -> None:
    result = cli("list", "--all", "--limit", "3")
    assert result.exit_code == 2
    assert "exclude each other" in result.stderr


def test_an_empty_folder_has_no_sessions(cli: Cli) -> None:
    cli.folder.mkdir()
    result = cli("list")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no sessions\n")


def test_control_characters_of_a_title_are_spelled_out(cli: Cli) -> None:
    cli.add("s", title="red \x1b[31m\nnext \x9b31m \u202eturned")
    result = cli("list")
    assert r"red \x1b[31m next \x9b31m \u202eturned" in result.stdout


def test_control_characters_in_json_are_escapes(cli: Cli) -> None:
    cli.add("s", title="\x1b \x9b \u202e \ud800")
    result = cli("list", "--json")
    assert r'"\u001b \u009b \u202e \ud800"' in result.stdout
    assert json.loads(result.stdout)["items"][0]["title"] == "\x1b \x9b \u202e \ud800"


# search


def test_search_finds_messages_with_their_position(cli: Cli) -> None:
    cli.add("s", "nothing here", "the deploy failed", title="Release")
    result = cli("search", "deploy", "failed")
    assert result.stdout == "s\t2\tuser\tRelease\tthe deploy failed\n"


def test_search_finds_what_is_no_message(cli: Cli) -> None:
    cli.add("s", title="Release")
    assert cli("search", "release").stdout == "s\t\t\tRelease\tRelease\n"


def test_search_shows_a_session_without_a_title(cli: Cli) -> None:
    with cli.store() as store:
        store.create("s")
        store.append("s", {"role": "assistant", "content": "needle"})
    assert cli("search", "needle").stdout == "s\t1\tassistant\t\tneedle\n"


def test_search_as_json_has_the_fields_of_a_hit(cli: Cli) -> None:
    cli.add("s", "needle")
    (hit,) = cli.items("search", "needle")
    assert list(hit) == list(SearchHit.__dataclass_fields__)
    assert (hit["position"], hit["highlights"]) == (0, [[0, 6]])


def test_search_without_a_hit_says_so(cli: Cli) -> None:
    cli.add("s", "text")
    result = cli("search", "needle")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "nothing found\n")


def test_search_for_nothing_finds_nothing(cli: Cli) -> None:
    cli.add("s", "text")
    result = cli("search", "?!")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "nothing found\n")


def hits(cli: Cli, *words: str) -> list[str]:
    return [hit["session"]["session_id"] for hit in cli.items("search", *words)]


def test_an_argument_of_several_words_is_a_phrase(cli: Cli) -> None:
    cli.add("a", "a race condition")
    cli.add("b", "the condition of the race")
    assert hits(cli, "race", "condition") == ["a", "b"]
    assert hits(cli, "race condition") == ["a"]
    assert hits(cli, "race", "-a race") == ["b"]


def test_words_may_be_left_out_and_fields_asked_for(cli: Cli) -> None:
    cli.add("a", "a race for conditions")
    cli.add("b", "the condition of that race")
    cli("tag", "b", "+two words")
    for words in (
        ["race", "-for"],
        ["-n", "5", "race", "tag:two words"],
        ["tag:two words"],
        ["-race for", "race", "tag:two words", "role:user"],
    ):
        assert hits(cli, *words) == ["b"], words
    assert cli("search", "-n", "5", "--", "race", "-for").stdout.startswith("b\t1\tuser\t")


def last_lines(cli: Cli, *words: str, count: int = 2) -> list[str]:
    """Return what a terminal shows of a search when its bar is gone."""
    _, shown = cli.terminal("search", *words, env={"NO_COLOR": "1"})
    lines = shown.splitlines()[-count:]
    return [re.sub(r".*\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in lines]


@pytest.mark.needs("terminals")
def test_on_a_terminal_a_hit_says_its_place_and_the_text_around_it(cli: Cli) -> None:
    cli.add("b", "the condition of the race", title="T")
    cli("tag", "b", "+work")
    assert last_lines(cli, "race", count=4) == [
        "T",
        "  message 1, user, just now",
        "  the condition of the race",
        "  localsessions show b --at 1 -C 2",
    ]
    assert last_lines(cli, "tag:work", count=3)[0] == "  last said, just now"
    at, _, opens = last_lines(cli, "work", count=3)
    assert (at, opens) == ("  title, tags or metadata, just now", "  localsessions show b")


@pytest.mark.needs("terminals")
@pytest.mark.parametrize("session_id", ["with space", "it's $(x)", "-dash"])
def test_the_command_below_a_hit_opens_it(cli: Cli, session_id: str) -> None:
    cli.add(session_id, "one", "two", "needle")
    (_, _, line) = last_lines(cli, "needle", count=3)
    name, *words = shlex.split(line)
    assert name == "localsessions"
    assert cli(*words).stdout.endswith("\n  needle\n")


@pytest.mark.needs("terminals")
def test_the_command_below_a_hit_names_the_folder_as_the_person_did(cli: Cli) -> None:
    cli.add("s", "needle")
    folder = os.fspath(cli.folder)
    _, shown = cli.terminal("--dir", folder, "search", "needle", env={"LOCALSESSIONS_DIR": "no"})
    assert f"localsessions --dir {folder} show s --at 1 -C 2" in shown


@pytest.mark.needs("terminals")
def test_the_messages_beside_a_hit_are_shown_on_request(cli: Cli) -> None:
    cli.add("s", "one", "two \x1b[31m", "needle", "four", "five")
    assert last_lines(cli, "needle", "-C", "1", count=5)[:4] == [
        "  message 3, user, just now",
        r"  | 2 user: two \x1b[31m",
        "  needle",
        "  | 4 user: four",
    ]
    (hit,) = cli.items("search", "needle", "-C", "1")
    assert [one["position"] for one in hit["neighbours"]] == [1, 3]


# stats, path


def test_stats_counts_what_is_there(cli: Cli) -> None:
    cli.add("s", "one", "two")
    cli.write("torn", "{")
    document = cli.item("stats")
    assert list(document) == list(StoreStats.__dataclass_fields__)
    assert (document["sessions"], document["unreadable"], document["messages"]) == (2, 1, 2)
    assert "messages:          2\n" in cli("stats").stdout


def test_path_is_that_of_the_session_or_of_the_folder(cli: Cli) -> None:
    cli.add("a b")
    assert cli("path", "a").stdout == f"{cli.folder / 'a b.json'}\n"
    assert cli("path").stdout == f"{cli.folder}\n"
    assert cli.item("path") == {"path": str(cli.folder)}


def test_path_of_a_folder_that_is_not_there_is_printed_and_not_made(cli: Cli) -> None:
    result = cli("path")
    assert (result.exit_code, result.stdout) == (0, f"{cli.folder}\n")
    assert "not there yet" in result.stderr
    assert not cli.folder.exists()
