"""ZIP archives and zstd: what they hold, as bytes, within bounds.

Nothing here knows JSON or a format. An archive is not trusted: the names in it are labels and never
lead to a file, links and encrypted members are refused, and no member gives more than 1 GiB or 100
times the bytes that it takes in the archive.
"""

from __future__ import annotations

import lzma
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, NamedTuple

from localsessions._system.zstd import zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "CHUNK_BYTES",
    "Member",
    "Unpacked",
    "is_zip",
    "is_zstd",
    "label",
    "zip_members",
]

CHUNK_BYTES = 1 << 20
_LARGEST_BYTES = 1 << 30
_LARGEST_RATIO = 100
_ENCRYPTED = 0x1
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_ZSTD = b"\x28\xb5\x2f\xfd"
_DAMAGES = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,  # a way of compressing that the interpreter does not have
    RuntimeError,  # a password is needed that the flags did not tell
    ValueError,  # a name that is no text, a place that no file has
    struct.error,
)


class Member(NamedTuple):
    """A file in an archive.

    Attributes:
        name: What the archive calls it; a label.
        refused: Why it is not read; None if it can be.
        chunks: Gives its bytes; raises ``OSError`` where it is damaged or too large.
    """

    name: str
    refused: str | None
    chunks: Callable[[], Iterator[bytes]]


def is_zip(head: bytes) -> bool:
    """Tell from its first bytes whether a file is a ZIP archive."""
    return head.startswith(_ZIP)


def is_zstd(head: bytes) -> bool:
    """Tell from its first bytes whether a file is compressed with zstd."""
    return head.startswith(_ZSTD)


def label(name: str) -> str:
    """Return a name of an archive without characters that would steer a terminal."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in name)


def zip_members(file: IO[bytes]) -> Iterator[Member]:
    """Yield the files of a ZIP archive, in the order of its directory.

    Raises:
        OSError: The directory of the archive is damaged.
    """
    try:
        archive = zipfile.ZipFile(file)
    except _DAMAGES as error:
        raise OSError(None, f"a ZIP archive that is damaged: {error}") from error
    with archive:
        for info in archive.infolist():
            if not info.filename.endswith("/"):  # ``is_dir`` fails for an empty name
                yield Member(label(info.filename), _refusal(info), _opener(archive, info))


def _refusal(info: zipfile.ZipInfo) -> str | None:
    if stat.S_ISLNK(info.external_attr >> 16):
        return "a symbolic link in an archive"
    if info.flag_bits & _ENCRYPTED:
        return "encrypted"
    if info.file_size > _largest(info.compress_size):
        return _too_large(info.compress_size)
    return None


def _largest(packed_bytes: int) -> int:
    return min(_LARGEST_BYTES, _LARGEST_RATIO * packed_bytes)


def _too_large(packed_bytes: int) -> str:
    if _largest(packed_bytes) == _LARGEST_BYTES:
        return f"larger than {_LARGEST_BYTES} bytes when it is unpacked"
    return f"more than {_LARGEST_RATIO} times its size when it is unpacked, as a trap is"


def _opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], Iterator[bytes]]:
    def chunks() -> Iterator[bytes]:
        try:
            # It gives no more bytes than the directory states, and that is within the bounds.
            with archive.open(info) as member:
                while chunk := member.read(CHUNK_BYTES):
                    yield chunk
        except _DAMAGES as error:
            raise OSError(None, f"damaged: {error}") from error

    return chunks


@dataclass(slots=True)
class Unpacked:
    """The content of a zstd file. What stands before a fault is given.

    Attributes:
        file: The open file.
        packed_bytes: Its size.
        fault: Why the content is not whole; None if it is, once all chunks were given.
    """

    file: IO[bytes]
    packed_bytes: int
    fault: str | None = None

    def chunks(self) -> Iterator[bytes]:
        """Yield the unpacked bytes.

        Raises:
            OSError: They are more than the bounds allow.
            ImportError: ``localsessions[zstd]`` is not installed.
        """
        module = zstd()
        given, unpacking, is_open = 0, module.ZstdDecompressor(), False
        try:
            while packed := self.file.read(CHUNK_BYTES):
                while packed or not (unpacking.needs_input or unpacking.eof):
                    is_open = True
                    chunk = unpacking.decompress(packed, CHUNK_BYTES)
                    given += len(chunk)
                    if given > _largest(self.packed_bytes):
                        raise OSError(None, _too_large(self.packed_bytes))
                    yield chunk
                    packed = b""
                    if unpacking.eof:
                        packed, unpacking, is_open = (
                            unpacking.unused_data,
                            module.ZstdDecompressor(),
                            False,
                        )
        except module.ZstdError as error:
            self.fault = f"compressed with zstd, and damaged from here on: {error}"
            return
        if is_open:
            self.fault = "compressed with zstd, and it ends in the middle, as after a torn write"
