"""What this process has open, told by whatever the system has to tell it."""

from __future__ import annotations

import os

__all__ = ["descriptors", "path_of"]

_MOST = 8192  # what the C library of Windows lets a program open


def descriptors() -> int:
    """Count what this process has open; on Windows only what was opened by the C library."""
    if os.path.isdir("/proc/self/fd"):
        return len(os.listdir("/proc/self/fd"))
    return sum(map(_is_open, range(_MOST)))


def path_of(fd: int) -> str:
    """Return the path of what is open."""
    if os.path.isdir("/proc/self/fd"):
        return os.readlink(f"/proc/self/fd/{fd}")
    return _final_path(fd).removeprefix("\\\\?\\")


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _final_path(fd: int) -> str:
    import ctypes
    import importlib

    ask = getattr(ctypes, "windll").kernel32.GetFinalPathNameByHandleW  # noqa: B009
    ask.argtypes = [ctypes.c_void_p, ctypes.c_wchar_p, ctypes.c_ulong, ctypes.c_ulong]
    found = ctypes.create_unicode_buffer(1 << 15)
    handle = importlib.import_module("msvcrt").get_osfhandle(fd)
    if not ask(handle, found, len(found), 0):
        raise OSError(f"nothing says what {fd} is")
    return found.value
