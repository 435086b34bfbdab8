"""``show`` and ``history``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from localsessions import Session, SessionStore

if TYPE_CHECKING:
    from pydantic import JsonValue

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
    first, *candidates = result.stderr.splitlines()
    assert first == "error: 'sess' fits more than one session; give more of the id of one"
    assert [line.split()[-1] for line in candidates] == ["session-1", "session-2"]


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


# which messages


def texts(cli: Cli, *options: str) -> list[str]:
    return [one["content"] for one in cli.item("show", "s", *options)["messages"]]


def test_a_message_is_shown_by_its_number_with_those_beside_it(cli: Cli) -> None:
    cli.add("s", *"abcdefg")
    assert texts(cli, "--at", "4") == ["d"]
    assert texts(cli, "--at", "4", "-C", "2") == [*"bcdef"]
    assert texts(cli, "--at", "1", "-C", "1") == [*"ab"]
    assert texts(cli, "--at", "7", "-C", "1000") == [*"abcdefg"]
    assert cli.item("show", "s", "--at", "4", "-C", "2")["first"] == 1
    assert "\n#4  user  20" in cli("show", "s", "--at", "4").stdout


def test_a_number_beyond_the_last_says_how_many_there_are(cli: Cli) -> None:
    cli.add("s", *"abc")
    result = cli("show", "s", "--at", "4")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == "error: there is no message 4: the session has 3 messages\n"


def test_tail_is_the_last_messages_and_reads_no_others(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.add("s", *"abc")
    with monkeypatch.context() as patch:
        patch.setattr(SessionStore, "load", None)
        last = cli("show", "s", "--tail").stdout.splitlines()
        assert (last[1][:8], last[2:]) == ("#3  user", ["  c"])
        assert texts(cli, "--tail", "-n", "2") == ["b", "c"]
        assert texts(cli, "--tail", "-n", "9") == ["a", "b", "c"]
    cli.write("torn", "{")
    assert cli("show", "torn", "--tail").exit_code == 5


def test_tail_has_right_numbers_while_others_write(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.add("s", *"abc")
    tail = SessionStore.tail

    def tail_late(store: SessionStore, session_id: str, n: int) -> tuple[Message, ...]:
        store.append("s", {"role": "user", "content": "late"})
        return tail(store, session_id, n)

    monkeypatch.setattr(SessionStore, "tail", tail_late)
    assert cli("show", "s", "--tail").stdout.startswith("\n#4  user")


@pytest.mark.parametrize(
    "options",
    [["--all", "-n", "3"], ["--at", "1", "--all"], ["--at", "1", "--tail"], ["-C", "2"]],
)
def test_options_that_exclude_each_other_are_refused(cli: Cli, options: list[str]) -> None:
    cli.add("s", "a")
    assert cli("show", "s", *options).exit_code == 2


def test_in_a_pipe_what_is_not_shown_is_told_beside_the_data(cli: Cli) -> None:
    cli.add("s", *"abcdefg")
    assert cli("show", "s").stderr == "2 earlier messages: --all\n"
    assert cli("show", "s", "--all").stderr == ""
    assert cli("show", "s", "--at", "2", "-C", "1").stderr == "4 later messages: -C 2\n"
    told = "1 earlier message: -C 2\n5 later messages: -C 2\n"
    assert cli("show", "s", "--at", "2").stderr == told


def test_in_a_pipe_nothing_of_a_message_is_folded(cli: Cli) -> None:
    text = "line\n" * 5_000
    say(cli, {"role": "assistant", "reasoning": text, "content": "x" * 100_000})
    lines = cli("history", "s").stdout.splitlines()
    assert len(lines) == 2 + 5_000 + 1
    assert lines[-1] == f"  {'x' * 100_000}"


def test_in_a_pipe_calls_results_and_images_of_every_shape_are_told(cli: Cli) -> None:
    picture: JsonValue = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    answer: JsonValue = {"functionResponse": {"name": "ls", "response": {"output": "a"}}}
    say(
        cli,
        {"role": "model", "content": [{"functionCall": {"name": "ls", "args": {"x": 1}}}]},
        {"role": "user", "content": [answer, picture]},
        {"role": "assistant", "function_call": {"name": "old", "arguments": "{}"}},
    )
    lines = cli("history", "s").stdout.splitlines()
    assert [line for line in lines if line.startswith("  ")] == [
        *('  calls ls({"x": 1})', "  a", "  [image image/png, 3 B]", "  calls old({})"),
    ]


# on a terminal


@pytest.mark.needs("terminals")
def test_on_a_terminal_a_session_has_a_short_head(cli: Cli) -> None:
    source: dict[str, JsonValue] = {
        "program": "codex",
        "project": "/work/app",
        "branch": "main",
        "parent": {"session_id": "parent-of-it"},
    }
    with cli.store() as store:
        store.save(Session(session_id="session-1", title="The title", source=source, tags=["a"]))
        store.append("session-1", {"role": "user", "content": "text"})
        store.pin("session-1")
        store.save(
            Session(session_id="agent-of-it", source={"parent": {"session_id": "session-1"}})
        )
    _, shown = cli.terminal("show", "session-1", env={"NO_COLOR": "1"})
    title, state, place, parent, children, where, *rest = shown.splitlines()
    assert (title, parent, children) == ("The title", "of parent-o", "started agent-of")
    assert state.startswith("just now (20")
    assert state.endswith("), 1 message, pinned")
    assert place == "/work/app, branch main, from codex, tags a"
    assert where.startswith("session-")
    assert "".join([where, *rest]).count("session-1.json") == 1
    _, facts = cli.terminal("show", "session-1", "--facts", env={"NO_COLOR": "1"})
    assert "title:          The title\n" in facts
    assert "started:        agent-of-it\n" in facts


@pytest.mark.needs("terminals")
def test_on_a_terminal_what_is_hidden_stands_where_it_would_be(cli: Cli) -> None:
    cli.add("s", *(f"text {number}" for number in range(9)))
    _, shown = cli.terminal("show", "s", "--at", "5", "-C", "1", env={"NO_COLOR": "1"})
    assert re.sub(r"  20.*", "", shown[shown.index("3 earlier") :]) == (
        "3 earlier messages: -C 2\n"
        "\n#4  user\n  text 3\n"
        "\n┃ #5  user\n┃   text 4\n"
        "\n#6  user\n  text 5\n"
        "\n3 later messages: -C 2\n"
    )


@pytest.mark.needs("terminals")
@pytest.mark.parametrize("columns", [20, 60, 80, 140])
@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_on_a_terminal_no_line_is_longer_than_it(cli: Cli, columns: int, term: str) -> None:
    text = (
        "# Head\n\nmany words 日本語 " * 20 + "\n\n| a | b |\n|-|-|\n| x | y |\n\n```\n" + "x" * 300
    )
    say(cli, {"role": "assistant", "reasoning": text, "content": text})
    code, shown = cli.terminal("show", "s", columns=columns, env={"TERM": term, "NO_COLOR": "1"})
    assert code == 0
    assert max(map(cell_len, shown.splitlines())) <= columns


@pytest.mark.needs("terminals")
def test_a_terminal_without_unicode_gets_no_signs_of_ours(cli: Cli) -> None:
    call: JsonValue = {"id": "1", "function": {"name": "ls", "arguments": "x" * 200}}
    say(
        cli,
        {"role": "assistant", "content": "- a\n\n> b", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "c"},
    )
    env = {"PYTHONIOENCODING": "ascii"}
    _, shown = cli.terminal("show", "s", "--at", "1", env=env)
    assert shown.isascii()
    assert "\\u" not in shown
