"""What is no transcript, and what of a transcript is torn."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reasons import reason_of

from localsessions import _system
from localsessions.transcripts import FORMATS, BadLine, read_transcript
from localsessions.transcripts.registry import recognise
from localsessions.transcripts.transcript import sessions_of

from .records import claude_record
from .shapes import places, replaced, source_of

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import JsonValue

SAID: dict[str, JsonValue] = {"role": "user", "content": "hi"}
CLAUDE = json.dumps(claude_record("user", "u1", "hi"))

NEXT = CLAUDE.replace('"u1"', '"u2"')

NO_TRANSCRIPTS = [
    ("empty", b"", "the file is empty"),
    ("blank", b" \n\n", "the file is empty"),
    ("binary", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "a picture (PNG), no transcript"),
    ("not UTF-8", b"caf\xe9 au lait", "not UTF-8"),
    ("UTF-16", '{"messages": []}'.encode("utf-16"), "no transcript format"),
    ("Markdown", b"# Session\n\n{}\n\nhello\n", "neither JSON nor JSON Lines"),
    ("torn JSON", b'[\n{"role": "user", "content": "hi"},\n{"role": "us', "as after a torn write"),
    ("conflict", f"{CLAUDE}\n<<<<<<< HEAD\n{CLAUDE}\n".encode(), "merge conflict"),
    ("duplicate key", b'{"messages": 1, "messages": 2}', "no transcript format"),
    ("a number", b"1", "no transcript format"),
    ("other JSON", b'{"name": "package", "version": "1.0"}', "no transcript format"),
    ("no messages", b'{"messages": []}', "no transcript format"),
    ("no roles", b'[{"content": "hi"}]', "no transcript format"),
    ("another program's messages", b'[{"role": "user", "content": "x", "ts": 1}]', "no transcript"),
    (
        "Anthropic parts",
        b'[{"role": "user", "content": [{"type": "tool_result"}]}]',
        "no transcript",
    ),
    ("Qwen Code", CLAUDE.replace("content", "parts").encode(), "no transcript format"),
    ("newer format", b'{"format": "localsessions/2", "messages": []}', "'localsessions/2'"),
    ("wrong type", b'{"format": "localsessions/1", "messages": {}}', "must be a list"),
    ("only bookkeeping", b'{"type": "file-history-snapshot"}', "holds no messages"),
]


@pytest.mark.parametrize(
    ("data", "reason"),
    [case[1:] for case in NO_TRANSCRIPTS],
    ids=[case[0] for case in NO_TRANSCRIPTS],
)
def test_what_is_no_transcript_is_named_with_the_reason(
    tmp_path: Path, data: bytes, reason: str
) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_bytes(data)
    found = read_transcript(path)
    assert found.sessions == ()
    assert reason in str(found.report.skipped)


def test_format_is_told_from_the_content_not_from_the_name(tmp_path: Path) -> None:
    path = tmp_path / "holiday.png"
    path.write_text(CLAUDE, encoding="utf-8")
    assert read_transcript(path).report.format == "claude-jsonl"


def test_byte_order_mark_and_windows_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + f"{CLAUDE}\r\n{NEXT}\r\n".encode())
    assert read_transcript(path).report.messages == 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (CLAUDE[:-20], "torn write"),
        ('"a text"', "not a JSON object"),
        ("[1]", "not a JSON object"),
        ('{"a": "\0"}', "NUL"),
    ],
)
@pytest.mark.parametrize("place", [1, 2, 3])
def test_bad_line_is_named_and_the_rest_comes_in(
    tmp_path: Path, line: str, reason: str, place: int
) -> None:
    lines = [CLAUDE, NEXT]
    lines.insert(place - 1, line)
    path = tmp_path / "chat.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    report = read_transcript(path).report
    assert (report.messages, report.skipped) == (2, None)
    (bad,) = report.bad_lines
    assert isinstance(bad, BadLine)
    assert bad.line == place
    assert reason in bad.reason


def test_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gone.jsonl"
    report = read_transcript(path).report
    assert (report.format, report.skipped) == (None, f"cannot be read: {reason_of(path.stat)}")


def test_folder_is_no_file(tmp_path: Path) -> None:
    def opener(path: str, _flags: int) -> int:
        return _system.open_to_read(path)

    reason = reason_of(lambda: open(tmp_path, "rb", opener=opener))  # noqa: SIM115  (it fails)
    assert read_transcript(tmp_path).report.skipped == f"cannot be read: {reason}"


def test_file_that_no_memory_holds_is_named(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    path.touch()
    os.truncate(path, (1 << 30) + 1)
    assert "larger than 1073741824 bytes" in str(read_transcript(path).report.skipped)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
KEYS = [
    *("type", "role", "content", "message", "messages", "payload", "history", "trajectory", "info"),
    *("conversations", "from", "value", "loglines", "sessionId", "uuid", "leafUuid", "summary"),
    *("id", "timestamp", "projectHash", "toolCalls", "tool_calls", "function", "call_id", "output"),
    *("format", "extra", "response", "choices", "tool_use_id", "toolUseResult", "agent", "git"),
    *("session", "items", "instructions", "record_type", "replacement_history", "num_turns"),
    *("thoughts", "functionCall", "functionResponse", "$set", "$rewindTo", "thread_name"),
    *("attachment", "prompt", "operation", "subtype", "parentUuid", "isSidechain", "forkedFrom"),
    *("tool_call_ids", "thought", "title", "action", "parts", "metadata", "created_at", "name"),
]
TEXTS = [
    *("user", "assistant", "gemini", "tool", "response_item", "session_meta", "function_call"),
    *("message", "tool_use", "tool_result", "text", "human", "localsessions/1", "custom-title"),
    *("attachment", "queued_command", "queue-operation", "enqueue", "dequeue", "popAll", "system"),
    *("summary", "reasoning", "custom_tool_call", "turn_context", "mini-swe-agent-1.1", "s1"),
    *("event_msg", "user_message", "compacted", "thread_rolled_back", "image_generation_call"),
]
lookalikes = st.recursive(
    json_values | st.sampled_from(TEXTS),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=8)
    ),
    max_leaves=40,
)


@given(json_values)
def test_any_json_is_recognised_or_not_without_an_error(value: JsonValue) -> None:
    recognise(source_of(value))


@given(lookalikes)
def test_any_json_is_read_by_every_format_without_an_error(value: JsonValue) -> None:
    source = source_of(value)
    for form in FORMATS:
        for session in sessions_of(form, source, form.read(source)):
            assert all(isinstance(message["role"], str) for message in session.messages)


REAL_SHAPES: list[JsonValue] = [
    [json.loads(CLAUDE)],
    [{"type": "response_item", "payload": {"type": "message", "role": "user", "content": "hi"}}],
    {
        "sessionId": "g",
        "projectHash": "p",
        "messages": [{"id": "1", "type": "user", "content": ""}],
    },
    [
        {"sessionId": "g", "projectHash": "p", "kind": "subagent", "directories": ["/w"]},
        {"$set": {"summary": "s", "messages": [{"id": "1", "type": "user", "content": ""}]}},
        {
            "id": "2",
            "type": "gemini",
            "content": [
                {"text": "t", "thought": True},
                {"functionCall": {"id": "c", "name": "n", "args": {}}},
            ],
            "thoughts": [{"subject": "s", "description": "d"}],
            "toolCalls": [
                {
                    "id": "c",
                    "name": "n",
                    "args": {},
                    "status": "success",
                    "resultDisplay": "r",
                    "result": [{"functionResponse": {"id": "c", "response": {"output": "o"}}}],
                }
            ],
        },
        {"id": "3", "type": "user", "content": [{"functionResponse": {"id": "c"}}, {"text": "t"}]},
        {"$rewindTo": "3"},
    ],
    {"loglines": [json.loads(CLAUDE)]},
    [
        {
            "type": "session_meta",
            "payload": {
                "id": "s",
                "forked_from_id": "f",
                "source": {"subagent": {"thread_spawn": {"parent_thread_id": "p"}}},
                "base_instructions": {"text": "t"},
                "git": {"branch": "b"},
            },
        },
        {"type": "event_msg", "payload": {"type": "user_message", "message": "hi"}},
        {"type": "event_msg", "payload": {"type": "agent_reasoning", "text": "hm"}},
        {
            "type": "event_msg",
            "payload": {"type": "item_completed", "item": {"type": "Plan", "text": "p"}},
        },
        {
            "type": "response_item",
            "payload": {"type": "reasoning", "summary": [{"text": "hm"}], "content": ["hm"]},
        },
        {
            "type": "response_item",
            "payload": {"type": "image_generation_call", "id": "i", "result": "aGk="},
        },
        {
            "type": "response_item",
            "payload": {"type": "tool_call", "function": {"name": "n"}, "arguments": {}},
        },
        {"type": "response_item", "payload": {"type": "tool_result", "name": "n", "result": {}}},
        {"type": "event_msg", "payload": {"type": "thread_rolled_back", "num_turns": 1}},
        {
            "type": "compacted",
            "payload": {"message": "m", "replacement_history": [{"type": "message"}]},
        },
    ],
    [
        {"id": "old", "timestamp": "2025-08-18T01:16:13Z", "instructions": None},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
    ],
    {
        "session": {"id": "old", "timestamp": "2025-08-18T01:16:13Z", "instructions": ""},
        "items": [{"type": "reasoning", "summary": []}],
    },
    [
        {"type": "queue-operation", "operation": "enqueue", "sessionId": "s", "content": "hi"},
        {"type": "queue-operation", "operation": "remove", "sessionId": "s", "content": "hi"},
        {
            "type": "attachment",
            "uuid": "x",
            "sessionId": "s",
            "attachment": {"type": "queued_command", "prompt": "hi", "origin": {"kind": "human"}},
        },
        {"type": "system", "subtype": "local_command", "sessionId": "s", "content": "hi"},
    ],
    {"history": [{"role": "user", "agent": "main", "content": "hi", "tool_call_ids": ["c"]}]},
    {"trajectory_format": "mini-swe-agent-1.1", "messages": [SAID | {"extra": {"response": {}}}]},
    [{"conversations": [{"from": "function_call", "value": "{}"}]}],
    {"messages": [SAID | {"tool_calls": [{"function": {"name": "x", "arguments": "{}"}}]}]},
    {"format": "localsessions/1", "session_id": "s", "messages": [SAID]},
]


@pytest.mark.parametrize("wrong", [None, True, 7, -1.5, "x", "\ud800", [], [None], {}, {"a": [1]}])
@pytest.mark.parametrize("value", REAL_SHAPES)
def test_wrong_type_anywhere_is_no_error(value: JsonValue, wrong: JsonValue) -> None:
    for place in places(value):
        source = source_of(replaced(value, place, wrong))
        form = recognise(source)
        if form is not None:
            assert all(sessions_of(form, source, form.read(source)))
