from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from document.values import KEYS, VALUES, exactly, nested
from localsessions import SessionStore
from localsessions.adapters.document import Shape
from localsessions.adapters.document.messages import EVENT


def project(item: Any) -> Any:
    """A framework with sayings, {"by": who, "says": text, ...}, and with everything else."""
    if not isinstance(item.get("by"), str) or "says" not in item:
        return {"role": EVENT}
    return {"role": item["by"], "content": item["says"]}


def build(message: Any, rest: Any) -> Sequence[Any]:
    if message["role"] == EVENT or "content" not in message:
        return []
    return [{"by": message["role"], "says": message["content"]}]


SHAPE = Shape("toy", project, build)
ITEMS = (
    VALUES
    | st.dictionaries(KEYS, VALUES, max_size=4)
    | st.fixed_dictionaries(
        {"by": st.sampled_from(["user", "assistant", EVENT, ""]) | VALUES, "says": VALUES},
        optional={"mood": VALUES, "content": VALUES, "$item": VALUES, "$at": VALUES},
    )
)


@given(ITEMS)
def test_every_item_comes_back_equal(item: Any) -> None:
    before = exactly(item)
    [back] = SHAPE.items_of(SHAPE.message_of(item))
    assert exactly(back) == before == exactly(item)


@pytest.mark.synced
def test_every_item_comes_back_equal_from_a_store(tmp_path: Path) -> None:
    with SessionStore(tmp_path, durability="fast") as store:
        store.create("s")

        @given(st.lists(ITEMS, min_size=1, max_size=3))
        def check(items: list[Any]) -> None:
            with store.edit("s") as session:
                session.messages = [SHAPE.message_of(item) for item in items]
            back = [item for one in store.load("s").messages for item in SHAPE.items_of(one)]
            assert exactly(back) == exactly(items)

        check()


@given(st.text(min_size=5).filter(lambda text: text not in str(SHAPE.message_of({}))))
def test_no_text_stands_twice(text: str) -> None:
    made = SHAPE.message_of({"by": "user", "says": text, "mood": "calm"})
    assert made["toy"] == {"mood": "calm"}


def test_a_message_that_says_all_needs_no_key() -> None:
    made = SHAPE.message_of({"by": "user", "says": "Hi"})
    assert "toy" not in made
    assert SHAPE.items_of(made) == [{"by": "user", "says": "Hi"}]


def test_an_edited_message_is_what_the_framework_gets() -> None:
    made = SHAPE.message_of({"by": "user", "says": "Hi", "mood": "calm"})
    made["content"] = "Hello"
    assert SHAPE.items_of(made) == [{"by": "user", "says": "Hello", "mood": "calm"}]


def test_a_message_of_another_program_is_an_item() -> None:
    assert SHAPE.items_of({"role": "user", "content": "Hi"}) == [{"by": "user", "says": "Hi"}]
    assert SHAPE.items_of({"role": EVENT, "other": {"title": "x"}}) == []


def test_what_is_no_chat_is_an_event() -> None:
    made = SHAPE.message_of({"title": "Weather"})
    assert (made["role"], made["toy"]) == (EVENT, {"title": "Weather"})
    assert SHAPE.message_of(None)["toy"] == {"$item": None}


def test_an_item_that_would_not_come_back_is_kept_whole() -> None:
    liar = Shape("toy", project, lambda message, rest: [{"by": "user", **(rest or {})}])
    item = {"by": "x", "says": "Hi", "mood": 1}
    made = liar.message_of(item)
    assert liar.items_of(made) == [item]


def test_a_message_has_what_every_message_of_a_store_has() -> None:
    made = SHAPE.message_of({"by": "user", "says": "Hi", "mood": 1}, run_id="run_1")
    assert list(made) == ["id", "role", "content", "created_at", "run_id", "toy"]


@given(nested(st.none() | st.text(max_size=3)), nested(st.text(max_size=3)))
def test_nothing_that_a_person_wrote_under_the_key_raises(rest: Any, content: Any) -> None:
    SHAPE.items_of({"role": "user", "content": content, "toy": rest})


def test_what_another_program_says_is_never_unpacked() -> None:
    """Its words may look like an escape object; they are words."""
    shape = Shape("toy", project, build, unpack=lambda typed: pytest.fail(f"unpacked {typed}"))
    said: Any = [{"$typed": "msgpack", "base64": "QQ=="}, {"$bytes": "QQ=="}, {"$$float": "NaN"}]
    [item] = shape.items_of({"role": "user", "content": said})
    assert item == {"by": "user", "says": said}
    item["says"][1]["$bytes"] = "changed"
    assert said[1] == {"$bytes": "QQ=="}
