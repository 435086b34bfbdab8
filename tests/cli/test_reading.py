"""``show`` and ``history``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from localsessions import Session

if TYPE_CHECKING:
    from localsessions import Message

    from .conftest import Cli


def say(cli: Cli, *messages: Message) -> None:
    with cli.store() as store:
        store.create("s")
        store.append("s", *messages)


def test_show_has_the_facts_and_the_last_messages(cli: Cli) -> None:
    cli.add("s", *(f"text {number}" for number in range(7)), title="T", user_id="ann")
    with cli.store() as store:
        store.tag("s", "a", "b")
        store.pin("s")
    lines = cli("show", "s").stdout.splitlines()
    assert "title:          T" in lines
    assert "user id:        ann" in lines
    assert "tags:           a, b" in lines
    assert "pinned:         yes" in lines
    assert "message count:  7" in lines
    assert f"path:           {cli.folder / 's.json'}" in lines
    assert [line for line in lines if line.startswith("  ")] == [
        f"  text {number}" for number in range(2, 7)
    ]
    assert any(line.startswith("#3  user  20") for line in lines)


@pytest.mark.parametrize(("options", "count"), [(["-n", "0"], 0), (["--all"], 7)])
def test_show_has_as_many_messages_as_asked_for(cli: Cli, options: list[str], count: int) -> None:
    cli.add("s", *(f"text {number}" for number in range(7)))
    assert cli("show", "s", *options).stdout.count("\n  text ") == count
    assert len(cli.item("show", "s", *options)["messages"]) == count


def test_show_as_json_has_summary_path_and_messages(cli: Cli) -> None:
    cli.add("s", "text")
    document = cli.item("show", "s")
    assert list(document) == ["session", "path", "children", "messages", "first"]
    assert document["first"] == 0
    assert document["session"]["session_id"] == "s"
    assert document["messages"][0]["content"] == "text"


def test_show_of_an_unreadable_session_says_where_it_is_torn(cli: Cli) -> None:
    path = cli.write("torn", "{\n  x")
    result = cli("show", "torn")
    assert (result.exit_code, result.stdout) == (5, "")
    assert "cannot be read at line 2, column 3" in result.stderr
    assert str(path) in result.stderr


@pytest.mark.parametrize("reference", ["session-1", "session-", "A title", "a TITLE", "latest"])
def test_a_session_is_named_by_id_prefix_title_or_latest(cli: Cli, reference: str) -> None:
    cli.add("session-1", title="A title")
    assert cli.item("show", reference)["session"]["session_id"] == "session-1"


def test_an_ambiguous_name_ends_with_2_and_names_the_candidates(cli: Cli) -> None:
    cli.add("session-1")
    cli.add("session-2")
    result = cli("show", "sess")
    assert result.exit_code == 2
    assert result.stderr == "error: 'sess' fits more than one session: session-1, session-2\n"


def test_a_name_that_fits_nothing_ends_with_3(cli: Cli) -> None:
    cli.add("session-1")
    result = cli("show", "other")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("error: there is no session 'other'")


def test_an_empty_name_is_no_beginning_of_the_only_session(cli: Cli) -> None:
    cli.add("session-1")
    for command in ("show", "history", "delete", "path"):
        result = cli(command, "")
        assert (result.exit_code, result.stdout) == (2, "")
        assert "the name of a session is empty" in result.stderr


def test_history_has_messages_in_order_with_role_name_and_time(cli: Cli) -> None:
    time = "2026-01-31T12:00:00.000Z"
    say(
        cli,
        {"role": "user", "content": "one\n\ntwo\n", "created_at": time},
        {"role": "assistant", "name": "bot", "content": "three", "created_at": time},
        {"role": "exit", "created_at": 5},
    )
    assert cli("history", "s").stdout == (
        f"\n#1  user  {time}\n  one\n\n  two\n\n#2  assistant  bot  {time}\n  three\n\n#3  exit\n"
    )


def test_history_of_the_last_messages_keeps_their_numbers(cli: Cli) -> None:
    cli.add("s", "one", "two", "three")
    lines = cli("history", "s", "-n", "1").stdout.splitlines()
    assert lines[1].startswith("#3  user")
    assert lines[2:] == ["  three"]


def test_history_shows_calls_of_either_shape(cli: Cli) -> None:
    say(
        cli,
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "name": "ls", "input": {"path": "ä"}}, "text"],
            "tool_calls": [{"function": {"name": "cat", "arguments": "{}"}}, {"function": 1}],
        },
    )
    assert cli("history", "s").stdout.splitlines()[2:] == [
        "  text",
        "  calls cat({})",
        '  calls ls({"path": "ä"})',
    ]


def test_history_as_json_has_the_messages_as_they_are_stored(cli: Cli) -> None:
    big = 10**5000
    say(cli, {"role": "user", "content": "x", "id": "m", "created_at": "t", "big": {"n": big}})
    result = cli("history", "s", "--json")
    assert result.exit_code == 0
    assert f'"n": 1{"0" * 5000}' in result.stdout


def test_history_without_messages_says_so(cli: Cli) -> None:
    cli.add("s")
    result = cli("history", "s")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no messages\n")


def test_control_characters_of_messages_are_spelled_out(cli: Cli) -> None:
    say(cli, {"role": "us\ner", "content": "a\r\nb\x1b]0;title\x07\tc", "created_at": "\x1b[2J"})
    assert cli("history", "s").stdout == ("\n#1  us er  \\x1b[2J\n  a\n  b\\x1b]0;title\\x07\tc\n")


def test_show_names_what_a_session_started(cli: Cli) -> None:
    with cli.store() as store:
        store.create("a")
        store.save(Session(session_id="agent", source={"parent": {"session_id": "a"}}))
        store.fork("a", new_id="fork")
    shown = cli("show", "a").stdout
    assert "started:        agent, fork\n" in shown
    assert cli.item("show", "a")["children"] == ["agent", "fork"]
    assert "parent:         a\n" in cli("show", "fork").stdout
    assert "started:" not in cli("show", "fork").stdout
