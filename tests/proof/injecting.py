"""Calls to the system made to fail: strace attached to a child that waits with an open store.

``Attack`` is one process attacked in one way: what strace was told to do to which call, how the
verb ended, whether the call was really reached. Counting begins when the verb does, because strace
is attached while the child waits. strace skips a call that it makes fail; a signal comes at the
call's entry, so that a process that is killed "at" a call has not made it.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from proof.attacked import Ended
from proof.nursery import unmeasured
from proof.perform import BEGIN, END

__all__ = ["Attacked", "Call", "Injection", "Zygote", "zygote"]

CALLS = (
    "openat,write,pwrite64,read,pread64,fsync,fdatasync,rename,unlink,rmdir,mkdir,close,"
    "fstat,newfstatat,stat,lstat,fchmod,chmod,utimensat,flock,fcntl,ftruncate,getdents64,lseek,"
    "mmap,access"
)
_PATIENCE = 120.0
_CALL = re.compile(r"^(\w+)\((.*)$", re.MULTILINE)


class Call(NamedTuple):
    """One call that a verb makes.

    Attributes:
        name: Of the call.
        number: Which of that name.
        of_index: Whether SQLite makes it.
    """

    name: str
    number: int
    of_index: bool

    @property
    def only_looks(self) -> bool:
        """Whether the call changes nothing, so that being killed there is nothing of its own."""
        return "stat" in self.name or self.name in ("access", "lseek")


@dataclass(frozen=True)
class Injection:
    """What is done to one call of a verb.

    Attributes:
        call: Its name.
        number: Which one, from 1, counted from the beginning of the verb.
        fault: What strace is told: ``error=EIO`` or ``signal=KILL``.
        for_ever: Whether all later calls of the name get it too.
    """

    call: str
    number: int
    fault: str
    for_ever: bool = False

    def __str__(self) -> str:
        return f"{self.call} {self.number}{'+' if self.for_ever else ''} {self.fault}"

    @property
    def option(self) -> str:
        """The argument of ``strace -e``."""
        plus = "+" if self.for_ever else ""
        return f"inject={self.call}:{self.fault}:when={self.number}{plus}"


@dataclass
class Attacked:
    """A child that performs a verb while strace looks on.

    Attributes:
        ended: How the verb ended; None when the child was killed.
        hit_index: Whether the call that failed was one of SQLite's.
    """

    folder: Path
    name: str
    pid: int
    there: socket.socket
    tracer: subprocess.Popen[bytes] | None = None
    trace: Path | None = None
    ended: Ended | None = None
    hit_index: bool = False
    _rest: bytes = field(default=b"", repr=False)

    def hear(self) -> Any:
        """Return the child's next line; None when it is dead."""
        while b"\n" not in self._rest:
            with suppress(ConnectionResetError):
                if part := self.there.recv(1 << 20):
                    self._rest += part
                    continue
            return None
        line, _, self._rest = self._rest.partition(b"\n")
        return json.loads(line)

    def ask(self, order: str) -> Ended:
        """Tell the child to do something more; return how that ended."""
        self.there.sendall(order.encode() + b"\n")
        found: Ended | None = self.hear()
        assert found is not None, f"the child died of {order!r}"
        return found

    def suffer(self, injection: Injection) -> bool:
        """Let the verb be performed with something done to it; return whether it came to that."""
        self.perform("-y", "-e", f"trace={injection.call}", "-e", injection.option)
        hit = [line for line in self.let_go().splitlines() if "INJECTED" in line or "SIG" in line]
        # How often SQLite looks at its files depends on other processes' timing.
        self.hit_index = bool(hit) and _is_of_index(hit[0], self.folder)
        return self.ended is None or bool(hit)

    def perform(self, *options: str) -> None:
        """Attach strace with options, let the verb be performed, and hear how it ended."""
        self.trace = self.folder.with_suffix(".strace")
        command = ["strace", "-o", str(self.trace), *options, "-p", str(self.pid)]
        self.tracer = subprocess.Popen(command, stderr=subprocess.PIPE)
        # By then the child cannot go on unseen. That /proc names its tracer is not enough: strace
        # first becomes that, and then stops the child.
        told = self.tracer.stderr.readline() if self.tracer.stderr else b""
        assert told.endswith(b" attached\n"), told
        self.there.sendall(b"go\n")
        self.ended = self.hear()

    def let_go(self) -> str:
        """Take strace away, and with it every fault; return what calls and signals it saw."""
        if self.trace is None:
            return ""
        deadline = time.monotonic() + _PATIENCE
        while self.tracer is not None:
            self.tracer.terminate()
            # It may look for signals just before this one comes, and then wait for its child.
            with suppress(subprocess.TimeoutExpired):
                self.tracer.communicate(timeout=0.5)
                self.tracer = None
            assert self.tracer is None or time.monotonic() < deadline, "strace does not end"
        lines = self.trace.read_text("utf-8", "replace").splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith("+++ "))

    def end(self) -> None:
        """Let the child close its store and end."""
        self.let_go()
        self.there.close()
        deadline = time.monotonic() + _PATIENCE
        while Path(f"/proc/{self.pid}").exists() and time.monotonic() < deadline:
            time.sleep(0.0005)


class Zygote:
    """A warm Python that forks the children."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control

    @contextmanager
    def child(self, folder: Path, name: str, since: int = 0) -> Iterator[Attacked]:
        """Give a child that has opened the folder and waits to perform a verb."""
        there, here = socket.socketpair()
        there.settimeout(_PATIENCE)
        with there:
            with here:
                order = json.dumps([str(folder), name, since]).encode()
                socket.send_fds(self._control, [order], [here.fileno()])
            pid = int(self._control.recv(64))
            child = Attacked(folder, name, pid, there)
            try:
                assert child.hear() == "ready"
                yield child
            finally:
                child.end()

    def course(self, folder: Path, name: str, since: int = 0) -> tuple[list[Call], Ended]:
        """Return the calls that a verb makes when nothing befalls it, in order, and its end."""
        with self.child(folder, name, since) as child:
            child.perform("-y", "-e", f"trace={CALLS}")
            assert child.ended is not None
            assert child.ended["said"] == "done", child.ended
            trace = child.let_go()
        verb = trace[trace.index(BEGIN) : trace.index(END)]
        count: Counter[str] = Counter(access=1)  # that of BEGIN
        found = []
        for call, rest in _CALL.findall(verb):
            count[call] += 1
            if call != "mmap" or "MAP_SHARED" in rest:
                found.append(Call(call, count[call], _is_of_index(rest, folder)))
        return found, child.ended


def _is_of_index(call: str, folder: Path) -> bool:
    """Tell whether SQLite made a call; it also looks at each folder on the way to a database."""
    above = [f'"{path}", ' for path in (folder / ".localsessions", *(folder / "any").parents)]
    return ".sqlite3" in call or ("NOFOLLOW" in call and any(path in call for path in above))


@contextmanager
def zygote() -> Iterator[Zygote]:
    """Start a warm Python; it ends with the block."""
    control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    control.settimeout(_PATIENCE)
    command = [sys.executable, "-W", "ignore", "-m", "proof.attacked", str(theirs.fileno())]
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    process = subprocess.Popen(
        command, pass_fds=[theirs.fileno()], env={**unmeasured(), "PYTHONPATH": path}
    )
    theirs.close()
    try:
        with control:
            assert control.recv(64) == b"warm\n"
            yield Zygote(control)
    finally:
        process.wait(_PATIENCE)
