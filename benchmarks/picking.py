"""What a person waits for in the picker: its first screen, and the answer to a typed letter.

    python benchmarks/picking.py [--rounds 15] FOLDER

FOLDER is a folder of sessions with its index, as ``benchmarks/searching.py`` leaves one. Each round
runs, in a pseudo-terminal and in another order, ``python -c pass``, an import of textual's app and
the picker, each from its start: until it ends, or until the title of the first session arrives.
Then a word is typed letter by letter; each counts until what was found
arrives.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import random
import select
import signal
import statistics
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from localsessions import SessionStore

ROOT = Path(__file__).parent.parent
PASS, TEXTUAL, PICKER = "python -c pass", "import textual.app", "localsessions"
CODES = {
    PASS: "pass",
    TEXTUAL: "import textual.app",
    PICKER: "import sys; from localsessions.__main__ import main; sys.exit(main())",
}
WORD = "traceback"
SETTLED = 0.3  # seconds without output


class Terminal:
    """A process in a pseudo-terminal, and what it wrote."""

    def __init__(self, code: str, folder: Path) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
        kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        kept |= {
            "PYTHONPATH": str(ROOT),
            "LOCALSESSIONS_DIR": str(folder),
            "TERM": "xterm-256color",
        }
        self.begun = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=kept,
            cwd="/",
            start_new_session=True,
        )
        os.close(slave)
        self.text = b""

    def read(self, seconds: float) -> bool:
        """Read what comes within some time; tell whether anything did."""
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        try:
            chunk = os.read(self._master, 65536)
        except OSError:  # the other end is closed
            return False
        self.text += chunk
        return bool(chunk)

    def until(self, wanted: bytes, seconds: float = 30) -> float:
        """Return the milliseconds from the start until a text arrives."""
        end = time.perf_counter() + seconds
        while wanted not in self.text:
            if not self.read(seconds) or time.perf_counter() > end:
                raise TimeoutError(f"{wanted!r} did not come: {self.text[-500:]!r}")
        return 1000 * (time.perf_counter() - self.begun)

    def settle(self) -> None:
        """Wait until nothing more comes."""
        while self.read(SETTLED):
            pass

    def type(self, letter: str) -> float:
        """Type a letter; return the milliseconds until what was found is shown."""
        self.settle()
        self.text, self.begun = b"", time.perf_counter()
        os.write(self._master, letter.encode())
        return self.until(b"found")

    def close(self) -> int:
        """Kill it, and return its exit code."""
        self._process.send_signal(signal.SIGKILL)
        code = self._process.wait()
        os.close(self._master)
        return code


@contextmanager
def terminal(name: str, folder: Path) -> Iterator[Terminal]:
    """Run a process in a pseudo-terminal."""
    made = Terminal(CODES[name], folder)
    try:
        yield made
    finally:
        made.close()


def started(name: str, folder: Path, title: bytes) -> float:
    """Return the milliseconds that a start takes: until the title, or until the end."""
    with terminal(name, folder) as made:
        if name == PICKER:
            return made.until(title)
        while made.read(30):
            pass
        return 1000 * (time.perf_counter() - made.begun)


def alive(folder: Path) -> float:
    """Return the milliseconds from the start until textual draws: it asks for the mouse then."""
    with terminal(PICKER, folder) as made:
        return made.until(b"\x1b[?1004h")


def typed(folder: Path) -> list[float]:
    """Return the milliseconds until the list answers each letter of a word."""
    with terminal(PICKER, folder) as made:
        made.until(b"\x1b[?1004h")
        return [made.type(letter) for letter in WORD]


def line(name: str, took: Sequence[float]) -> str:
    """Return a line of the report."""
    return f"{name:34}{statistics.median(took):6.0f} ms  ({min(took):.0f} to {max(took):.0f})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What a person waits for in the picker.")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--rounds", type=int, default=15)
    chosen = parser.parse_args()
    with SessionStore(chosen.folder) as store:
        count, title = store.count(), store.list(limit=1).items[0].title
        store.search(WORD)
    wanted = " ".join(title.split())[:12].encode()
    took: dict[str, list[float]] = {name: [] for name in CODES}
    for number in range(chosen.rounds + 1):
        for name in random.sample(list(CODES), len(CODES)):
            milliseconds = started(name, chosen.folder, wanted)
            if number:  # the first round writes bytecode
                took[name].append(milliseconds)
    print(f"{count:,} sessions, load {os.getloadavg()[0]:.1f}, medians of {chosen.rounds}")
    print(line(PASS, took[PASS]))
    print(line(TEXTUAL, took[TEXTUAL]))
    print(line("the picker: first title", took[PICKER]))
    print(line("the picker: textual draws", [alive(chosen.folder) for _ in range(chosen.rounds)]))
    rounds = [typed(chosen.folder) for _ in range(chosen.rounds)]
    for at, letter in enumerate(WORD):
        print(line(f"typed: {WORD[:at]}[{letter}]", [each[at] for each in rounds]))


if __name__ == "__main__":
    main()
