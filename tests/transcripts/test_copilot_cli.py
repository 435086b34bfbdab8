"""GitHub Copilot CLI: what is said, what tools answer, sub-agents, what is taken back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from localsessions.models import message_text
from localsessions.transcripts import TranscriptFile
from localsessions.transcripts.programs.copilot_workspace import title_in

from .findings import only

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import JsonValue

    from localsessions.models import Message

    from .conftest import Read
    from .records import Object

FILE = "f1/events.jsonl"
AT = "2026-03-26T17:50:34.302Z"


def event(own_id: str, kind: str, **data: JsonValue) -> Object:
    return {"id": own_id, "type": kind, "timestamp": AT, "parentId": None, "data": data}


def start(**data: JsonValue) -> Object:
    context: JsonValue = {"cwd": "/p", "branch": "main", "repository": "o/r"}
    return event("e0", "session.start", sessionId="s1", context=context, **data)


def user(own_id: str, text: str, **data: JsonValue) -> Object:
    return event(own_id, "user.message", content=text, **data)


def last(found: TranscriptFile) -> Message:
    return only(found).messages[-1]


def test_session_has_its_id_folder_branch_and_model(read: Read) -> None:
    chosen = event("e1", "session.model_change", newModel="gpt-5")
    session = only(read(start(selectedModel="auto", copilotVersion="1"), chosen, user("e2", "Hi")))
    assert (session.session_id, session.title, session.agent_id) == ("s1", "Hi", "copilot-cli")
    source = session.source
    assert [source[key] for key in ("project", "branch", "model")] == ["/p", "main", "gpt-5"]
    assert source["facts"] == {"cli_version": "1", "repository": "o/r"}


def test_session_without_a_start_is_named_by_its_folder(read: Read) -> None:
    assert only(read(user("e1", "Hi"))).session_id == "f1"


def test_title_is_the_one_that_the_program_shows(read: Read, tmp_path: Path) -> None:
    beside = tmp_path / "f1" / "workspace.yaml"
    beside.parent.mkdir()
    beside.write_text("id: s1\ncwd: /p\nuser_named: true\nname: Fix the login\n")
    assert only(read(start(), user("e1", "Hi"))).title == "Fix the login"
    assert only(read(start(), user("e1", "Hi"), name="f1/other.jsonl")).title == "Hi"


def test_title_beside_a_session_names_no_sub_agent(read: Read, tmp_path: Path) -> None:
    (tmp_path / "f1").mkdir()
    (tmp_path / "f1" / "workspace.yaml").write_text("name: Fix the login\n")
    said = {**user("e2", "Look"), "agentId": "a1"}
    titles = [one.title for one in read(start(), user("e1", "Hi"), said).sessions]
    assert titles == ["Fix the login", "Look"]


@pytest.mark.needs("fifos")
def test_what_is_no_file_beside_a_session_is_not_waited_for(read: Read, tmp_path: Path) -> None:
    (tmp_path / "f1").mkdir()
    os.mkfifo(tmp_path / "f1" / "workspace.yaml")
    assert only(read(start(), user("e1", "Hi"))).title == "Hi"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("name: Fix the login", "Fix the login"),
        ("id: x\r\nname:   Fix  it  \r\nuser_named: true\r\n", "Fix  it"),
        ("name: Fix: it", None),
        ("name: Fix:it #1", "Fix:it"),
        ("name: Fix#1, [2] {3} & 'it' \"now\"", "Fix#1, [2] {3} & 'it' \"now\""),
        ("name: Réparer 日本語 🎉", "Réparer 日本語 🎉"),
        ("name: 'It''s: done' # so", "It's: done"),
        ('name: "A \\"b\\" \\u00e9"', 'A "b" é'),
        ('name: "\\x41"', None),
        ("name: 'a' b", None),
        ("summary: Old\nname: New", "New"),
        ("summary: Old", "Old"),
        ("name:\nsummary: Old", "Old"),
        ("name: ''\nsummary: Old", "Old"),
        ("name: null", None),
        ("name: 12", None),
        ("name: 2026-01-01", None),
        ("name: 3 wishes", "3 wishes"),
        ("name: true", None),
        ("name: |-\n  Fix\n  it", None),
        ("name: >-\n  Fix", None),
        ("name: Fix\n  it", None),
        ("name: Fix\n\n  it", None),
        ("name:\n  Fix", None),
        ("name: *a", None),
        ("name: &a b", None),
        ("name: !!str a", None),
        ("name: [a]", None),
        ("name: {a: b}", None),
        ("name: - a", None),
        ("name: a\nname: b", None),
        ("  name: a", None),
        ("x:\n  name: a", None),
        ("username: a", None),
        ("name:a", None),
        ("summary_count: 2", None),
        ("# name: a", None),
        ("", None),
    ],
)
def test_title_is_one_line_with_a_plain_or_quoted_text(text: str, title: str | None) -> None:
    assert title_in(text.encode()) == title


@pytest.mark.parametrize("text", ["name: \xff", "name: a\xff"])
def test_title_that_is_not_utf_8_is_left_out(text: str) -> None:
    assert title_in(text.encode("latin-1")) is None


@pytest.mark.parametrize(("filled", "title"), [(65_000, "Fix it"), (65_527, None)])
def test_title_that_is_cut_off_at_64_kib_is_left_out(
    read: Read, tmp_path: Path, filled: int, title: str | None
) -> None:
    beside = tmp_path / "f1" / "workspace.yaml"
    beside.parent.mkdir()
    beside.write_bytes(b"#" * (filled - 1) + b"\nname: Fix it\n" + b"#" * 1000)
    assert only(read(start(), user("e1", "Hi"))).title == (title or "Hi")


def test_message_of_the_model_has_reasoning_text_and_calls(read: Read) -> None:
    request: JsonValue = {
        "toolCallId": "c1",
        "name": "bash",
        "arguments": {"command": "ls"},
        "type": "function",
        "intentionSummary": "List",
    }
    said = event(
        "e1",
        "assistant.message",
        content="I look.",
        reasoningText="Hm.",
        toolRequests=[request],
        model="m",
        encryptedContent=None,
    )
    started = event("e2", "tool.execution_start", toolCallId="c1", toolName="bash")
    done = event("e3", "tool.execution_complete", toolCallId="c1", result={"content": "a.txt"})
    found = read(start(), said, started, done)
    assert only(found).messages == [
        {
            "id": "e1",
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm."},
                {"type": "text", "text": "I look."},
            ],
            "created_at": AT,
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "bash", "arguments": '{"command": "ls"}'},
                    "intentionSummary": "List",
                }
            ],
            "model": "m",
            "parentId": None,
        },
        {
            "id": "e3",
            "role": "tool",
            "content": "a.txt",
            "created_at": AT,
            "tool_call_id": "c1",
            "parentId": None,
        },
    ]
    assert found.report.bookkeeping == {"session.start": 1, "tool.execution_start": 1}


def test_call_that_no_message_requested_is_a_message(read: Read) -> None:
    started = event("e2", "tool.execution_start", toolCallId="c1", toolName="sh", arguments={})
    message = last(read(user("e1", "Hi"), started))
    assert (message["role"], message["id"]) == ("assistant", "e2")
    assert message["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "sh", "arguments": "{}"}}
    ]


def test_failed_call_is_answered_by_its_error(read: Read) -> None:
    error: JsonValue = {"message": "denied", "code": "denied"}
    done = event("e2", "tool.execution_complete", toolCallId="c1", success=False, error=error)
    message = last(read(user("e1", "Hi"), done))
    assert (message["content"], message["error"], message["success"]) == (
        "denied",
        {"code": "denied"},
        False,
    )


def test_pictures_of_a_person_and_of_a_tool_are_parts(read: Read) -> None:
    asset = event("e1", "session.binary_asset", assetId="a1", data="AA==", mimeType="image/png")
    blob: JsonValue = {"type": "blob", "assetId": "a1", "displayName": "x.png"}
    file: JsonValue = {"type": "file", "path": "/p/a.py", "displayName": "a.py"}
    asked = user("e2", "See", attachments=[blob, file])
    shot: JsonValue = {"type": "image", "data": "BB==", "mimeType": "image/jpeg"}
    done = event("e3", "tool.execution_complete", result={"content": "ok", "contents": [shot]})
    seen, answered = only(read(asset, asked, done)).messages
    assert seen["content"] == [
        {"type": "text", "text": "See"},
        {
            "type": "image_url",
            "image_url": {"url": "data:image/png;base64,AA=="},
            "displayName": "x.png",
        },
    ]
    assert seen["attachments"] == [file]
    assert answered["content"] == [
        {"type": "text", "text": "ok"},
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,BB=="}},
    ]


def test_reasoning_that_the_message_repeats_is_taken_once(read: Read) -> None:
    thought = event("e1", "assistant.reasoning", content="Hm.")
    said = event("e2", "assistant.message", content="So.", reasoningText="Hm.")
    assert [message["id"] for message in only(read(thought, said)).messages] == ["e2"]


def test_reasoning_before_its_message_is_pending(read: Read) -> None:
    thought = event("e2", "assistant.reasoning", content="Hm.")
    assert last(read(user("e1", "Hi"), thought))["pending"] is True


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        ("user_input.completed", {"answer": "the second", "requestId": "r"}, "the second"),
        ("exit_plan_mode.completed", {"approved": False, "feedback": "no tests?"}, "no tests?"),
        (
            "permission.completed",
            {"result": {"kind": "denied-interactively-by-user", "feedback": "use rg"}},
            "use rg",
        ),
        ("elicitation.completed", {"content": {"name": "x"}}, '{"name": "x"}'),
        ("command.execute", {"command": "/compact now", "requestId": "r"}, "/compact now"),
        ("tool.user_requested", {"toolCallId": "c", "arguments": {"command": "ls -l"}}, "ls -l"),
        ("session.compaction_complete", {"customInstructions": "keep names"}, "keep names"),
    ],
)
def test_what_a_person_answers_is_a_message(
    read: Read, kind: str, data: Object, words: str
) -> None:
    message = last(read(user("e1", "Hi"), event("e2", kind, **data)))
    assert (message["role"], message_text(message)) == ("user", words)


def test_command_that_is_queued_and_run_is_said_once(read: Read) -> None:
    said: Object = {"command": "/help", "requestId": "r"}
    queued, run = (event(kind, f"command.{kind}", **said) for kind in ("queued", "execute"))
    found = read(user("e1", "Hi"), queued, run)
    assert [message["id"] for message in only(found).messages] == ["e1", "queued"]


def test_instructions_come_in_once_while_they_stay_the_same(read: Read) -> None:
    told = [
        event(f"e{at}", "system.message", content=text, role="system")
        for at, text in enumerate(["Be kind.", "Be kind.", "Be brief."])
    ]
    found = read(user("u", "Hi"), *told)
    assert [message_text(one) for one in only(found).messages] == ["Hi", "Be kind.", "Be brief."]
    assert found.report.bookkeeping == {"system.message": 1}


def test_notices_and_summaries_are_of_the_system(read: Read) -> None:
    found = read(
        user("e1", "Hi"),
        event("e2", "session.error", message="quota", errorType="quota"),
        event("e3", "session.compaction_complete", summaryContent="We did x.", success=True),
    )
    told = [(one["role"], one.get("type"), one["content"]) for one in only(found).messages[1:]]
    assert told == [
        ("system", "session.error", "quota"),
        ("system", "session.compaction_complete", "We did x."),
    ]


def test_sub_agent_is_a_session_with_a_parent(read: Read) -> None:
    named = event("e2", "subagent.started", toolCallId="c1", agentDisplayName="Explorer")
    found = read(
        start(),
        user("e1", "Hi"),
        named,
        event("e3", "assistant.message", parentToolCallId="c1", content="Found."),
        event("e4", "assistant.message", content="Built.") | {"agentId": "a2"},
        event("e5", "assistant.message", content="Done."),
    )
    told = [
        (one.session_id, one.title, one.source.get("parent"), message_text(one.messages[-1]))
        for one in found.sessions
    ]
    assert told == [
        ("s1", "Hi", None, "Done."),
        ("s1-c1", "Explorer", {"session_id": "s1"}, "Found."),
        ("s1-a2", None, {"session_id": "s1"}, "Built."),
    ]


def test_title_is_what_a_person_typed(read: Read) -> None:
    injected = user("e1", "You are a skill", source="skill-pdf")
    pushed = user("e2", "Go on.", isAutopilotContinuation=True)
    assert only(read(injected, pushed, user("e3", "Fix it", source="user"))).title == "Fix it"


def test_title_of_the_program_goes_before_the_first_words(read: Read) -> None:
    renamed = event("e2", "session.title_changed", title="Repair")
    assert only(read(user("e1", "Hi"), renamed)).title == "Repair"


def test_what_was_taken_back_is_kept_and_marked(read: Read) -> None:
    rewound = event("e4", "session.snapshot_rewind", upToEventId="e2", eventsRemoved=2)
    found = read(user("e1", "a"), user("e2", "b"), user("e3", "c"), rewound, user("e5", "d"))
    marked = [one["id"] for one in only(found).messages if one.get("taken_back")]
    assert marked == ["e2", "e3"]


def test_session_that_another_started_names_it(read: Read) -> None:
    found = read(start(detachedFromSpawningParentSessionId="s0"), user("e1", "Hi"))
    assert only(found).source["parent"] == {"session_id": "s0"}
