"""The logger of the library; ``logging`` is imported only when there is something to log."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging

__all__ = ["log"]


def log(part: str = "") -> logging.Logger:
    """Return the logger ``localsessions``, or the one of a part of it, below it.

    Importing ``logging`` takes a twentieth of the time of importing the package. filelock imports
    ``logging`` when a store is opened, so no fork happens during that import.
    """
    import logging

    return logging.getLogger(f"localsessions.{part}" if part else "localsessions")
