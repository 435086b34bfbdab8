"""ATIF: steps, observations, sub-agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .findings import calls_of, function_of

if TYPE_CHECKING:
    from pydantic import JsonValue

    from .conftest import Read
    from .records import Object


def trajectory(*steps: JsonValue, **more: JsonValue) -> Object:
    return {
        "schema_version": "ATIF-v1.8",
        "session_id": "run",
        "agent": {"name": "terminus-2", "version": "2.0", "model_name": "m"},
        "steps": [*steps],
        **more,
    }


def step(number: int, source: str, text: JsonValue, **more: JsonValue) -> Object:
    return {"step_id": number, "source": source, "message": text, **more}


CALL: Object = {"tool_call_id": "c1", "function_name": "bash", "arguments": {"command": "ls"}}


def test_step_with_a_call_becomes_a_message_and_its_result(read: Read) -> None:
    acted = step(
        1,
        "agent",
        "I look.",
        timestamp="2026-09-03T00:00:02Z",
        reasoning_content="Look first.",
        tool_calls=[CALL],
        observation={"results": [{"source_call_id": "c1", "content": "a.txt", "extra": {"n": 1}}]},
        metrics={"prompt_tokens": 3},
        is_copied_context=True,
    )
    (session,) = read(trajectory(acted)).sessions
    assert session.messages == [
        {
            "id": "step_1",
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Look first."},
                {"type": "text", "text": "I look."},
            ],
            "created_at": "2026-09-03T00:00:02Z",
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "bash", "arguments": '{"command": "ls"}'},
                }
            ],
            "metrics": {"prompt_tokens": 3},
            "is_copied_context": True,
        },
        {
            "id": "step_1_result_1",
            "role": "tool",
            "content": "a.txt",
            "created_at": "2026-09-03T00:00:02Z",
            "tool_call_id": "c1",
            "extra": {"n": 1},
        },
    ]


def test_result_of_no_call_is_kept(read: Read) -> None:
    acted = step(1, "agent", "go", observation={"results": [{"content": "passed"}]})
    (session,) = read(trajectory(acted)).sessions
    assert session.messages[1] == {"id": "step_1_result_1", "role": "tool", "content": "passed"}


def test_arguments_that_are_no_json_stay_readable_as_json(read: Read) -> None:
    acted = step(1, "agent", "", tool_calls=[CALL | {"arguments": "ls -l"}])
    (session,) = read(trajectory(acted)).sessions
    (call,) = calls_of(session.messages[0])
    assert function_of(call)["arguments"] == '{"input": "ls -l"}'


def test_pictures_stay_in_the_content(read: Read) -> None:
    seen: JsonValue = [
        {"type": "text", "text": "see"},
        {"type": "image", "source": {"media_type": "image/png", "path": "a.png"}},
    ]
    (session,) = read(trajectory(step(1, "user", seen))).sessions
    assert session.messages[0]["content"] == seen


def test_facts_name_the_agent_and_the_title_is_typed(read: Read) -> None:
    told = trajectory(
        step(1, "system", "You are an agent."),
        step(2, "user", "<environment_context>x</environment_context>Fix the login"),
        final_metrics={"total_steps": 2},
    )
    (session,) = read(told).sessions
    assert (session.session_id, session.title, session.source["model"]) == (
        "run",
        "Fix the login",
        "m",
    )
    assert session.source["facts"] == {
        "schema_version": "ATIF-v1.8",
        "session_id": "run",
        "agent": {"name": "terminus-2", "version": "2.0"},
        "final_metrics": {"total_steps": 2},
    }


def test_trajectories_of_one_run_are_different_sessions(read: Read) -> None:
    one = read(trajectory(step(1, "user", "a"), trajectory_id="t1")).sessions
    two = read(trajectory(step(1, "user", "b"), trajectory_id="t2")).sessions
    assert [session.session_id for session in (*one, *two)] == ["t1", "t2"]


def test_trajectory_of_a_sub_agent_is_a_session_with_a_parent(read: Read) -> None:
    grandchild = trajectory(step(1, "user", "c"), trajectory_id="g")
    child = trajectory(step(1, "user", "b"), trajectory_id="k", subagent_trajectories=[grandchild])
    found = read(trajectory(step(1, "user", "a"), subagent_trajectories=[child]))
    assert [(one.session_id, one.source.get("parent")) for one in found.sessions] == [
        ("run", None),
        ("run-k", {"session_id": "run"}),
        ("run-k-g", {"session_id": "run-k"}),
    ]


def test_other_documents_with_steps_are_not_atif(read: Read) -> None:
    assert read({"schema_version": "1.0", "steps": []}).report.format is None
