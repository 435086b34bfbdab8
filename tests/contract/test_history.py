"""What is read from the end of a session for a screen or a model is what the whole session says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.conftest import NewPlace
from localsessions import Message, Session, SessionNotFoundError, SessionStore

STATUSES = ["COMPLETED", "RUNNING", "INTERRUPTED", "ERROR", None]


def turn(number: int, run_id: str | None = None) -> list[Message]:
    """A question, a call, its result and an answer."""
    run: dict[str, Any] = {} if run_id is None else {"run_id": run_id}
    call: dict[str, Any] = {"id": f"c{number}", "function": {"name": "f", "arguments": "{}"}}
    return [
        {"role": "user", "content": f"q{number}", **run},
        {"role": "assistant", "content": None, "tool_calls": [call], **run},
        {"role": "tool", "tool_call_id": f"c{number}", "content": f"r{number}", **run},
        {"role": "assistant", "content": f"a{number}", **run},
    ]


def size(message: Message) -> int:
    return len(str(message.get("content")))


def ended(store: SessionStore, count: int) -> None:
    store.create("a", messages=[one for number in range(count) for one in turn(number)])


def texts(messages: list[Message]) -> list[Any]:
    return [one.get("content") for one in messages]


def test_history_is_as_it_is_stored(store: SessionStore) -> None:
    ended(store, 30)
    assert store.history("a") == store.load("a").messages
    assert store.history("a", 2) == store.load("a").messages[-8:]
    assert store.history("a", last_messages=1) == store.load("a").messages[-1:]
    assert store.history("a", 0) == []


@pytest.mark.parametrize("run_ids", [False, True])
def test_a_turn_that_begins_before_what_was_read_is_read_whole(
    store: SessionStore, run_ids: bool
) -> None:
    """32 messages are read first, and each turn has five here."""
    more: Message = {"role": "assistant", "content": "more"}
    messages: list[Message] = [
        {**one, "run_id": f"r{number}"} if run_ids else one
        for number in range(30)
        for one in [*turn(number), more]
    ]
    store.create("a", messages=messages)
    for count in range(1, 31):
        assert texts(store.history("a", count)) == texts(messages[-5 * count :])
    limits: dict[str, Any] = {"max_tokens": 7 * 15, "count_tokens": lambda _: 3}
    assert texts(store.history("a", **limits)) == texts(messages[-5 * 7 :])


def test_context_is_what_a_model_takes(store: SessionStore) -> None:
    ended(store, 2)
    assert store.context("a", "so?", "be brief", last_runs=1) == [
        {"role": "system", "content": "be brief"},
        *turn(1),
        {"role": "user", "content": "so?"},
    ]
    assert store.context("a") == [*turn(0), *turn(1)]


def test_a_window_by_tokens_has_whole_turns_and_the_last(store: SessionStore) -> None:
    ended(store, 30)
    each = sum(map(size, turn(29)))
    assert [one["content"] for one in store.history("a", max_tokens=3 * each, count_tokens=size)][
        ::4
    ] == ["q27", "q28", "q29"]
    assert len(store.history("a", max_tokens=3 * each - 1, count_tokens=size)) == 8
    assert texts(store.history("a", max_tokens=0, count_tokens=size)) == texts(turn(29))
    limits: dict[str, Any] = {"max_tokens": each + 3 + 2, "count_tokens": size}
    assert len(store.context("a", "so?", "ab", **limits)) == 1 + 4 + 1
    assert len(store.context("a", "so?", "abc", **limits)) == 2
    assert len(store.context("a", None, "abc", **limits)) == 1 + 4


def test_what_makes_no_sense_is_refused(store: SessionStore) -> None:
    ended(store, 1)
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("max_tokens needs count_tokens", {"max_tokens": 1}),
        ("max_tokens must be 0 or more", {"max_tokens": -1, "count_tokens": size}),
        ("last_runs must be 0 or more", {"last_runs": -1}),
        ("unfinished must be one of", {"unfinished": "drop"}),
    ]
    for told, given_ in wrong:
        for verb in (store.history, store.context):
            with pytest.raises(ValueError, match=told):
                verb("a", **given_)
    for verb in (store.history, store.context):
        with pytest.raises(SessionNotFoundError):
            verb("none", last_runs=1)
    with pytest.raises(ValueError, match="needs a role"):
        store.context("a", {"content": "x"})


def test_work_grows_with_the_window_and_not_with_the_session(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted in messages that the engine was asked for, of a session of 4,000."""
    ended(store, 1000)
    asked: list[int] = []
    tail = store.engine.tail

    def counted(session_id: str, n: int) -> Session:
        asked.append(n)
        return tail(session_id, n)

    monkeypatch.setattr(store.engine, "tail", counted)
    for limits, most in [
        ({"last_runs": 1}, 40),
        ({"last_messages": 10}, 40),
        ({"max_tokens": 100, "count_tokens": size}, 200),
        ({"last_runs": 100}, 4 * 500),
    ]:
        asked.clear()
        few: Any = limits
        store.history("a", **few)
        store.context("a", **few)
        assert 0 < sum(asked) <= 2 * most


@given(
    st.lists(
        st.tuples(st.sampled_from([None, "r", "s", "t"]), st.integers(1, 3)),
        min_size=8,
        max_size=40,
    ),
    st.dictionaries(st.sampled_from("rst"), st.sampled_from(STATUSES)),
    st.none() | st.integers(0, 9),
    st.none() | st.integers(0, 30),
    st.none() | st.integers(0, 60),
    st.sampled_from(["keep", "answer", "leave_out"]),
)
def test_the_end_says_what_the_whole_says(
    new_place: NewPlace,
    told: list[tuple[str | None, int]],
    runs: dict[str, Any],
    last_runs: int | None,
    last_messages: int | None,
    max_tokens: int | None,
    unfinished: Any,
) -> None:
    """Runs stand together here; each is another one, wherever it is."""
    messages: list[Message] = []
    recorded: list[dict[str, Any]] = []
    for number, (kind, count) in enumerate(told):
        run_id = None if kind is None else f"{kind}{number}"
        if kind is not None:
            recorded.append({"run_id": run_id, "status": runs.get(kind)})
        messages += [one for at in range(count) for one in turn(10 * number + at, run_id)]
    limits: dict[str, Any] = {
        "last_messages": last_messages,
        "unfinished": unfinished,
        "max_tokens": max_tokens,
        "count_tokens": size,
    }
    with new_place().open() as store:
        store.save(Session(session_id="a", messages=messages, runs=recorded))
        whole = store.load("a").history(last_runs, **limits)
        for message in whole:
            del message["from_history"]
        assert store.history("a", last_runs, **limits) == whole
