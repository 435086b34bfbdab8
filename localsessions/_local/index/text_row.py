"""The texts of a session as the database of the search keeps them: packed, sealed, read again.

The bodies of several texts are compressed together, which takes half the time and half the space of
one by one::

    Block   some texts of one session: their bodies one after the other, compressed, with a seal
    Place   where a text stands in its block; it has a seal of its own

A block has as many rows as texts. When one of them goes, the others get a new block; small blocks,
as each turn of a session leaves one, are joined when there are many.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple
from zlib import crc32

from localsessions._local.index import schema
from localsessions._rules.finder import MARKS
from localsessions._rules.texts import Text, columns_of, has_marks
from localsessions._rules.words import indexable

__all__ = [
    "Block",
    "Place",
    "StoredText",
    "TextPlace",
    "blob_of",
    "blocks_of",
    "columns",
    "many_small",
    "places_of",
    "stored_texts",
    "text_of",
    "what_tells",
]

# Stands between two sections of a text, so that no phrase matches across them. No query has it.
_BETWEEN = " \ue000 "
# The first byte of a block says whether it is compressed. A short one is not: it would save little.
_AS_IT_IS, _DEFLATED = b"=", b"z"
_SHORT_BYTES = 512
_LEVEL = 1  # the next levels take twice the time and save a fiftieth
# To read one text, its whole block is unpacked: 0.03 ms, paid by each hit.
_BLOCK_BYTES = 8 << 10
# A session may have so many blocks that are not half full.
_MOST_SMALL = 16


class Place(NamedTuple):
    """Where a text stands in its block; ``role`` is a blob, see ``blocks_of``."""

    position: int
    role: bytes | None
    begin: int
    size_bytes: int
    seal: int


class Block(NamedTuple):
    """Some texts of one session, compressed together."""

    body: bytes
    seal: int
    places: Sequence[Place]


class TextPlace(NamedTuple):
    """In which block a text stands, and what tells it from another text of its position."""

    block: int
    position: int
    size_bytes: int
    seal: int

    @property
    def tells(self) -> tuple[int, int]:
        """See ``what_tells``."""
        return self.size_bytes, self.seal


class StoredText(NamedTuple):
    """A text that was read again, with its row and the id of its block."""

    row: int
    block: int
    position: int
    text: Text


def blocks_of(session_id: str, texts: Iterable[tuple[int, Text]]) -> Iterator[Block]:
    """Pack texts of a session, each with its position, in blocks.

    Roles and bodies are blobs: they may contain lone surrogates, which SQLite's texts cannot store.
    """
    bodies: list[bytes] = []
    places: list[Place] = []
    end = 0
    for position, text in texts:
        role, body = _blobs(text)
        if places and end + len(body) > _BLOCK_BYTES:
            yield _block(b"".join(bodies), places)
            bodies, places, end = [], [], 0
        seal = schema.seal_of_text(session_id, position, role, body)
        bodies.append(body)
        places.append(Place(position, role, end, len(body), seal))
        end += len(body)
    if places:
        yield _block(b"".join(bodies), places)


def _blobs(text: Text) -> tuple[bytes | None, bytes]:
    role = None if text.role is None else text.role.encode("utf-8", "surrogatepass")
    return role, text.body.encode("utf-8", "surrogatepass")


def what_tells(session_id: str, position: int, text: Text) -> tuple[int, int]:
    """Return what tells a text from others without unpacking them: its size and its seal."""
    role, body = _blobs(text)
    return len(body), schema.seal_of_text(session_id, position, role, body)


def places_of(db: sqlite3.Connection, session_id: str) -> Sequence[TextPlace]:
    """Return where the texts of a session stand; nothing is unpacked."""
    query = "SELECT block, position, size_bytes, seal FROM texts WHERE session_id = ?"
    return [TextPlace(*row) for row in db.execute(query, [session_id])]


def many_small(places: Iterable[TextPlace]) -> set[int]:
    """Return the blocks that are not half full, if they are many; else none."""
    sizes: dict[int, int] = {}
    for one in places:
        sizes[one.block] = sizes.get(one.block, 0) + one.size_bytes
    small = {block for block, size in sizes.items() if size < _BLOCK_BYTES // 2}
    return small if len(small) > _MOST_SMALL else set()


def _block(bodies: bytes, places: Sequence[Place]) -> Block:
    deflated = zlib.compress(bodies, _LEVEL) if len(bodies) > _SHORT_BYTES else bodies
    body = _DEFLATED + deflated if len(deflated) < len(bodies) else _AS_IT_IS + bodies
    return Block(body, crc32(body), places)


def columns(text: Text) -> Sequence[str]:
    """Return a text as FTS5 takes it: a column for each place where words stand."""
    body = text.body
    if text.role is not None and not has_marks(body):  # so most texts are
        return "", _storable(body), "", ""
    return [_parted(_storable(one)) if one else one for one in columns_of(text)]


def _parted(text: str) -> str:
    for mark in MARKS:
        text = text.replace(mark, _BETWEEN)
    return text


def _storable(text: str) -> str:
    if not text.isascii():
        text = indexable(text).encode("utf-8", "replace").decode()
    # A statement that takes many texts ends one at a null; nor does a null stand in a word.
    return text.replace("\0", " ") if "\0" in text else text


def stored_texts(
    db: sqlite3.Connection, where: str, values: Sequence[object]
) -> Sequence[StoredText]:
    """Return the texts whose rows meet a condition on ``texts``.

    Raises:
        sqlite3.DatabaseError: A text is garbled.
    """
    rows = db.execute(f"{_STORED} WHERE {where}", values).fetchall()
    blocks: dict[int, bytes] = {}
    for block, packed, seal in {row[:3] for row in rows}:
        blocks[block] = _unpacked(block, packed, seal)
    return [_stored_text(blocks, *row[3:], block=row[0]) for row in rows]


_STORED = (
    "SELECT block, body, blocks.seal, texts.id, session_id, position, role, begin, size_bytes,"
    " texts.seal FROM texts LEFT JOIN blocks ON blocks.id = block"
)


def _unpacked(block: int, body: object, seal: object) -> bytes:
    if seal is None or seal != crc32(packed := blob_of(body)):
        raise sqlite3.DatabaseError(f"a block of texts is garbled: {block!r}")
    return zlib.decompress(packed[1:]) if packed.startswith(_DEFLATED) else packed[1:]


def _stored_text(
    blocks: Mapping[int, bytes],
    row: int,
    session_id: str,
    position: int,
    role: object,
    begin: object,
    size_bytes: object,
    seal: int,
    *,
    block: int,
) -> StoredText:
    role_blob = None if role is None else blob_of(role)
    if not isinstance(begin, int) or not isinstance(size_bytes, int):
        raise sqlite3.DatabaseError("a place in a block of texts is garbled")
    body = blocks[block][begin : begin + size_bytes]
    if seal != schema.seal_of_text(session_id, position, role_blob, body):
        raise sqlite3.DatabaseError(f"the text {position} of {session_id!r} is garbled")
    text = Text(None if role_blob is None else text_of(role_blob), text_of(body))
    return StoredText(row, block, position, text)


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
