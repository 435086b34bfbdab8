"""What of a session goes to a model: turns, the window over them, the context."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localsessions import Message, Session, SessionStore

STATUSES = ("COMPLETED", "ERROR", "CANCELLED", "PAUSED", "REGENERATED", "RUNNING", "paused", None)
UNSENT = {"ERROR", "CANCELLED", "PAUSED", "REGENERATED"}


def said(role: str, content: str, **more: Any) -> Message:
    return {"role": role, "content": content, **more}


def texts(messages: list[Message]) -> list[Any]:
    return [message["content"] for message in messages]


def talk(count: int, **run: Any) -> Session:
    """A session of ``count`` runs, each a question and an answer."""
    runs = [{"run_id": f"r{at}", "status": "COMPLETED", **run} for at in range(count)]
    messages = [
        said(role, f"{role[0]}{at}", run_id=f"r{at}")
        for at in range(count)
        for role in ("user", "assistant")
    ]
    return Session(session_id="s", messages=messages, runs=runs)


# -- the window --------------------------------------------------------------------------------


def test_three_runs_are_sent_unless_told() -> None:
    """A5, D11: the window is the last three runs."""
    assert texts(talk(5).history()) == ["u2", "a2", "u3", "a3", "u4", "a4"]


@pytest.mark.parametrize(("runs", "count"), [(0, 0), (1, 2), (4, 8), (5, 10), (99, 10), (None, 10)])
def test_as_many_runs_are_sent_as_told(runs: int | None, count: int) -> None:
    """A5: ``num_history_runs``."""
    assert len(talk(5).history(runs)) == count


@pytest.mark.parametrize(("messages", "count"), [(0, 0), (1, 1), (7, 7), (10, 10), (99, 10)])
def test_as_many_messages_are_sent_as_told_over_all_runs(messages: int, count: int) -> None:
    """A5: ``num_history_messages`` counts over all runs; a limit of 0 or 1 is not everything."""
    session = talk(5)
    session.messages.insert(0, said("system", "be brief", run_id="r0"))
    assert len(session.history(last_messages=messages)) == count


def test_both_numbers_are_both_kept() -> None:
    assert texts(talk(5).history(3, last_messages=99)) == ["u2", "a2", "u3", "a3", "u4", "a4"]
    assert texts(talk(5).history(2, 3)) == ["a3", "u4", "a4"]


@pytest.mark.parametrize("name", ["last_runs", "last_messages"])
def test_a_negative_number_is_refused(name: str) -> None:
    numbers: dict[str, Any] = {name: -1}
    with pytest.raises(ValueError, match=f"{name} must be 0 or more"):
        talk(1).history(**numbers)


# -- what is left out --------------------------------------------------------------------------


@pytest.mark.parametrize("status", [*sorted(UNSENT), "paused"])
def test_failed_and_unfinished_runs_are_stored_and_not_sent(status: str) -> None:
    """A5: and they use up no place in the window."""
    session = talk(4)
    session.runs[2]["status"] = status
    assert texts(session.history()) == ["u0", "a0", "u1", "a1", "u3", "a3"]
    assert len(session.messages) == 8


def test_runs_of_team_members_are_not_sent() -> None:
    """2.1 agno, 2: a run with a ``parent_run_id`` is its parent's affair."""
    session = talk(3)
    session.runs[1]["parent_run_id"] = "r0"
    assert texts(session.history()) == ["u0", "a0", "u2", "a2"]


def test_what_was_history_is_not_sent_twice() -> None:
    """A9: a run that stored the history that it was sent does not say it again."""
    session = talk(2)
    session.messages.insert(2, said("user", "u0", run_id="r1", from_history=True))
    assert texts(session.history()) == ["u0", "a0", "u1", "a1"]


@pytest.mark.parametrize("role", ["system", "developer"])
def test_system_messages_are_no_history(role: str) -> None:
    """A4: the system message is the caller's, once and first."""
    session = talk(1)
    session.messages.insert(0, said(role, "be brief", run_id="r0"))
    assert texts(session.history()) == ["u0", "a0"]


