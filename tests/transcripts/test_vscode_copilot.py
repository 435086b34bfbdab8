"""VS Code Copilot Chat: rounds, parts, the log of changes, what was undone or waits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from localsessions.models import message_text
from localsessions.transcripts import read_transcript

from .findings import only, said

if TYPE_CHECKING:
    from pydantic import JsonValue

    from .conftest import Read
    from .records import Object

FILE = "storage/chatSessions/c1.jsonl"
EXAMPLES = Path(__file__).parents[2] / "examples" / "transcripts" / "copilot-chat"


def chat(*requests: JsonValue, **more: JsonValue) -> Object:
    return {"sessionId": "c1", "creationDate": 1, "version": 3, "requests": [*requests], **more}


def asked(own_id: str, text: JsonValue = "Why?", *parts: JsonValue, **more: JsonValue) -> Object:
    return {
        "requestId": own_id,
        "message": {"text": text, "parts": []},
        "timestamp": 1762883660019,
        "responseId": f"{own_id}-r",
        "response": [*parts],
        "modelId": "m",
        **more,
    }


DONE: Object = {"result": {"timings": {"totalElapsed": 3}}}


def in_rounds(*rounds: JsonValue, **results: JsonValue) -> Object:
    metadata: JsonValue = {"toolCallRounds": [*rounds], "toolCallResults": results}
    return {"result": {"metadata": metadata}}


def called(call_id: str = "t1", arguments: str = '{"query": "x"}') -> Object:
    return {"id": call_id, "name": "grep_search", "arguments": arguments}


# Rounds


def test_each_round_is_a_message_and_each_result_follows_its_call(read: Read) -> None:
    first: Object = {
        "id": "a",
        "response": "I search.",
        "toolCalls": [called()],
        "thinking": {"id": "x", "text": ["Hm", "."]},
        "timestamp": 1762883661000,
    }
    last: Object = {"id": "b", "response": "So.", "toolCalls": [], "toolInputRetry": 0}
    result: Object = {"$mid": 20, "content": [{"$mid": 21, "value": "1 match"}]}
    found = read(chat(asked("q", **in_rounds(first, last, t1=result))))
    assert only(found).messages == [
        {
            "id": "q",
            "role": "user",
            "content": "Why?",
            "created_at": "2025-11-11T17:54:20.019Z",
        },
        {
            "id": "a",
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "id": "x"},
                {"type": "text", "text": "I search."},
            ],
            "created_at": "2025-11-11T17:54:21.000Z",
            "tool_calls": [
                {
                    "id": "t1",
                    "type": "function",
                    "function": {"name": "grep_search", "arguments": '{"query": "x"}'},
                }
            ],
            "model": "m",
        },
        {"id": "t1_result", "role": "tool", "content": "1 match", "tool_call_id": "t1"},
        {"id": "b", "role": "assistant", "content": "So.", "toolInputRetry": 0, "model": "m"},
    ]


def test_what_only_the_parts_say_follows_the_rounds(read: Read) -> None:
    spoken: Object = {"id": "a", "response": "I  search\nhere.", "toolCalls": []}
    parts: list[JsonValue] = [{"value": "I search "}, {"value": "here."}, {"value": "Stopped."}]
    found = read(chat(asked("q", "Why?", *parts, **in_rounds(spoken))))
    assert said(found, "id", "role") == [
        ("q", "user", "Why?"),
        ("a", "assistant", "I  search\nhere."),
        ("q-r", "assistant", "Stopped."),
    ]


def test_result_that_is_a_tree_of_pieces_becomes_its_text(read: Read) -> None:
    def text(words: str, breaks: JsonValue = False) -> Object:
        return {"type": 2, "text": words, "lineBreakBefore": breaks}

    def piece(*children: JsonValue, **more: JsonValue) -> Object:
        return {"type": 1, "ctor": 2, "children": [*children], "props": {}, **more}

    node = piece(
        text("2 matches", breaks=True),
        piece(text("<a>\n"), piece(text("one", breaks=True)), text("</a>", breaks=1)),
        text("two", breaks=2),
        text("three", breaks=2),
    )
    result: Object = {"content": [{"$mid": 23, "value": {"node": node}}, {"value": "end"}]}
    spoken: Object = {"id": "a", "response": "", "toolCalls": [called()]}
    found = read(chat(asked("q", **in_rounds(spoken, t1=result))))
    assert only(found).messages[-1]["content"] == "2 matches<a>\none\n</a>\ntwothree\nend"


def test_pictures_of_a_result_are_parts(read: Read) -> None:
    node: Object = {
        "type": 1,
        "children": [
            {"type": 2, "text": "see"},
            {"type": 1, "ctor": 3, "props": {"src": "AA==", "mimeType": "image/png"}},
        ],
    }
    data: Object = {"$mid": 24, "mimeType": "image/jpeg", "data": {"$base64": "BB=="}}
    result: Object = {"content": [{"value": {"node": node}}, data]}
    spoken: Object = {"id": "a", "response": "", "toolCalls": [called()]}
    found = read(chat(asked("q", **in_rounds(spoken, t1=result))))
    assert only(found).messages[-1]["content"] == [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,BB=="}},
    ]


# Parts


def invoked(call_id: str = "t1", **more: JsonValue) -> Object:
    return {
        "kind": "toolInvocationSerialized",
        "toolCallId": call_id,
        "toolId": "run_in_terminal",
        "pastTenseMessage": {"value": "Ran `ls`"},
        **more,
    }


def test_without_rounds_messages_are_made_of_the_parts(read: Read) -> None:
    reference: Object = {"kind": "inlineReference", "inlineReference": {"path": "/p/a.rs"}}
    terminal: Object = {"kind": "terminal", "commandLine": {"original": "ls"}}
    call = invoked(toolSpecificData=terminal)
    found = read(
        chat(
            asked(
                "q",
                "Why?",
                {"kind": "thinking", "value": "Hm."},
                {"value": "In "},
                reference,
                {"value": " there is."},
                call,
                {"value": "Done."},
                **DONE,
            )
        )
    )
    _, first, result, last = only(found).messages
    assert first["content"] == [
        {"type": "thinking", "thinking": "Hm."},
        {"type": "text", "text": "In `a.rs` there is."},
    ]
    assert first["tool_calls"] == [
        {
            "id": "t1",
            "type": "function",
            "function": {"name": "run_in_terminal", "arguments": '{"command": "ls"}'},
        }
    ]
    assert (result["role"], result["content"], result["tool_call_id"]) == ("tool", "Ran `ls`", "t1")
    assert last == {
        "id": "q-r_2",
        "role": "assistant",
        "content": "Done.",
        "result": DONE["result"],
        "response": [reference, call],
        "model": "m",
    }


def test_shown_input_and_output_of_a_call_are_taken(read: Read) -> None:
    details: Object = {"input": '{"a": 1}', "output": [{"type": "embed", "value": "two"}]}
    found = read(chat(asked("q", "Why?", invoked(resultDetails=details), **DONE)))
    _, called_by, result = only(found).messages
    calls = called_by["tool_calls"]
    assert isinstance(calls, list)
    assert json.dumps(calls[0]).count('\\"a\\": 1') == 1
    assert result["content"] == "two"


def test_error_that_the_program_showed_is_a_message(read: Read) -> None:
    error: JsonValue = {"errorDetails": {"message": "Rate limited", "code": "failed"}}
    found = read(chat(asked("q", result=error)))
    assert only(found).messages[-1] == {
        "id": "q-r_error",
        "role": "system",
        "content": "Rate limited",
        "type": "error",
        "code": "failed",
    }


def test_answers_to_questions_are_of_the_user(read: Read) -> None:
    carousel: Object = {"kind": "questionCarousel", "questions": [], "data": {"db": "sqlite"}}
    found = read(chat(asked("q", "Why?", {"value": "Which?"}, carousel, **DONE)))
    assert said(found, "id", "role")[-1] == ("q-r_answers_1", "user", '{"db": "sqlite"}')


def test_response_that_is_being_written_is_pending(read: Read) -> None:
    writing = asked("q", "Why?", {"value": "Let me"}, modelState={"value": 0})
    question, answer = only(read(chat(writing))).messages
    assert ("pending" in question, answer["pending"]) == (False, True)


def test_response_that_was_cancelled_is_not_pending(read: Read) -> None:
    cancelled = asked("q", "Why?", {"value": "Let me"}, modelState={"value": 2})
    assert "pending" not in only(read(chat(cancelled))).messages[-1]


# Questions


def test_question_keeps_its_pictures_and_files(read: Read) -> None:
    picture: Object = {
        "kind": "image",
        "id": "i",
        "mimeType": "image/png",
        "value": {"$base64": "AA=="},
    }
    file: Object = {"kind": "file", "id": "f", "name": "a.py"}
    found = read(chat(asked("q", variableData={"variables": [picture, file]})))
    (message,) = only(found).messages[:1]
    assert message["content"] == [
        {"type": "text", "text": "Why?"},
        {
            "type": "image_url",
            "image_url": {"url": "data:image/png;base64,AA=="},
            "kind": "image",
            "id": "i",
        },
    ]
    assert message["variableData"] == {"variables": [file]}


@pytest.mark.parametrize(
    "asking", ["Why?", {"parts": [{"text": "Why", "kind": "text"}, {"text": "?"}]}]
)
def test_old_question_is_read(read: Read, asking: JsonValue) -> None:
    found = read(chat(asked("q", message=asking)))
    assert said(found, "id", "role")[0] == ("q", "user", "Why?")


def test_question_in_the_queue_is_pending(read: Read) -> None:
    waiting: Object = {"id": "w", "kind": "queued", "request": asked("w", "And then?")}
    found = read(chat(asked("q", **DONE), pendingRequests=[waiting]))
    message = only(found).messages[-1]
    assert (message["id"], message["content"], message["pending"]) == ("w", "And then?", True)


def test_request_that_was_undone_is_marked(read: Read) -> None:
    found = read(chat(asked("q", shouldBeRemovedOnSend={"requestId": "q"}), asked("p")))
    assert [one.get("taken_back") for one in only(found).messages] == [True, None]


# The log of changes


def test_log_gives_what_the_state_gives() -> None:
    whole, log = (
        read_transcript(EXAMPLES / f"splitrail-copilot.{end}") for end in ("json", "jsonl")
    )
    assert only(log).messages == only(whole).messages
    assert only(log).title == only(whole).title


def test_entries_are_applied_in_order(read: Read) -> None:
    found = read(
        {"kind": 0, "v": chat()},
        {"kind": 2, "k": ["requests"], "v": [asked("q", "Why?", {"value": "Le"})]},
        {"kind": 2, "k": ["requests", 0, "response"], "i": 0, "v": [{"value": "Let me."}]},
        {"kind": 1, "k": ["requests", 0, "result"], "v": DONE["result"]},
        {"kind": 1, "k": ["customTitle"], "v": "Title"},
        {"kind": 1, "k": ["inputState"], "v": {"inputText": "x"}},
        {"kind": 3, "k": ["inputState", "inputText"]},
    )
    assert said(found, "id", "role") == [("q", "user", "Why?"), ("q-r", "assistant", "Let me.")]
    assert only(found).title == "Title"
    assert found.report.bookkeeping == {
        "(whole state)": 1,
        "(push)": 2,
        "(set)": 3,
        "(delete)": 1,
    }


def test_request_that_left_the_list_is_kept_before_the_one_that_replaced_it(read: Read) -> None:
    found = read(
        {"kind": 0, "v": chat(asked("a", "First", **DONE), asked("b", "Second", **DONE))},
        {"kind": 1, "k": ["requests", 1, "response"], "v": [{"value": "No."}]},
        {"kind": 2, "k": ["requests"], "i": 1, "v": [asked("c", "Third", **DONE)]},
    )
    marked = [(message_text(one), one.get("taken_back")) for one in only(found).messages]
    assert marked == [("First", None), ("Second", True), ("No.", True), ("Third", None)]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"kind": 1, "k": ["requests", 7, "result"], "v": {}}, "does not have"),
        ({"kind": 1, "k": ["customTitle", "x", "y"], "v": 1}, "does not have"),
        ({"kind": 1, "k": [], "v": {}}, "does not have"),
        ({"kind": 9, "k": ["requests"]}, "no entry"),
        ({"kind": True, "k": ["requests"]}, "no entry"),
    ],
)
def test_entry_that_leads_nowhere_is_named(read: Read, entry: Object, reason: str) -> None:
    found = read({"kind": 0, "v": chat(asked("q"))}, entry)
    (bad,) = found.report.bad_lines
    assert bad.line == 2
    assert reason in bad.reason
    assert said(found, "id", "role") == [("q", "user", "Why?")]


def test_log_of_one_line_is_read(read: Read) -> None:
    found = read({"kind": 0, "v": chat(asked("q"))})
    assert (found.report.format, said(found, "id", "role")) == (
        "vscode-chat-log",
        [("q", "user", "Why?")],
    )


# Facts


@pytest.mark.parametrize(
    ("uri", "project"),
    [
        ("file:///home/dev/my%20app", "/home/dev/my app"),
        ("file:///c%3A/Users/dev/app", "c:/Users/dev/app"),
        ("vscode-remote://ssh-remote%2Bhost/srv/app", "/srv/app"),
    ],
)
def test_folder_is_that_of_the_workspace(
    read: Read, tmp_path: Path, uri: str, project: str
) -> None:
    (tmp_path / "storage").mkdir()
    workspace = tmp_path / "storage" / "workspace.json"
    workspace.write_text(json.dumps({"folder": uri}), encoding="utf-8")
    assert only(read(chat(asked("q")))).source["project"] == project


def test_folder_is_else_that_of_the_first_link(read: Read) -> None:
    linked: Object = {"value": "x", "baseUri": {"path": "/home/dev/app/", "scheme": "file"}}
    assert only(read(chat(asked("q", "Why?", linked)))).source["project"] == "/home/dev/app"


def test_session_has_its_id_model_branch_and_title(read: Read) -> None:
    state = chat(asked("q", "Fix it"), repoData={"localBranch": "main", "remoteUrl": "u"})
    session = only(read(state))
    assert (session.session_id, session.title, session.agent_id) == ("c1", "Fix it", "copilot-chat")
    assert (session.source["model"], session.source["branch"]) == ("m", "main")
    assert session.source["facts"] == {"version": 3, "repository": "u"}


def test_agent_is_named_without_what_it_can_do(read: Read) -> None:
    agent: Object = {"id": "copilot", "extensionVersion": "0.33", "metadata": {"x": 1}}
    found = read(chat(asked("q", "Why?", {"value": "So."}, agent=agent, **DONE)))
    assert only(found).messages[-1]["agent"] == {"id": "copilot", "extensionVersion": "0.33"}
