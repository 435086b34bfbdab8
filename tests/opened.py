"""What this process has open, told by whatever the system has to tell it."""

from __future__ import annotations

import importlib
import os
from typing import Any

__all__ = ["descriptors", "path_of"]

# Under Wine, drive Z is all of Linux: its /proc is there, and tells of Wine.
_IS_TOLD = os.name == "posix" and os.path.isdir("/proc/self/fd")
_MOST = 2048  # no test opens more


def descriptors() -> int:
    """Count what this process has open; on Windows only what the C library has opened."""
    if _IS_TOLD:
        return len(os.listdir("/proc/self/fd"))
    return sum(map(_is_open, range(_MOST)))


def path_of(fd: int) -> str:
    """Return the path of what is open."""
    if _IS_TOLD:
        return os.readlink(f"/proc/self/fd/{fd}")
    return _final_path(_windows("msvcrt").get_osfhandle(fd)).removeprefix("\\\\?\\")


def _windows(name: str) -> Any:
    """Import a module that only Windows has."""
    return importlib.import_module(name)


def _is_open(fd: int) -> bool:
    try:
        _windows("msvcrt").get_osfhandle(fd)
    except OSError:
        return False
    return True


def _final_path(handle: int) -> str:
    ctypes = _windows("ctypes")
    ask = ctypes.windll.kernel32.GetFinalPathNameByHandleW
    ask.argtypes = [ctypes.c_void_p, ctypes.c_wchar_p, ctypes.c_ulong, ctypes.c_ulong]
    found = ctypes.create_unicode_buffer(1 << 15)
    if not ask(handle, found, len(found), 0):
        raise OSError(f"nothing says what {handle} is")
    return str(found.value)
