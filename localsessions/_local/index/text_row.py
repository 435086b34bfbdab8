"""A text as the database of the search keeps it: how it is packed, sealed and read again."""

from __future__ import annotations

import re
import sqlite3
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from localsessions._local.index import schema
from localsessions._rules.finder import SECTIONS
from localsessions._rules.texts import Text, columns_of, has_marks
from localsessions._rules.words import indexable

__all__ = [
    "PackedText",
    "blob_of",
    "columns",
    "stored_texts",
    "text_of",
    "unpacked",
    "unsealed_text",
]

# Stands between two sections of a text, so that no phrase matches across them. No query has it.
_BETWEEN = " \ue000 "
# The first byte of a body says whether it is compressed. A short text is not: it would save little.
_AS_IT_IS, _DEFLATED = b"=", b"z"
_SHORT_BYTES = 512
_LEVEL = 1  # the next levels take twice the time and save a fiftieth


class PackedText(NamedTuple):
    """A text as the tables take it.

    Role and body are blobs: they may contain lone surrogates, which SQLite's texts cannot store.
    """

    session_id: str
    position: int
    role: bytes | None
    body: bytes
    seal: int
    columns: Sequence[str]

    @classmethod
    def of(cls, session_id: str, position: int, text: Text) -> PackedText:
        """Pack a text."""
        role = None if text.role is None else text.role.encode("utf-8", "surrogatepass")
        body = _packed(text.body.encode("utf-8", "surrogatepass"))
        seal = schema.seal_of_text(session_id, position, role, body)
        return cls(session_id, position, role, body, seal, columns(text))


def columns(text: Text) -> Sequence[str]:
    """Return a text as FTS5 takes it: a column for each place where words stand."""
    return [_storable(one) if one else one for one in columns_of(text)]


def _storable(text: str) -> str:
    if not text.isascii():
        text = indexable(text).encode("utf-8", "replace").decode()
    # A statement that takes many texts ends one at a null; nor does a null stand in a word.
    text = text.replace("\0", " ") if "\0" in text else text
    return re.sub(SECTIONS, _BETWEEN, text) if has_marks(text) else text


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
