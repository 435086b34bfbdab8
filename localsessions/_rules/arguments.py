"""The checks of arguments: an argument with a wrong type or out of range is refused by name.

Each argument is checked before it is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from types import UnionType
from typing import TYPE_CHECKING, get_args

from localsessions import models
from localsessions.models import Grouping, Order

if TYPE_CHECKING:
    from localsessions.models import Session

__all__ = [
    "refuse_checkpoint_id",
    "refuse_conflict_rule",
    "refuse_grouping",
    "refuse_limit",
    "refuse_naive",
    "refuse_negative",
    "refuse_options",
    "refuse_other",
    "refuse_other_texts",
    "refuse_page",
    "sessions_in",
    "texts_in",
]

_ORDERS = frozenset(get_args(Order))


def refuse_other(name: str, value: object, kind: type | UnionType, what: str) -> None:
    """Refuse an argument that has a wrong type.

    Raises:
        TypeError: The value is not of ``kind``; ``what`` describes the kind in words.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {what}, not {type(value).__name__}")


def refuse_other_texts(**texts: object) -> None:
    """Refuse arguments that are neither texts nor None."""
    for name, text in texts.items():
        if not (text is None or isinstance(text, str)):
            refuse_other(name, text, str | None, "a str or None")


def refuse_checkpoint_id(checkpoint_id: str) -> None:
    """Refuse an id of a checkpoint that not every system can store.

    Raises:
        ValueError: It is one.
    """
    from localsessions._codec.names import file_stem

    refuse_other("checkpoint_id", checkpoint_id, str, "a str or None")
    if file_stem(checkpoint_id) != checkpoint_id:
        raise ValueError(
            f"checkpoint_id {checkpoint_id!r} cannot be in a file name on every system; "
            "use letters, digits, '-', '_' and '.'"
        )


def refuse_options(durability: str, lock_timeout: float, max_file_bytes: int) -> None:
    """Refuse invalid options for opening a store."""
    if durability not in ("full", "fast"):
        raise ValueError(f'durability must be "full" or "fast", not {durability!r}')
    refuse_other("lock_timeout", lock_timeout, int | float, "a number of seconds")
    refuse_other("max_file_bytes", max_file_bytes, int, "a number of bytes")
    if not lock_timeout >= 0:
        raise ValueError(f"lock_timeout must be 0 or more seconds, not {lock_timeout!r}")


def refuse_grouping(by: str) -> None:
    """Refuse what sessions are not put together by.

    Raises:
        ValueError: It is none of ``Grouping``.
    """
    if by not in (known := get_args(Grouping)):
        raise ValueError(f"by must be one of {', '.join(known)}, not {by!r}")


def refuse_page(order: str, limit: int, cursor: str | None) -> None:
    """Refuse invalid arguments for a page of a listing."""
    if order not in _ORDERS:
        raise ValueError(f"order must be one of {', '.join(sorted(_ORDERS))}, not {order!r}")
    refuse_limit(limit)
    refuse_other("cursor", cursor, str | None, "the next_cursor of a page or None")


def refuse_limit(limit: int) -> None:
    """Refuse a limit that is not an int of 1 or more."""
    refuse_other("limit", limit, int, "an int")
    if limit < 1:
        raise ValueError(f"limit must be 1 or more, not {limit}")


def refuse_negative(name: str, number: int) -> None:
    """Refuse a number that is not an int of 0 or more."""
    refuse_other(name, number, int, "an int")
    if number < 0:
        raise ValueError(f"{name} must be 0 or more, not {number}")


def refuse_naive(**instants: datetime | None) -> None:
    """Refuse instants without a time zone; None is allowed."""
    for name, instant in instants.items():
        if instant is None:
            continue
        refuse_other(name, instant, datetime, "an aware datetime or None")
        if instant.tzinfo is None:
            raise ValueError(f"{name} must be an aware datetime, as in datetime.now(UTC)")


def refuse_conflict_rule(on_conflict: str) -> None:
    """Refuse a rule that is neither "raise" nor "merge"."""
    if on_conflict not in ("raise", "merge"):
        raise ValueError(f'on_conflict must be "raise" or "merge", not {on_conflict!r}')


def texts_in(name: str, texts: Iterable[str], each: str) -> tuple[str, ...]:
    """Return several texts; refuse a single text, whose letters would be taken for the texts."""
    refuse_other(name, texts, Iterable, "several texts, as in a list")
    if isinstance(texts, str | bytes):
        raise TypeError(f"{name} must be several texts, as in [{texts!r}], not one")
    chosen = tuple(texts)
    for text in chosen:
        refuse_other(each, text, str, "a str")
    return chosen


def sessions_in(sessions: Iterable[Session]) -> Sequence[Session]:
    """Return several sessions; refuse any item that is not a ``Session``."""
    refuse_other("sessions", sessions, Iterable, "several sessions, as in a list")
    chosen = tuple(sessions)
    for session in chosen:
        refuse_other("a session", session, models.Session, "a Session")
    return chosen
