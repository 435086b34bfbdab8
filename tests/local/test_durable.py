"""The operating system's calls: in the order that survives a power cut, and each one failing."""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import calls
import needs
import pytest
from opened import descriptors, path_of

from localsessions import SessionStore, _system
from localsessions._local.files import durable

PROGRAMS = Path(__file__).parents[1] / "programs"
MTIME_NS = 1_735_634_700_123_456_789 // _system.TIME_GRAIN_NS * _system.TIME_GRAIN_NS
UMASKS = [0o000, 0o022, 0o077, 0o277, 0o777]
has_modes = pytest.mark.needs("modes")


@contextmanager
def umask(mask: int) -> Iterator[None]:
    former = os.umask(mask)
    try:
        yield
    finally:
        os.umask(former)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def write(path: Path, data: bytes = b"{}\n", *, is_durable: bool = True) -> None:
    durable.write_new(str(path), data, mtime_ns=MTIME_NS, durable=is_durable)


# Writing


def test_a_new_file_has_its_content_its_time_and_its_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "new"
    made = durable.write_new(str(path), b"{}\n", mtime_ns=MTIME_NS, durable=True)
    assert path.read_bytes() == b"{}\n"
    assert made == durable.fingerprint_at(str(path))
    assert (made.size_bytes, made.mtime_ns) == (3, MTIME_NS)


@has_modes
@pytest.mark.parametrize("mask", UMASKS)
def test_a_new_file_is_the_users_own_under_any_umask(tmp_path: Path, mask: int) -> None:
    with umask(mask):
        write(tmp_path / "new")
    assert mode_of(tmp_path / "new") == 0o600


def test_a_file_that_is_there_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "there"
    path.write_text("precious")
    with pytest.raises(FileExistsError):
        write(path)
    assert path.read_text() == "precious"


@pytest.mark.needs("links")
def test_a_link_that_is_there_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        write(tmp_path / "link")
    assert not (tmp_path / "elsewhere").exists()


def test_short_writes_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: whole(fd, data[:3]))
    write(tmp_path / "new", b"0123456789")
    assert (tmp_path / "new").read_bytes() == b"0123456789"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("call", ["fchmod", "write", "utime", "fsync", "fstat", "close"])
def test_a_call_that_fails_leaves_nothing_behind_and_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    count = 0
    real: Callable[..., object] = calls.real(call)

    def fail(fd: int, *arguments: object, **named: object) -> None:
        nonlocal count
        count += 1
        if call == "close":
            real(fd)
        raise OSError(number, os.strerror(number))

    before = descriptors()
    calls.put_in_place_of(monkeypatch, call, fail)
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        write(tmp_path / "new")
    monkeypatch.undo()
    assert (caught.value.errno, caught.value.filename) == (number, str(tmp_path / "new"))
    assert list(tmp_path.iterdir()) == []
    assert descriptors() == before
    # What an fsync could not write the kernel may have dropped: a second one would say "done".
    assert count == 1


def test_the_first_error_is_told_even_if_the_file_cannot_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "disk full")

    def stuck(path: str) -> None:
        raise OSError(errno.EIO, "disk failed", path)

    monkeypatch.setattr(os, "write", full)
    calls.put_in_place_of(monkeypatch, "unlink", stuck)
    with pytest.raises(OSError, match="disk full"):
        write(tmp_path / "new")


# Reading


def test_a_regular_file_is_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    fd = durable.open_regular(str(tmp_path / "file"))
    assert durable.read_open(fd, 3) == b"abc"
    os.close(fd)


NOT_REGULAR = {
    "link": errno.ELOOP,
    "dangling link": errno.ELOOP,
    "fifo": errno.EINVAL,
    "folder": errno.EINVAL,
    "device": errno.EINVAL,
    "socket": errno.ENXIO,
    "nothing": errno.ENOENT,
}
NEEDED = {"link": "links", "dangling link": "links", "fifo": "fifos", "socket": "fifos"}


