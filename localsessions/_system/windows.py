"""Windows: the calls that differ there, through kernel32 and the functions of the C runtime.

``os`` on Windows opens files so that nobody may replace or remove them meanwhile, says of one file
different things by its path, by its descriptor and in a listing, and sets no times of an open file.
The pages of learn.microsoft.com/windows/win32/api say what each call here promises; constants have
their names there.

What NTFS does not promise stands in docs/windows.md: the removal of a name is not forced to the
disk.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"  # noqa: S101  (mypy reads it)

import ctypes
import errno
import msvcrt
import os
import random
import stat
import struct
import time
from collections.abc import Callable, Iterator
from ctypes import wintypes
from typing import NamedTuple, Self, TypeVar

__all__ = [
    "APPENDS_IN_ONE_STEP",
    "EDITING",
    "MAKING",
    "READING",
    "TAKES_ANY_NAME",
    "TIME_GRAIN_NS",
    "WRITING",
    "Entry",
    "Listing",
    "Status",
    "bytes_on_disk",
    "fstat",
    "lstat",
    "make_folder",
    "make_like",
    "make_private",
    "open_file",
    "open_to_read",
    "rename",
    "scandir",
    "set_modified",
    "sync",
    "sync_folder",
    "unlink",
]

T = TypeVar("T")

# O_NOINHERIT: a child process does not inherit the file. O_BINARY: line ends are not translated.
_OURS = os.O_NOINHERIT | os.O_BINARY
READING = os.O_RDONLY | _OURS
WRITING = os.O_WRONLY | _OURS
EDITING = os.O_RDWR | _OURS
MAKING = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OURS

APPENDS_IN_ONE_STEP = False
"""The C runtime's O_APPEND first seeks to the end, then writes."""

TAKES_ANY_NAME = False
"""A colon names a drive or a stream, and CON is a device, in each folder and with any suffix."""

TIME_GRAIN_NS = 100
"""NTFS counts in 100 ns, as FILETIME does."""

_1970 = 116_444_736_000_000_000  # in 100 ns since 1601

_INVALID_HANDLE = ctypes.c_void_p(-1).value
_GENERIC_READ, _GENERIC_WRITE = 0x80000000, 0x40000000
_DELETE, _SYNCHRONIZE = 0x00010000, 0x00100000
_FILE_LIST_DIRECTORY, _FILE_READ_ATTRIBUTES, _FILE_WRITE_ATTRIBUTES = 0x1, 0x80, 0x100
# FILE_SHARE_READ, FILE_SHARE_WRITE, FILE_SHARE_DELETE: whoever has the file open through us stands
# in nobody's way.
_SHARE_ALL = 0x7
_CREATE_NEW, _OPEN_EXISTING, _OPEN_ALWAYS = 1, 3, 4
_ATTRIBUTE_DIRECTORY, _ATTRIBUTE_NORMAL, _ATTRIBUTE_REPARSE_POINT = 0x10, 0x80, 0x400
_FLAG_WRITE_THROUGH = 0x80000000
_FLAG_BACKUP_SEMANTICS = 0x02000000  # without it, no folder can be opened
_FLAG_OPEN_REPARSE_POINT = 0x00200000  # a link is opened itself, not what it leads to
_TAG_SYMLINK, _TAG_MOUNT_POINT = 0xA000000C, 0xA0000003
_MOVEFILE_REPLACE_EXISTING, _MOVEFILE_WRITE_THROUGH = 0x1, 0x8
_RENAME_REPLACE_IF_EXISTS, _RENAME_POSIX_SEMANTICS = 0x1, 0x2
# The classes of GetFileInformationByHandleEx and SetFileInformationByHandle.
_BASIC_INFO, _ATTRIBUTE_TAG_INFO, _DIRECTORY_INFO, _RENAME_INFO_EX = 0, 9, 10, 22

