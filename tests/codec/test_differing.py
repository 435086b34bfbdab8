"""Which messages differ: found in the bytes of two files, without a copy of what is the same."""

from __future__ import annotations

import json
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from localsessions import Session
from localsessions._codec import NOTHING, MessagesLaidOut, differing
from localsessions._codec.session_file import encode_document
from localsessions.models import Message

MESSAGES = st.lists(
    st.sampled_from(["a", "b", "ab", 'x",\n    {', "", "é"]).map(
        lambda text: Message(role="user", content=text, more={"deep": [{}, text]})
    ),
    max_size=7,
)


def laid_out(messages: list[Message]) -> MessagesLaidOut:
    session = Session(session_id="s", title="t", messages=messages)
    data, document = encode_document(session, {})
    return MessagesLaidOut.of(data, tuple(document))


def told(messages: list[bytes]) -> list[Message]:
    return [json.loads(one) for one in messages]


@given(was=MESSAGES, now=MESSAGES)
def test_all_differences_lie_between_what_is_the_same(
    was: list[Message], now: list[Message]
) -> None:
    before, left, right = differing(laid_out(was), laid_out(now), len(now))
    after = len(was) - before - len(left)
    assert told(left) == was[before : len(was) - after]
    assert told(right) == now[before : len(now) - after]
    assert was[:before] == now[:before]
    assert after >= 0
    assert was[len(was) - after :] == now[len(now) - after :]
    # No more than one equal message stands at either side.
    assert left[1:2] != right[1:2] or len(left) < 3 or left[:1] != right[:1]


@given(messages=MESSAGES, place=st.integers(0, 7))
def test_what_is_added_is_found_alone(messages: list[Message], place: int) -> None:
    new = Message(role="user", content="new")
    now = [*messages[:place], new, *messages[place:]]
    before, left, right = differing(laid_out(messages), laid_out(now), len(now))
    assert len(left) <= 1
    assert new in told(right)
    assert now[before : before + len(right)] == told(right)


def test_nothing_before_means_that_all_is_new() -> None:
    now = [Message(role="user", content="a"), Message(role="user", content="b")]
    before, left, right = differing(NOTHING, laid_out(now), len(now))
    assert (before, left, told(right)) == (0, [], now)


def test_what_is_the_same_is_not_copied() -> None:
    messages = [Message(role="user", content="x" * 1000) for _ in range(1000)]
    was, now = laid_out(messages), laid_out([*messages, Message(role="user", content="new")])
    tracemalloc.start()
    try:
        before, left, right = differing(was, now, 1001)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (before, len(left), len(right)) == (999, 1, 2)
    assert peak < len(was.data) / 50
