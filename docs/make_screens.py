"""Draws what a person sees at a terminal into docs/screens: ``make screens``.

Each command runs in a pseudo-terminal, over the sessions of examples/transcripts. What it writes is
read by a terminal emulator, and its screen is drawn as a picture.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import select
import shlex
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pyte
from pyte.screens import Char
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, MONOKAI, TerminalTheme
from rich.text import Text

ROOT = Path(__file__).parent.parent
OUTPUT = Path(__file__).parent / "screens"
_QUIET_SECONDS = 1.0


class Shot(NamedTuple):
    """A picture: which command, in which terminal, and what is typed."""

    name: str
    arguments: Sequence[str]
    size: tuple[int, int] = (80, 24)
    keys: Sequence[str] = ()
    theme: TerminalTheme = MONOKAI
    env: Mapping[str, str] = {}


_LIST = ("list", "--fold", "-n", "20")
_SEARCH = ("search", "divide by zero", "-n", "3")
_SHOW = ("show", "github_issue", "--at", "19")
_PLAIN: Mapping[str, str] = {"NO_COLOR": "1"}

SHOTS = (
    Shot("list-80x24", _LIST),
    Shot("list-140x40", ("list", "--fold", "-n", "36"), (140, 40)),
    Shot("list-60x20", ("list", "--fold", "-n", "16"), (60, 20)),
    Shot("list-light", _LIST, theme=DEFAULT_TERMINAL_THEME),
    Shot("list-no-colour", _LIST, env=_PLAIN),
    Shot("search-80x24", _SEARCH),
    Shot("search-light", _SEARCH, theme=DEFAULT_TERMINAL_THEME),
    Shot("show-80x24", _SHOW),
    Shot("show-light", _SHOW, theme=DEFAULT_TERMINAL_THEME),
    Shot("show-no-colour", _SHOW, env=_PLAIN),
    Shot("show-140x40", (*_SHOW, "-C", "2"), (140, 40)),
    Shot("picker-80x24", (), keys=("divide",)),
    Shot("picker-140x40", (), (140, 40), keys=("divide",)),
    Shot("picker-60x20", (), (60, 20), keys=("divide",)),
    Shot("picker-light", (), (100, 30), keys=("divide",), theme=DEFAULT_TERMINAL_THEME),
    Shot("picker-no-colour", (), keys=("divide",), env=_PLAIN),
    Shot("picker-keys", (), (80, 30), keys=("\x1bOP",)),
    Shot("import-80x24", ("import", "examples/transcripts/codex", "--dir", "{new}")),
    Shot("error-80x24", ("show", "List the files")),
    Shot("help-80x24", ("--help",), (80, 72)),
)


def draw(shot: Shot, folder: Path) -> None:
    """Run a command and draw the screen that it leaves."""
    columns, lines = shot.size
    screen = pyte.Screen(columns, lines)
    _play(shot, folder, pyte.ByteStream(screen))
    console = Console(
        record=True, width=columns, height=lines, file=io.StringIO(), force_terminal=True
    )
    last = max((at for at in range(lines) if screen.display[at].strip()), default=0)
    for at in range(last + 1):
        row = [screen.buffer[at][one] for one in range(columns)]
        console.print(Text.assemble(*_runs(row)), soft_wrap=True)
    title = shlex.join(("localsessions", *shot.arguments)).removesuffix(" --dir '{new}'")
    picture = console.export_svg(title=title, theme=shot.theme)
    # Without the font, which is on another server: a picture loads nothing from outside.
    picture = re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)
    picture = picture.replace("Fira Code", "DejaVu Sans Mono")
    # That font is lower than Fira Code: a line would cut what hangs below its letters.
    picture = re.sub(r' clip-path="url\(#[^)]*-line-\d+\)"', "", picture)
    picture = re.sub(
        r'<clipPath id="[^"]*-line-\d+">.*?</clipPath>\s*', "", picture, flags=re.DOTALL
    )
    (OUTPUT / f"{shot.name}.svg").write_text(picture)


def _play(shot: Shot, folder: Path, stream: pyte.ByteStream) -> None:
    master, slave = pty.openpty()
    columns, lines = shot.size
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    new = str(folder.with_name(f"new-{shot.name}"))
    arguments = [one.replace("{new}", new) for one in shot.arguments]
    env = {
        **os.environ,
        "TERM": "xterm-256color",
        "LOCALSESSIONS_DIR": str(folder),
        "PAGER": "cat",
        **shot.env,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "localsessions", *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=env,
        cwd=ROOT,
        start_new_session=True,
    )
    os.close(slave)
    for keys in (*shot.keys, None):
        _read(master, stream)
        if keys is not None:
            os.write(master, keys.encode())
    process.kill()
    process.wait()
    os.close(master)


def _read(master: int, stream: pyte.ByteStream) -> None:
    """Read until nothing comes any more; what comes first is waited for longer."""
    end, patience = time.monotonic() + 30, 30.0
    while time.monotonic() < end and select.select([master], [], [], patience)[0]:
        patience = _QUIET_SECONDS
        try:
            data = os.read(master, 65536)
        except OSError:  # the other end is closed
            return
        stream.feed(data)


def _runs(row: Sequence[Char]) -> Iterator[tuple[str, Style]]:
    """Yield the texts of a row that have one style each."""
    for style, chars in groupby(row, key=_style):
        yield "".join(char.data for char in chars), style


def _style(char: Char) -> Style:
    return Style(
        color=_colour(char.fg),
        bgcolor=_colour(char.bg),
        bold=char.bold,
        italic=char.italics,
        underline=char.underscore,
        reverse=char.reverse,
    )


_RENAMED = {"brown": "yellow", "brightbrown": "bright_yellow"}


def _colour(name: str) -> str | None:
    if name == "default":
        return None
    if len(name) == 6 and all(one in "0123456789abcdef" for one in name):
        return f"#{name}"
    return _RENAMED.get(name, name.replace("bright", "bright_"))


def main() -> None:
    OUTPUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as base:
        folder = Path(base) / "sessions"
        command = [sys.executable, "-m", "localsessions", "--dir", str(folder), "import", "--yes"]
        subprocess.run([*command, ROOT / "examples" / "transcripts"], check=True)
        for shot in SHOTS:
            if not sys.argv[1:] or shot.name in sys.argv[1:]:
                draw(shot, folder)
                sys.stdout.write(f"{shot.name}.svg\n")


if __name__ == "__main__":
    main()
