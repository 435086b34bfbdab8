"""A session of one text, and what redacting leaves of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from pydantic import JsonValue

from localsessions import Session
from localsessions.redaction import PATTERNS, Pattern, redact

Left = Callable[..., JsonValue]


@pytest.fixture
def left() -> Left:
    """Return what is left of a value that stands in a session's state."""

    def left_of(value: JsonValue, patterns: Sequence[Pattern] = PATTERNS) -> JsonValue:
        session = Session(session_id="s", state={"said": value})
        # A pattern may also rename the key.
        (left,) = redact(session, patterns=patterns).session.state.values()
        return left

    return left_of
