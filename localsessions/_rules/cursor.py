"""The opaque text that asks for the next page: where the last page ended, and in which listing."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime
from typing import NamedTuple

from localsessions.models import Order, activity_key
from localsessions.models.instants import microseconds
from localsessions.models.plain import Summary

__all__ = ["Cursor", "key_of"]


class Cursor(NamedTuple):
    """The key of the last item of a page: added or deleted sessions do not shift the next page."""

    listing: str
    value: int
    session_id: str

    def encode(self) -> str:
        """Return the text that stands for this cursor."""
        return base64.urlsafe_b64encode(json.dumps(self).encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, listing: str) -> Cursor:
        """Return the cursor that a text stands for.

        Raises:
            ValueError: ``encode`` did not make the text, or the text belongs to another listing.
        """
        try:
            padded = text + "=" * (-len(text) % 4)
            found, value, session_id = json.loads(base64.urlsafe_b64decode(padded.encode()))
        except (ValueError, TypeError, binascii.Error, RecursionError):
            raise ValueError(f"cursor {text[:40]!r} was not made by this store") from None
        if found != listing or type(value) is not int or not isinstance(session_id, str):
            raise ValueError("the cursor belongs to a listing with another order or other filters")
        if not -(2**63) <= value < 2**63:
            raise ValueError(f"cursor {text[:40]!r} was not made by this store")
        return cls(listing, value, session_id)


def key_of(summary: Summary, order: Order) -> tuple[int, str]:
    """Return the key by which a listing in this order sorts a session: a number, then the id."""
    if order.endswith("last_activity"):
        return activity_key(summary), summary.session_id
    value = getattr(summary, order.lstrip("-"))
    number = microseconds(value) if isinstance(value, datetime) else value
    return number or 0, summary.session_id
