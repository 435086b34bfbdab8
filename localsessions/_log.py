"""The logger of the library, in one place because it is imported when there is something to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging

__all__ = ["log"]


def log() -> logging.Logger:
    """Return the logger ``localsessions``.

    ``logging`` takes a twentieth of what importing the package takes. filelock, which is imported
    when a store is opened, brings it: a fork never comes in the middle of its import.
    """
    import logging

    return logging.getLogger("localsessions")