@pytest.mark.parametrize("kind", needs.marked(NOT_REGULAR, NEEDED))
def test_what_is_no_regular_file_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    path = Path("it")
    (tmp_path / "target").write_text("{}")
    with ExitStack() as sockets:
        if kind == "link":
            path.symlink_to("target")
        elif kind == "dangling link":
            path.symlink_to("nowhere")
        elif kind == "fifo":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        elif kind == "socket":
            sockets.enter_context(socket.socket(socket.AF_UNIX)).bind(str(path))
        elif kind == "device":
            path = Path(os.devnull)
        before = descriptors()
        with pytest.raises(OSError, match=str(path)) as caught:
            durable.open_regular(str(path))
        assert caught.value.errno == NOT_REGULAR[kind]
        assert descriptors() == before


def test_short_reads_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    whole = os.read
    monkeypatch.setattr(os, "read", lambda fd, size: whole(fd, min(size, 3)))
    fd = durable.open_regular(str(tmp_path / "file"))
    assert durable.read_open(fd, 10) == b"0123456789"
    os.close(fd)


@pytest.mark.parametrize(("size", "data"), [(0, b"0"), (3, b"0123"), (9, b"0123456789")])
def test_one_byte_too_many_tells_that_a_file_has_grown(
    tmp_path: Path, size: int, data: bytes
) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    fd = durable.open_regular(str(tmp_path / "file"))
    assert durable.read_open(fd, size) == data
    os.close(fd)


def test_an_empty_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    fd = durable.open_regular(str(tmp_path / "file"))
    assert durable.read_open(fd, 0) == b""
    os.close(fd)


@pytest.mark.parametrize(
    ("mtime_ns", "inode"), [(10**23, 1 << 127), (-(10**23), (1 << 64) - 1), (5, 7)]
)
def test_a_fingerprint_has_room_for_any_time_and_any_inode(mtime_ns: int, inode: int) -> None:
    status = SimpleNamespace(st_size=1, st_mtime_ns=mtime_ns, st_ctime_ns=2, st_ino=inode)
    made = durable.fingerprint_of(cast("os.stat_result", status))
    assert all(-(1 << 63) <= number < 1 << 63 for number in made)
    assert 1677 <= made.modified_at.year <= 2262


# Renaming and removing on Windows


