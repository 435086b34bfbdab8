"""The picker as a process on a pseudo-terminal: what the terminal gets, and how it is left."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import struct
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from localsessions import SessionStore

from .test_picker import hostile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .conftest import Cli

pytestmark = pytest.mark.needs("terminals")

MAIN = "import sys; from localsessions.__main__ import main; sys.exit(main())"
# Of a terminal of its own, which sends SIGHUP when it goes.
OWN = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
DRAWN = "\x1b[?2004h"  # textual has the terminal
SEQUENCE = re.compile(
    r"\x1b\[[0-9;]*m"  # a style
    r"|\x1b\[[0-9]+;[0-9]+H"  # a place
    r"|\x1b\[\?(?:1049|25|1000|1003|1004|1006|1015|2004|2026|2048|7)[hl]"
    r"|\x1b\[\?(?:2026|2048)\$p|\x1b\[>[0-9]+u|\x1b\[<u|\x1b\[H|\x1b\[2J"
    r"|\x1b\]22;[a-z]+\x07"  # the shape of the mouse pointer
)
LEFT = ("\x1b[?1049l", "\x1b[?25h", "\x1b[?2004l", "\x1b[?1000l", "\x1b[?1003l", "\x1b[?1004l")


class Terminal:
    """A process on a pseudo-terminal."""

    def __init__(
        self,
        cli: Cli,
        *,
        own: str = OWN,
        before: str = "",
        columns: int = 80,
        rows: int = 24,
        **env: str,
    ) -> None:
        import fcntl
        import pty
        import termios

        self._master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = self.modes
        self.process = subprocess.Popen(
            [sys.executable, "-c", own + before + MAIN],
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            env={**os.environ, **cli.env, **env},
            start_new_session=True,
        )
        self._got, self._seen = b"", 0

    @property
    def modes(self) -> list[Any]:
        """What the terminal does with what is typed."""
        import termios

        return termios.tcgetattr(self._slave)

    @property
    def text(self) -> str:
        """What it got."""
        return self._got.decode(errors="replace")

    def until(self, wanted: str, *, then: str = "") -> None:
        """Wait for a text that comes after what was waited for before, and type."""
        end = time.monotonic() + 60
        while (at := self._got.find(wanted.encode(), self._seen)) < 0:
            is_late = time.monotonic() > end or self.process.poll() is not None
            assert not is_late, f"{wanted!r} did not come:\n{self.text[-2000:]}"
            self._read(0.2)
        self._seen = at + len(wanted.encode())
        os.write(self._master, then.encode())

    def _read(self, seconds: float) -> None:
        if select.select([self._master], [], [], seconds)[0]:
            self._got += os.read(self._master, 65536)

    def end(self) -> int:
        """Wait for the end; return the exit code."""
        end = time.monotonic() + 60
        while self.process.poll() is None:
            assert time.monotonic() < end, f"it did not end:\n{self.text[-2000:]}"
            self._read(0.05)
        while select.select([self._master], [], [], 0)[0]:
            self._got += os.read(self._master, 65536)
        return self.process.returncode

    def hang_up(self) -> None:
        """Close the terminal, as a person closes a window."""
        os.close(self._slave)
        os.close(self._master)
        self._slave = self._master = -1

    def close(self) -> None:
        """Let nothing of it stay."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for one in (self._slave, self._master):
            if one != -1:
                os.close(one)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    made: list[Terminal] = []
    yield made
    for one in made:
        one.close()


def opened(terminals: list[Terminal], cli: Cli, **options: Any) -> Terminal:
    terminals.append(Terminal(cli, **options))
    return terminals[-1]


def is_sane(terminal: Terminal) -> bool:
    """Tell whether the terminal is as it was: its screen, its cursor, its mouse, its echo."""
    off = [terminal.text.rfind(one) > terminal.text.rfind(one[:-1] + "h") for one in LEFT[:1]]
    off += [one in terminal.text for one in LEFT]
    return all(off) and terminal.modes == terminal.before


@pytest.fixture
def three(cli: Cli) -> Cli:
    cli.add("one", "how is the parser made", title="The parser")
    cli.add("two", "where is the race condition", title="The race")
    cli.add("three", "hello", title="A greeting")
    return cli


@pytest.mark.parametrize("keys", ["\x1b", "\x03", "\tq", "\r\x03"])
def test_it_starts_is_typed_into_and_leaves_the_terminal_as_it_was(
    three: Cli, terminals: list[Terminal], keys: str
) -> None:
    terminal = opened(terminals, three)
    terminal.until(DRAWN, then="race")
    terminal.until("found", then="\x1b[B\x15")
    terminal.until("3 sessions", then=keys)
    assert terminal.end() == 0
    assert is_sane(terminal)
    shown = terminal.text.rpartition("\x1b[?1049l")[2]
    assert SEQUENCE.sub("", shown) == "", "it prints nothing where the person goes on"