def test_a_tool_result_whose_call_is_outside_is_left_out() -> None:
    """A5: no model is sent a result without its call."""
    call: Message = {"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]}
    session = Session(
        session_id="s",
        messages=[
            said("user", "u"),
            call,
            said("tool", "t1", tool_call_id="c"),
            said("tool", "t2", tool_call_id="d"),
            said("assistant", "a"),
        ],
    )
    assert texts(session.history(last_messages=3)) == ["a"]
    assert texts(session.history(last_messages=2)) == ["a"]
    assert len(session.history(last_messages=4)) == 4
    session.messages = session.messages[2:4]
    assert session.history() == []


def test_the_chat_of_all_runs_is_user_and_assistant_in_order() -> None:
    """A6: ``get_chat_history``, failed runs included."""
    session = talk(5)
    session.runs[1]["status"] = "ERROR"
    session.messages.insert(1, said("tool", "t", run_id="r0"))
    chat = session.history(None, skip_roles={"tool"}, skip_statuses=())
    assert texts(chat) == [f"{role}{at}" for at in range(5) for role in "ua"]


# -- turns -------------------------------------------------------------------------------------


def test_messages_without_a_run_are_turns_that_a_user_begins() -> None:
    """A5: what other surfaces and people wrote is history, too."""
    session = Session(
        session_id="s",
        messages=[
            said("assistant", "welcome"),
            said("user", "1"),
            said("assistant", "one"),
            said("user", "2", run_id="r"),
            said("assistant", "two", run_id="r"),
            said("user", "3"),
            said("user", "4"),
            said("assistant", "four"),
        ],
        runs=[{"run_id": "r"}],
    )
    assert [texts(turn.messages) for turn in session.turns()] == [
        ["welcome"],
        ["1", "one"],
        ["2", "two"],
        ["3"],
        ["4", "four"],
    ]
    assert [turn.run for turn in session.turns()] == [None, None, {"run_id": "r"}, None, None]
    assert texts(session.history()) == ["2", "two", "3", "4", "four"]


def test_runs_that_talk_at_once_are_told_one_after_the_other() -> None:
    session = Session(
        session_id="s",
        messages=[
            said("user", "a?", run_id="a"),
            said("user", "b?", run_id="b"),
            said("assistant", "a!", run_id="a"),
            said("assistant", "b!", run_id="b"),
        ],
    )
    assert texts(session.history()) == ["a?", "a!", "b?", "b!"]


def test_a_run_that_said_nothing_yet_has_its_turn_and_no_place_in_the_window() -> None:
    session = talk(2)
    session.runs.insert(1, {"run_id": "pending", "status": "PENDING"})
    session.runs.insert(0, {"run_id": "first"})
    names = [turn.run and turn.run["run_id"] for turn in session.turns()]
    assert names == ["first", "r0", "pending", "r1"]
    assert len(session.history(2)) == 4


# -- the context -------------------------------------------------------------------------------


def test_context_is_system_history_and_input() -> None:
    """A4: system message first and once, the user's input last."""
    session = talk(1)
    session.messages.insert(0, said("system", "old", run_id="r0"))
    context = session.context("now?", "be brief", add_history_to_context=True)
    assert [(one["role"], one["content"]) for one in context] == [
        ("system", "be brief"),
        ("user", "u0"),
        ("assistant", "a0"),
        ("user", "now?"),
    ]
    assert [one.get("from_history") for one in context] == [None, True, True, None]


def test_history_is_in_the_context_only_when_asked_for() -> None:
    """A4: ``add_history_to_context`` is False unless told."""
    assert session_context_of(talk(3)) == ["now?"]
    assert len(talk(5).context("now?", add_history_to_context=True, last_messages=2)) == 3
    assert len(talk(5).context("now?", add_history_to_context=True, last_runs=2)) == 5


def session_context_of(session: Session) -> list[Any]:
    return texts(session.context("now?"))


@pytest.mark.parametrize("prompt", [None, ""])
def test_an_empty_system_prompt_gives_no_system_message(prompt: str | None) -> None:
    """A4, A12."""
    assert talk(1).context("now?", prompt) == [{"role": "user", "content": "now?"}]


def test_input_may_be_parts_or_a_whole_message() -> None:
    parts: list[Any] = [{"type": "text", "text": "look"}]
    assert talk(0).context(parts) == [{"role": "user", "content": parts}]
    message: Message = {"role": "tool", "content": "42", "tool_call_id": "c"}
    assert talk(0).context(message) == [message]
    with pytest.raises(ValueError, match="needs a role"):
        talk(0).context({"content": "hi"})


def test_the_store_tells_the_history_of_a_chat_that_was_appended(store: SessionStore) -> None:
    store.create("s")
    store.append("s", said("user", "hi"), said("assistant", "hello"))
    assert texts(store.load("s").history()) == ["hi", "hello"]


# -- for every session -------------------------------------------------------------------------

RUN_IDS = ["a", "b", "c", "d"]
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant", "tool", "developer"])},
        optional={
            "run_id": st.sampled_from([*RUN_IDS, "unrecorded", None]),
            "from_history": st.booleans(),
        },
    ),
    max_size=14,
)
RUNS = st.lists(
    st.fixed_dictionaries(
        {"run_id": st.sampled_from(RUN_IDS)},
        optional={
            "status": st.sampled_from(STATUSES),
            "parent_run_id": st.sampled_from(["p", None]),
        },
    ),
    unique_by=lambda run: str(run["run_id"]),
)
NUMBERS = st.none() | st.integers(0, 6)


