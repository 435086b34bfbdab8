"""The opaque text that asks for the next page."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localsessions._rules.cursor import Cursor


@given(st.integers(-(2**63), 2**63 - 1), st.text())
def test_what_was_encoded_comes_back(value: int, session_id: str) -> None:
    cursor = Cursor("listing", value, session_id)
    assert Cursor.decode(cursor.encode(), "listing") == cursor
    assert cursor.encode().isascii()


@given(st.text() | st.binary().map(lambda data: base64.urlsafe_b64encode(data).decode()))
def test_garbage_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        Cursor.decode(text, "listing")


@pytest.mark.parametrize(
    "content",
    [
        None,
        1,
        [],
        ["listing", 1],
        ["listing", 1, "a", 2],
        ["listing", "1", "a"],
        ["listing", 1.0, "a"],
        ["listing", True, "a"],
        ["listing", 2**63, "a"],
        ["listing", -(2**63) - 1, "a"],
        ["listing", 1, None],
        ["other", 1, "a"],
        {"listing": 1},
    ],
)
def test_another_shape_is_refused(content: object) -> None:
    text = base64.urlsafe_b64encode(json.dumps(content).encode()).decode()
    with pytest.raises(ValueError, match="cursor"):
        Cursor.decode(text, "listing")