def test_the_first_screen_is_what_textual_draws(three: Cli, terminals: list[Terminal]) -> None:
    terminal = opened(terminals, three)
    terminal.until(DRAWN)
    first = terminal.text.partition("\x1b[?1000h")[0]
    terminal.until("to the list", then="\x03")
    terminal.end()
    then = terminal.text.partition(DRAWN)[2]
    for title in ("A greeting", "The race", "The parser", "3 sessions", "> ", "to search"):
        assert title in SEQUENCE.sub("", first)
        assert title in SEQUENCE.sub("", then)


def test_what_is_typed_before_textual_is_there_is_not_lost(
    three: Cli, terminals: list[Terminal]
) -> None:
    terminal = opened(terminals, three)
    terminal.until("3 sessions", then="race")
    assert DRAWN not in terminal.text
    terminal.until("found 1 session", then="\x03")
    assert terminal.end() == 0


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_ends_it_and_leaves_the_terminal_as_it_was(
    three: Cli, terminals: list[Terminal], name: str
) -> None:
    number = getattr(signal, name)
    terminal = opened(terminals, three)
    terminal.until("to the list")
    terminal.until("hello")
    terminal.process.send_signal(number)
    assert terminal.end() == 128 + number
    assert is_sane(terminal)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_textual_is_there_leaves_the_terminal_as_it_was(
    three: Cli, terminals: list[Terminal], number: int
) -> None:
    terminal = opened(terminals, three)
    terminal.until("3 sessions")
    terminal.process.send_signal(number)
    assert terminal.end() in (130, 128 + number)
    assert terminal.text.count("\x1b[?1049l") == 1
    assert terminal.text.rindex("\x1b[?25h") > terminal.text.rindex("\x1b[?25l")
    assert terminal.modes == terminal.before


SLOW = """
import time
from localsessions import SessionStore
for name in ("delete", "edit"):
    def slow(self, *a, _act=getattr(SessionStore, name), **k):
        time.sleep(1)
        return _act(self, *a, **k)
    setattr(SessionStore, name, slow)
"""


@pytest.mark.parametrize("keys", ["\td", "\tp", "\tn!\r"])
def test_sigterm_in_an_act_loses_nothing(three: Cli, terminals: list[Terminal], keys: str) -> None:
    terminal = opened(terminals, three, before=SLOW)
    terminal.until("hello", then=keys)
    time.sleep(0.3)
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.end() == 143
    assert is_sane(terminal)
    whole(three)


@pytest.mark.parametrize("own", [OWN, ""], ids=["its own", "of another"])
def test_a_closed_terminal_ends_it_and_loses_nothing(
    three: Cli, terminals: list[Terminal], own: str
) -> None:
    terminal = opened(terminals, three, own=own, before=SLOW)
    terminal.until("hello", then="\td")
    time.sleep(0.3)
    terminal.hang_up()
    terminal.process.wait(60)
    whole(three)


def test_a_bug_leaves_the_terminal_as_it_was(three: Cli, terminals: list[Terminal]) -> None:
    before = (
        "from localsessions import SessionStore\n"
        "def fail(*a, **k): raise ZeroDivisionError('a bug')\n"
        "SessionStore.delete = fail\n"
    )
    terminal = opened(terminals, three, before=before)
    terminal.until("hello", then="\td")
    assert terminal.end() == 1
    assert is_sane(terminal)
    assert "a bug" in terminal.text
    whole(three)


# Kills the process when it first renames a file of the session, before that or after it.
DIE = """
import os
def dying(name):
    act = getattr(os, name)
    def call(one, two, *a, **k):
        path = os.fspath(two)
        is_its = "three" in path and "kept" not in path and {armed}
        if is_its and {is_before}: os.kill(os.getpid(), 9)
        act(one, two, *a, **k)
        if is_its: os.kill(os.getpid(), 9)
    setattr(os, name, call)
dying("rename"); dying("replace"); dying("link")
"""


@pytest.mark.parametrize("is_before", [True, False])
@pytest.mark.parametrize("keys", ["\td", "\tn!\r", "\ta", "\tdu"])
def test_killed_inside_an_act_it_leaves_a_store_that_verifies(
    three: Cli, terminals: list[Terminal], keys: str, is_before: bool
) -> None:
    armed = "'trash' in os.fspath(one)" if keys.endswith("u") else "True"
    code = DIE.format(is_before=is_before, armed=armed)
    terminal = opened(terminals, three, before=code)
    terminal.until("hello", then=keys)
    assert terminal.end() == -9
    whole(three)


