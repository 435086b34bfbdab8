"""The hash by which a file that was only touched is told from a changed one. Pure.

It is the sum of the hashes of the file's blocks, each hashed together with its number, so that
the hash of a file of which only the end was changed is made of the former hash and the two ends
(an incremental hash by addition: Bellare and Micciancio, Eurocrypt 1997). It guards against
accidents, not against people.
"""

from __future__ import annotations

from hashlib import sha1

__all__ = ["block_start", "digest_of", "digest_with_end"]

_BLOCK = 8192
_SIZE = 20
_MODULUS = 1 << (8 * _SIZE)


def digest_of(data: bytes) -> bytes:
    """Return the hash of a file."""
    return _packed(_sum(data, 0))


def digest_with_end(former: bytes, former_end: bytes, end: bytes, start: int) -> bytes:
    """Return the hash of a file that differs from a former one from ``start`` on.

    Args:
        former: The former hash.
        former_end: The former file from ``start`` on.
        end: The file from ``start`` on.
        start: The start of a block, see ``block_start``.
    """
    return _packed(int.from_bytes(former) - _sum(former_end, start) + _sum(end, start))


def block_start(place: int) -> int:
    """Return where the block begins in which a byte is."""
    return place // _BLOCK * _BLOCK


def _packed(number: int) -> bytes:
    return (number % _MODULUS).to_bytes(_SIZE)


def _sum(data: bytes, start: int) -> int:
    view = memoryview(data)
    return sum(
        int.from_bytes(
            sha1(b"%d:" % (start + at) + view[at : at + _BLOCK], usedforsecurity=False).digest()
        )
        for at in range(0, len(data), _BLOCK)
    )
