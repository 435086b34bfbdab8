"""Opening a folder only to list it, without models: for a command that lists and ends.

What such a store lists are plain lines: ``PlainSummary`` has the fields of ``SessionSummary``, and
no pydantic. That saves most of the time of a new process. It has no other verbs than ``list``,
``count``, ``resolve``, ``path`` and ``close``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

from localsessions.addresses import is_address
from localsessions.store import SessionStore

if TYPE_CHECKING:
    from localsessions.engine import Engine

__all__ = ["open_to_list"]

_MOST_BYTES = 256 * 1024 * 1024  # as of a store


def open_to_list(save_dir: str | os.PathLike[str]) -> SessionStore:
    """Return a store that only lists; close it as any other.

    Raises:
        OSError: The folder cannot be made or is no folder.
        ImportError, ValueError: As ``SessionStore``, of an address.
    """
    if is_address(os.fspath(save_dir)):
        return SessionStore(save_dir)
    from localsessions._local.listing import ListingEngine

    engine = ListingEngine(os.fspath(save_dir), lock_timeout=10.0, max_file_bytes=_MOST_BYTES)
    # A listing asks for no more, and who shows a line only reads its fields.
    return SessionStore(cast("Engine", engine))
