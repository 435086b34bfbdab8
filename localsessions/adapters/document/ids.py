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

from localsessions import UnreadableSessionError
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


def standing_id(store: SessionStore, key: str) -> str:
    """Return the id for a key of one part: the key itself, if there is a session of that very id.

    So a chat whose id has capital letters, from an import or another program, goes on.
    """
    made = session_id_for(key)
    if made == key or not is_session_id(key):
        return made
    try:
        return made if store.get(key) is None else key
    except UnreadableSessionError:
        return key


def _digest(parts: tuple[str, ...]) -> str:
    """Return 130 bits of a hash in letters that differ by more than their case."""
    exact = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        exact.update(b"%d:%s" % (len(data), data))
    return base64.b32encode(exact.digest()).decode()[:26].lower()