_ERROR_FILE_NOT_FOUND, _ERROR_PATH_NOT_FOUND = 2, 3
_ERROR_ACCESS_DENIED, _ERROR_NO_MORE_FILES = 5, 18
_ERROR_SHARING_VIOLATION, _ERROR_LOCK_VIOLATION = 32, 33
_ERROR_INVALID_FUNCTION, _ERROR_NOT_SUPPORTED, _ERROR_INVALID_PARAMETER = 1, 50, 87
_ERROR_DIRECTORY, _ERROR_USER_MAPPED_FILE, _ERROR_FILENAME_EXCED_RANGE = 267, 1224, 206
# A name is taken until the last handle of a file that was removed is closed.
_STATUS_DELETE_PENDING = 0xC0000056
# Somebody has the file open in a way that forbids the call: antivirus, indexing, a backup, another
# store that replaces it. It passes.
_BUSY = (_ERROR_SHARING_VIOLATION, _ERROR_LOCK_VIOLATION, _ERROR_USER_MAPPED_FILE)
# Windows says "access denied" of a file that is being replaced or removed as well as of one that
# may not be read, and of a folder.
_PERHAPS_BUSY = (*_BUSY, _ERROR_ACCESS_DENIED)
# This volume (FAT, a network folder) or this Windows does not have the call.
_NOT_HERE = (_ERROR_INVALID_FUNCTION, _ERROR_NOT_SUPPORTED, _ERROR_INVALID_PARAMETER)

_PATIENCE_SECONDS = 2.0
_READING_PATIENCE_SECONDS = 0.25
_LONGEST_PATH = 32_767
_MOST_CHARACTERS = 259  # MAX_PATH without its final NUL
_NUMBER_AT, _NAME_AT = 96, 104  # in FILE_ID_BOTH_DIR_INFO
_LARGEST = (1 << 63) - 1  # the largest integer that SQLite can store; ReFS has larger numbers

# Owner, administrators and the system, and all that is made inside; nobody by inheritance from
# above. ConvertStringSecurityDescriptorToSecurityDescriptorW, "SDDL".
_PRIVATE = "D:P(A;OICI;FA;;;OW)(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"

_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_advapi = ctypes.WinDLL("advapi32", use_last_error=True)
_nt = ctypes.WinDLL("ntdll")


class _SecurityAttributes(ctypes.Structure):
    _fields_ = (
        ("nLength", wintypes.DWORD),
        ("lpSecurityDescriptor", wintypes.LPVOID),
        ("bInheritHandle", wintypes.BOOL),
    )


def _declare() -> None:
    """Give ctypes the types of the calls: a HANDLE has 64 bits, an int does not."""
    handle, dword, text, place = (
        wintypes.HANDLE,
        wintypes.DWORD,
        wintypes.LPCWSTR,
        wintypes.LPVOID,
    )
    calls = {
        "CreateFileW": (handle, [text, dword, dword, place, dword, dword, handle]),
        "CloseHandle": (wintypes.BOOL, [handle]),
        "GetFileInformationByHandle": (wintypes.BOOL, [handle, place]),
        "GetFileInformationByHandleEx": (wintypes.BOOL, [handle, ctypes.c_int, place, dword]),
        "SetFileInformationByHandle": (wintypes.BOOL, [handle, ctypes.c_int, place, dword]),
        "SetFileTime": (wintypes.BOOL, [handle, place, place, place]),
        "MoveFileExW": (wintypes.BOOL, [text, text, dword]),
        "CreateDirectoryW": (wintypes.BOOL, [text, place]),
        "GetFinalPathNameByHandleW": (dword, [handle, wintypes.LPWSTR, dword, dword]),
        "LocalFree": (place, [place]),
    }
    for name, (result, arguments) in calls.items():
        call = getattr(_kernel, name)
        call.restype, call.argtypes = result, arguments
    convert = _advapi.ConvertStringSecurityDescriptorToSecurityDescriptorW
    convert.restype, convert.argtypes = wintypes.BOOL, [text, dword, place, place]
    _nt.RtlGetLastNtStatus.restype = wintypes.DWORD


_declare()


# -- what is said of a file ------------------------------------------------------------------------


