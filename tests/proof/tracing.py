"""What a process does to a folder, as strace sees it: a list of operations on inodes.

The tracer knows the calls that change a folder, and those that only look at one. Any other call
that names something in the folder is an error: what it would miss, the crash states would lack.
A write through memory is one too, but for SQLite's ``-shm``, which SQLite makes anew after a
power cut, whatever it holds.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from proof.disk import (
    ROOT,
    Chmod,
    Disk,
    Link,
    Make,
    Mark,
    Operation,
    Rename,
    Sync,
    Truncate,
    Unlink,
    Write,
)  # fmt: skip
from proof.perform import BEGIN, END

__all__ = [
    "Call",
    "Stamp",
    "Trace",
    "UntraceableError",
    "disk_of",
    "operations_of",
    "stamps_of",
    "trace",
]

# All that take a path, and all that write through a descriptor, map one or pass it on.
_CALLS = (
    "%file,write,writev,pwrite64,pwritev,pwritev2,ftruncate,fsync,fdatasync,sync_file_range,syncfs,"
    "sync,close,dup,dup2,dup3,fcntl,fallocate,copy_file_range,sendfile,splice,mmap,msync,fchmod,"
    "fchdir,fchown,futimesat,lseek,ioctl,fsetxattr,fremovexattr,io_setup,io_submit,io_uring_setup"
)
_LOOKING = frozenset({
    "stat", "lstat", "newfstatat", "statx", "fstat", "readlink", "readlinkat", "getcwd", "execve",
    "statfs", "utimensat", "fchown", "getxattr", "lgetxattr", "listxattr", "inotify_add_watch",
})  # fmt: skip
_MARKING = frozenset({"access", "faccessat", "faccessat2"})
_FCNTL = re.compile(
    r"F_(GETFL|GETFD|SETFD|GETLK|SETLK|SETLKW|OFD_\w+|SETLEASE|GETLEASE|SETSIG|GETPIPE_SZ)"
)
_LINE = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += (-?\d+|0x[0-9a-f]+)(.*)$")
_UNFINISHED = re.compile(r"^(\d+) +(.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. \w+ resumed>(.*)$")
_BYTE = re.compile(r"\\x([0-9a-f]{2})")


class UntraceableError(AssertionError):
    """The process did something to the folder that the tracer has no operation for."""


class Stamp(NamedTuple):
    """What ``stat`` said of a file, as the index keeps it."""

    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int


@dataclass(frozen=True)
class Trace:
    """What a process did.

    Attributes:
        base: The folder before.
        operations: What it did.
        stamps: By path and inode of the model, what ``stat`` said before and says after.
        ended: What the process said in the end.
    """

    base: Disk
    operations: tuple[Operation, ...]
    stamps: dict[tuple[str, int], Stamp]
    ended: str


class Call(NamedTuple):
    """One call that succeeded: its arguments as strace writes them, texts not decoded."""

    name: str
    arguments: Sequence[str]
    result: int


@dataclass
class _Descriptor:
    inode: int
    flags: frozenset[str]
    position: int = 0


def trace(root: Path, *arguments: str, timeout: float = 60.0) -> Trace:
    """Run a Python program under strace and return what it did below ``root``.

    Args:
        root: All that it may change is in there.
        arguments: Of the interpreter, as in ``-m proof.perform ...``.
        timeout: Seconds; whoever takes longer hangs.
    """
    base, before = disk_of(root), stamps_of(root, disk_of(root))
    log = root.with_name(root.name + ".strace")
    strace = ["strace", "-f", "-qq", "-y", "-xx", "-s", "10000000", "-e", f"trace={_CALLS}"]
    done = subprocess.run(
        [*strace, "-e", "signal=none", "-o", str(log), sys.executable, *arguments],
        input="\n", capture_output=True, text=True, timeout=timeout, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    operations, after = operations_of(log.read_text("ascii"), root, base)
    log.unlink()
    assert _said(after) == _said(disk_of(root)), "the trace leads elsewhere than the process"
    stamps = {**stamps_of(root, after), **before}
    return Trace(base, tuple(operations), stamps, done.stdout.splitlines()[-1])


def disk_of(root: Path) -> Disk:
    """Return a real folder as a disk; two names of one file lead to one inode."""
    disk = Disk()
    disk.modes[ROOT] = stat.S_IMODE(root.stat().st_mode)
    known: dict[int, int] = {}
    for path, status in _below(root):
        folder = disk.find(os.path.dirname(path))
        assert folder is not None
        is_new = status.st_ino not in known
        inode = known.setdefault(status.st_ino, len(disk.modes))
        mode = stat.S_IMODE(status.st_mode)
        name = os.path.basename(path)
        if not is_new:
            disk.do(Link(folder, name, inode))
            continue
        disk.do(Make(folder, name, inode, mode, stat.S_ISDIR(status.st_mode)))
        if stat.S_ISREG(status.st_mode):
            disk.files[inode] = (root / path).read_bytes()
    return disk


def stamps_of(root: Path, disk: Disk) -> dict[tuple[str, int], Stamp]:
    """Return what ``stat`` says of each file of a real folder that a disk has too."""
    found = {}
    for path, status in _below(root):
        inode = disk.find(path)
        if inode in disk.files:
            key = path, inode
            found[key] = Stamp(
                status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
            )
    return found


def _below(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    for path in sorted(root.rglob("*")):
        yield str(path.relative_to(root)), path.lstat()


def _said(disk: Disk) -> dict[str, object]:
    # What is written through memory is not seen; see above.
    return {
        path: (disk.modes[inode], None if path.endswith("-shm") else disk.files.get(inode))
        for path, inode in disk.paths()
    }


def operations_of(log: str, root: Path, base: Disk) -> tuple[list[Operation], Disk]:
    """Return what a log of strace did below ``root``, and the disk after it.

    Raises:
        UntraceableError: Something was done that is no operation of the model.
    """
    tracer = _Tracer(os.path.realpath(root), base.copy())
    operations = []
    for call in _calls(log):
        for operation in tracer.operations(call):
            tracer.disk.do(operation)
            operations.append(operation)
    return operations, tracer.disk


def _calls(log: str) -> Iterator[Call]:
    begun: dict[str, str] = {}
    for written in log.splitlines():
        if match := _UNFINISHED.match(written):
            begun[match[1]] = match[2]
            continue
        resumed = _RESUMED.match(written)
        line = begun.pop(resumed[1]) + resumed[2] if resumed else written
        match = _LINE.match(line)
        # Nothing has the name of a mark, so asking for one fails.
        if match and (not match[3].startswith("-") or match[1] in _MARKING):
            yield Call(match[1], match[2].split(", "), int(match[3], 0))


def _text(given: str) -> str:
    return os.fsdecode(_bytes(given))


def _bytes(given: str) -> bytes:
    """Return what stands between quotes, or between the signs round a descriptor's path."""
    inner = given[1:-1]
    if len(inner) % 4 == 0 and inner.count("\\x") * 4 == len(inner):
        return bytes.fromhex(inner.replace("\\x", ""))
    return _BYTE.sub(lambda match: chr(int(match[1], 16)), inner).encode("latin-1")


