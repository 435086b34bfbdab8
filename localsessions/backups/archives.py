"""The archive of a backup: tar, compressed or not, written and read member by member.

What is read is not trusted. A member is a file with a name; a link, a device, a folder and any
other kind is refused where its header is read. Nothing is unpacked to a disk here, and memory
holds a chunk. Both are done here and not by ``tarfile``, which follows what headers say: it reads
a header of any length into memory, skips what it cannot read, and takes a cut archive for a short
one. What is given up in the middle, it ends when the garbage is collected.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from typing import IO, Literal, NamedTuple, Self, TypeAlias, cast

from localsessions._system.zstd import zstd
from localsessions.errors import BackupError
from localsessions.format import MAX_FILE_BYTES

__all__ = ["CHUNK_BYTES", "ArchiveWriter", "Compression", "Member", "has_zstd", "members"]

Compression: TypeAlias = Literal["gzip", "zstd", "none"]
"""How an archive is compressed."""

CHUNK_BYTES = 1 << 20
_BLOCK = tarfile.BLOCKSIZE
_LONGEST_NAME = 1 << 12
_LATEST = 8**11 - 1  # the digits of a header have room for it; a later time needs a header more
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class ArchiveWriter:
    """Writes the members of an archive to a file, in the order given.

    Args:
        file: Where the archive is written. It may be a pipe.
        compression: How.

    Raises:
        ImportError: ``localsessions[zstd]`` is not installed.
    """

    def __init__(self, file: IO[bytes], compression: Compression) -> None:
        self._packed: IO[bytes] | None = None
        if compression == "gzip":
            packed = gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0)
            self._packed = cast("IO[bytes]", packed)
        elif compression == "zstd":
            self._packed = zstd().ZstdFile(file, "wb")
        self._file = self._packed or file
        self._size_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write the end, unless something failed; the file stays open."""
        try:
            if kind is None:
                self._write(bytes(2 * _BLOCK))
                self._write(bytes(-self._size_bytes % tarfile.RECORDSIZE))
        finally:
            if self._packed is not None:
                with nullcontext() if kind is None else suppress(OSError):
                    self._packed.close()

    def add(self, name: str, data: bytes, *, modified: int) -> None:
        """Add a file that only its owner may read.

        Args:
            name: Its name.
            data: Its bytes.
            modified: When they were written, in seconds since 1970; a time that has no room in
                the archive is the nearest that has.
        """
        header = tarfile.TarInfo(name)
        header.size, header.mode = len(data), 0o600
        header.mtime = min(max(modified, 0), _LATEST)
        self._write(header.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))
        self._write(data)
        self._write(bytes(-len(data) % _BLOCK))

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._size_bytes += len(data)


# -- reading -------------------------------------------------------------------------------------


class Member(NamedTuple):
    """A file in an archive.

    Attributes:
        name: What the archive calls it.
        size: How many bytes it has, as the archive says.
        chunks: Gives them, once, before the next member is asked for.
    """

    name: str
    size: int
    chunks: Iterator[bytes]


def members(file: IO[bytes]) -> Generator[Member, None, None]:
    """Yield the members of an archive; its first bytes say how it is compressed.

    Raises:
        BackupError: It is torn, cut, garbled or no such archive, or a member is no file.
        ImportError: It is compressed with zstd, and ``localsessions[zstd]`` is not installed.
    """
    with _unpacked(file) as read:
        longer: str | None = None
        while (block := _exactly(read, _BLOCK)).strip(b"\0"):
            header = _header(block)
            if header.type == tarfile.XHDTYPE:
                longer = _long_name(read, header)
                continue
            name, longer = longer or header.name, None
            if header.type != tarfile.REGTYPE:
                raise BackupError(f"it is {_kind(header)}, not a file", member=name)
            if not 0 <= header.size <= MAX_FILE_BYTES:
                raise BackupError(f"{header.size} bytes are no session", member=name)
            chunks = _chunks(read, header.size)
            yield Member(name, header.size, chunks)
            for _ in chunks:
                pass
            _exactly(read, -header.size % _BLOCK)
        while rest := read(CHUNK_BYTES):
            if rest.strip(b"\0"):
                raise BackupError("something stands behind its end")


def _header(block: bytes) -> tarfile.TarInfo:
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.TarError as error:
        raise BackupError(f"it is garbled, or no archive of tar ({error})") from error


def _kind(header: tarfile.TarInfo) -> str:
    if header.issym() or header.islnk():
        return f"a link to {header.linkname!r}"
    if header.isdev():
        return "a device or a pipe"
    return "a folder" if header.isdir() else "something else"


def _long_name(read: Callable[[int], bytes], header: tarfile.TarInfo) -> str:
    """Return the name of the next member, from a header of its own; see pax(1)."""
    if not 0 < header.size <= _LONGEST_NAME:
        raise BackupError(f"a header of {header.size} bytes is no name")
    data = _exactly(read, header.size)
    _exactly(read, -header.size % _BLOCK)
    begin = f"{len(data)} path=".encode()
    if not (data.startswith(begin) and data.endswith(b"\n")):
        raise BackupError("a header says something else than a name")
    return data[len(begin) : -1].decode("utf-8", "surrogateescape")


def _chunks(read: Callable[[int], bytes], size: int) -> Iterator[bytes]:
    while size:
        chunk = _exactly(read, min(size, CHUNK_BYTES))
        size -= len(chunk)
        yield chunk


def _exactly(read: Callable[[int], bytes], size: int) -> bytes:
    parts = []
    while size:
        if not (part := read(size)):
            raise BackupError("it ends in the middle, as after a torn write")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


@contextmanager
def _unpacked(file: IO[bytes]) -> Iterator[Callable[[int], bytes]]:
    """Give a function that reads at most so many unpacked bytes of a file from its beginning."""
    file.seek(0)
    head = file.read(len(_ZSTD))
    file.seek(0)
    damages: tuple[type[Exception], ...] = (gzip.BadGzipFile, zlib.error, EOFError)
    with ExitStack() as opened:
        unpacked: IO[bytes] = file
        if head.startswith(_GZIP):
            gzipped = opened.enter_context(gzip.GzipFile(fileobj=file, mode="rb"))
            unpacked = cast("IO[bytes]", gzipped)
        elif head == _ZSTD:
            module = zstd()
            damages = (module.ZstdError, EOFError)
            unpacked = opened.enter_context(module.ZstdFile(file, "rb"))

        def undamaged(size: int) -> bytes:
            try:
                return unpacked.read(size)
            except damages as error:
                raise BackupError(f"it is cut or garbled ({error})") from error

        yield undamaged


# -- zstd ----------------------------------------------------------------------------------------


def has_zstd() -> bool:
    """Tell whether zstd can be used here."""
    try:
        zstd()
    except ImportError:
        return False
    return True
