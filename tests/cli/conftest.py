"""The command line as tests use it: in this process, as a process, and on a pseudo-terminal."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from killing import INTERRUPTIBLE

from localsessions import SessionStore
from localsessions.cli import program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

COMMAND = (sys.executable, "-m", "localsessions")


def interruptible(*arguments: str, before: str = "") -> list[str]:
    """Return a command that ``interrupt`` interrupts; ``before`` is code that it runs first."""
    first = f"{INTERRUPTIBLE}{before}"
    main = "from localsessions.__main__ import main; sys.exit(main())"
    code = f"import sys\n{first}\n{main}"
    return [*([sys.executable, "-c", code] if first else COMMAND), *arguments]


def text_of(shown: bytes) -> str:
    """Return what a process showed, with lines that end as those of POSIX do."""
    return shown.decode().replace(os.linesep, "\n")


class Cli:
    """Runs the command line on one folder, which is there once something is stored in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {"LOCALSESSIONS_DIR": str(folder)}

    def __call__(
        self,
        *arguments: str,
        input: str | bytes | None = None,  # noqa: A002  (as click calls it)
        env: Mapping[str, str] | None = None,
    ) -> Result:
        runner = CliRunner(env={**self.env, **(env or {})})
        return runner.invoke(program, arguments, input=input, catch_exceptions=False)

    def json(self, *arguments: str) -> Any:
        """Return the JSON document that a command writes; it must succeed."""
        result = self(*arguments, "--json")
        assert (result.exit_code, result.stderr) == (0, "")
        document = json.loads(result.stdout)
        assert list(document)[:3] == ["version", "command", "items"]
        assert (document["version"], document["command"]) == (1, arguments[0])
        return document

    def items(self, *arguments: str) -> Any:
        """Return what the document is about."""
        return self.json(*arguments)["items"]

    def item(self, *arguments: str) -> Any:
        """Return what the document is about; it is one thing."""
        (item,) = self.items(*arguments)
        return item

    def process(
        self, *arguments: str, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a real process to its end; its lines end as those of POSIX do."""
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 120}
        made: subprocess.CompletedProcess[bytes] = subprocess.run(
            [*COMMAND, *arguments],
            env={**os.environ, **self.env, **(env or {})},
            **{**streams, **options},
        )
        for name in ("stdout", "stderr"):
            if (shown := getattr(made, name)) is not None:
                setattr(made, name, shown.replace(os.linesep.encode(), b"\n"))
        return made

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a real process."""
        environment = {**os.environ, **self.env, **options.pop("env", {})}
        return subprocess.Popen([*COMMAND, *arguments], env=environment, **options)

    def store(self) -> SessionStore:
        """Open the folder; use it in a with statement."""
        return SessionStore(self.folder)

    def add(self, session_id: str, *texts: str, **fields: Any) -> None:
        """Store a session of user messages."""
        with self.store() as store:
            store.create(session_id, **fields)
            store.append(session_id, *({"role": "user", "content": text} for text in texts))

    def write(self, session_id: str, text: str) -> Path:
        """Write the file of a session by hand."""
        self.folder.mkdir(exist_ok=True)
        path = self.folder / f"{session_id}.json"
        path.write_text(text, encoding="utf-8")
        return path

    def terminal(
        self,
        *arguments: str,
        answers: Mapping[str, str | signal.Signals | Callable[[], str]] | None = None,
        columns: int = 80,
        env: Mapping[str, str] | None = None,
    ) -> tuple[int, str]:
        """Run on a pseudo-terminal; return the exit code and what the terminal got.

        ``answers`` says what is typed, or which signal comes, when a text has appeared; what can
        be called happens then, and returns what is typed.
        """
        import fcntl
        import pty
        import select
        import termios

        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        streams = {"stdin": slave, "stdout": slave, "stderr": slave}
        process = self.start(*arguments, env=env or {}, start_new_session=True, **streams)
        os.close(slave)
        waiting = list((answers or {}).items())
        shown = b""
        sent: signal.Signals | None = None
        while True:
            while sent and process.poll() is None and not select.select([master], [], [], 1)[0]:
                # readline forgets a signal that comes just before it begins to wait.
                process.send_signal(sent)
            if not (chunk := _read(master)):
                break
            shown += chunk
            if waiting and waiting[0][0].encode() in shown:
                answer = waiting.pop(0)[1]
                if isinstance(answer, signal.Signals):
                    process.send_signal(answer)
                    sent = answer
                else:
                    typed = answer if isinstance(answer, str) else answer()
                    os.write(master, typed.encode())
        os.close(master)
        return process.wait(120), shown.decode().replace("\r\n", "\n")


def _read(master: int) -> bytes:
    try:
        return os.read(master, 65536)
    except OSError:  # EIO: on Linux, the other end is closed
        return b""


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    # COLUMNS and LINES: set by pytest-xdist, and believed before the terminal itself.
    for name in (
        "NO_COLOR",
        "FORCE_COLOR",
        "VISUAL",
        "EDITOR",
        "LOCALSESSIONS_DIR",
        "COLUMNS",
        "LINES",
        "PAGER",
        "LESS",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LOCALSESSIONS_PAGER", "")  # a pager would wait for a key
    monkeypatch.setenv("TERM", "xterm-256color")
    # Workers of pytest-xdist ignore SIGINT, and what they start would inherit that.
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield Cli(tmp_path / "sessions")
    signal.signal(signal.SIGINT, former)