class _Tracer:
    """From calls to operations: knows which descriptor and which path is which inode."""

    def __init__(self, root: str, disk: Disk) -> None:
        self.root = root
        self.disk = disk
        self._open: dict[int, _Descriptor] = {}
        self._cwd = os.getcwd()
        self._umask = os.umask(0)
        os.umask(self._umask)

    def operations(self, call: Call) -> Iterator[Operation]:
        """Yield what a call did; nothing when it does not concern the folder.

        Raises:
            UntraceableError: It may concern it, and nobody knows how.
        """
        name = call.name.removesuffix("64")
        if name in _MARKING:
            path = self._path(call, 0)
            if path in (BEGIN, END):
                yield Mark("begin" if path == BEGIN else "end")
            return
        if name in ("open", "openat", "creat"):
            yield from self._opened(call)
        elif name == "chdir":
            self._cwd = self._path(call, 0)
        elif name in ("close", "dup", "dup2", "dup3", "fcntl"):
            self._descriptors(name, call)
        elif self._concerns(call) and name not in _LOOKING:
            known = getattr(self, f"_{name}", None)
            if known is None:
                raise UntraceableError(f"nobody knows what {call.name} does: {self._shown(call)}")
            yield from known(call)

    # -- who is concerned --------------------------------------------------------------------

    def _concerns(self, call: Call) -> bool:
        if call.name in ("sync", "io_setup", "io_submit", "io_uring_setup"):
            return True
        return any(self._is_inside(path) for path in self._paths(call))

    def _paths(self, call: Call) -> Iterator[str]:
        for at, argument in enumerate(call.arguments):
            if "<" in argument and argument.endswith((">", ">(deleted)")):
                yield _text(argument[argument.index("<") :].removesuffix("(deleted)"))
            elif argument.startswith('"') and call.name not in ("write", "pwrite64", "writev"):
                yield self._path(call, at)

    def _is_inside(self, path: str) -> bool:
        return path == self.root or path.startswith(self.root + "/")

    def _shown(self, call: Call) -> str:
        return ", ".join(argument[:200] for argument in call.arguments)

    def _path(self, call: Call, first: int) -> str:
        """Return the absolute path of the text at ``first`` or after, folders by descriptor too."""
        at = next(i for i in range(first, len(call.arguments)) if call.arguments[i][:1] == '"')
        path = _text(call.arguments[at])
        before = call.arguments[at - 1] if at else ""
        where = _text(before[before.index("<") :]) if "<" in before else self._cwd
        whole = os.path.normpath(os.path.join(where, path))
        # Links on the way are resolved as the kernel does; the last name stays as it is.
        return os.path.join(os.path.realpath(os.path.dirname(whole)), os.path.basename(whole))

    def _place(self, call: Call, first: int) -> tuple[int, str]:
        path = self._path(call, first)
        if not self._is_inside(path):
            raise UntraceableError(f"from or to a place outside: {self._shown(call)}")
        folder, name = os.path.split(os.path.relpath(path, self.root))
        found = self.disk.find(folder)
        assert found is not None, path
        return found, name

    def _second(self, call: Call) -> int:
        """Return where the second path of a call begins."""
        texts = [at for at, argument in enumerate(call.arguments) if argument.startswith('"')]
        return texts[1]

    def _inode(self, call: Call) -> int:
        return self._descriptor(call).inode

    def _descriptor(self, call: Call) -> _Descriptor:
        found = self._open.get(int(call.arguments[0].split("<")[0]))
        if found is None:
            raise UntraceableError(f"nobody saw it opened: {call.name} {self._shown(call)}")
        return found

    # -- descriptors -------------------------------------------------------------------------

    def _opened(self, call: Call) -> Iterator[Operation]:
        self._open.pop(call.result, None)
        path = self._path(call, 0)
        if not self._is_inside(path):
            return
        at = next(i for i, argument in enumerate(call.arguments) if argument[:1] == '"')
        flags = frozenset({"O_CREAT", "O_WRONLY", "O_TRUNC"})
        if call.name != "creat":
            flags = frozenset(call.arguments[at + 1].split("|"))
        if "O_TMPFILE" in flags:
            raise UntraceableError(f"a file without a name: {self._shown(call)}")
        inode = self.disk.find(os.path.relpath(path, self.root)) if path != self.root else ROOT
        if inode is None:
            folder, name = self._place(call, 0)
            inode = len(self.disk.modes)
            yield Make(folder, name, inode, int(call.arguments[-1], 8) & ~self._umask)
        elif "O_TRUNC" in flags:
            yield Truncate(inode, 0)
        self._open[call.result] = _Descriptor(inode, flags)

    def _descriptors(self, name: str, call: Call) -> None:
        number = int(call.arguments[0].split("<")[0])
        found = self._open.get(number)
        if name == "close":
            self._open.pop(number, None)
        elif name == "fcntl" and not call.arguments[1].startswith("F_DUPFD"):
            if found is not None and not _FCNTL.match(call.arguments[1]):
                raise UntraceableError(f"nobody knows what fcntl does: {self._shown(call)}")
        elif found is not None:
            self._open[call.result] = found
        else:
            self._open.pop(call.result, None)

    # -- contents ----------------------------------------------------------------------------

    def _write(self, call: Call) -> Iterator[Operation]:
        found = self._descriptor(call)
        if "O_APPEND" in found.flags:
            found.position = len(self.disk.files[found.inode])
        elif "O_WRONLY" not in found.flags:
            # Reading moves the position too, and reads are not traced.
            raise UntraceableError(f"nobody knows where this is written: {self._shown(call)}")
        yield Write(found.inode, found.position, _bytes(call.arguments[1])[: call.result])
        found.position += call.result

    def _pwrite(self, call: Call) -> Iterator[Operation]:
        data = _bytes(call.arguments[1])[: call.result]
        yield Write(self._inode(call), int(call.arguments[3]), data)

    def _ftruncate(self, call: Call) -> Iterator[Operation]:
        yield Truncate(self._inode(call), int(call.arguments[1]))

    def _truncate(self, call: Call) -> Iterator[Operation]:
        inode = self.disk.find(os.path.relpath(self._path(call, 0), self.root))
        assert inode is not None
        yield Truncate(inode, int(call.arguments[1]))

    def _fsync(self, call: Call) -> Iterator[Operation]:
        yield Sync(self._inode(call))

    _fdatasync = _fsync

    def _lseek(self, call: Call) -> Iterator[Operation]:
        self._descriptor(call).position = call.result
        yield from ()

    def _sync_file_range(self, call: Call) -> Iterator[Operation]:
        yield from ()  # promises nothing of sizes and of the disk's cache: no sync

    def _mmap(self, call: Call) -> Iterator[Operation]:
        shared = "MAP_SHARED" in call.arguments[3] and "PROT_WRITE" in call.arguments[2]
        if shared and not _text(call.arguments[4][call.arguments[4].index("<") :]).endswith("-shm"):
            raise UntraceableError(f"a file is written through memory: {self._shown(call)}")
        yield from ()

    def _ioctl(self, call: Call) -> Iterator[Operation]:
        if call.arguments[1] not in ("TCGETS", "FIOCLEX", "FIONCLEX"):
            raise UntraceableError(f"nobody knows what ioctl does: {self._shown(call)}")
        yield from ()

    # -- names and modes ---------------------------------------------------------------------

    def _mkdir(self, call: Call) -> Iterator[Operation]:
        folder, name = self._place(call, 0)
        mode = int(call.arguments[-1], 8) & ~self._umask
        yield Make(folder, name, len(self.disk.modes), mode, is_folder=True)

    _mkdirat = _mkdir

    def _unlink(self, call: Call) -> Iterator[Operation]:
        yield Unlink(*self._place(call, 0))

    _unlinkat = _rmdir = _unlink

    def _rename(self, call: Call) -> Iterator[Operation]:
        if "RENAME_EXCHANGE" in call.arguments[-1] or "RENAME_WHITEOUT" in call.arguments[-1]:
            raise UntraceableError(f"no plain rename: {self._shown(call)}")
        yield Rename(*self._place(call, 0), *self._place(call, self._second(call)))

    _renameat = _renameat2 = _rename

    def _link(self, call: Call) -> Iterator[Operation]:
        inode = self.disk.find(os.path.relpath(self._path(call, 0), self.root))
        assert inode is not None
        yield Link(*self._place(call, self._second(call)), inode)

    _linkat = _link

    def _chmod(self, call: Call) -> Iterator[Operation]:
        inode = self.disk.find(os.path.relpath(self._path(call, 0), self.root))
        assert inode is not None
        at = 1 if call.name == "chmod" else 2
        yield Chmod(inode, int(call.arguments[at], 8))

    _fchmodat = _chmod

    def _fchmod(self, call: Call) -> Iterator[Operation]:
        yield Chmod(self._inode(call), int(call.arguments[1], 8))
