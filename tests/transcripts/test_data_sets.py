"""Trajectories and data sets: what stands outside the list of messages, and parts with a value."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from localsessions.models import message_text

from .findings import calls_of, function_of, only, said

if TYPE_CHECKING:
    from pydantic import JsonValue

    from .conftest import Read
    from .records import Object


# SWE-agent


def swe(history: list[JsonValue], steps: list[JsonValue], **info: JsonValue) -> Object:
    return {"trajectory": steps, "history": history, "info": info}


ASKED: Object = {"role": "user", "content": "fix it", "agent": "main"}
SUBMITS: Object = {"role": "assistant", "content": "Done.\n```\nsubmit\n```", "agent": "main"}
LAST_STEP: Object = {"response": "Done.\n```\nsubmit\n```", "observation": "\r\ndiff --git a b\r\n"}


def test_swe_agent_answer_to_the_last_step_is_the_last_message(read: Read) -> None:
    found = read(swe([ASKED, SUBMITS], [LAST_STEP], exit_status="submitted"))
    assert only(found).messages[2:] == [
        {
            "id": "step_1_observation",
            "role": "user",
            "content": "\r\ndiff --git a b\r\n",
            "message_type": "observation",
        }
    ]


def test_swe_agent_answer_to_a_call_names_the_call(read: Read) -> None:
    call: JsonValue = {"id": "c1", "type": "function", "function": {"name": "submit"}}
    submits = SUBMITS | {"tool_calls": [call]}
    found = read(swe([ASKED, submits], [LAST_STEP], exit_status="submitted"))
    last = only(found).messages[-1]
    assert (last["role"], last["tool_call_id"]) == ("tool", "c1")


def test_swe_agent_step_that_the_conversation_lacks_comes_in(read: Read) -> None:
    found = read(swe([ASKED], [LAST_STEP], exit_status="submitted", submission="diff --git a b"))
    assert said(found, "role") == [
        ("user", "fix it"),
        ("assistant", "Done.\n```\nsubmit\n```"),
        ("user", "\r\ndiff --git a b\r\n"),
    ]


def test_swe_agent_submission_that_no_message_says_is_kept(read: Read) -> None:
    step: Object = {"response": "Done.\n```\nsubmit\n```", "observation": "Exited"}
    history: list[JsonValue] = [ASKED, SUBMITS]
    found = read(swe(history, [step], exit_status="exit_cost", submission="diff --git a b"))
    assert only(found).messages[-1] == {
        "id": "submission",
        "role": "exit",
        "content": "diff --git a b",
        "exit_status": "exit_cost",
    }


def test_swe_agent_conversation_that_says_all_gets_nothing_more(read: Read) -> None:
    answer: Object = {"role": "user", "content": "\ndiff --git a b\n", "agent": "main"}
    history: list[JsonValue] = [ASKED, SUBMITS, answer]
    found = read(swe(history, [LAST_STEP], exit_status="submitted", submission="diff --git a b"))
    assert len(only(found).messages) == 3


def test_swe_agent_lines_of_a_terminal_are_the_same_lines(read: Read) -> None:
    answer: Object = {"role": "user", "content": "\none\ntwo\n", "agent": "main"}
    step = LAST_STEP | {"observation": "\r\none\r\ntwo\r\n"}
    history: list[JsonValue] = [ASKED, SUBMITS, answer]
    found = read(swe(history, [step], exit_status="submitted", submission="one\ntwo"))
    assert len(only(found).messages) == 3


def test_swe_agent_answer_of_a_run_that_goes_on_is_pending(read: Read) -> None:
    (_, _, last) = only(read(swe([ASKED, SUBMITS], [LAST_STEP]))).messages
    assert last["pending"] is True


# mini-swe-agent


def mini(**info: JsonValue) -> Object:
    messages: JsonValue = [{"role": "user", "content": "fix it"}]
    return {"info": info, "messages": messages, "trajectory_format": "mini-swe-agent-1.1"}


def test_mini_swe_agent_error_that_ended_a_run_is_its_last_message(read: Read) -> None:
    trace = "Traceback (most recent call last):\nKeyError: 'x'\n"
    found = read(mini(exit_status="KeyError", submission="'x'", traceback=trace))
    assert only(found).messages[-1] == {
        "id": "exit",
        "role": "exit",
        "content": trace,
        "exit_status": "KeyError",
    }


def test_mini_swe_agent_submission_and_traceback_are_both_kept(read: Read) -> None:
    found = read(mini(exit_status="Submitted", submission="diff", traceback="Traceback"))
    assert said(found, "role")[-1] == ("exit", "diff\n\nTraceback")


def test_mini_swe_agent_exit_that_is_a_message_is_not_repeated(read: Read) -> None:
    whole = mini(exit_status="Submitted", submission="diff")
    exited: Object = {"role": "exit", "content": "diff", "extra": {"submission": "diff"}}
    found = read(whole | {"messages": [{"role": "user", "content": "fix it"}, exited]})
    assert said(found, "role") == [("user", "fix it"), ("exit", "diff")]


# LLaMA-Factory


def valued(role: str, *parts: tuple[str, JsonValue]) -> Object:
    content: JsonValue = [{"type": kind, "value": value} for kind, value in parts]
    return {"role": role, "content": content, "loss_weight": 1.0}


def test_llama_factory_part_with_a_value_is_a_text(read: Read) -> None:
    found = read({"messages": [valued("user", ("text", "hi"))]}, name="demo.jsonl")
    assert found.report.format == "llama-factory"
    assert only(found).messages == [
        {
            "id": "msg_000001",
            "role": "user",
            "content": [{"type": "text", "text": "hi"}],
            "loss_weight": 1.0,
        }
    ]


def test_llama_factory_calls_are_answered_in_order(read: Read) -> None:
    calls = [("tool_call", json.dumps({"name": name, "arguments": {}})) for name in ("a", "b")]
    found = read(
        {
            "messages": [
                valued("user", ("text", "go")),
                valued("assistant", ("reasoning", "hm"), *calls),
                valued("tool", ("text", "one")),
                valued("tool", ("text", "two")),
            ]
        }
    )
    _, called, one, two = only(found).messages
    assert called["content"] == [{"type": "thinking", "thinking": "hm"}]
    made = calls_of(called)
    assert [function_of(call)["name"] for call in made] == ["a", "b"]
    assert [one["tool_call_id"], two["tool_call_id"]] == [call["id"] for call in made]


def test_llama_factory_picture_is_a_picture(read: Read) -> None:
    found = read({"messages": [valued("user", ("image_url", "data:image/png;base64,AA=="))]})
    assert only(found).messages[0]["content"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    ]


def test_llama_factory_preference_becomes_two_sessions(read: Read) -> None:
    asked = valued("user", ("text", "hi"))
    found = read(
        {
            "id": "p1",
            "chosen_messages": [asked, valued("assistant", ("text", "good"))],
            "rejected_messages": [asked, valued("assistant", ("text", "bad"))],
        }
    )
    told = [
        (session.session_id, session.source["facts"], message_text(session.messages[-1]))
        for session in found.sessions
    ]
    assert told == [
        ("p1-chosen", {"preference": "chosen"}, "good"),
        ("p1-rejected", {"preference": "rejected"}, "bad"),
    ]