class Status(NamedTuple):
    """What the store asks of ``os.stat_result``; ctime is the time of the last change.

    In ``os`` it is the time of creation, which a path inherits from the file that had it before.
    """

    st_mode: int
    st_ino: int
    st_dev: int
    st_nlink: int
    st_size: int
    st_mtime_ns: int
    st_ctime_ns: int

    @property
    def st_mtime(self) -> float:
        """The modification time in seconds."""
        return self.st_mtime_ns / 1_000_000_000


def fstat(fd: int) -> Status:
    """Return the status of an open file."""
    return _status(msvcrt.get_osfhandle(fd), None)


def lstat(path: str) -> Status:
    """Return the status of a path; links are not followed."""
    flags = _FLAG_BACKUP_SEMANTICS | _FLAG_OPEN_REPARSE_POINT
    with _handle(path, _FILE_READ_ATTRIBUTES, _OPEN_EXISTING, flags) as handle:
        _refuse_other_case(handle, path)
        return _status(handle, path)


def _status(handle: int, path: str | None) -> Status:
    # BY_HANDLE_FILE_INFORMATION: attributes, three times, volume, size, links, number.
    general = ctypes.create_string_buffer(52)
    if not _kernel.GetFileInformationByHandle(handle, general):
        raise _error(path)
    attributes, _, _, modified, volume, size_high, size_low, links, high, low = struct.unpack(
        "<LQQQLLLLLL", general.raw
    )
    # FILE_BASIC_INFO: creation, access, modification, change, attributes. FAT has no time of
    # change; it says 0 by the handle and in a listing.
    basic = ctypes.create_string_buffer(40)
    if not _kernel.GetFileInformationByHandleEx(handle, _BASIC_INFO, basic, 40):
        raise _error(path)
    (changed,) = struct.unpack_from("<q", basic.raw, 24)
    tag = 0
    if attributes & _ATTRIBUTE_REPARSE_POINT:
        tagged = ctypes.create_string_buffer(8)
        if _kernel.GetFileInformationByHandleEx(handle, _ATTRIBUTE_TAG_INFO, tagged, 8):
            (tag,) = struct.unpack_from("<L", tagged.raw, 4)
    size, number = size_high << 32 | size_low, (high << 32 | low) & _LARGEST
    kind = _kind_of(attributes, tag)
    return Status(kind, number, volume, links, size, _ns(modified), _ns(changed))


def _refuse_other_case(handle: int, path: str) -> None:
    """Refuse a file whose name differs from the one that was asked for by letter case only.

    It is the file of another session: for the store, there is none with the name.
    """
    found = ctypes.create_unicode_buffer(_LONGEST_PATH)
    if not _kernel.GetFinalPathNameByHandleW(handle, found, _LONGEST_PATH, 0):
        return  # a volume without a drive cannot tell
    name, wanted = os.path.basename(found.value), os.path.basename(path)
    if name != wanted and name.casefold() == wanted.casefold():
        raise FileNotFoundError(errno.ENOENT, f"its name is {name!r}", path)


def _kind_of(attributes: int, tag: int) -> int:
    if tag in (_TAG_SYMLINK, _TAG_MOUNT_POINT):
        return stat.S_IFLNK
    # Other tags are of files that are kept elsewhere (OneDrive), deduplicated or compressed.
    return stat.S_IFDIR | 0o700 if attributes & _ATTRIBUTE_DIRECTORY else stat.S_IFREG | 0o600


def _ns(filetime: int) -> int:
    return (filetime - _1970) * TIME_GRAIN_NS


# -- opening ---------------------------------------------------------------------------------------


class _handle:  # noqa: N801  (used like a function)
    """Open a path for a call that wants a handle; close it at the end."""

    def __init__(self, path: str, access: int, creation: int, flags: int) -> None:
        self._path = path
        self._handle = _create(path, access, creation, flags)

    def __enter__(self) -> int:
        return self._handle

    def __exit__(self, *_: object) -> None:
        _kernel.CloseHandle(self._handle)


