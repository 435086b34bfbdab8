"""A file that a command writes for a person: whole or not at all, and private."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from localsessions import _system
from localsessions.cli.exits import ExitCode, stop

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["write_file"]


def write_file(path: str, parts: Iterable[bytes], *, force: bool) -> None:
    """Write the file whole or not at all; keep an existing file, unless ``force``.

    A session is private: only its owner may read a new file. A file that is replaced keeps its
    mode.
    """
    if os.name == "nt" and ":" in os.path.splitdrive(path)[1]:
        reason = "on Windows a name with ':' is a stream of another file; choose a name without it"
        stop(f"{path}: {reason}", ExitCode.USAGE)
    if os.path.lexists(path) and not force:
        stop(f"{path} is there already; --force overwrites it", ExitCode.CONFLICT)
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as device:  # /dev/stdout, a FIFO; a folder raises
            device.writelines(parts)
        return
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    temp = os.path.join(folder, f".{name[:100]}-{secrets.token_hex(4)}.tmp")
    try:
        with open(temp, "xb", opener=_private) as file:
            if os.path.exists(target):
                _system.make_like(file.fileno(), target)
            else:
                _system.make_private(file.fileno())
            file.writelines(parts)
        os.replace(temp, target)
    finally:
        with suppress(OSError):
            os.unlink(temp)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
