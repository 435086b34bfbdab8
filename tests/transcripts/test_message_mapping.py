"""What each format's messages become: one rule a test, on the smallest source that shows it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from localsessions.store import SessionStore
from localsessions.transcripts import FileReport
from localsessions.transcripts.foreign import as_instant, json_text
from localsessions.transcripts.transcript import cleaned_id

from .findings import only
from .records import claude_record

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import JsonValue

    from localsessions.models import Message

    from .conftest import Read
    from .records import Object


def claude(kind: str = "user", content: JsonValue = "hi", **more: JsonValue) -> Object:
    more = {"timestamp": "2026-01-02T03:04:05.000Z", **more}
    return claude_record(kind, "u1", content, **more)


def codex(payload: JsonValue, kind: str = "response_item") -> dict[str, JsonValue]:
    return {"timestamp": "2026-01-02T03:04:05.000Z", "type": kind, "payload": payload}


def gemini(*messages: JsonValue, **more: JsonValue) -> dict[str, JsonValue]:
    head: dict[str, JsonValue] = {"sessionId": "g1", "projectHash": "ab"}
    return head | {"messages": [*messages]} | more


CALL: dict[str, JsonValue] = {
    "type": "tool_use",
    "id": "c1",
    "name": "Bash",
    "input": {"command": "ls"},
}


# Claude Code


def test_claude_code_record_and_inner_message_become_one_message(read: Read) -> None:
    inner: JsonValue = {
        "role": "assistant",
        "type": "message",
        "id": "msg_01",
        "model": "m",
        "content": [{"type": "text", "text": "hello"}],
        "usage": {"output_tokens": 3},
    }
    found = read(claude("assistant", parentUuid=None, cwd="/p", message=inner))
    expected: Message = {
        "id": "u1",
        "role": "assistant",
        "content": [{"type": "text", "text": "hello"}],
        "created_at": "2026-01-02T03:04:05.000Z",
        "parentUuid": None,
        "cwd": "/p",
        "model": "m",
        "usage": {"output_tokens": 3},
        "message_id": "msg_01",
    }
    assert only(found).messages == [expected]


def test_claude_code_call_leaves_the_content(read: Read) -> None:
    text: JsonValue = {"type": "text", "text": "I look."}
    (message,) = only(read(claude("assistant", [text, CALL]))).messages
    assert message["content"] == [text]
    assert message["tool_calls"] == [
        {
            "id": "c1",
            "type": "function",
            "function": {"name": "Bash", "arguments": '{"command": "ls"}'},
        }
    ]


def test_claude_code_call_between_texts_keeps_its_place(read: Read) -> None:
    text: JsonValue = {"type": "text", "text": "after"}
    (message,) = only(read(claude("assistant", [CALL, text]))).messages
    assert message["content"] == [{"type": "tool_use", "id": "c1"}, text]


def test_claude_code_call_keeps_the_keys_that_a_tool_call_has_not(read: Read) -> None:
    call = CALL | {"caller": {"type": "direct"}}
    (message,) = only(read(claude("assistant", [call]))).messages
    assert message["content"] == [{"type": "tool_use", "id": "c1", "caller": {"type": "direct"}}]


def test_claude_code_message_of_one_result_is_that_of_a_tool(read: Read) -> None:
    result: JsonValue = {
        "type": "tool_result",
        "tool_use_id": "c1",
        "content": "a.txt",
        "is_error": False,
    }
    (message,) = only(read(claude("user", [result], toolUseResult={"stdout": "a.txt"}))).messages
    assert message == {
        "id": "u1",
        "role": "tool",
        "content": "a.txt",
        "created_at": "2026-01-02T03:04:05.000Z",
        "tool_call_id": "c1",
        "toolUseResult": {},
        "is_error": False,
    }


def test_claude_code_message_of_several_results_keeps_them_as_parts(read: Read) -> None:
    results: list[JsonValue] = [
        {"type": "tool_result", "tool_use_id": call_id, "content": call_id} for call_id in "ab"
    ]
    (message,) = only(read(claude("user", results))).messages
    assert (message["role"], message["content"]) == ("tool", results)
    assert "tool_call_id" not in message


def test_claude_code_result_beside_a_text_stays_with_the_user(read: Read) -> None:
    parts: list[JsonValue] = [
        {"type": "tool_result", "tool_use_id": "c1", "content": "x"},
        {"type": "text", "text": "go on"},
    ]
    (message,) = only(read(claude("user", parts))).messages
    assert (message["role"], message["content"]) == ("user", parts)


@pytest.mark.parametrize(
    "copy", ["Error: no such file", "no such file", {"stdout": "no such file", "stderr": ""}]
)
def test_claude_code_result_does_not_say_its_text_twice(read: Read, copy: JsonValue) -> None:
    result: JsonValue = {"type": "tool_result", "tool_use_id": "c1", "content": "no such file"}
    (message,) = only(read(claude("user", [result], toolUseResult=copy))).messages
    assert json.dumps(message).count("no such file") == 1


@pytest.mark.parametrize(
    ("records", "title"),
    [
        ([{"type": "ai-title", "sessionId": "s1", "aiTitle": "made"}], "made"),
        (
            [
                {"type": "custom-title", "sessionId": "s1", "customTitle": "first"},
                {"type": "custom-title", "sessionId": "s1", "customTitle": "given"},
                {"type": "ai-title", "sessionId": "s1", "aiTitle": "made"},
            ],
            "given",
        ),
        ([{"type": "summary", "summary": "mine", "leafUuid": "u1"}], "mine"),
        ([{"type": "summary", "summary": "another's", "leafUuid": "elsewhere"}], None),
    ],
)
def test_claude_code_titles(read: Read, records: list[JsonValue], title: str | None) -> None:
    found = read(claude(), *records)
    assert only(found).title == title
    assert sum(found.report.bookkeeping.values()) == len(records)


def test_claude_code_file_with_two_session_ids_gives_two_sessions(read: Read) -> None:
    found = read(claude(), claude(sessionId="s2"), claude(uuid="u2"))
    assert [(item.session_id, len(item.messages)) for item in found.sessions] == [
        ("s1", 2),
        ("s2", 1),
    ]


def test_claude_code_facts_are_in_the_source(read: Read, tmp_path: Path) -> None:
    session = only(read(claude(cwd="/p", gitBranch="main", version="2.1")))
    assert session.agent_id == "claude-code"
    assert session.source == {
        "program": "claude-code",
        "format": "claude-jsonl",
        "session_id": "s1",
        "file": str(tmp_path / "chat.jsonl"),
        "project": "/p",
        "branch": "main",
        "facts": {"cli_version": "2.1"},
    }


# Codex


@pytest.mark.parametrize(
    ("item", "name", "arguments"),
    [
        ({"type": "function_call", "name": "shell", "arguments": '{"a": 1}'}, "shell", {"a": 1}),
        (
            {"type": "custom_tool_call", "name": "apply", "input": "*** x"},
            "apply",
            {"input": "*** x"},
        ),
        (
            {"type": "local_shell_call", "action": {"command": ["ls"]}},
            "local_shell",
            {"command": ["ls"]},
        ),
    ],
)
def test_codex_call_is_an_assistant_message_of_its_own(
    read: Read, item: dict[str, JsonValue], name: str, arguments: JsonValue
) -> None:
    (message,) = only(read(codex(item | {"call_id": "c1", "id": "i1"}))).messages
    assert (message["role"], message["id"], message["type"]) == ("assistant", "i1", item["type"])
    (call,) = message["tool_calls"] if isinstance(message["tool_calls"], list) else []
    assert isinstance(call, dict)
    assert isinstance(call["function"], dict)
    assert (call["id"], call["function"]["name"]) == ("c1", name)
    assert json.loads(str(call["function"]["arguments"])) == arguments


def test_codex_output_answers_its_call(read: Read) -> None:
    item: JsonValue = {"type": "function_call_output", "call_id": "c1", "output": "a.txt"}
    (message,) = only(read(codex(item))).messages
    assert message == {
        "id": "msg_000001",
        "role": "tool",
        "content": "a.txt",
        "created_at": "2026-01-02T03:04:05.000Z",
        "tool_call_id": "c1",
        "type": "function_call_output",
    }


def test_codex_reasoning_is_content_that_people_read(read: Read) -> None:
    item: JsonValue = {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "hm"}],
        "content": [{"type": "reasoning_text", "text": "well"}],
        "encrypted_content": "x",
    }
    (message,) = only(read(codex(item))).messages
    assert message == {
        "id": "msg_000001",
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "hm"},
            {"type": "thinking", "thinking": "well"},
        ],
        "created_at": "2026-01-02T03:04:05.000Z",
        "type": "reasoning",
        "encrypted_content": "x",
    }


def test_codex_session_takes_id_title_and_facts_from_its_bookkeeping(
    read: Read, tmp_path: Path
) -> None:
    found = read(
        codex(
            {"id": "r1", "cwd": "/p", "git": {"branch": "b"}, "cli_version": "1"}, "session_meta"
        ),
        codex({"model": "gpt"}, "turn_context"),
        codex({"type": "thread_name_updated", "thread_name": "Named"}, "event_msg"),
        codex(
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]}
        ),
        codex({"type": "ghost_snapshot"}),
    )
    session = only(found)
    assert (session.session_id, session.title, session.agent_id) == ("r1", "Named", "codex")
    assert session.source == {
        "program": "codex",
        "format": "codex-rollout",
        "session_id": "r1",
        "file": str(tmp_path / "chat.jsonl"),
        "project": "/p",
        "branch": "b",
        "model": "gpt",
        "title": "Named",
        "facts": {"cli_version": "1"},
    }
    assert found.report.bookkeeping == {
        "session_meta": 1,
        "turn_context": 1,
        "event_msg/thread_name_updated": 1,
        "response_item/ghost_snapshot": 1,
    }


def test_codex_rollout_that_was_forked_keeps_its_own_id(read: Read) -> None:
    found = read(
        codex({"id": "fork"}, "session_meta"),
        codex({"id": "origin"}, "session_meta"),
        codex({"type": "message", "role": "user", "content": "x"}),
    )
    assert only(found).session_id == "fork"


# gemini-cli


def test_gemini_notice_is_a_system_message(read: Read) -> None:
    (message,) = only(read(gemini({"id": "m1", "type": "info", "content": "cancelled"}))).messages
    assert (message["role"], message["type"]) == ("system", "info")


def test_gemini_summary_is_the_title(read: Read) -> None:
    spoken: JsonValue = {"id": "m1", "type": "user", "content": "x"}
    assert only(read(gemini(spoken, summary="About x"))).title == "About x"


# SWE-agent, mini-swe-agent


def test_swe_agent_thought_and_action_are_kept_where_the_content_lacks_them(read: Read) -> None:
    said: JsonValue = {
        "role": "assistant",
        "agent": "main",
        "content": "Look.\n```\nls\n```",
        "thought": "Look.\n",
        "action": "ls\n",
    }
    other: JsonValue = {"role": "assistant", "agent": "main", "content": "Look.", "action": "ls -l"}
    first, second = only(read({"history": [said, other]}, name="x.traj")).messages
    assert first.keys() == {"id", "role", "content", "agent"}
    assert second["action"] == "ls -l"


def test_swe_agent_steps_are_counted(read: Read) -> None:
    found = read({"history": [{"role": "user", "content": "x"}], "trajectory": [{}, {}]})
    assert (only(found).agent_id, found.report.bookkeeping) == ("swe-agent", {"trajectory step": 2})


def test_mini_swe_agent_time_is_the_time_of_the_message(read: Read) -> None:
    item: JsonValue = {"role": "user", "content": "x", "extra": {"timestamp": 1775810900.5}}
    session = only(read({"trajectory_format": "mini-swe-agent-1.1", "messages": [item]}))
    assert session.messages[0]["created_at"] == "2026-04-10T08:48:20.500Z"
    assert session.messages[0]["extra"] == {"timestamp": 1775810900.5}
    assert session.created_at == datetime(2026, 4, 10, 8, 48, 20, 500_000, UTC)


def test_mini_swe_agent_response_does_not_repeat_the_message(read: Read) -> None:
    spoken: dict[str, JsonValue] = {"role": "assistant", "content": "I look."}
    choice: JsonValue = {"index": 0, "message": spoken | {"refusal": None}}
    item = spoken | {"extra": {"response": {"id": "r", "choices": [choice]}}}
    (message,) = only(
        read({"info": {"mini_version": "2"}, "messages": [item]}, name="x.json")
    ).messages
    assert message["extra"] == {
        "response": {"id": "r", "choices": [{"index": 0, "message": {"refusal": None}}]}
    }


def test_mini_swe_agent_actions_do_not_repeat_the_calls(read: Read) -> None:
    calls: JsonValue = [{"id": "c", "function": {"name": "bash", "arguments": '{"command": "ls"}'}}]
    actions: JsonValue = [{"command": "ls", "tool_call_id": "c"}]
    item: dict[str, JsonValue] = {"role": "assistant", "tool_calls": calls}
    head: dict[str, JsonValue] = {"trajectory_format": "mini-swe-agent-1.1"}
    same = only(read(head | {"messages": [item | {"extra": {"actions": actions}}]}))
    other = only(read(head | {"messages": [item | {"extra": {"actions": ["rm"]}}]}))
    assert (same.messages[0]["extra"], other.messages[0]["extra"]) == ({}, {"actions": ["rm"]})


# ShareGPT, OpenAI


def test_sharegpt_function_call_is_answered_by_the_next_observation(read: Read) -> None:
    call = '{"name": "find", "arguments": {"q": "rice"}}'
    turns: list[JsonValue] = [
        {"from": "human", "value": "?"},
        {"from": "function_call", "value": call},
        {"from": "observation", "value": "[]"},
        {"from": "gpt", "value": "None."},
    ]
    messages = only(read([{"conversations": turns}], name="x.json")).messages
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "assistant"]
    assert messages[1]["tool_calls"] == [
        {
            "id": "call_000002_1",
            "type": "function",
            "function": {"name": "find", "arguments": '{"q": "rice"}'},
        }
    ]
    assert "content" not in messages[1]
    assert messages[2]["tool_call_id"] == "call_000002_1"


def test_sharegpt_second_observation_answers_no_call(read: Read) -> None:
    turns: list[JsonValue] = [
        {"from": "function_call", "value": '{"name": "find", "arguments": {}}'},
        {"from": "observation", "value": "1"},
        {"from": "observation", "value": "2"},
    ]
    messages = only(read([{"conversations": turns}])).messages
    assert ["tool_call_id" in message for message in messages] == [False, True, False]


@pytest.mark.parametrize("value", ["find(rice)", '{"no": "name"}', "[]", ["x"], "\ud800"])
def test_sharegpt_function_call_that_is_none_stays_a_text(read: Read, value: JsonValue) -> None:
    turns: list[JsonValue] = [{"from": "function_call", "value": value}]
    (message,) = only(read([{"conversations": turns}])).messages
    assert message["content"] == value
    assert "tool_calls" not in message


def test_sharegpt_lines_are_sessions_with_made_ids(read: Read) -> None:
    turns: list[JsonValue] = [{"from": "human", "value": "x"}]
    found = read({"conversations": turns}, {"id": "own", "conversations": turns})
    made, own = (session.session_id for session in found.sessions)
    assert re.fullmatch("chat-[0-9a-f]{8}", made)
    assert own == "own"
    assert [session.agent_id for session in found.sessions] == [None, None]


@pytest.mark.parametrize("wrapped", [True, False])
def test_openai_list_of_messages_comes_in_as_it_is(read: Read, wrapped: bool) -> None:
    first: Message = {"role": "developer", "content": "Be brief."}
    second: Message = {"role": "user", "content": [{"type": "text", "text": "hi"}], "name": "Ann"}
    said: list[JsonValue] = [first, second]
    session = only(read({"messages": said, "model": "m"} if wrapped else said, name="a.b.json"))
    assert session.session_id == "a.b"
    assert session.messages == [{"id": "msg_000001", **first}, {"id": "msg_000002", **second}]


def test_openai_lines_are_sessions(read: Read) -> None:
    line: JsonValue = {"messages": [{"role": "user", "content": "x"}]}
    found = read(line, line, {"messages": []})
    first, second = (session.session_id for session in found.sessions)
    assert re.fullmatch("chat-[0-9a-f]{8}", first)
    assert second == f"{first}-2"
    assert [(bad.line, bad.reason) for bad in found.report.bad_lines] == [
        (3, "not a chat-completions conversation")
    ]


# All formats


def test_session_without_times_takes_those_of_its_file(read: Read) -> None:
    session = only(read([{"role": "user", "content": "x"}]))
    modified_at = datetime.fromtimestamp(1_700_000_000, UTC)
    assert (session.created_at, session.last_activity) == (modified_at, modified_at)
    assert "created_at" not in session.messages[0]


def test_session_begins_and_ends_with_its_messages(read: Read) -> None:
    session = only(read(claude(), claude(uuid="u2", timestamp="2026-02-01T00:00:00+02:00")))
    assert session.created_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert session.last_activity == datetime(2026, 1, 31, 22, tzinfo=UTC)


def test_time_that_is_none_stays_under_its_own_name(read: Read) -> None:
    (message,) = only(read(claude(timestamp="[trimmed]"))).messages
    assert message["timestamp"] == "[trimmed]"
    assert "created_at" not in message


def test_id_that_comes_twice_is_made_unique(read: Read) -> None:
    found = read(claude(), claude(content="b"), claude(uuid="u1~2"), claude(content="c"))
    ids = [message["id"] for message in only(found).messages]
    assert ids == ["u1", "u1~2", "u1~2~2", "u1~3"]


def test_made_ids_stay_when_the_source_grows(read: Read) -> None:
    said: list[JsonValue] = [{"role": "user", "content": str(number)} for number in range(3)]
    before = only(read(said[:2])).messages
    assert only(read(said)).messages[:2] == before


def test_key_that_is_also_a_field_is_renamed(read: Read) -> None:
    (message,) = only(read(claude(tool_call_id="not an answer", name="n"))).messages
    assert message["source_tool_call_id"] == "not an answer"
    assert message["source_name"] == "n"


@pytest.mark.parametrize(
    ("foreign", "clean"),
    [
        ("a/b\\c\0d\n", "a_b_c_d_"),
        ("..", "_.."),
        ("сессия 1", "сессия 1"),
        ("x\ud800", "x_"),
    ],
)
def test_foreign_id_is_cleaned(foreign: str, clean: str) -> None:
    assert cleaned_id(foreign) == clean


@pytest.mark.parametrize("foreign", ["x" * 201, "é" * 101, "?" * 150, "e\u0301" * 70, "/" * 999])
@pytest.mark.parametrize("room_bytes", [0, 9])
def test_long_foreign_id_is_cut_so_that_a_file_can_have_its_name(
    tmp_path: Path, foreign: str, room_bytes: int
) -> None:
    made = cleaned_id(foreign, room_bytes=room_bytes)
    other = cleaned_id(f"{foreign}!", room_bytes=room_bytes)
    assert len(made.encode()) <= 200 - room_bytes
    assert made != other
    with SessionStore(tmp_path) as store:
        assert store.create(made + "-" * room_bytes).session_id == made + "-" * room_bytes


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (1_700_000_000, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        (1_700_000_000_000, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        (1_700_000_000_000_000, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        (1_700_000_000_000_000_000, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("1700000000", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("1700000000.5", datetime(2023, 11, 14, 22, 13, 20, 500_000, tzinfo=UTC)),
        (-1, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        (1e300, None),
        (10**400, None),
        (True, None),
        ("yesterday", None),
        (None, None),
    ],
)
def test_instants_are_read_or_left(value: JsonValue, instant: datetime | None) -> None:
    assert as_instant(value) == instant


def test_arguments_may_hold_integers_of_any_size() -> None:
    text = json_text({"n": 10**5000})
    assert text.count("0") == 5000


def test_nothing_is_read_from_a_report_that_skipped() -> None:
    assert FileReport("x", skipped="hidden").sessions == 0
