"""The JSON in a file: its own content, or that of each JSON file in an archive.

How archives are opened: ``archives.py``; how a file is read that a program writes to meanwhile:
``snapshot.py``; what a file is that is none of these: ``kinds.py``.
"""

from __future__ import annotations

import json
import os
from typing import IO, TYPE_CHECKING, NamedTuple, TypeVar

from localsessions.format import MAX_FILE_BYTES
from localsessions.transcripts.archives import Unpacked, is_zip, is_zstd, zip_members
from localsessions.transcripts.kinds import HEAD_BYTES, cannot_be_read, no_json, signature_of
from localsessions.transcripts.lines import BadLine, Content, content_of
from localsessions.transcripts.snapshot import unchanged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from localsessions.transcripts.archives import Member

__all__ = ["SUFFIXES", "FoundContent", "contents_of"]

_T = TypeVar("_T")

SUFFIXES = frozenset({".json", ".jsonl", ".ndjson", ".traj"})
"""Those of JSON files."""


class FoundContent(NamedTuple):
    """What was found in a file.

    Attributes:
        content: What it holds, or why that is not known.
        member: The name of the file in the archive that it is; None of any other file.
    """

    content: Content | str
    member: str | None = None


def contents_of(file: IO[bytes], path: str, head: bytes, size_bytes: int) -> Iterator[FoundContent]:
    """Yield the content of a file that is no database, or of each JSON file in an archive.

    Args:
        file: Open, and at its beginning.
        path: Its path, for what is raised.
        head: Its first ``HEAD_BYTES`` bytes, or all if there are fewer.
        size_bytes: How large it is.

    Raises:
        OSError: It cannot be read, is too large, or keeps being rewritten.
    """
    if is_zip(head):
        yield from _members(file)
    elif is_zstd(head):
        yield FoundContent(_unpacked(file, size_bytes))
    elif found := signature_of(head):
        yield FoundContent(f"{found}, no transcript")
    elif size_bytes > MAX_FILE_BYTES:
        raise OSError(None, f"larger than {MAX_FILE_BYTES} bytes", path)
    else:
        yield FoundContent(_plain(file, path, head))


def _plain(file: IO[bytes], path: str, head: bytes) -> Content | str:
    try:
        return unchanged(file, path)
    except json.JSONDecodeError as fault:
        return no_json(fault, head)


def _members(file: IO[bytes]) -> Iterator[FoundContent]:
    others, found = 0, 0
    for member in zip_members(file):
        if os.path.splitext(member.name)[1].lower() in SUFFIXES:
            found += 1
            yield FoundContent(_member(member), member.name)
        else:
            others += 1
    if not found:
        yield FoundContent(f"a ZIP archive without a JSON file (with {others} others)")
    elif others:
        yield FoundContent(f"holds {others} more files, which are not JSON")


def _member(member: Member) -> Content | str:
    if member.refused is not None:
        return member.refused
    head: list[bytes] = []
    try:
        content = content_of(_noting(member.chunks(), head))
        if content.is_long:
            # Its sum stands at the end, and no session of a damaged member is given.
            for _ in member.chunks():
                pass
    except OSError as error:
        return cannot_be_read(error)
    except json.JSONDecodeError as fault:
        return no_json(fault, b"".join(head)[:HEAD_BYTES])
    return content


def _noting(chunks: Iterable[bytes], head: list[bytes]) -> Iterator[bytes]:
    """Yield chunks, and keep the first."""
    for chunk in chunks:
        if not head:
            head.append(chunk)
        yield chunk


def _unpacked(file: IO[bytes], packed_bytes: int) -> Content | str:
    packed, head = Unpacked(file, packed_bytes), list[bytes]()
    try:
        content = content_of(_noting(packed.chunks(), head))
    except ImportError as error:
        return str(error)
    except json.JSONDecodeError as fault:
        return packed.fault or no_json(fault, b"".join(head)[:HEAD_BYTES])
    if content.rest is not None:
        content.rest = _with_fault(content.rest, packed, content)
    elif content.more is not None:
        content.more = _with_fault(content.more, packed, content)
    elif packed.fault:
        content.bad_lines.append(BadLine(content.lines, packed.fault))
    return content


def _with_fault(rest: Iterator[_T], packed: Unpacked, content: Content) -> Iterator[_T]:
    """Yield the rest of what is packed, and tell at its end where it has a fault."""
    yield from rest
    if packed.fault:
        content.bad_lines.append(BadLine(content.lines, packed.fault))
