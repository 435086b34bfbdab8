"""File systems of the tests' own: in an image on a loop device, and in memory.

All need the right to mount. Whatever happens inside the block, each is unmounted in the end, which
lets its loop device go too; where the process is killed, the kernel does it (``leave_the_others``).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

__all__ = ["Disk", "disk", "leave_the_others", "memory_disk", "read_only_view"]

# Of linux/sched.h and linux/mount.h.
_CLONE_NEWNS = 0x20000
_PRIVATE_BELOW = 0x4000 | 0x40000

# FS_IOC_SHUTDOWN of linux/fs.h, an _IOR('X', 125, __u32), and its flag that gives the journal no
# time to write what it holds: as a power cut does.
_SHUTDOWN = (2 << 30) | (4 << 16) | (ord("X") << 8) | 125
_NO_LOG_FLUSH = struct.pack("I", 2)
# Blocks of a page each, as on any disk that is not tiny.
_BLOCKS = {"ext4": ["-b", "4096"], "xfs": []}
# xfs is no smaller than 300 MiB; the image is sparse.
_IMAGE_BYTES = {"ext4": 64 << 20, "xfs": 320 << 20}


def leave_the_others() -> bool:
    """Have this process, and what it starts from now on, mount where nobody else sees it.

    What they mount is gone when the last of them has ended, however it ended: a run that is killed
    leaves no mount in a folder, which nobody could remove.

    Returns:
        Whether it may.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None)
    if libc.unshare(_CLONE_NEWNS):
        return False
    return not libc.mount(b"none", b"/", None, _PRIVATE_BELOW, None)


@dataclass(frozen=True)
class Disk:
    """A file system that is mounted.

    Attributes:
        folder: Where.
        source: The image, or the kind of a file system that has none.
        options: What it is mounted with.
        below: What holds the image; where that is full, a sync fails that has had room.
    """

    folder: Path
    source: str
    options: str
    below: Disk | None = None

    def sync(self) -> None:
        """Bring all that was written to the disk, and nothing of other file systems."""
        _run("sync", "-f", self.folder)

    def cut(self) -> None:
        """Cut the power: what the disk does not hold by now is lost, what follows fails."""
        import fcntl

        fd = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, _SHUTDOWN, _NO_LOG_FLUSH)
        finally:
            os.close(fd)

    def come_back(self) -> None:
        """Be mounted again, as after a power cut; nobody may have a file open."""
        _run("umount", self.folder)
        _run("mount", "-o", self.options, self.source, self.folder)

    def remount(self, option: str) -> None:
        """Change an option while files are open, as in ``ro``."""
        _run("mount", "-o", f"remount,{option}", self.folder)

    def break_down(self) -> None:
        """Let ext4 find a fault of the disk; it does what its option ``errors`` says."""
        trigger = Path("/sys/fs/ext4") / self._device().name / "trigger_fs_error"
        trigger.write_text("the test wants one")

    @contextlib.contextmanager
    def page_by_page(self) -> Iterator[None]:
        """Let no write to the device be larger than a page.

        Of a larger one that fits by half below, a loop device says that it was done.
        """
        limit = self._device() / "queue" / "max_sectors_kb"
        former = limit.read_text()
        limit.write_text("4")
        try:
            yield
        finally:
            limit.write_text(former)

    def _device(self) -> Path:
        number = os.stat(self.folder).st_dev
        return Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}").resolve()

    def fill(self, leave: int = 0) -> None:
        """Write a file until nothing fits, and cut its end off where something is to fit."""
        with (self.folder / "filling").open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)):
                        pass
            file.truncate(max(0, file.tell() - leave))

    def empty(self) -> None:
        """Remove what ``fill`` wrote."""
        (self.folder / "filling").unlink(missing_ok=True)


@contextlib.contextmanager
def disk(folder: Path, kind: str, options: str = "") -> Iterator[Disk]:
    """Make and mount a file system on a folder that is not there yet.

    Its image is in memory, where a sync costs nothing: what it has to survive is a cut of its own
    power, not the machine's.

    Args:
        folder: Where.
        kind: "ext4" or "xfs".
        options: For ``mount``, besides ``loop``.
    """
    if shutil.which(f"mkfs.{kind}") is None:
        pytest.skip(f"no mkfs.{kind} here")
    with memory_disk(folder.with_name(f"{folder.name}-image"), "size=400m") as memory:
        image = memory.folder / kind
        with image.open("wb") as file:
            file.truncate(_IMAGE_BYTES[kind])
        _run(f"mkfs.{kind}", "-q", *_BLOCKS[kind], image)
        made = Disk(folder, str(image), ",".join(filter(None, ["loop", options])), memory)
        with _mounted(made):
            yield made


@contextlib.contextmanager
def memory_disk(folder: Path, options: str) -> Iterator[Disk]:
    """Mount a tmpfs on a folder, which is made where it is not there."""
    made = Disk(folder, "tmpfs", options)
    with _mounted(replace(made, options=f"{options},mode=0700"), "-t", "tmpfs"):
        yield made


@contextlib.contextmanager
def read_only_view(of: Path, folder: Path) -> Iterator[None]:
    """Show a folder at another one, where nobody can write."""
    made = Disk(folder, str(of), "bind,ro")
    with _mounted(made):
        yield


@contextlib.contextmanager
def _mounted(made: Disk, *kind: str) -> Iterator[None]:
    made.folder.mkdir(exist_ok=True)
    try:
        _run("mount", *kind, "-o", made.options, made.source, made.folder)
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        pytest.skip(f"no right to mount: {getattr(error, 'stderr', error)}")
    try:
        yield
    finally:
        # Lazily: a child that is still dying may have a file open, and the loop device goes with
        # the last one. A test that failed half-way may have left nothing mounted.
        if made.folder.is_mount():
            _run("umount", "--lazy", made.folder)


def _run(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True)
