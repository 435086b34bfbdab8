"""A file that a command writes for a person: whole or not at all, and private."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

from localsessions import _system
from localsessions.cli.exits import ExitCode, stop

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["new_file", "write_file"]


def write_file(path: str, parts: Iterable[bytes], *, force: bool) -> None:
    """Write a file; see ``new_file``."""
    with new_file(path, force=force) as file:
        file.writelines(parts)


@contextmanager
def new_file(path: str, *, force: bool, is_durable: bool = False) -> Iterator[IO[bytes]]:
    """Give the block a file, which has its name once the block ends: whole or not at all.

    An existing file is kept, unless ``force``. A session is private: only its owner may read a new
    file. A file that is replaced keeps its mode. The block may read what it wrote, but not from a
    device.

    Args:
        path: The name.
        force: Whether to replace a file of that name.
        is_durable: Whether the file survives a power cut once this returns.
    """
    if os.name == "nt" and ":" in os.path.splitdrive(path)[1]:
        reason = "on Windows a name with ':' is a stream of another file; choose a name without it"
        stop(f"{path}: {reason}", ExitCode.USAGE)
    if os.path.lexists(path) and not force:
        stop(f"{path} is there already; --force overwrites it", ExitCode.CONFLICT)
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as device:  # /dev/stdout, a FIFO; a folder raises
            yield device
        return
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    if not os.path.isdir(folder):
        stop(f"the folder {folder} is not there; make it, or name another", ExitCode.NOT_FOUND)
    temp = os.path.join(folder, f".{name[:100]}-{secrets.token_hex(4)}.tmp")
    try:
        with open(temp, "x+b", opener=_private) as file:
            if os.path.exists(target):
                _system.make_like(file.fileno(), target)
            else:
                _system.make_private(file.fileno())
            yield file
            if is_durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temp, target)
        if is_durable:
            _system.sync_folder(folder)
    except OSError as error:
        if error.filename in (None, temp):  # a person asked for the other file
            error.filename, error.filename2 = path, None
        raise
    finally:
        with suppress(OSError):
            os.unlink(temp)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