def whole(cli: Cli) -> None:
    """Hold that the session is whole, in the folder or in the trash."""
    with cli.store() as store:
        store.verify()  # an index that lacks what was done has it now
        assert [one for one in store.verify() if not one.automatic] == []
        if store.get("three") is None:
            store.restore("three")
        session = store.load("three")
        assert session.messages[0]["content"] == "hello"
        assert session.title in ("A greeting", "A greeting!")
        assert store.count() == 3


def test_nothing_of_a_session_reaches_the_terminal_as_a_sequence(
    cli: Cli, terminals: list[Terminal]
) -> None:
    for name in ("a", "b", "c"):
        cli.write(name, json.dumps(hostile("all")))
    terminal = opened(terminals, cli, columns=140, rows=40)
    terminal.until("owned")
    terminal.until("last active", then="needle")
    terminal.until("found", then="\x1b[B\r")
    terminal.until("PgDn", then="\x1b")
    terminal.until("found", then="\x15\t")
    terminal.until("undo", then="n")  # the keys of the list: what is asked for is listed
    terminal.until("title:", then="\x1b")
    time.sleep(0.3)
    os.write(terminal._master, b"y")
    terminal.until("copied", then="f")
    terminal.until("only of", then="tu")
    terminal.until("tags", then="\x1b")
    time.sleep(0.3)
    os.write(terminal._master, b"dq")
    assert terminal.end() == 0
    assert is_sane(terminal)
    left = SEQUENCE.sub("", re.sub(r"\x1b\]52;c;[A-Za-z0-9+/=]*\x07", "", terminal.text))
    bad = re.findall("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069].{20}", left)
    assert bad == []
    assert "\\x1b]0;owned\\x07" in left


def test_the_screen_follows_the_size_of_the_terminal(three: Cli, terminals: list[Terminal]) -> None:
    import fcntl
    import termios

    terminal = opened(terminals, three)
    terminal.until("hello")
    size = struct.pack("HHHH", 40, 140, 0, 0)
    fcntl.ioctl(terminal._slave, termios.TIOCSWINSZ, size)
    terminal.until("\x1b[40;1H", then="\x03")
    assert terminal.end() == 0


# -- where there is no picker --------------------------------------------------------------------


def test_in_a_pipe_it_is_a_bare_list(three: Cli) -> None:
    listed = three.process("list")
    bare = three.process()
    assert (bare.returncode, bare.stdout) == (0, listed.stdout)
    assert bare.stdout.count(b"\t") == 15


def test_on_a_dumb_terminal_it_is_a_list(three: Cli) -> None:
    listed = three.terminal("list", env={"TERM": "dumb"})
    assert three.terminal(env={"TERM": "dumb"}) == listed
    assert "\x1b" not in listed[1]


# -- where nothing is stored ---------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """Variables of a home folder where no program keeps chats."""
    names = ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")
    return {"HOME": str(tmp_path / "home"), **{name: str(tmp_path / name) for name in names}}


def test_with_nothing_to_show_it_says_what_to_type(cli: Cli, home: dict[str, str]) -> None:
    code, shown = cli.terminal(env=home)
    assert code == 1
    assert "there are no sessions" in shown
    assert "localsessions import PATH" in shown
    assert "\x1b" not in shown
    assert not cli.folder.exists()


@pytest.mark.parametrize("answer", ["y", "n"])
def test_it_offers_to_import_what_is_there(
    cli: Cli, home: dict[str, str], terminals: list[Terminal], answer: str
) -> None:
    folder = f"{home['CODEX_HOME']}/sessions"
    os.makedirs(folder)
    source = "examples/transcripts/codex/agentsessions-rollout-small.jsonl"
    with open(source, encoding="utf-8") as read, open(f"{folder}/rollout-a.jsonl", "w") as written:
        written.write(read.read())
    terminal = opened(terminals, cli, **home)
    terminal.until("Import them?", then=f"{answer}\n")
    assert "codex: 1 file" in terminal.text
    if answer == "y":
        terminal.until(DRAWN)
        terminal.until("1 session", then="\x03")
        assert terminal.end() == 0
        with SessionStore(cli.folder) as store:
            assert store.count(program="codex") == 1
    else:
        assert terminal.end() == 1
        assert "nothing was imported" in terminal.text
        assert not cli.folder.exists()
