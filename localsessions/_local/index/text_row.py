"""A text as the database of the search keeps it: how it is packed, sealed and read again."""

from __future__ import annotations

import re
import sqlite3
import zlib

from localsessions._local.index import schema
from localsessions._rules.finder import SECTIONS
from localsessions._rules.texts import Text, columns_of
from localsessions._rules.words import indexable

__all__ = [
    "blob_of",
    "columns",
    "packed_text",
    "stored_texts",
    "text_of",
    "unpacked",
    "unsealed_text",
]

# Stands between two sections of a text, so that no phrase matches across them. No query has it.
_BETWEEN = " \ue000 "
# What a body begins with. A short one hardly gets smaller.
_AS_IT_IS, _DEFLATED = b"=", b"z"
_SHORT_BYTES = 128
_LEVEL = 1  # the next levels take twice the time and save a fiftieth


def columns(text: Text) -> tuple[str, ...]:
    """Return a text as FTS5 takes it: a column for each place where words stand."""
    found = [one if one.isascii() else _storable(one) for one in columns_of(text)]
    return tuple([re.sub(SECTIONS, _BETWEEN, one) for one in found])


def _storable(text: str) -> str:
    return indexable(text).encode("utf-8", "replace").decode()


def packed_text(session_id: str, position: int, text: Text) -> tuple[object, ...]:
    """Return session id, position, role, body and seal of a text.

    Role and body are blobs: they may contain lone surrogates, which SQLite's texts cannot store.
    """
    role = None if text.role is None else text.role.encode("utf-8", "surrogatepass")
    body = _packed(text.body.encode("utf-8", "surrogatepass"))
    seal = schema.seal_of_text(session_id, position, role, body)
    return session_id, position, role, body, seal


def _packed(body: bytes) -> bytes:
    deflated = zlib.compress(body, _LEVEL) if len(body) > _SHORT_BYTES else body
    return _DEFLATED + deflated if len(deflated) < len(body) else _AS_IT_IS + body


def unpacked(body: bytes) -> bytes:
    """Return a body as it was before it was packed; its seal must be right."""
    return zlib.decompress(body[1:]) if body.startswith(_DEFLATED) else body[1:]


def unsealed_text(session_id: str, position: int, role: object, body: object, seal: int) -> Text:
    """Return a text after its seal is checked.

    Raises:
        sqlite3.DatabaseError: The text is garbled.
    """
    role_blob, body_blob = None if role is None else blob_of(role), blob_of(body)
    if seal != schema.seal_of_text(session_id, position, role_blob, body_blob):
        raise sqlite3.DatabaseError(f"the text {position} of {session_id!r} is garbled")
    return Text(None if role_blob is None else text_of(role_blob), text_of(unpacked(body_blob)))


def stored_texts(db: sqlite3.Connection, session_id: str) -> list[tuple[int, int, Text]]:
    """Return (row, position, text) for each text of a session."""
    query = "SELECT id, position, role, body, seal FROM texts WHERE session_id = ?"
    return [
        (row, position, unsealed_text(session_id, position, role, body, seal))
        for row, position, role, body, seal in db.execute(query, [session_id]).fetchall()
    ]


def text_of(blob: bytes) -> str:
    """Return the text that a blob holds."""
    return blob.decode("utf-8", "surrogatepass")


def blob_of(value: object) -> bytes:
    """Return a blob; a flipped bit can turn it into a text or a number.

    Raises:
        sqlite3.DatabaseError: It is none.
    """
    if not isinstance(value, bytes):
        raise sqlite3.DatabaseError("a blob of the index is garbled")
    return value
