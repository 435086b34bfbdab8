"""Which project a person stands in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localsessions.store import SessionStore

__all__ = ["project_here"]


def project_here(store: SessionStore) -> str | None:
    """Return the nearest project folder that sessions are of; None if this folder is in none.

    That is the working folder, or a folder above it in the same repository. Folders above the
    repository do not count: a chat in the home folder would make a project of everything.
    """
    return next((one for one in _folders() if store.count(project=one)), None)


def _folders() -> Iterator[str]:
    """Yield the working folder, then those above it up to the root of its repository."""
    try:
        folder = os.getcwd()
    except FileNotFoundError:  # it was removed meanwhile
        return
    above = [folder]
    while (parent := os.path.dirname(above[-1])) != above[-1]:
        if os.path.lexists(os.path.join(above[-1], ".git")):
            yield from above
            return
        above.append(parent)
    yield folder