def _create(path: str, access: int, creation: int, flags: int) -> int:
    handle = _kernel.CreateFileW(path, access, _SHARE_ALL, None, creation, flags, None)
    if handle is None or handle == _INVALID_HANDLE:
        raise _error(path)
    return int(handle)


def open_file(path: str, flags: int, _mode: int = 0o600) -> int:
    """Open a file so that others may replace and remove it meanwhile; refuse a link.

    Raises:
        OSError: As ``os.open``; ``ELOOP`` for a link.
    """
    patience = _PATIENCE_SECONDS if flags & os.O_CREAT else _READING_PATIENCE_SECONDS
    return _patiently(lambda: _open(path, flags), patience)


def bytes_on_disk(path: str) -> int:
    """Return the size of a file; how many clusters it takes depends on the volume."""
    return lstat(path).st_size


def open_to_read(path: str) -> int:
    """Open a file for reading, through links too, so that others may replace and remove it."""
    return _patiently(lambda: _open_linked(path), _READING_PATIENCE_SECONDS)


def _open_linked(path: str) -> int:
    handle = _create(path, _GENERIC_READ, _OPEN_EXISTING, _ATTRIBUTE_NORMAL)
    return msvcrt.open_osfhandle(handle, READING)


def _open(path: str, flags: int) -> int:
    kind = flags & (os.O_RDONLY | os.O_WRONLY | os.O_RDWR)
    reads, writes = kind != os.O_WRONLY, kind != os.O_RDONLY
    access = (_GENERIC_READ if reads else 0) | (_GENERIC_WRITE if writes else 0)
    creation = _OPEN_ALWAYS if flags & os.O_CREAT else _OPEN_EXISTING
    if flags & os.O_EXCL:
        creation = _CREATE_NEW
    own = _ATTRIBUTE_NORMAL | _FLAG_OPEN_REPARSE_POINT
    try:
        handle = _create(path, access | _FILE_READ_ATTRIBUTES, creation, own)
    except PermissionError:
        if os.path.isdir(path):  # without this, one would wait for it
            raise OSError(errno.EINVAL, "not a regular file", path) from None
        raise
    try:
        if creation == _OPEN_EXISTING:
            _refuse_other_case(handle, path)
        # A file that is kept elsewhere (OneDrive) has to be opened so that it is brought here.
        if creation != _CREATE_NEW and (tag := _tag_of(handle)):
            if tag in (_TAG_SYMLINK, _TAG_MOUNT_POINT):
                raise OSError(errno.ELOOP, "a symbolic link is not followed", path)  # noqa: TRY301
            linked = _create(path, access | _FILE_READ_ATTRIBUTES, creation, _ATTRIBUTE_NORMAL)
            _kernel.CloseHandle(handle)
            handle = linked
        return msvcrt.open_osfhandle(handle, flags & ~(os.O_CREAT | os.O_EXCL))
    except BaseException:
        _kernel.CloseHandle(handle)
        raise


def _tag_of(handle: int) -> int:
    found = ctypes.create_string_buffer(8)
    if not _kernel.GetFileInformationByHandleEx(handle, _ATTRIBUTE_TAG_INFO, found, 8):
        return 0  # this volume has no such points
    attributes, tag = struct.unpack("<LL", found.raw)
    return int(tag) if attributes & _ATTRIBUTE_REPARSE_POINT else 0


# -- a whole folder --------------------------------------------------------------------------------


class Entry(NamedTuple):
    """A name in a folder, with the status that the folder has of it."""

    name: str
    path: str
    status: Status

    def stat(self, *, follow_symlinks: bool) -> Status:  # noqa: ARG002  (as in ``os.DirEntry``)
        """Return the status; links are never followed."""
        return self.status