@st.composite
def sessions(draw: st.DrawFn) -> Session:
    messages = [{**one, "content": str(at)} for at, one in enumerate(draw(MESSAGES))]
    return Session(session_id="s", messages=messages, runs=draw(RUNS))


def unsent_runs(session: Session) -> set[Any]:
    return {
        run["run_id"]
        for run in session.runs
        if str(run.get("status")).upper() in UNSENT or run.get("parent_run_id") is not None
    }


@given(sessions())
def test_each_message_has_one_turn_and_each_run_too(session: Session) -> None:
    turns = session.turns()
    spread = [message for turn in turns for message in turn.messages]
    assert sorted(texts(spread), key=int) == texts(session.messages)
    recorded = [turn.run["run_id"] for turn in turns if turn.run]
    assert sorted(map(str, recorded)) == sorted(str(run["run_id"]) for run in session.runs)
    for turn in turns:
        assert len({str(one.get("run_id")) for one in turn.messages}) <= 1
        assert texts(turn.messages) == sorted(texts(turn.messages), key=int)


@given(sessions(), NUMBERS, NUMBERS)
def test_history_holds_nothing_that_may_not_be_sent(
    session: Session, runs: int | None, messages: int | None
) -> None:
    """A4, A5: whatever is stored."""
    before = copy.deepcopy(session)
    history = session.history(runs, messages)
    assert session == before
    by_text = {str(one["content"]): one for one in session.messages}
    unsent = unsent_runs(session)
    for one in history:
        stored = by_text[str(one["content"])]
        assert one == {**stored, "from_history": True}
        assert one is not stored
        assert not stored.get("from_history")
        assert stored["role"] in ("user", "assistant", "tool")
        assert stored.get("run_id") is None or stored["run_id"] not in unsent
    assert not history or history[0]["role"] != "tool"
    assert messages is None or len(history) <= messages


@given(sessions(), NUMBERS)
def test_a_larger_window_only_adds_before(session: Session, runs: int | None) -> None:
    """A5: a window is the end of what all would be."""
    everything = texts(session.history(None))
    window = texts(session.history(runs))
    assert window == everything[len(everything) - len(window) :]
    for count in range(8):
        few = texts(session.history(runs, count))
        assert few == window[len(window) - len(few) :]


@given(sessions())
def test_context_has_one_system_message_and_it_is_first(session: Session) -> None:
    """A4."""
    context = session.context("now?", "be brief", add_history_to_context=True, last_runs=None)
    assert [one["role"] for one in context].count("system") == 1
    assert context[0]["content"] == "be brief"
    assert context[-1] == {"role": "user", "content": "now?"}
    assert context[1:-1] == session.history(None)