class Clock:
    """A clock that moves when somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.naps = 0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "sleep", self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.naps += 1
        self.now += seconds


def busy(number: int) -> PermissionError:
    """Return the error of a call while somebody else has the file open on Windows."""
    error = PermissionError(errno.EACCES, "in use by another process")
    error.winerror = number  # type: ignore[attr-defined]
    return error


def test_a_rename_without_permission_is_an_error_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)

    def forbidden(*paths: str) -> None:
        raise PermissionError(errno.EACCES, "not yours")

    calls.put_in_place_of(monkeypatch, "replace", forbidden)
    with pytest.raises(PermissionError, match="not yours"):
        _system.rename(str(tmp_path / "new"), str(tmp_path / "old"))
    assert clock.naps == 0


def test_removing_tells_whether_it_was_there(tmp_path: Path) -> None:
    (tmp_path / "it").touch()
    assert durable.unlink(str(tmp_path / "it"))
    assert not durable.unlink(str(tmp_path / "it"))


# Folders


@has_modes
@pytest.mark.parametrize("mask", UMASKS)
def test_every_folder_that_is_made_is_the_users_own_under_any_umask(
    tmp_path: Path, mask: int
) -> None:
    with umask(mask):
        durable.make_folder(str(tmp_path / "a" / "b" / "c"), durable=True)
    made = [tmp_path / "a", tmp_path / "a" / "b", tmp_path / "a" / "b" / "c"]
    assert [mode_of(path) for path in made] == [0o700] * 3


@has_modes
def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o755)
    durable.make_folder(str(tmp_path / "shared"), durable=True)
    assert mode_of(tmp_path / "shared") == 0o755


@pytest.mark.parametrize("kind", needs.marked(["file", "dangling link"], NEEDED))
def test_a_folder_cannot_be_made_where_something_else_is(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "it"
    if kind == "file":
        path.touch()
    else:
        path.symlink_to("nowhere")
    with pytest.raises(NotADirectoryError, match="a file has the name of the folder"):
        durable.make_folder(str(path), durable=True)


def test_a_folder_that_another_process_makes_at_the_same_time_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = calls.real("mkdir")

    def too_late(path: str) -> None:
        real(path)
        raise FileExistsError(errno.EEXIST, "another was faster", path)

    calls.put_in_place_of(monkeypatch, "mkdir", too_late)
    durable.make_folder(str(tmp_path / "new"), durable=True)
    assert (tmp_path / "new").is_dir()


def test_a_drive_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "isdir", lambda path: False)
    with pytest.raises(OSError, match="/") as caught:
        durable.make_folder("/", durable=True)
    assert not isinstance(caught.value, RecursionError)


@pytest.mark.needs("folder syncs")
def test_the_folder_above_a_new_one_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(fd: int) -> None:
        synced.append(path_of(fd))
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    durable.make_folder(str(tmp_path / "a" / "b"), durable=True)
    assert synced == [str(tmp_path), str(tmp_path / "a")]
    durable.make_folder(str(tmp_path / "c"), durable=False)
    assert len(synced) == 2


@pytest.mark.needs("folder syncs")
def test_a_folder_that_cannot_be_synced_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(fd: int) -> None:
        raise OSError(errno.EIO, "disk failed")

    before = descriptors()
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk failed") as caught:
        _system.sync_folder(str(tmp_path))
    assert caught.value.filename == str(tmp_path)
    assert descriptors() == before


# Other systems


@pytest.mark.needs("fcntl")
@pytest.mark.parametrize(
    ("answer", "calls"),
    [(None, ["full"]), (errno.ENOTSUP, ["full", "fsync"]), (errno.EINVAL, ["full", "fsync"])],
)
def test_macos_is_asked_to_sync_the_drive_and_otherwise_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: int | None, calls: list[str]
) -> None:
    import fcntl

    seen: list[str] = []

    def full_sync(fd: int, command: int) -> int:
        assert command == 51
        seen.append("full")
        if answer is not None:
            raise OSError(answer, "not here")
        return 0

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", full_sync)
    monkeypatch.setattr(os, "fsync", lambda fd: seen.append("fsync"))
    write(tmp_path / "new")
    assert seen == calls


@pytest.mark.needs("fcntl")
def test_a_drive_that_fails_on_macos_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def full_sync(fd: int, command: int) -> int:
        raise OSError(errno.EIO, "disk failed")

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", full_sync)
    with pytest.raises(OSError, match="disk failed"):
        write(tmp_path / "new")


# The order of the calls

_CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += (-?\d+)")


def calls_of_a_save(folder: Path, trace: Path, durability: str) -> list[str]:
    """Run a save under strace and return its calls on files of the store, each in a few words."""
    command = [
        *("strace", "-f", "-y", "-s", "4096", "-o", str(trace)),
        *("-e", "trace=openat,write,fsync,fdatasync,rename,renameat,renameat2,unlink,access"),
        *(sys.executable, str(PROGRAMS / "save_once.py"), str(folder), "s", durability),
    ]
    subprocess.run(command, check=True)
    words: list[str] = []
    is_saving = False
    for line in trace.read_text(encoding="utf-8", errors="replace").splitlines():
        if "the save" in line:
            is_saving = "/before" in line
        if is_saving and str(folder) in line and (match := _CALL.match(line)):
            words += in_words(match[1], match[2], folder)
    return words


def in_words(call: str, arguments: str, folder: Path) -> Iterator[str]:
    what = {
        f"{folder}/.localsessions/tmp/": "temp",
        f"{folder}/s.json": "session",
        f"{folder}>": "folder",
        f'{folder}"': "folder",
    }
    found = [name for path, name in what.items() if path in arguments]
    if call == "openat" and "O_EXCL" in arguments and found:
        yield f"create {found[0]}"
    elif call.startswith("rename") and found:
        yield f"rename {' to '.join(found)}"
    elif call in ("write", "fsync", "fdatasync", "unlink") and found:
        yield f"{call} {found[0]}"


@pytest.mark.needs("strace")
@pytest.mark.parametrize(
    ("durability", "calls"),
    [
        (
            "full",
            [
                "create temp",
                "write temp",
                "fsync temp",
                "rename temp to session",
                "fsync folder",
            ],
        ),
        ("fast", ["create temp", "write temp", "fsync temp", "rename temp to session"]),
    ],
)
def test_a_save_is_written_synced_renamed_and_the_name_synced_in_that_order(
    folder: Path, store: SessionStore, tmp_path: Path, durability: str, calls: list[str]
) -> None:
    store.create("s")
    assert calls_of_a_save(folder, tmp_path / "trace", durability) == calls
    assert store.load("s").title == "saved once"
