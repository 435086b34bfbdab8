"""What looking for secrets costs, as a multiple of parsing the same bytes.

    python benchmarks/redaction.py [FOLDER]

It redacts the sessions of all transcripts in the folder, by default examples/transcripts, and
parses their files with ``orjson.loads``, round by round in turn. A ratio says more than seconds: it
is much the same on every machine. The second line is the same with a secret in every tenth
message.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import orjson

from localsessions import Session
from localsessions.format import encode
from localsessions.redaction import redact
from localsessions.transcripts import read_transcript

TRANSCRIPTS = Path(__file__).parent.parent / "examples" / "transcripts"
ROUNDS = 7
SECRET = "export API_KEY=" + "a7Kq9ZtB3xWm5RvC1yLp8NsD2uHj6GfE4oTi0QbV"


def sessions_of(folder: Path) -> list[Session]:
    """Return the sessions of all transcripts in a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [session for file in files for session in read_transcript(file).sessions]


def with_secrets(session: Session) -> Session:
    """Return the session with a secret in every tenth message."""
    made = session.model_copy(deep=True)
    for number, message in enumerate(made.messages):
        if number % 10 == 0:
            message["note"] = f"{SECRET}{number:06}"
    return made


def megabytes_per_second(size: int, act: Callable[[], object]) -> float:
    begin = time.perf_counter()
    act()
    return size / 1e6 / (time.perf_counter() - begin)


def measure(sessions: list[Session]) -> tuple[float, float]:
    """Return how many megabytes a second are parsed and redacted: the medians of the rounds."""
    files = [encode(session) for session in sessions]
    size = sum(map(len, files))
    rounds = [
        (
            megabytes_per_second(size, lambda: [orjson.loads(file) for file in files]),
            megabytes_per_second(size, lambda: [redact(session) for session in sessions]),
        )
        for _ in range(ROUNDS)
    ]
    parsed, redacted = zip(*rounds, strict=True)
    return statistics.median(parsed), statistics.median(redacted)


def main() -> None:
    """Measure and print a table."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else TRANSCRIPTS
    plain = sessions_of(folder)
    print(f"{'':24}{'orjson.loads':>14}{'redact':>14}{'ratio':>8}")
    for name, sessions in (
        (f"{len(plain)} sessions", plain),
        ("with secrets", list(map(with_secrets, plain))),
    ):
        parsed, redacted = measure(sessions)
        rates = f"{parsed:>9.0f} MB/s{redacted:>9.1f} MB/s"
        print(f"{name:24}{rates}{parsed / redacted:>8.1f}")


if __name__ == "__main__":
    main()
