"""A running child: sends requests and waits for the answers."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
from pathlib import Path
from typing import Any, Self

from benchmarks.contestants import Entry

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_SECONDS = 240.0


class ContestantError(Exception):
    """A contestant failed; ``wrong`` if it answered, but not with what was stored."""

    def __init__(self, reason: str, *, wrong: bool = False) -> None:
        super().__init__(reason)
        self.wrong = wrong


class Player:
    """The child of a contestant, with its own folder.

    Args:
        entry: The contestant.
        python: The interpreter that has its requirements.
        folder: Created; the contestant stores here, and its output is kept here.
        material: The file of the messages.
    """

    def __init__(self, entry: Entry, python: Path, folder: Path, material: Path) -> None:
        self.entry = entry
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        command = [str(python), "-m", "benchmarks.child", entry.module, str(folder), str(material)]
        with (folder / "printed.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment_of(folder),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._is_awake = False

    def wake(self) -> None:
        """Wait until it has imported its requirements; other children import meanwhile.

        Raises:
            ContestantError: It failed to import them.
        """
        if not self._is_awake:
            self._answer()
            self._is_awake = True

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def ask(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """Send a request and return the answer.

        Raises:
            ContestantError: It failed, was wrong, ended, or did not answer in time.
        """
        assert self._process.stdin is not None
        self.wake()
        try:
            self._process.stdin.write(json.dumps({"verb": verb, **arguments}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ContestantError("it has ended") from None
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(PATIENCE_SECONDS):
                self._process.kill()
                raise ContestantError(f"no answer within {PATIENCE_SECONDS:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            raise ContestantError(f"it ended: {last_line(self.folder / 'printed.log')}")
        answer: dict[str, Any] = json.loads(line)
        if "fault" in answer:
            raise ContestantError(answer["fault"], wrong=answer["wrong"])
        return answer

    def close(self) -> None:
        """End the child."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.close()
            self._process.wait(10)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def environment_of(home: Path) -> dict[str, str]:
    """Return the variables of a child: no personal settings, and nothing is sent anywhere."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
    return {
        **kept,
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": "0",
        "AGNO_TELEMETRY": "false",
        "OTEL_SDK_DISABLED": "true",
        "OPENAI_AGENTS_DISABLE_TRACING": "1",
        "LANGSMITH_TRACING": "false",
    }


def last_line(log: Path) -> str:
    """Return the last line of the output, which is the error of a traceback."""
    lines = log.read_text("utf-8", errors="replace").strip().splitlines() or ["no word"]
    return lines[-1][:200]