class Listing:
    """The entries of a folder, as ``os.scandir`` gives them: to be gone through once, and closed.

    The folder keeps size and times of its files. It has those of a file that is being written when
    that file is closed.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        access = _FILE_LIST_DIRECTORY | _SYNCHRONIZE
        self._handle: int | None = _create(folder, access, _OPEN_EXISTING, _FLAG_BACKUP_SEMANTICS)
        self._entries = self._read()

    def __iter__(self) -> Iterator[Entry]:
        return self._entries

    def __next__(self) -> Entry:
        return next(self._entries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the folder."""
        handle, self._handle = self._handle, None
        if handle is not None:
            _kernel.CloseHandle(handle)

    def _read(self) -> Iterator[Entry]:
        prefix = os.path.join(self._folder, "")
        size = 1 << 16
        buffer = ctypes.create_string_buffer(size)
        # FILE_ID_BOTH_DIR_INFO: where the next begins, index, creation, access, modification,
        # change, size, allocated, attributes, length of the name, tag of a reparse point.
        head = struct.Struct("<LL6q3L")
        while self._handle is not None:
            call = _kernel.GetFileInformationByHandleEx
            if not call(self._handle, _DIRECTORY_INFO, buffer, size):
                code = ctypes.get_last_error()
                if code == _ERROR_NO_MORE_FILES:
                    return
                if code not in _NOT_HERE:
                    raise _error(self._folder, code)
                yield from self._one_by_one()
                return
            raw, at = buffer.raw, 0
            while True:
                following, _, _, _, modified, changed, length, _, attributes, letters, tag = (
                    head.unpack_from(raw, at)
                )
                (number,) = struct.unpack_from("<Q", raw, at + _NUMBER_AT)
                name_at = at + _NAME_AT
                name = raw[name_at : name_at + letters].decode("utf-16-le", "surrogatepass")
                if name not in (".", ".."):
                    is_point = attributes & _ATTRIBUTE_REPARSE_POINT
                    kind = _kind_of(attributes, tag if is_point else 0)
                    number, times = number & _LARGEST, (_ns(modified), _ns(changed))
                    yield Entry(name, prefix + name, Status(kind, number, 0, 1, length, *times))
                if not following:
                    break
                at += following

    def _one_by_one(self) -> Iterator[Entry]:
        """Ask for each file, where the folder cannot tell its files' numbers."""
        for name in os.listdir(self._folder):
            path = os.path.join(self._folder, name)
            try:
                yield Entry(name, path, lstat(path))
            except FileNotFoundError:
                continue  # removed since the folder was read


def scandir(path: str) -> Listing:
    """Return the entries of a folder, each with what ``lstat`` says of it."""
    return Listing(path)


# -- changing --------------------------------------------------------------------------------------


def rename(source: str, target: str) -> None:
    """Move a file over another in one step, and write the names to the disk.

    Those who have the target open as ``open_file`` here does go on reading the previous version.
    """
    _patiently(lambda: _moved(source, target), _PATIENCE_SECONDS)


def _moved(source: str, target: str) -> None:
    if _renamed_as_on_posix(source, target):
        return
    flags = _MOVEFILE_REPLACE_EXISTING | _MOVEFILE_WRITE_THROUGH
    if not _kernel.MoveFileExW(source, target, flags):
        raise _error(source, other=target)


def _renamed_as_on_posix(source: str, target: str) -> bool:
    """Rename over a file that others have open; False where only MoveFileExW can tell.

    NTFS has this since Windows 10 1709. The handle is opened to write through: then the names are
    on the disk when the call returns.
    """
    access = _DELETE | _SYNCHRONIZE | _FILE_READ_ATTRIBUTES
    flags = _FLAG_WRITE_THROUGH | _FLAG_BACKUP_SEMANTICS | _FLAG_OPEN_REPARSE_POINT
    try:
        opened = _handle(source, access, _OPEN_EXISTING, flags)
    except OSError:
        return False
    # FILE_RENAME_INFO: flags, a folder (none: the name is a whole path), length, name.
    name = os.path.abspath(target).encode("utf-16-le", "surrogatepass")
    how = _RENAME_REPLACE_IF_EXISTS | _RENAME_POSIX_SEMANTICS
    told = struct.pack("<LxxxxQL", how, 0, len(name)) + name + b"\0\0"
    with opened as handle:
        return bool(_kernel.SetFileInformationByHandle(handle, _RENAME_INFO_EX, told, len(told)))


