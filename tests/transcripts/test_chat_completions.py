"""Which message of a session becomes which message of the API, and what has no place there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from localsessions.models import Message
from localsessions.transcripts import export, left_out

from .exported import chat, session

if TYPE_CHECKING:
    from pydantic import JsonValue

PNG: JsonValue = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": "AAAA" * 1000},
}
STAND_IN = "[picture left out: image/png, 3000 bytes]"


def missing(*messages: Message) -> dict[str, int]:
    return dict(left_out(session(*messages), "jsonl"))


def calling(*call_ids: str) -> Message:
    calls: list[JsonValue] = [
        {"id": call_id, "type": "function", "function": {"name": "f", "arguments": "{}"}}
        for call_id in call_ids
    ]
    return {"role": "assistant", "content": "", "tool_calls": calls}


def result(call_id: str, content: JsonValue) -> Message:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def told(*messages: Message) -> list[JsonValue]:
    """Return the results in the order of their calls; None for a call without one."""
    made: list[JsonValue] = []
    for message in chat(*messages):
        if message["role"] == "tool":
            made[made.index(None)] = message["content"]
        calls = message.get("tool_calls")
        made += [None for _ in calls] if isinstance(calls, list) else []
    return made


# Calls and results


def test_the_nth_result_belongs_to_the_nth_call_of_an_id() -> None:
    messages = calling("c"), result("c", "one"), calling("c"), result("c", "two")
    assert told(*messages) == ["one", "two"]
    assert missing(*messages) == {}
    both = calling("c"), calling("c"), result("c", "one"), result("c", "two")
    assert told(*both) == ["one", "two"]
    assert told(calling("c", "c"), result("c", "one"), result("c", "two")) == ["one", "two"]


def test_a_call_that_was_broken_off_takes_no_result_of_a_later_one() -> None:
    broken = calling("c"), calling("c"), result("c", "two"), calling("c"), result("c", "three")
    exported = chat(*broken)
    assert [message["role"] for message in exported] == [
        *("assistant", "assistant", "tool", "assistant", "tool"),
    ]
    assert [exported[2]["content"], exported[4]["content"]] == ["two", "three"]


def test_a_second_result_of_one_call_is_left_out_and_told() -> None:
    messages = (
        calling("c"),
        result("c", "one"),
        result("c", "again"),
        calling("c"),
        result("c", "2"),
    )
    assert told(*messages) == ["one", "2"]
    assert missing(*messages) == {"results without a call": 1}


def test_a_result_that_names_no_call_is_left_out_and_told() -> None:
    assert missing({"role": "tool", "content": "1"}) == {"results without a call": 1}


def test_results_of_one_message_go_to_calls_of_one_id_in_order() -> None:
    parts: list[JsonValue] = [
        {"type": "tool_result", "tool_use_id": "c", "content": text} for text in ("one", "two")
    ]
    assert told(calling("c", "c"), {"role": "tool", "content": parts}) == ["one", "two"]


def test_results_of_a_users_message_go_to_their_calls_and_its_text_stays() -> None:
    parts: list[JsonValue] = [
        {"type": "tool_result", "tool_use_id": "c", "content": "one"},
        {"type": "text", "text": "and now?"},
    ]
    exported = chat(calling("c"), {"role": "user", "content": parts})
    assert [message["content"] for message in exported] == [None, "one", "and now?"]


def test_what_stands_beside_the_results_of_a_tool_is_told() -> None:
    parts: list[JsonValue] = [{"type": "tool_result", "tool_use_id": "c", "content": "one"}, "x"]
    assert missing(calling("c"), {"role": "tool", "content": parts}) == {"parts beside results": 1}


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ({"id": "c", "function": {"name": "f", "arguments": {"a": 1}}}, '{"a": 1}'),
        ({"id": "c", "name": "f", "args": {"a": 1}}, '{"a": 1}'),
        ({"id": "c", "type": "custom", "custom": {"name": "f", "input": "a"}}, '{"input": "a"}'),
        ({"id": "c", "function": {"name": "f", "arguments": "torn {"}}, "torn {"),
        ({"id": "c", "function": {"name": "f"}}, "{}"),
        ({"id": "c", "function": {"name": "f", "arguments": ""}}, "{}"),
    ],
)
def test_arguments_of_every_shape_are_kept(call: JsonValue, arguments: str) -> None:
    (made,) = chat({"role": "assistant", "content": "x", "tool_calls": [call]})
    function: JsonValue = {"name": "f", "arguments": arguments}
    assert made["tool_calls"] == [{"id": "c", "type": "function", "function": function}]


def test_a_call_that_stands_only_in_the_content_is_a_call() -> None:
    part: JsonValue = {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}
    exported = chat({"role": "assistant", "content": [part]}, result("c", "one"))
    function: JsonValue = {"name": "f", "arguments": '{"a": 1}'}
    assert exported[0]["tool_calls"] == [{"id": "c", "type": "function", "function": function}]
    assert exported[1]["content"] == "one"
    doubled = calling("c") | {"content": [part]}
    assert len(told(doubled)) == 1


def test_calls_that_the_api_does_not_know_are_told() -> None:
    assert missing(
        calling("c") | {"role": "user"},
        {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "assistant", "content": "x", "function_call": None},
    ) == {"calls of others than the assistant": 1, "calls of the old API": 1}


# Contents


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ([PNG], STAND_IN),
        ([{"type": "text", "text": "see"}, PNG], f"see\n{STAND_IN}"),
        ([{"content": [PNG, {"text": "deep"}]}], f"{STAND_IN}\ndeep"),
        (
            [{"type": "image", "mimeType": "image/gif", "data": "AAAA"}],
            "[picture left out: image/gif, 3 bytes]",
        ),
        (
            [{"type": "input_image", "image_url": "data:image/webp;base64,AAAA"}],
            "[picture left out: image/webp, 3 bytes]",
        ),
        (
            [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}],
            "[picture left out: image, https://example.com/a.png]",
        ),
        (
            [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}],
            "[picture left out: image/png, 3 bytes]",
        ),
    ],
)
def test_a_picture_in_a_result_leaves_what_it_was(content: JsonValue, shown: str) -> None:
    messages = calling("c"), result("c", content)
    assert told(*messages) == [shown]
    assert missing(*messages) == {"pictures": 1}


@pytest.mark.parametrize("role", ["assistant", "system", "exit"])
def test_a_picture_that_is_no_users_leaves_what_it_was(role: str) -> None:
    message: Message = {"role": role, "content": ["see", PNG]}
    assert chat(message)[0]["content"] == f"see\n{STAND_IN}"
    assert missing(message) == {"pictures": 1}


def test_a_users_pictures_of_every_shape_stay() -> None:
    parts: list[JsonValue] = [
        {"type": "text", "text": ""},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"type": "input_image", "image_url": "https://example.com/a.png"},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/b.png"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    ]
    message: Message = {"role": "user", "content": parts}
    assert chat(message)[0]["content"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/b.png"}},
        parts[-1],
    ]
    assert missing(message) == {}


@pytest.mark.parametrize("role", ["user", "assistant"])
@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ({"type": "text", "text": "x"}, "x"),
        ({"type": "refusal", "refusal": "no"}, "no"),
        ([{"type": "document", "title": "d"}], '{"type": "document", "title": "d"}'),
        ([7, None, True, ["x"]], "7\ntrue\nx"),
        (7, "7"),
        (None, ""),
        ([{"type": "image", "source": 7}], '{"type": "image", "source": 7}'),
        ([10**5000], f"1{'0' * 5000}"),
    ],
)
def test_what_is_no_text_becomes_one(role: str, content: JsonValue, shown: str) -> None:
    message: Message = {"role": role, "content": content}
    assert chat(message) == [{"role": role, "content": shown}]
    assert missing(message) == {}


def test_a_result_that_is_an_object_is_told_as_json() -> None:
    assert told(calling("c"), result("c", {"ok": False})) == ['{"ok": false}']


def test_data_that_is_no_picture_is_cut_and_told() -> None:
    messages = calling("c"), result("c", [{"type": "audio", "data": "A" * 3000}])
    (shown,) = told(*messages)
    assert shown == f'{{"type": "audio", "data": "{"A" * 80}… (3000 characters)"}}'
    assert missing(*messages) == {"data": 1}


def test_reasoning_is_counted_by_message() -> None:
    thought: JsonValue = {"type": "thinking", "thinking": "hm"}
    assert missing(
        {"role": "assistant", "content": [thought, thought, "x"]},
        {"role": "assistant", "content": "x", "reasoning_content": "hm"},
        {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "AA"}]},
        {"role": "assistant", "content": "x"},
    ) == {"reasoning": 3}


def test_a_whole_session_and_a_page_leave_out_nothing() -> None:
    whole = session({"role": "tool", "content": [PNG]})
    assert (left_out(whole, "json"), left_out(whole, "markdown")) == ({}, {})


def test_a_number_too_long_for_python_stays_on_the_one_line() -> None:
    part: JsonValue = {"type": "file", "file": {"n": 10**5000, "s": "a\n b"}}
    line = export(session({"role": "user", "content": [part]}), "jsonl")
    assert line.count(b"\n") == 1
    assert b"0" * 5000 in line
    assert b'"a\\n b"' in line
