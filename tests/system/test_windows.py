"""The calls of Windows: with which flags each is made, and what comes of each of its errors.

Wine shows most of what they do. Access lists, writing through and replacing an open file it does
not show: these are held by the calls. This file is collected on Windows only.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localsessions._system import windows

ACCESS_DENIED, SHARING_VIOLATION, LOCK_VIOLATION, MAPPED = 5, 32, 33, 1224
PATH_NOT_FOUND, TOO_LONG, INVALID_PARAMETER, NO_MORE_FILES = 3, 206, 87, 18
SHARE_ALL = 0x7
GENERIC_READ, GENERIC_WRITE, DELETE = 0x80000000, 0x40000000, 0x00010000
READ_ATTRIBUTES, WRITE_ATTRIBUTES = 0x80, 0x100
CREATE_NEW, OPEN_EXISTING, OPEN_ALWAYS = 1, 3, 4
OPEN_REPARSE_POINT, BACKUP_SEMANTICS, WRITE_THROUGH = 0x00200000, 0x02000000, 0x80000000


class Kernel:
    """kernel32 with a record of its calls; some of them fail with an error first."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.failing: dict[str, list[int]] = {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._real, name)

        def recorded(*arguments: Any) -> Any:
            self.calls.append((name, arguments))
            if self.failing.get(name):
                ctypes.set_last_error(self.failing[name].pop(0))
                return windows._INVALID_HANDLE if name == "CreateFileW" else 0
            return call(*arguments)

        return recorded

    def made(self, name: str) -> list[tuple[Any, ...]]:
        """Return the arguments of each call of that name."""
        return [arguments for found, arguments in self.calls if found == name]


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel(windows._kernel)
    monkeypatch.setattr(windows, "_kernel", made)
    return made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let a clock move only when somebody sleeps; the list has the present time."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", sleep)
    return now


@pytest.fixture
def path(tmp_path: Path) -> str:
    found = tmp_path / "s.json"
    found.write_bytes(b"whole")
    return str(found)


# Opening


@pytest.mark.parametrize(
    ("flags", "access", "creation"),
    [
        (windows.READING, GENERIC_READ, OPEN_EXISTING),
        (windows.WRITING, GENERIC_WRITE, OPEN_EXISTING),
        (windows.EDITING, GENERIC_READ | GENERIC_WRITE, OPEN_EXISTING),
        (windows.EDITING | os.O_CREAT, GENERIC_READ | GENERIC_WRITE, OPEN_ALWAYS),
        (windows.MAKING, GENERIC_WRITE, CREATE_NEW),
    ],
)
def test_a_file_is_opened_so_that_it_stands_in_nobodys_way(
    kernel: Kernel, path: str, flags: int, access: int, creation: int
) -> None:
    if creation == CREATE_NEW:
        os.unlink(path)
    os.close(windows.open_file(path, flags))
    (made,) = kernel.made("CreateFileW")
    assert made[:5] == (path, access | READ_ATTRIBUTES, SHARE_ALL, None, creation)
    assert made[5] & OPEN_REPARSE_POINT


def test_a_file_that_is_open_is_not_inherited(path: str) -> None:
    fd = windows.open_file(path, windows.READING)
    assert not os.get_inheritable(fd)
    os.close(fd)


def test_line_ends_stay(tmp_path: Path) -> None:
    fd = windows.open_file(str(tmp_path / "new"), windows.MAKING)
    os.write(fd, b"a\nb\r\n")
    os.close(fd)
    fd = windows.open_file(str(tmp_path / "new"), windows.READING)
    assert os.read(fd, 10) == b"a\nb\r\n"
    os.close(fd)


def test_a_file_that_must_not_exist_is_not_opened(path: str) -> None:
    with pytest.raises(FileExistsError) as caught:
        windows.open_file(path, windows.MAKING)
    assert caught.value.filename == path


@pytest.mark.parametrize("tag", [0xA000000C, 0xA0000003])
def test_a_link_is_refused(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, path: str, tag: int
) -> None:
    monkeypatch.setattr(windows, "_tag_of", lambda handle: tag)
    with pytest.raises(OSError, match="link") as caught:
        windows.open_file(path, windows.READING)
    assert (caught.value.errno, caught.value.filename) == (errno.ELOOP, path)
    assert len(kernel.made("CloseHandle")) == len(kernel.made("CreateFileW")) == 1


