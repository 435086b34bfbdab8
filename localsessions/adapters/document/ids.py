r"""A framework's ids as ids of the store: any texts, any number of parts, one to one.

A store refuses ``/``, ``\``, control characters and more than 200 bytes, and two ids that differ
only by letter case or Unicode form. Parts are joined with ``@``. If the result could be refused or
mistaken, a hash of the exact parts follows behind ``~``. The exact parts stand in fields of the
session: nothing reads them out of its id.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

from localsessions import SessionNotFoundError, UnreadableSessionError
from localsessions.format import folded, is_session_id

if TYPE_CHECKING:
    from localsessions import SessionStore

__all__ = ["session_id_for", "standing_id"]

_UNSAFE = re.compile(r"[^\w@.+-]+")
_READABLE = 120
"""How many bytes of an id stay readable before a hash."""


def session_id_for(*parts: str) -> str:
    """Return the id of the session that a framework's key names.

    Two keys of as many parts never have the same id, nor ids that differ only by letter case or
    Unicode form. The store accepts every id. A key of one part that is a plain id in lower case is
    its own id.

    Args:
        *parts: The key, the narrowest part first: session, user, application.
    """
    joined = "@".join(parts)
    mixes_up = len(parts) > 1 and any("@" in part or not part for part in parts)
    if not mixes_up and "~" not in joined and folded(joined) == joined and is_session_id(joined):
        return joined
    readable = _UNSAFE.sub("_", joined).encode("ascii", "ignore")[:_READABLE].decode()
    return f"{readable or '_'}~{_digest(parts)}"


def standing_id(store: SessionStore, *parts: str, user_id: str | None = None) -> str:
    """Return the id of the session for a key: that of its own, or one that stands under its name.

    A session whose id is the first part of the key, from an import or another program, goes on,
    unless the key has a session already.

    Args:
        store: Where the sessions are.
        *parts: As in ``session_id_for``.
        user_id: The acting user: another user's session does not stand for the key.
    """
    made = session_id_for(*parts)
    if made == parts[0] or not is_session_id(parts[0]) or _is_there(store, made):
        return made
    try:
        return made if store.get(parts[0], user_id=user_id) is None else parts[0]
    except UnreadableSessionError:
        return parts[0]


def _is_there(store: SessionStore, session_id: str) -> bool:
    try:
        store.tail(session_id, 1)
    except SessionNotFoundError:
        return False
    except UnreadableSessionError:
        return True
    return True


def _digest(parts: tuple[str, ...]) -> str:
    """Return 130 bits of a hash in letters that differ by more than their case."""
    exact = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        exact.update(b"%d:%s" % (len(data), data))
    return base64.b32encode(exact.digest()).decode()[:26].lower()
