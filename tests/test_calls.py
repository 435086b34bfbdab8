"""Calls and their results in the shapes of OpenAI, Anthropic and Gemini: what a model is sent."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localsessions import Message, Session, SessionStore, Unfinished
from localsessions.models.calls import INTERRUPTED_RESULT, brings_results, calls_in, results_in

Messages = list[Any]


class Shape(NamedTuple):
    """How an interface spells a question, calls with some names, their results, and an answer."""

    ask: Callable[[str], Message]
    calls: Callable[[list[str]], Messages]
    results: Callable[[dict[str, str]], Messages]
    answer: Callable[[str], Message]


def chat(role: str) -> Callable[[str], Message]:
    return lambda text: {"role": role, "content": text}


def gemini(role: str) -> Callable[[str], Message]:
    return lambda text: {"role": role, "parts": [{"text": text}]}


SHAPES: dict[str, Shape] = {
    "chat completions": Shape(
        chat("user"),
        lambda names: [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": f"c{one}", "type": "function", "function": {"name": one}}
                    for one in names
                ],
            }
        ],
        lambda told: [
            {"role": "tool", "tool_call_id": f"c{one}", "content": text}
            for one, text in told.items()
        ],
        chat("assistant"),
    ),
    "ollama": Shape(
        chat("user"),
        lambda names: [
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"function": {"name": one, "arguments": {}}} for one in names],
            }
        ],
        lambda told: [
            {"role": "tool", "tool_name": one, "content": text} for one, text in told.items()
        ],
        chat("assistant"),
    ),
    "responses": Shape(
        chat("user"),
        lambda names: [
            {"type": "reasoning", "id": "rs_1", "summary": []},
            *(
                {"type": "function_call", "call_id": f"c{one}", "name": one, "arguments": "{}"}
                for one in names
            ),
        ],
        lambda told: [
            {"type": "function_call_output", "call_id": f"c{one}", "output": text}
            for one, text in told.items()
        ],
        chat("assistant"),
    ),
    "anthropic": Shape(
        chat("user"),
        lambda names: [
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "let me see"},
                    *(
                        {"type": "tool_use", "id": f"c{one}", "name": one, "input": {}}
                        for one in names
                    ),
                ],
            }
        ],
        lambda told: [
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": f"c{one}", "content": text}
                    for one, text in told.items()
                ],
            }
        ],
        chat("assistant"),
    ),
    "gemini": Shape(
        gemini("user"),
        lambda names: [
            {
                "role": "model",
                "parts": [{"functionCall": {"name": one, "args": {}}} for one in names],
            }
        ],
        lambda told: [
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"name": one, "response": {"result": text}}}
                    for one, text in told.items()
                ],
            }
        ],
        gemini("model"),
    ),
    "gemini in snake case, with ids": Shape(
        gemini("user"),
        lambda names: [
            {
                "role": "model",
                "parts": [{"function_call": {"id": f"c{one}", "name": one}} for one in names],
            }
        ],
        lambda told: [
            {
                "role": "tool",
                "parts": [
                    {"function_response": {"id": f"c{one}", "name": one, "response": {"r": text}}}
                    for one, text in told.items()
                ],
            }
        ],
        gemini("model"),
    ),
}


@pytest.fixture(params=SHAPES)
def shape(request: pytest.FixtureRequest) -> Shape:
    return SHAPES[request.param]


def round_of(shape: Shape) -> Messages:
    """One question with two rounds of calls."""
    return [
        shape.ask("weather?"),
        *shape.calls(["f", "g"]),
        *shape.results({"f": "1", "g": "2"}),
        *shape.calls(["h"]),
        *shape.results({"h": "3"}),
        shape.answer("fine"),
    ]


def with_role(message: Message) -> Message:
    """As a store keeps it: an item of the responses interface has a role."""
    kind = str(message.get("type"))
    role = "tool" if kind.endswith("_output") else "assistant"
    return {"role": role, **message}


def session_of(messages: Messages) -> Session:
    return Session(session_id="s", messages=[with_role(copy.deepcopy(one)) for one in messages])


def sent(messages: Messages, unfinished: Unfinished = "answer", **window: Any) -> Messages:
    """Return what a session says, without its marks."""
    told = session_of(messages).history(None, unfinished=unfinished, **window)
    return [{key: one[key] for key in one if key != "from_history"} for one in told]


def plain(messages: Messages) -> Messages:
    return [with_role(one) for one in messages]


def said_for(shape: Shape, name: str) -> Messages:
    """The result that says that a call was interrupted."""
    (result,) = plain(shape.results({name: "?"}))
    texts: Any = copy.deepcopy(result)
    for key in ("content", "output"):
        if texts.get(key) == "?":
            texts[key] = INTERRUPTED_RESULT
    for part in texts.get("parts") or texts.get("content") or ():
        if isinstance(part, dict) and part.get("type") == "tool_result":
            part |= {"content": INTERRUPTED_RESULT, "is_error": True}
        for answer in ("functionResponse", "function_response"):
            if isinstance(part, dict) and answer in part:
                part[answer]["response"] = {"error": INTERRUPTED_RESULT}
    return [texts if texts["role"] != "tool" or "parts" not in texts else {**texts, "role": "user"}]


# -- turns ---------------------------------------------------------------------------------------


def test_results_belong_to_the_turn_before_them(shape: Shape) -> None:
    """A question with tool rounds is one turn, and no turn begins with a result."""
    messages = round_of(shape) * 3
    session = session_of(messages)
    assert [len(turn.messages) for turn in session.turns()] == [len(messages) // 3] * 3
    assert session.history(1)[0] == {**with_role(shape.ask("weather?")), "from_history": True}
    for count in range(len(messages) + 1):
        kept = session.history(last_messages=count)
        assert not kept or not brings_results(kept[0])


def test_results_whose_call_is_gone_begin_no_turn(shape: Shape) -> None:
    messages = [shape.ask("?"), shape.answer("!"), *shape.results({"f": "1"}), shape.answer("so")]
    session = session_of([*messages, shape.ask("and?")])
    assert [len(turn.messages) for turn in session.turns()] == [len(messages), 1]


def test_results_without_a_run_go_to_the_run_of_their_call(shape: Shape) -> None:
    calls, results = shape.calls(["f"]), shape.results({"f": "1"})
    run = [{**with_role(one), "run_id": "r"} for one in [shape.ask("?"), *calls]]
    session = Session(session_id="s", messages=[*run, *plain(results), shape.ask("and?")])
    assert [len(turn.messages) for turn in session.turns()] == [len(run) + 1, 1]


def test_what_is_whole_is_sent_as_it_is(shape: Shape) -> None:
    messages = plain(round_of(shape) * 2)
    rules: tuple[Unfinished, ...] = ("answer", "leave_out", "keep")
    for unfinished in rules:
        assert sent(messages, unfinished) == messages


# -- what is not whole ---------------------------------------------------------------------------


def test_calls_without_any_result_are_answered(shape: Shape) -> None:
    told = sent([shape.ask("?"), *shape.calls(["f"])])
    assert told == plain([shape.ask("?"), *shape.calls(["f"])]) + said_for(shape, "f")


def test_a_call_without_a_result_beside_others_is_answered(shape: Shape) -> None:
    messages = [shape.ask("?"), *shape.calls(["f", "g"]), *shape.results({"g": "2"})]
    told = sent(messages)
    wanted = [key for one in told for key in calls_in(one)]
    given_ = [key for one in told for key in results_in(one)]
    assert sorted(wanted) == sorted(given_)
    assert len(wanted) == 2
    assert str(told).count(INTERRUPTED_RESULT) == 1
    containers = [one for one in told if "parts" in one or isinstance(one.get("content"), list)]
    if containers:  # all results in one message
        assert len(told) == len(messages)


def test_calls_without_results_are_left_out(shape: Shape) -> None:
    messages = [shape.ask("?"), *shape.calls(["f", "g"]), *shape.results({"g": "2"})]
    told = sent(messages, "leave_out")
    assert told == plain([shape.ask("?"), *shape.calls(["g"]), *shape.results({"g": "2"})])
    alone = sent([shape.ask("?"), *shape.calls(["f"])], "leave_out")
    assert [calls_in(one) for one in alone] == [[]] * len(alone)
    assert INTERRUPTED_RESULT not in str(alone)


def test_results_without_calls_are_left_out(shape: Shape) -> None:
    messages = [shape.ask("?"), *shape.results({"f": "1"}), shape.answer("so")]
    assert sent(messages) == plain([shape.ask("?"), shape.answer("so")])
    some = [*shape.calls(["f"]), *shape.results({"f": "1", "g": "2"}), shape.answer("so")]
    assert sent(some) == plain(
        [*shape.calls(["f"]), *shape.results({"f": "1"}), shape.answer("so")]
    )


def test_what_was_said_between_a_call_and_its_result_comes_after_them(shape: Shape) -> None:
    """A person typed while the tool ran, or another agent spoke."""
    calls, results = shape.calls(["f"]), shape.results({"f": "1"})
    typed = shape.ask("still there?")
    for run in ({}, {"run_id": "r"}):
        messages = [{**one, **run} for one in plain([shape.ask("?"), *calls, typed, *results])]
        expected = [{**one, **run} for one in plain([shape.ask("?"), *calls, *results, typed])]
        assert sent(messages) == expected


@pytest.mark.parametrize("status", ["RUNNING", "INTERRUPTED", "pending"])
def test_an_interrupted_run_is_answered_or_left_out(shape: Shape, status: str) -> None:
    first, second = round_of(shape), [shape.ask("more?"), *shape.calls(["f"])]
    session = session_of([*first, *({**one, "run_id": "r"} for one in second)])
    session.runs = [{"run_id": "r", "status": status}]
    assert len(session.history(None, unfinished="leave_out")) == len(first)
    answered = session.history(None, unfinished="answer")
    assert len(answered) == len(first) + len(second) + 1
    assert INTERRUPTED_RESULT in str(answered[-1])
    assert len(session.history(None)) == len(first) + len(second)


def test_an_answer_that_had_not_begun_is_not_sent(shape: Shape) -> None:
    nothing = (
        {**shape.answer(""), "content": ""}
        if "content" in shape.answer("")
        else {
            "role": "model",
            "parts": [],
        }
    )
    assert sent([shape.ask("?"), nothing]) == [shape.ask("?")]


# -- through a store -----------------------------------------------------------------------------


def test_what_a_store_was_given_goes_to_the_model_again(shape: Shape, store: SessionStore) -> None:
    """Nothing is added and nothing is lost, whatever the shape."""
    store.create("s")
    store.append("s", *round_of(shape))
    assert store.context("s") == round_of(shape)
    assert store.context("s", last_runs=1, unfinished="keep") == round_of(shape)
    store.append("s", shape.ask("more?"), *shape.calls(["f"]))
    told = store.context("s")
    assert INTERRUPTED_RESULT in str(told[-1])
    assert not any(key in one for one in told for key in ("created_at", "run_id", "from_history"))


def test_ids_of_the_responses_interface_stay(store: SessionStore) -> None:
    store.create("s")
    item = {"type": "message", "id": "msg_68", "role": "assistant", "content": []}
    text = {"type": "output_text", "text": "hi"}
    store.append("s", {**item, "content": [text]}, {"role": "user", "id": "u1", "content": "x"})
    assert store.context("s") == [
        {**item, "content": [text]},
        {"role": "user", "content": "x"},
    ]


def test_results_are_tools_for_those_who_skip_tools(shape: Shape) -> None:
    chat_ = session_of(round_of(shape)).history(None, skip_roles={"tool"})
    assert not any(map(brings_results, chat_))
    assert len(chat_) == len(round_of(shape)) - len(shape.results({"f": "", "g": ""})) - 1


# -- for every session ---------------------------------------------------------------------------

PIECES = st.lists(
    st.sampled_from(["ask", "answer", "call", "calls", "result", "results"]), max_size=12
)


@given(st.sampled_from(sorted(SHAPES)), PIECES, st.data())
def test_no_call_is_sent_without_its_result_and_no_result_without_its_call(
    name: str, pieces: list[str], data: st.DataObject
) -> None:
    shape = SHAPES[name]
    makers: dict[str, Callable[[], Messages]] = {
        "ask": lambda: [shape.ask("?")],
        "answer": lambda: [shape.answer("!")],
        "call": lambda: shape.calls(["f"]),
        "calls": lambda: shape.calls(["f", "g"]),
        "result": lambda: shape.results({"f": "1"}),
        "results": lambda: shape.results({"g": "1", "f": "2"}),
    }
    messages = [one for piece in pieces for one in makers[piece]()]
    unfinished: Unfinished = data.draw(st.sampled_from(["answer", "leave_out"]))
    limit = data.draw(st.none() | st.integers(0, 12))
    before = copy.deepcopy(messages)
    told = sent(messages, unfinished, last_messages=limit)
    assert messages == before
    open_calls: list[str] = []
    for message in told:
        for key in results_in(message):
            assert key in open_calls
            open_calls.remove(key)
        open_calls += calls_in(message)
    assert open_calls == []
    assert not told or not brings_results(told[0])
