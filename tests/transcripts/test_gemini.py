"""gemini-cli: results and thoughts, lists that are set, what is taken back, live files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from localsessions.transcripts import export
from localsessions.transcripts.transcript import told_text

from .findings import only, said

if TYPE_CHECKING:
    from pydantic import JsonValue

    from .conftest import Read
    from .records import Object

FILE = "session-1.jsonl"
HEAD: dict[str, JsonValue] = {"sessionId": "g1", "projectHash": "ab"}


def chat(*messages: JsonValue, **more: JsonValue) -> Object:
    return {**HEAD, "messages": [*messages], **more}


def user(own_id: str, text: JsonValue) -> Object:
    return {"id": own_id, "type": "user", "content": text}


def model(own_id: str, text: JsonValue = "", **more: JsonValue) -> Object:
    return {"id": own_id, "type": "gemini", "content": text, **more}


def responded(output: JsonValue, call_id: str = "c1", name: str = "ls") -> Object:
    response: JsonValue = {"id": call_id, "name": name, "response": output}
    return {"functionResponse": response}


def call(call_id: str = "c1", **more: JsonValue) -> Object:
    return {"id": call_id, "name": "ls", "args": {"p": "."}, **more}


# Results


def test_result_becomes_a_message_of_the_tool_after_its_call(read: Read) -> None:
    answered = call(
        status="success",
        timestamp="2026-03-01T10:00:04.000Z",
        displayName="List",
        result=[responded({"output": "a.txt"})],
        resultDisplay="one file",
    )
    found = read(chat(model("m1", toolCalls=[answered]), user("m2", "thanks")))
    assert only(found).messages == [
        {
            "id": "m1",
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "ls", "arguments": '{"p": "."}'},
                }
            ],
            "toolCalls": [{"id": "c1", "displayName": "List"}],
        },
        {
            "id": "c1_result",
            "role": "tool",
            "content": "a.txt",
            "created_at": "2026-03-01T10:00:04.000Z",
            "tool_call_id": "c1",
            "resultDisplay": "one file",
            "status": "success",
        },
        {"id": "m2", "role": "user", "content": "thanks"},
    ]


@pytest.mark.parametrize(
    ("more", "content"),
    [
        ({"result": [responded({"error": "no such file"})]}, "no such file"),
        ({"result": [responded({"output": "a", "code": 1})]}, '{"output": "a", "code": 1}'),
        ({"result": responded({"output": "a"})}, "a"),
        ({"result": "a"}, "a"),
        ({"result": [responded(7)]}, "7"),
        ({"result": None, "status": "error", "resultDisplay": "denied"}, "denied"),
        (
            {"result": [responded({"output": "a"}), {"inlineData": {"data": "aGk="}}]},
            [{"type": "text", "text": "a"}, {"inlineData": {"data": "aGk="}}],
        ),
        (
            {"result": [responded({"output": "a"}, call_id="other")]},
            [{"type": "text", "text": "a", "id": "other"}],
        ),
    ],
)
def test_result_of_any_shape_has_its_text(read: Read, more: Object, content: JsonValue) -> None:
    messages = only(read(chat(model("m1", toolCalls=[call() | more])))).messages
    assert messages[1]["content"] == content


@pytest.mark.parametrize(
    "more",
    [
        {"status": "executing"},
        {"status": "executing", "resultDisplay": "so far"},
        {"status": "success", "result": []},
    ],
)
def test_call_that_is_not_answered_has_no_result(read: Read, more: Object) -> None:
    (message,) = only(read(chat(model("m1", toolCalls=[call() | more])))).messages
    assert message["toolCalls"] == [{"id": "c1", **more}]


def test_result_that_lists_those_of_all_calls_is_told_apart(read: Read) -> None:
    both: JsonValue = [responded({"output": "1"}, "c1"), responded({"output": "2"}, "c2")]
    spoken = model("m1", toolCalls=[call("c1", result=both), call("c2", result=both)])
    found = read(chat(spoken))
    assert said(found, "id")[1:] == [("c1_result", "1"), ("c2_result", "2")]


def test_results_of_another_call_alone_are_kept(read: Read) -> None:
    other: JsonValue = [responded({"output": "2"}, "c2")]
    spoken = model("m1", toolCalls=[call("c1", result=other), call("c2", result=other)])
    assert said(read(chat(spoken)), "id")[1:] == [("c1_result", "2"), ("c2_result", "2")]


def test_result_does_not_say_its_text_twice(read: Read) -> None:
    spoken = model("m1", toolCalls=[call(result="a", resultDisplay="a")])
    calling, result = only(read(chat(spoken))).messages
    assert "toolCalls" not in calling
    assert result == {"id": "c1_result", "role": "tool", "content": "a", "tool_call_id": "c1"}


def test_ids_of_calls_and_results_stay_when_results_come(read: Read) -> None:
    unnamed: Object = {"name": "ls", "args": {}}
    first: list[JsonValue] = [
        model("m1", toolCalls=[unnamed, unnamed]),
        {"type": "user", "content": "no id"},
    ]
    later: list[JsonValue] = [model("m1", toolCalls=[unnamed | {"result": "a"}, unnamed]), first[1]]
    before, after = only(read(chat(*first))).messages, only(read(chat(*later))).messages
    assert [one["id"] for one in before] == ["m1", "msg_000002"]
    assert [one["id"] for one in after] == ["m1", "m1_call_1_result", "msg_000002"]
    assert before[0]["tool_calls"] == after[0]["tool_calls"]


def test_results_in_a_message_of_their_own_are_the_tools(read: Read) -> None:
    one, two = responded({"output": "1"}, "c1"), responded({"output": "2"}, "c2")
    found = read(chat(user("m1", [one]), user("m2", [one, two]), user("m3", [two, {"text": "x"}])))
    first, second, third = only(found).messages
    assert (first["role"], first["tool_call_id"], first["content"]) == ("tool", "c1", "1")
    assert (second["role"], second["content"]) == (
        "tool",
        [
            {"type": "tool_result", "tool_use_id": "c1", "content": "1"},
            {"type": "tool_result", "tool_use_id": "c2", "content": "2"},
        ],
    )
    assert (third["role"], told_text(third)) == ("user", "2\nx")


def test_results_that_stand_twice_are_taken_once(read: Read) -> None:
    result = responded({"output": "1"})
    calling = model("m1", [{"functionCall": call()}], toolCalls=[call(result=[result])])
    found = read(chat(calling, user("m2", [result])))
    assert said(found, "id") == [("m1", ""), ("c1_result", "1")]
    calls = only(found).messages[0]["tool_calls"]
    assert isinstance(calls, list)
    assert len(calls) == 1
    assert found.report.bookkeeping == {"(repeated)": 1}


def test_call_that_stands_in_the_content_only_is_a_call(read: Read) -> None:
    part: Object = {"functionCall": call(), "thoughtSignature": "s"}
    (message,) = only(read(chat(model("m1", [{"text": "I look."}, part])))).messages
    assert message["content"] == [
        {"text": "I look."},
        {"type": "tool_use", "id": "c1", "thoughtSignature": "s"},
    ]
    assert message["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "ls", "arguments": '{"p": "."}'}}
    ]


# Thoughts


def test_thoughts_are_content_that_people_read(read: Read) -> None:
    thought: JsonValue = {"subject": "Plan", "description": "open it", "timestamp": "t"}
    (message,) = only(read(chat(model("m1", "Done.", thoughts=[thought])))).messages
    assert message["content"] == [
        {"type": "thinking", "thinking": "**Plan** open it", "timestamp": "t"},
        {"type": "text", "text": "Done."},
    ]
    assert "thoughts" not in message


def test_thought_in_the_content_is_not_said_twice(read: Read) -> None:
    parts: JsonValue = [{"text": "**Plan** open it", "thought": True}, {"text": "Done."}]
    thought: JsonValue = {"subject": "Plan", "description": "open it"}
    (message,) = only(read(chat(model("m1", parts, thoughts=[thought])))).messages
    assert message["content"] == [
        {"type": "thinking", "thinking": "**Plan** open it"},
        {"text": "Done."},
    ]


def test_thought_of_another_shape_stays_beside(read: Read) -> None:
    (message,) = only(read(chat(model("m1", "x", thoughts=["odd", {"description": "d"}])))).messages
    assert (told_text(message), message["thoughts"]) == ("d\nodd\nx", ["odd"])


# JSON Lines, in order


def test_line_that_is_written_again_takes_the_place_of_the_first(read: Read) -> None:
    found = read(HEAD, model("m1", "half"), user("m2", "next"), model("m1", "whole"))
    assert said(found, "id") == [("m1", "whole"), ("m2", "next")]
    assert found.report.bookkeeping == {"(head)": 1, "(earlier version)": 1}


def test_line_of_an_unknown_type_is_said_too(read: Read) -> None:
    found = read(HEAD, user("m1", "hi"), {"id": "m2", "type": "plan", "content": "first"})
    assert said(found, "id") == [("m1", "hi"), ("m2", "first")]
    assert only(found).messages[1]["role"] == "system"


def test_title_that_is_set_later_is_the_title(read: Read) -> None:
    found = read(HEAD, user("m1", "hi"), {"$set": {"summary": "About it"}})
    assert only(found).title == "About it"
    assert found.report.bookkeeping == {"(head)": 1, "$set": 1}


def test_messages_that_are_set_alone_are_a_session(read: Read) -> None:
    found = read(HEAD, {"$set": {"messages": [user("m1", "hi"), model("m2", "yes")]}})
    assert found.report.format == "gemini-jsonl"
    assert said(found, "id") == [("m1", "hi"), ("m2", "yes")]


def test_list_that_is_set_keeps_what_was_said_and_comes_in_its_order(read: Read) -> None:
    found = read(
        HEAD,
        *(user("m1", "one"), model("m2", "1"), user("m3", "three"), model("m4", "3")),
        {"$set": {"messages": [user("sum", "so far"), user("m3", "three"), model("m4", "3!")]}},
        user("m5", "five"),
    )
    assert said(found, "id") == [
        *(("m1", "one"), ("m2", "1"), ("sum", "so far"), ("m3", "three"), ("m4", "3!")),
        ("m5", "five"),
    ]
    assert not any("taken_back" in message for message in only(found).messages)


def test_what_was_taken_back_is_kept_and_marked(read: Read) -> None:
    answered = model("m3", "x", toolCalls=[call(result="a")])
    found = read(
        HEAD, user("m1", "one"), user("m2", "two"), answered, {"$rewindTo": "m2"}, user("m4", "new")
    )
    marks = {message["id"]: message.get("taken_back") for message in only(found).messages}
    assert marks == {"m1": None, "m2": True, "m3": True, "c1_result": True, "m4": None}
    assert found.report.bookkeeping == {"(head)": 1, "$rewindTo": 1}


def test_rewind_to_nothing_known_takes_all_back(read: Read) -> None:
    found = read(HEAD, user("m1", "one"), {"$rewindTo": "gone"}, user("m2", "two"))
    assert [one.get("taken_back") for one in only(found).messages] == [True, None]
    assert only(found).title == "two"


def test_rewind_takes_back_only_what_still_stands(read: Read) -> None:
    found = read(
        HEAD,
        *(user("m1", "one"), user("m2", "two"), user("m3", "three")),
        {"$set": {"messages": [user("m2", "two"), user("m3", "three")]}},
        {"$rewindTo": "m2"},
    )
    assert [one.get("taken_back") for one in only(found).messages] == [None, True, True]


def test_rewind_leaves_what_was_replaced_in_the_list(read: Read) -> None:
    found = read(
        HEAD,
        *(user("m1", "one"), user("m2", "two")),
        {"$set": {"messages": [user("m1", "one"), user("sum", "so far")]}},
        {"$rewindTo": "m1"},
    )
    marks = {message["id"]: message.get("taken_back") for message in only(found).messages}
    assert marks == {"m1": True, "m2": None, "sum": True}


def test_rewind_to_what_is_gone_takes_all_back(read: Read) -> None:
    found = read(HEAD, user("m1", "one"), user("m2", "two"), *[{"$rewindTo": "m2"}] * 2)
    assert [one.get("taken_back") for one in only(found).messages] == [True, True]


def test_message_that_is_said_again_is_no_longer_taken_back(read: Read) -> None:
    found = read(
        HEAD, user("m1", "one"), user("m2", "two"), {"$rewindTo": "m1"}, user("m1", "one again")
    )
    assert said(found, "id") == [("m2", "two"), ("m1", "one again")]
    assert [one.get("taken_back") for one in only(found).messages] == [True, None]


def test_message_that_is_listed_twice_is_one(read: Read) -> None:
    found = read(chat(user("m1", "one"), user("m1", "one"), user("m1", "other")))
    assert [text for _, text in said(found, "id")] == ["one", "other"]
    assert found.report.bookkeeping == {"(repeated)": 1}


def test_session_keeps_its_first_id_when_the_file_grows(read: Read) -> None:
    found = read(HEAD, user("m1", "hi"), {"$set": {"sessionId": "g2"}}, HEAD | {"sessionId": "g3"})
    assert only(found).session_id == "g1"


# Titles, and where a session comes from


@pytest.mark.parametrize(
    "given", ["<session_context>\nToday.\n</session_context>", "<hook_context>x</hook_context>"]
)
def test_title_is_what_a_person_typed_first(read: Read, given: str) -> None:
    found = read(chat(user("m1", [{"text": given}]), user("m2", "Read notes")))
    assert only(found).title == "Read notes"


def test_sub_agent_names_the_session_of_its_folder(read: Read) -> None:
    head = HEAD | {"kind": "subagent"}
    inside = only(read(head, user("m1", "hi"), name="chats/parent-1/g1.jsonl"))
    assert inside.source["parent"] == {"session_id": "parent-1"}
    elsewhere = only(read(head, user("m1", "hi"), name="chats/g1.jsonl"))
    assert "parent" not in elsewhere.source
    main = only(read(HEAD, user("m1", "hi"), name="chats/parent-1/g2.jsonl"))
    assert "parent" not in main.source


def test_facts_of_the_session_are_kept(read: Read) -> None:
    head = HEAD | {"kind": "main", "directories": ["/w"]}
    session = only(read(head, user("m1", "hi"), {"$set": {"memoryScratchpad": {"version": 1}}}))
    assert session.source["facts"] == {
        "project_hash": "ab",
        "kind": "main",
        "directories": ["/w"],
        "memory_scratchpad": {"version": 1},
    }


# As other formats


def test_export_has_each_result_after_its_call(read: Read) -> None:
    spoken = model("m1", "I read it.", toolCalls=[call(result=[responded({"output": "ocelot"})])])
    line = json.loads(export(only(read(chat(spoken))), "jsonl"))
    assert line["messages"][1] == {"role": "tool", "tool_call_id": "c1", "content": "ocelot"}


def test_markdown_shows_a_result_once(read: Read) -> None:
    thought: JsonValue = {"subject": "Plan", "description": "open the walrus file"}
    answered = call(result=[responded({"output": "the ocelot sleeps"})])
    spoken = model("m1", "I read it.", toolCalls=[answered], thoughts=[thought])
    text = export(only(read(chat(spoken))), "markdown").decode()
    assert (text.count("ocelot"), text.count("walrus")) == (1, 1)
