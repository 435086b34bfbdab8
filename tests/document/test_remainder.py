from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from document.values import JSON, KEYS, exactly
from localsessions.adapters.document import escaped
from localsessions.adapters.document.remainder import laid_over, remainder_of

OBJECTS: st.SearchStrategy[Any] = st.dictionaries(KEYS, JSON, max_size=4).map(escaped)


def nearly(value: Any) -> st.SearchStrategy[Any]:
    """The value with something changed somewhere, or more in it, or less."""
    if isinstance(value, dict):
        return st.fixed_dictionaries(
            {}, optional={key: nearly(item) for key, item in value.items()}
        ).flatmap(lambda kept: OBJECTS.map(lambda more: {**kept, **more}) | st.just(kept))
    if isinstance(value, list):
        return st.tuples(*map(nearly, value)).map(list)
    return st.just(value) | JSON.map(escaped)


PAIRS = OBJECTS.flatmap(lambda made: st.tuples(st.just(made), nearly(made) | OBJECTS))


@given(PAIRS)
def test_a_remainder_laid_over_the_second_object_is_the_first(pair: tuple[Any, Any]) -> None:
    made, item = pair
    before = exactly(made)
    assert exactly(laid_over(made, remainder_of(item, made))) == exactly(item)
    assert exactly(made) == before


@given(OBJECTS)
def test_nothing_remains_of_two_equal_objects(item: Any) -> None:
    assert remainder_of(item, item) == {}


@given(PAIRS, OBJECTS)
def test_it_is_laid_over_any_other_object_without_an_error(
    pair: tuple[Any, Any], other: Any
) -> None:
    made, item = pair
    assert isinstance(laid_over(other, remainder_of(item, made)), dict)


@given(JSON, JSON, JSON)
def test_no_remainder_that_a_person_wrote_raises(made: Any, path: Any, rest: Any) -> None:
    change = {"path": path, "of": "0", "with": rest}
    assert laid_over({"a": made}, {"$at": [change, rest]}) == {"a": made}


def test_it_says_only_what_differs() -> None:
    made: Any = {
        "role": "assistant",
        "content": [{"type": "text", "text": "Hi"}],
        "type": "message",
    }
    item: Any = {
        "id": "msg_1",
        "role": "assistant",
        "content": [{"type": "text", "text": "Hi", "annotations": []}],
    }
    rest: Any = remainder_of(item, made)
    assert rest["id"] == "msg_1"
    assert [(change["path"], change.get("with")) for change in rest["$at"]] == [
        (["content", 0], {"annotations": []}),
        (["type"], None),
    ]
    assert "Hi" not in str(rest)


def test_what_belonged_to_a_text_does_not_come_back_after_an_edit() -> None:
    made: Any = {"content": [{"text": "Hi"}]}
    rest = remainder_of({"id": "1", "content": [{"text": "Hi", "marks": [0, 2]}]}, made)
    edited: Any = {"content": [{"text": "Hello"}]}
    assert laid_over(edited, rest) == {"id": "1", "content": [{"text": "Hello"}]}
