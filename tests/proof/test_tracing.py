"""The tracer knows what each call did to which inode, and refuses what it does not know."""

from __future__ import annotations

from pathlib import Path

import pytest

from proof.disk import Link, Rename, Sync, Truncate, Unlink, Write
from proof.tracing import UntraceableError, trace

pytestmark = pytest.mark.needs("strace")


UNKNOWN = {
    "copy_file_range": "a, b = open(A, 'rb'), open(B, 'wb'); "
    "os.copy_file_range(a.fileno(), b.fileno(), 3)",
    "sendfile": "a, b = open(A, 'rb'), open(B, 'wb'); "
    "os.sendfile(b.fileno(), a.fileno(), 0, 3)",
    "fallocate": "f = open(B, 'wb'); os.posix_fallocate(f.fileno(), 0, 9)",
    "a write through memory": "f = open(A, 'r+b'); mmap.mmap(f.fileno(), 3)[0] = 65",
    "a symbolic link": "os.symlink(A, B)",
    "a FIFO": "os.mkfifo(B)",
    "sync": "os.sync()",
    "a write where reads are not seen": "fd = os.open(A, os.O_RDWR); "
    "os.read(fd, 1); os.write(fd, b'x')",
}  # fmt: skip


@pytest.mark.parametrize("what", UNKNOWN)
def test_a_call_that_the_tracer_does_not_know_is_an_error(what: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "a").write_bytes(b"old")
    program = f"import mmap, os; A, B = {str(root / 'a')!r}, {str(root / 'b')!r}; {UNKNOWN[what]}"
    with pytest.raises(UntraceableError):
        trace(root, "-c", program)


def test_links_leases_and_writes_in_place_are_traced_by_inode(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "d").mkdir(parents=True)
    (root / "a").write_bytes(b"old")
    program = f"""
import fcntl, os
os.chdir({str(root)!r})
os.link("a", "b")
fd = os.open("b", os.O_WRONLY)
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
os.pwrite(fd, b"new", 1)
os.ftruncate(os.dup(fd), 3)
os.fdatasync(fd)
os.rename("b", "d/b")
os.unlink("a")
at = os.open("d", os.O_RDONLY)
os.fsync(at)
os.rename("b", "c", src_dir_fd=at, dst_dir_fd=at)
print("done")
"""
    found = trace(root, "-c", program)
    a, d = found.base.find("a"), found.base.find("d")
    assert a is not None
    assert d is not None
    assert list(found.operations) == [
        Link(0, "b", a), Write(a, 1, b"new"), Truncate(a, 3), Sync(a), Rename(0, "b", d, "b"),
        Unlink(0, "a"), Sync(d), Rename(d, "b", d, "c"),
    ]  # fmt: skip
    assert (root / "d" / "c").read_bytes() == b"one"
