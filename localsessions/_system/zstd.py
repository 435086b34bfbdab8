"""zstd: the module of the standard library from Python 3.14 on (PEP 784), else ``backports.zstd``.

Both have the same names. Imported at use: most files are not compressed so.
"""

from __future__ import annotations

import importlib
from typing import IO, Protocol, cast

__all__ = ["Decompressor", "Zstd", "zstd"]


class Decompressor(Protocol):
    """What unpacks one frame."""

    eof: bool
    needs_input: bool
    unused_data: bytes

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return some unpacked bytes."""


class Zstd(Protocol):
    """What is used of the module."""

    ZstdError: type[Exception]

    def ZstdFile(self, file: IO[bytes], mode: str) -> IO[bytes]:  # noqa: N802  (a class)
        """Open a file that is packed, or is to be."""

    def ZstdDecompressor(self) -> Decompressor:  # noqa: N802  (a class)
        """Begin to unpack a frame."""


def zstd() -> Zstd:
    """Return the module.

    Raises:
        ImportError: ``localsessions[zstd]`` is not installed.
    """
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return cast("Zstd", importlib.import_module(name))
        except ImportError:
            continue
    raise ImportError('what is compressed with zstd needs: pip install "localsessions[zstd]"')
