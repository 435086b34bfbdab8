"""Who holds a lock: the process, where the system tells; only Linux does."""

from __future__ import annotations

import contextlib
import os

__all__ = ["OURSELVES", "holder_of"]

OURSELVES = "another thread of this program"

_LONGEST = 60


def holder_of(path: str) -> str | None:
    """Return the process that holds a lock file, as in "python ide.py (pid 123)".

    None if the system does not tell, or not of another user's process. It is a hint: the process
    may have let go of the lock meanwhile.
    """
    try:
        number = os.stat(path).st_ino
        with open("/proc/locks", encoding="ascii") as table:
            pids = [pid for line in table if (pid := _locker(line, number))]
    except (OSError, ValueError):
        return None
    real = os.path.realpath(path)
    return next((_told(pid) for pid in pids if _has_open(pid, real)), None)


def _locker(line: str, number: int) -> str | None:
    """Return the process of a line of the table, if it is about a file with that inode number.

    A line is "1: FLOCK ADVISORY WRITE 4711 08:02:1234 0 EOF", see proc_locks(5). The device is not
    compared: some file systems (overlays, btrfs) tell another one to who asks for the file.
    """
    words = line.split()
    is_of_file = len(words) > 5 and words[5].rpartition(":")[2] == str(number)
    return words[4] if is_of_file and words[1] == "FLOCK" else None


def _has_open(pid: str, path: str) -> bool:
    folder = f"/proc/{pid}/fd"
    with contextlib.suppress(OSError):  # another user's, or it has ended
        for name in os.listdir(folder):
            with contextlib.suppress(OSError):  # just closed
                if os.readlink(f"{folder}/{name}") == path:
                    return True
    return False


def _told(pid: str) -> str:
    if int(pid) == os.getpid():
        return OURSELVES
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        words = file.read(4096).decode(errors="replace").split("\0")[:-1]
        if words:
            return f"{_named(words)} (pid {pid})"
    return f"the process {pid}"


def _named(words: list[str]) -> str:
    """Return the beginning of a command line, its paths without their folders."""
    name = " ".join(" ".join(map(os.path.basename, words)).split())
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
