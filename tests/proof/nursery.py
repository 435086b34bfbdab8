"""A process that has imported everything and forks the callers that are asked for.

python -m proof.nursery

Each line that comes in is a JSON list: the module and name of a function, and its arguments. It is
run in a child of its own; the line that goes out is the child's process id. An empty line waits
for all of them and answers with how each ended. A new interpreter would take a third of a second;
a fork takes a hundredth of that, so a thousand kills are to be had.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

import proof.work  # noqa: F401  (imported once, for all children)

__all__ = ["Nursery", "unmeasured"]


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
            [*under, sys.executable, "-W", "error", "-m", "proof.nursery"],
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
            os.kill(pid, signal.SIGKILL)
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


def main() -> None:
    children: dict[int, str] = {}
    for line in sys.stdin:
        if line.strip():
            module, name, *arguments = json.loads(line)
            function = getattr(importlib.import_module(module), name)
            if (pid := os.fork()) == 0:
                be_child(function, arguments)
            children[pid] = name
            print(pid, flush=True)
        else:
            statuses = {pid: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children}
            children.clear()
            print(json.dumps(statuses), flush=True)


def be_child(function: Callable[..., object], arguments: list[object]) -> NoReturn:
    os.close(0)
    os.dup2(2, 1)
    try:
        function(*arguments)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main()
