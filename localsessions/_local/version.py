"""One version of a session file: what distinguishes it from others, and what is kept of it.

The shape of the data::

    Fingerprint   what ``stat`` says of it: where to look, never a proof
    digest        the hash of its content: detects a file that was only touched
    Version       the version that a session in memory is based on
    Spare, Tail   the previous version, and where its end is rewritten for the next version

The hash of a file is the sum of the hashes of its blocks, each hashed together with its number. So
when only the end of a file was changed, its hash is computed from the previous hash and the two
ends (an incremental hash by addition: Bellare and Micciancio, Eurocrypt 1997). It protects against
accidents, not against attacks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from localsessions.models.instants import file_time_of

__all__ = [
    "Fingerprint",
    "Spare",
    "Tail",
    "Version",
    "begin_digest",
    "block_start",
    "blocks_of",
    "digest_of",
    "digest_with",
    "fingerprint_text",
    "from_block",
]

_BLOCK = 8192
_SIZE = 20
_MODULUS = 1 << (8 * _SIZE)
_WORTH_A_THREAD_BYTES = 256 * 1024


class Fingerprint(NamedTuple):
    """What ``stat`` says of a file: where to look, never a proof of its content."""

    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @property
    def modified_at(self) -> datetime:
        """The file's modification time, cut to milliseconds."""
        return file_time_of(self.mtime_ns)

    @property
    def text(self) -> str:
        """The four numbers on one line, as the index stores them."""
        return fingerprint_text(*self)


def fingerprint_text(size_bytes: int, mtime_ns: int, ctime_ns: int, inode: int) -> str:
    """Return the text of a fingerprint without creating one: a sweep needs only the text."""
    return f"{size_bytes}:{mtime_ns}:{ctime_ns}:{inode}"


class Spare(NamedTuple):
    """A previous version of a session file, kept under a private name to be brought up to date.

    Attributes:
        name: Its name in ``tmp``.
        common: How many bytes at its beginning equal those of the published file.
        fingerprint: The fingerprint of the spare itself.
    """

    name: str
    common: int
    fingerprint: Fingerprint


class Tail(NamedTuple):
    """Where a session file is rewritten when something is added to it.

    Attributes:
        at: The number of bytes up to the end of the last message; adding does not change them.
        spare: The previous version, if it is kept to be brought up to date.
        proven: Whether orjson is known to read the file without loss, see ``models.standing``.
    """

    at: int
    spare: Spare | None
    proven: bool = False


class Version(NamedTuple):
    """The version of a file that a session in memory is based on: half of a compare-and-swap.

    The other half is what the session was read from, see ``models.standing``.

    Attributes:
        fingerprint: The file's fingerprint when it was read or written.
        settled: Whether a file with this fingerprint certainly still holds the same bytes.
    """

    fingerprint: Fingerprint
    settled: bool


def digest_of(data: bytes) -> bytes:
    """Return the hash of a file."""
    return _packed(sum(blocks_of(data, 0)))


def begin_digest(data: bytes) -> Callable[[], bytes]:
    """Begin to hash a file; return a function that waits for the hash.

    A large file is hashed in a thread of its own, while the writer waits for the disk.
    """
    if len(data) < _WORTH_A_THREAD_BYTES:
        return lambda: digest_of(data)
    found: list[bytes] = []
    thread = threading.Thread(
        target=lambda: found.append(digest_of(data)), name="localsessions-hash", daemon=True
    )
    try:
        thread.start()
    except RuntimeError:  # no more threads, or the interpreter is ending (3.12 and later)
        return lambda: digest_of(data)

    def wait() -> bytes:
        thread.join()
        return found[0]

    return wait


def blocks_of(end: bytes, start: int) -> list[int]:
    """Return the hashes of a file's blocks from ``start`` on, which is the beginning of a block."""
    from hashlib import sha1  # 4 ms, which a listing that reads no file saves

    view = memoryview(end)
    return [
        int.from_bytes(
            sha1(b"%d:" % (start + at) + view[at : at + _BLOCK], usedforsecurity=False).digest()
        )
        for at in range(0, len(end), _BLOCK)
    ]


def digest_with(former: bytes, former_blocks: list[int], blocks: list[int]) -> bytes:
    """Return the hash of a file that differs from a previous version only in its last blocks."""
    return _packed(int.from_bytes(former) - sum(former_blocks) + sum(blocks))


def from_block(blocks: list[int], start: int, place: int) -> list[int]:
    """Return those of the blocks from ``start`` on that begin at ``place`` or later."""
    return blocks[(place - start) // _BLOCK :]


def block_start(place: int) -> int:
    """Return where the block begins that contains a byte."""
    return place // _BLOCK * _BLOCK


def _packed(number: int) -> bytes:
    return (number % _MODULUS).to_bytes(_SIZE)
