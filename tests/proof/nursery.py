"""A process that has imported everything and makes the callers that are asked for.

python -m proof.nursery

Each line that comes in is a JSON list: the module and name of a function, and its arguments. It is
run in a child of its own; the line that goes out is the child's process id. An empty line waits
for all of them and answers with how each ended, a line with a question mark names those that have.
A new interpreter would take a third of a second; a fork takes a hundredth of that, so a thousand
kills are to be had. Where nothing can be forked, interpreters that have imported everything wait
for what to do.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Protocol, Self

from killing import kill

import proof.work  # noqa: F401  (imported once, for all children)

__all__ = ["CAN_FORK", "Nursery", "unmeasured"]

CAN_FORK = hasattr(os, "fork")
COMMAND = [sys.executable, "-W", "error", "-m", "proof.nursery"]


def unmeasured() -> dict[str, str]:
    """The environment without what makes coverage measure.

    A Ctrl-C within coverage's own lock leaves it taken, and the process waits for itself for ever;
    children that leave by ``os._exit`` never say what they ran anyway.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


class Nursery:
    """The test's end of a nursery; all children are killed when the block ends.

    Args:
        under: The command that runs it, as strace.
    """

    def __init__(self, *under: str) -> None:
        self._children: set[int] = set()
        self._owed = 0
        environment = unmeasured() | {"PYTHONPATH": str(Path(__file__).parents[1])}
        self._process = subprocess.Popen(
            [*under, *COMMAND],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def start(self, function: Callable[..., object], *arguments: object) -> int:
        """Call a module's function in a child; return its process id."""
        order = [function.__module__, function.__name__, *arguments]
        pid = int(self._ask(json.dumps(order)))
        self._children.add(pid)
        return pid

    def wait(self) -> list[int]:
        """Wait until all children have ended; return how, as ``Popen.wait`` does."""
        ended = json.loads(self._ask(""))
        self._children.clear()
        return list(ended.values())

    def ended(self) -> set[int]:
        """Return those children that have ended since all were waited for."""
        return set(json.loads(self._ask("?")))

    def _ask(self, line: str) -> str:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        self._owed += 1
        stdin.write(line + "\n")
        stdin.flush()
        answer = stdout.readline()
        self._owed -= 1
        return answer

    def clear(self) -> None:
        """Kill the children that a test has left, stopped ones too, and hear what is still owed."""
        for pid in self._children:
            kill(pid)
        assert self._process.stdout is not None
        while self._owed:
            self._process.stdout.readline()
            self._owed -= 1
        if self._children:
            self._children.clear()
            self.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()
        self._process.communicate()


class Children(Protocol):
    """How the children of a nursery are made and waited for."""

    def start(self, order: str) -> int: ...
    def ended(self) -> Iterable[int]: ...
    def wait(self) -> dict[int, int]: ...


class Forked:
    """Copies of this process."""

    def __init__(self) -> None:
        self._pids: list[int] = []

    def start(self, order: str) -> int:
        importlib.import_module(json.loads(order)[0])  # once, for all that are asked for it
        if (pid := os.fork()) == 0:
            be_child(order)
        self._pids.append(pid)
        return pid

    def ended(self) -> Iterable[int]:
        look = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return [pid for pid in self._pids if os.waitid(os.P_PID, pid, look) is not None]

    def wait(self) -> dict[int, int]:
        pids, self._pids = self._pids, []
        return {pid: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids}


class Spawned:
    """Interpreters that wait, two of them ahead of whoever is asked for."""

    def __init__(self) -> None:
        self._waiting: list[subprocess.Popen[str]] = []
        self._working: list[subprocess.Popen[str]] = []

    def start(self, order: str) -> int:
        while len(self._waiting) < 3:
            # Their output is this process's errors: its own output are its answers.
            made = subprocess.Popen(
                [*COMMAND, "child"], stdin=subprocess.PIPE, stdout=sys.stderr, text=True
            )
            self._waiting.append(made)
        child = self._waiting.pop(0)
        assert child.stdin is not None
        child.stdin.write(order)
        child.stdin.close()
        self._working.append(child)
        return child.pid

    def ended(self) -> Iterable[int]:
        return [child.pid for child in self._working if child.poll() is not None]

    def wait(self) -> dict[int, int]:
        working, self._working = self._working, []
        return {child.pid: child.wait() for child in working}

    def close(self) -> None:
        for child in self._waiting:
            child.communicate()  # nothing to do: it ends


def main() -> None:
    children: Children = Forked() if CAN_FORK else Spawned()
    for line in sys.stdin:
        if line.startswith("?"):
            print(json.dumps(list(children.ended())), flush=True)
        elif line.strip():
            print(children.start(line), flush=True)
        else:
            print(json.dumps(children.wait()), flush=True)
    if isinstance(children, Spawned):
        children.close()


def be_child(order: str) -> NoReturn:
    os.close(0)
    os.dup2(2, 1)
    try:
        module, name, *arguments = json.loads(order)
        getattr(importlib.import_module(module), name)(*arguments)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    if sys.argv[1:] == ["child"]:
        if given := sys.stdin.readline():
            be_child(given)
    else:
        main()