def test_a_file_that_is_kept_elsewhere_is_opened_so_that_it_is_brought(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(windows, "_tag_of", lambda handle: 0x9000001A)  # IO_REPARSE_TAG_CLOUD
    os.close(windows.open_file(path, windows.READING))
    first, second = kernel.made("CreateFileW")
    assert first[5] & OPEN_REPARSE_POINT
    assert not second[5] & OPEN_REPARSE_POINT
    assert len(kernel.made("CloseHandle")) == 1


@pytest.mark.parametrize("code", [ACCESS_DENIED, SHARING_VIOLATION, LOCK_VIOLATION, MAPPED])
def test_a_reader_waits_for_a_file_that_is_being_replaced(
    kernel: Kernel, clock: list[float], path: str, code: int
) -> None:
    kernel.failing["CreateFileW"] = [code] * 5
    os.close(windows.open_file(path, windows.READING))
    assert len(kernel.made("CreateFileW")) == 6
    assert clock[0] > 0


def test_a_file_that_may_not_be_read_is_an_error_in_a_moment(
    kernel: Kernel, clock: list[float], path: str
) -> None:
    kernel.failing["CreateFileW"] = [ACCESS_DENIED] * 10_000
    with pytest.raises(PermissionError) as caught:
        windows.open_file(path, windows.READING)
    assert caught.value.filename == path
    assert clock[0] < 0.3


def test_an_error_has_the_words_of_pythons_own(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    with pytest.raises(FileNotFoundError) as own:
        os.stat(gone)
    with pytest.raises(FileNotFoundError) as ours:
        windows.lstat(gone)
    assert str(ours.value) == str(own.value)


def test_a_file_that_is_going_is_gone(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    class Nt:
        @staticmethod
        def RtlGetLastNtStatus() -> int:  # noqa: N802
            return 0xC0000056  # STATUS_DELETE_PENDING

    monkeypatch.setattr(windows, "_nt", Nt)
    for call in (windows.lstat, lambda one: windows.open_file(one, windows.READING)):
        kernel.failing["CreateFileW"] = [ACCESS_DENIED]
        with pytest.raises(FileNotFoundError):
            call(path)


def test_a_file_of_somebody_else_is_read_through_a_link_and_shared(
    kernel: Kernel, clock: list[float], path: str
) -> None:
    kernel.failing["CreateFileW"] = [SHARING_VIOLATION]
    os.close(windows.open_to_read(path))
    made = kernel.made("CreateFileW")[-1]
    assert made[1:5] == (GENERIC_READ, SHARE_ALL, None, OPEN_EXISTING)
    assert not made[5] & OPEN_REPARSE_POINT


# What is said of a file


def test_a_handle_a_path_and_a_listing_say_the_same(path: str) -> None:
    fd = windows.open_file(path, windows.READING)
    by_handle, by_path = windows.fstat(fd), windows.lstat(path)
    os.close(fd)
    with windows.scandir(os.path.dirname(path)) as entries:
        (listed,) = [entry.stat(follow_symlinks=False) for entry in entries]
    assert by_handle == by_path == listed._replace(st_dev=by_path.st_dev)
    assert stat.S_ISREG(by_path.st_mode)
    assert by_path.st_size == 5


@pytest.mark.parametrize("seconds", [0, -5, 1, 2_000_000_000])
def test_any_time_is_the_same_by_handle_path_and_listing(path: str, seconds: int) -> None:
    windows.set_modified(path, seconds * 10**9)
    fd = windows.open_file(path, windows.READING)
    found = {windows.fstat(fd).st_mtime_ns, windows.lstat(path).st_mtime_ns}
    os.close(fd)
    with windows.scandir(os.path.dirname(path)) as entries:
        found |= {entry.stat(follow_symlinks=False).st_mtime_ns for entry in entries}
    assert found == {seconds * 10**9}


def test_a_change_that_puts_size_and_time_back_is_seen(path: str) -> None:
    before = windows.lstat(path)
    time.sleep(0.05)
    Path(path).write_bytes(b"other")
    windows.set_modified(path, before.st_mtime_ns)
    after = windows.lstat(path)
    assert after.st_mtime_ns == before.st_mtime_ns
    assert after.st_ctime_ns > before.st_ctime_ns


def test_a_file_in_the_place_of_another_has_another_number(tmp_path: Path, path: str) -> None:
    before = windows.lstat(path)
    (tmp_path / "new").write_bytes(b"other")
    windows.rename(str(tmp_path / "new"), path)
    assert windows.lstat(path).st_ino != before.st_ino


def test_a_file_whose_name_differs_by_case_is_another_session_s(tmp_path: Path) -> None:
    (tmp_path / "Notes.json").write_bytes(b"of Notes")
    path = str(tmp_path / "notes.json")
    for call in (windows.lstat, lambda one: windows.open_file(one, windows.READING)):
        with pytest.raises(FileNotFoundError, match=r"its name is 'Notes\.json'"):
            call(path)
    assert windows.lstat(str(tmp_path / "Notes.json")).st_size == 8


def test_a_folder_is_no_regular_file_at_once(tmp_path: Path, clock: list[float]) -> None:
    with pytest.raises(OSError, match="not a regular file") as caught:
        windows.open_file(str(tmp_path), windows.READING)
    assert (caught.value.errno, clock[0]) == (errno.EINVAL, 0)


def test_folders_and_links_are_told_from_files(tmp_path: Path) -> None:
    assert stat.S_ISDIR(windows.lstat(str(tmp_path)).st_mode)
    assert stat.S_ISLNK(windows._kind_of(0x410, 0xA0000003))  # a junction
    assert stat.S_ISREG(windows._kind_of(0x420, 0x9000001A))  # kept elsewhere
    with pytest.raises(FileNotFoundError):
        windows.lstat(str(tmp_path / "none"))


def test_a_folder_of_many_is_listed_whole(tmp_path: Path) -> None:
    names = {f"{number:04}-{'x' * 100}.json" for number in range(1000)}
    for name in names:
        (tmp_path / name).touch()
    with windows.scandir(str(tmp_path)) as entries:
        assert {entry.name for entry in entries} == names


def test_a_folder_that_cannot_number_its_files_is_asked_for_each(kernel: Kernel, path: str) -> None:
    with windows.scandir(os.path.dirname(path)) as entries:
        kernel.failing["GetFileInformationByHandleEx"] = [INVALID_PARAMETER]
        (found,) = entries
    assert (found.name, found.status) == (os.path.basename(path), windows.lstat(path))


def test_a_listing_that_fails_is_an_error_and_its_folder_is_closed(
    kernel: Kernel, path: str
) -> None:
    with windows.scandir(os.path.dirname(path)) as entries:
        kernel.failing["GetFileInformationByHandleEx"] = [ACCESS_DENIED]
        with pytest.raises(PermissionError):
            list(entries)
    assert len(kernel.made("CloseHandle")) == 1


def test_a_folder_that_is_not_there_is_not_listed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        windows.scandir(str(tmp_path / "none"))


# Changing


def test_a_rename_is_written_through(kernel: Kernel, tmp_path: Path, path: str) -> None:
    (tmp_path / "new").write_bytes(b"new")
    windows.rename(str(tmp_path / "new"), path)
    assert Path(path).read_bytes() == b"new"
    (opened,) = kernel.made("CreateFileW")
    assert opened[1] & DELETE
    assert opened[5] & WRITE_THROUGH
    ((_, information, told, size),) = kernel.made("SetFileInformationByHandle")
    assert (information, size) == (22, len(told))  # FileRenameInfoEx
    assert told[:4] == (0x1 | 0x2).to_bytes(4, "little")  # replace, as on POSIX
    assert told[20:-2].decode("utf-16-le") == path
    for _, _, flags in kernel.made("MoveFileExW"):  # where the volume has no FileRenameInfoEx
        assert flags == 0x1 | 0x8  # replace, write through


def test_where_a_rename_over_an_open_file_is_not_to_be_had_it_is_moved(
    kernel: Kernel, tmp_path: Path, path: str
) -> None:
    (tmp_path / "new").write_bytes(b"new")
    kernel.failing["SetFileInformationByHandle"] = [INVALID_PARAMETER]
    windows.rename(str(tmp_path / "new"), path)
    assert Path(path).read_bytes() == b"new"
    assert len(kernel.made("MoveFileExW")) == 1


@pytest.mark.parametrize("code", [ACCESS_DENIED, SHARING_VIOLATION, LOCK_VIOLATION, MAPPED])
def test_a_file_that_somebody_has_open_is_waited_for(
    kernel: Kernel, clock: list[float], tmp_path: Path, path: str, code: int
) -> None:
    (tmp_path / "new").write_bytes(b"new")
    kernel.failing["SetFileInformationByHandle"] = [code] * 4
    kernel.failing["MoveFileExW"] = [code] * 3
    windows.rename(str(tmp_path / "new"), path)
    assert Path(path).read_bytes() == b"new"
    assert 0 < clock[0] < 2


def test_a_file_that_stays_open_is_an_error_after_two_seconds(
    kernel: Kernel, clock: list[float], tmp_path: Path, path: str
) -> None:
    (tmp_path / "new").write_bytes(b"new")
    kernel.failing["SetFileInformationByHandle"] = [SHARING_VIOLATION] * 10_000
    kernel.failing["MoveFileExW"] = [SHARING_VIOLATION] * 10_000
    with pytest.raises(PermissionError) as caught:
        windows.rename(str(tmp_path / "new"), path)
    assert (caught.value.filename, caught.value.filename2) == (str(tmp_path / "new"), path)
    assert 2 <= clock[0] < 2.1
    assert Path(path).read_bytes() == b"whole"


def test_what_is_not_there_is_not_renamed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        windows.rename(str(tmp_path / "none"), str(tmp_path / "new"))


def test_removing_waits_too(clock: list[float], monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    real = os.unlink

    def held(one: str) -> None:
        if clock[0] < 1:
            raise OSError(0, "in use", one, SHARING_VIOLATION)
        real(one)

    monkeypatch.setattr(os, "unlink", held)
    windows.unlink(path)
    assert 1 <= clock[0] < 2
    assert not os.path.exists(path)


def test_a_folder_is_made_for_its_owner_the_system_and_administrators(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told: list[str] = []

    class Advapi:
        @staticmethod
        def ConvertStringSecurityDescriptorToSecurityDescriptorW(  # noqa: N802
            text: str, revision: int, place: object, size: object
        ) -> int:
            told.append(text)
            assert (revision, size) == (1, None)
            return real(text, revision, place, size)  # type: ignore[no-any-return]

    real = windows._advapi.ConvertStringSecurityDescriptorToSecurityDescriptorW
    monkeypatch.setattr(windows, "_advapi", Advapi)
    windows.make_folder(str(tmp_path / "new"))
    assert (tmp_path / "new").is_dir()
    # Protected; what is made inside inherits: owner, system, administrators, and nobody else.
    assert told == ["D:P(A;OICI;FA;;;OW)(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"]
    ((_, attributes),) = kernel.made("CreateDirectoryW")
    assert attributes is not None
    assert len(kernel.made("LocalFree")) == 1


def test_a_folder_that_is_there_is_not_made(kernel: Kernel, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        windows.make_folder(str(tmp_path))
    assert len(kernel.made("LocalFree")) == 1


def test_a_time_is_set_in_steps_of_the_system(path: str) -> None:
    fd = windows.open_file(path, windows.EDITING)
    windows.set_modified(fd, 1_700_000_000_123_456_789)
    assert windows.fstat(fd).st_mtime_ns == 1_700_000_000_123_456_700
    os.close(fd)


# Paths


@pytest.mark.parametrize("code", [PATH_NOT_FOUND, TOO_LONG])
def test_a_path_that_is_too_long_says_so(kernel: Kernel, code: int) -> None:
    kernel.failing["CreateFileW"] = [code]
    path = "C:\\" + "x" * 300
    with pytest.raises(OSError, match="303 characters and Windows takes 259 here") as caught:
        windows.lstat(path)
    assert (caught.value.errno, caught.value.filename) == (errno.ENAMETOOLONG, path)


def test_a_shorter_path_that_is_not_there_is_only_not_found(kernel: Kernel) -> None:
    kernel.failing["CreateFileW"] = [PATH_NOT_FOUND]
    with pytest.raises(FileNotFoundError):
        windows.lstat("C:\\none")