def unlink(path: str) -> None:
    """Remove a file."""
    _patiently(lambda: _told(os.unlink, path), _PATIENCE_SECONDS)


def make_folder(path: str) -> None:
    """Make a folder that only its owner, administrators and the system may enter.

    What is made inside inherits that.
    """
    described = wintypes.LPVOID()
    convert = _advapi.ConvertStringSecurityDescriptorToSecurityDescriptorW
    if not convert(_PRIVATE, 1, ctypes.byref(described), None):
        raise _error(path)
    try:
        attributes = _SecurityAttributes(ctypes.sizeof(_SecurityAttributes), described, False)
        if not _kernel.CreateDirectoryW(path, ctypes.byref(attributes)):
            raise _error(path)
    finally:
        _kernel.LocalFree(described)


def make_private(fd: int) -> None:
    """Do nothing: a file inherits from its folder who may read it, see ``make_folder``."""


def make_like(fd: int, path: str) -> None:
    """Do nothing: a file inherits from its folder who may read it, see ``make_folder``."""


def set_modified(file: int | str, mtime_ns: int) -> None:
    """Set the modification time of an open file, or of a path, in steps of ``TIME_GRAIN_NS``."""
    time_ = ctypes.c_longlong(mtime_ns // TIME_GRAIN_NS + _1970)
    if isinstance(file, int):
        _set_time(msvcrt.get_osfhandle(file), time_, None)
        return
    flags = _FLAG_BACKUP_SEMANTICS | _FLAG_OPEN_REPARSE_POINT
    with _handle(file, _FILE_WRITE_ATTRIBUTES, _OPEN_EXISTING, flags) as handle:
        _set_time(handle, time_, file)


def _set_time(handle: int, time_: ctypes.c_longlong, path: str | None) -> None:
    if not _kernel.SetFileTime(handle, None, None, ctypes.byref(time_)):
        raise _error(path)


def sync(fd: int) -> None:
    """Write an open file to the disk: FlushFileBuffers."""
    os.fsync(fd)


def sync_folder(path: str) -> None:
    """Do nothing: a folder cannot be flushed, and ``rename`` writes its names through."""


# -- errors ----------------------------------------------------------------------------------------


def _error(path: str | None, code: int | None = None, *, other: str | None = None) -> OSError:
    """Return the error of the call that failed last."""
    code = ctypes.get_last_error() if code is None else code
    if code == _ERROR_ACCESS_DENIED and _nt.RtlGetLastNtStatus() == _STATUS_DELETE_PENDING:
        code = _ERROR_FILE_NOT_FOUND  # its name goes with its last handle
    return _named(ctypes.WinError(code), path, other)


def _told(act: Callable[[str], T], path: str) -> T:
    try:
        return act(path)
    except OSError as error:
        raise _named(error, path, None) from None


def _named(error: OSError, path: str | None, other: str | None) -> OSError:
    code = error.winerror
    longest = max((path or "", other or ""), key=len)
    too_long = len(longest) > _MOST_CHARACTERS and not longest.startswith("\\\\?\\")
    if code == _ERROR_FILENAME_EXCED_RANGE or (too_long and code == _ERROR_PATH_NOT_FOUND):
        return OSError(
            errno.ENAMETOOLONG,
            f"the path has {len(longest)} characters and Windows takes {_MOST_CHARACTERS} here: "
            "choose a folder with a shorter path, or enable long paths (LongPathsEnabled)",
            longest,
        )
    # Python's own errors end without the full stop that Windows has.
    return OSError(error.errno, (error.strerror or "").rstrip(". "), path, code, other)


def _patiently(act: Callable[[], T], seconds: float) -> T:
    """Repeat a call while others have the file open in a way that forbids it."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return act()
        except OSError as error:
            if error.winerror not in _PERHAPS_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(random.uniform(0.001, 0.02))  # noqa: S311  (jitter)
