"""The hash by which a file that was only touched is told from a changed one.

It is the sum of the hashes of the file's blocks, each hashed together with its number, so that
the hash of a file of which only the end was changed is made of the former hash and the two ends
(an incremental hash by addition: Bellare and Micciancio, Eurocrypt 1997). It guards against
accidents, not against people.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from hashlib import sha1

__all__ = ["begin_digest", "block_start", "blocks_of", "digest_of", "digest_with", "from_block"]

_BLOCK = 8192
_SIZE = 20
_MODULUS = 1 << (8 * _SIZE)
_WORTH_A_THREAD_BYTES = 256 * 1024


def digest_of(data: bytes) -> bytes:
    """Return the hash of a file."""
    return _packed(sum(blocks_of(data, 0)))


def begin_digest(data: bytes) -> Callable[[], bytes]:
    """Begin to hash a file; return what waits for the hash.

    A large one is hashed in a thread of its own, while its writer waits for the disk.
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
    """Return the hashes of the blocks of a file from ``start`` on, where a block begins."""
    view = memoryview(end)
    return [
        int.from_bytes(
            sha1(b"%d:" % (start + at) + view[at : at + _BLOCK], usedforsecurity=False).digest()
        )
        for at in range(0, len(end), _BLOCK)
    ]


def digest_with(former: bytes, former_blocks: list[int], blocks: list[int]) -> bytes:
    """Return the hash of a file that differs from a former one in its last blocks only."""
    return _packed(int.from_bytes(former) - sum(former_blocks) + sum(blocks))


def from_block(blocks: list[int], start: int, place: int) -> list[int]:
    """Return those of the blocks from ``start`` on that begin at ``place`` or later."""
    return blocks[(place - start) // _BLOCK :]


def block_start(place: int) -> int:
    """Return where the block begins in which a byte is."""
    return place // _BLOCK * _BLOCK


def _packed(number: int) -> bytes:
    return (number % _MODULUS).to_bytes(_SIZE)
