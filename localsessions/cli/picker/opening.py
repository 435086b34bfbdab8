"""The command: whether there is a picker, its first screen, and what comes after it.

To import textual takes longer than all else at the start. So the first screen is written by hand,
as textual draws it afterwards, and what is typed meanwhile waits in the terminal.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from localsessions.addresses import is_address
from localsessions.cli.commands import command_named
from localsessions.cli.exits import ExitCode
from localsessions.cli.folder import chosen_folder, is_there, opened_to_list
from localsessions.cli.here import project_here
from localsessions.cli.picker.keys import footer, keys_line
from localsessions.cli.picker.listed import Asked, Listed, newest
from localsessions.cli.picker.looks import Piece, sequence
from localsessions.cli.picker.rows import lines_of
from localsessions.cli.picker.shape import shape_of
from localsessions.cli.screen.safe import one_line
from localsessions.cli.screen.streams import is_plain, note
from localsessions.models import utc_now

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localsessions.cli.picker.looks import Line

__all__ = ["is_possible", "pick"]

_PROMPT = "type to search"


def is_possible() -> bool:
    """Tell whether there is a terminal that a picker can be drawn on."""
    streams = (sys.stdin, sys.stdout, sys.stderr)  # textual draws on standard error
    return os.environ.get("TERM") != "dumb" and all(one and one.isatty() for one in streams)


def pick(ctx: click.Context) -> None:
    """Let a person find a session, read it, and go on with it in the program it came from."""
    size = shutil.get_terminal_size()
    found = _first(size.lines)
    if found is None:
        _offer_import(ctx)
        found = _first(size.lines)
    if found is None:
        raise click.exceptions.Exit(ExitCode.NO)
    chosen = _run(chosen_folder(), *found)
    if chosen is not None:
        _run_command(ctx, "resume", "--", chosen)


def _first(rows: int) -> tuple[Asked, Listed] | None:
    """Return what is listed first; None where nothing is stored."""
    if not is_there(chosen_folder()):
        return None
    with opened_to_list() as store:
        if not store.count():
            return None
        asked = Asked(here=project_here(store))
        return asked, newest(store, asked, 2 * rows)


def _offer_import(ctx: click.Context) -> None:
    """Ask whether to import the chats that other programs keep here."""
    from localsessions.transcripts import files_in, known_places

    note(one_line(f"there are no sessions at {_shown_place()} yet"))
    if not any(True for place in known_places() for _ in files_in([place.path])):
        note("no chats of other programs were found where they keep them; type:")
        note("  localsessions import PATH     for a file or a folder of chats, or an export")
        note("  localsessions new             for a session of your own")
        return
    try:
        _run_command(ctx, "import")
    except click.exceptions.Exit as end:
        if end.exit_code != ExitCode.DONE:
            raise


def _shown_place() -> str:
    place = chosen_folder()
    if is_address(place):
        with opened_to_list() as store:
            return store.save_dir  # without its password
    return place


def _run_command(ctx: click.Context, name: str, *arguments: str) -> None:
    """Do what a command does."""
    command = command_named(name)
    with command.make_context(name, [*arguments], parent=ctx) as made:
        command.invoke(made)


def _run(folder: str, asked: Asked, listed: Listed) -> str | None:
    """Run the picker; return the id of the session to go on with."""
    begun, colourless = FirstScreen(), os.environ.get("NO_COLOR")
    try:
        begun.draw(asked, listed)
        from localsessions.cli.picker.app import Picker
        from localsessions.store import SessionStore

        picker = Picker(lambda: SessionStore(folder), asked, listed, on_drawn=begun.hand_over)
        try:
            chosen = picker.run()
        finally:
            if picker.store is not None:
                picker.store.close()
            if colourless is not None:
                os.environ["NO_COLOR"] = colourless  # textual takes it away
    finally:
        begun.close()
    if picker.return_code:
        raise click.exceptions.Exit(picker.return_code)
    return chosen


class FirstScreen:
    """The first screen, on the alternate screen of the terminal, until textual draws there.

    A signal that ends the process ends it through ``close``, so that the terminal stays sane.
    """

    def __init__(self) -> None:
        self._modes: Any = None
        self._is_drawn = False

    def draw(self, asked: Asked, listed: Listed) -> None:
        """Draw what is listed."""
        if os.name != "posix":
            return  # textual alone speaks to other terminals
        import termios
        import tty

        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _end)
        self._modes, modes = termios.tcgetattr(sys.stdin), termios.tcgetattr(sys.stdin)
        # What is typed before textual reads is not shown, and reaches it letter by letter.
        modes[tty.IFLAG] &= ~termios.ICRNL
        modes[tty.LFLAG] &= ~(termios.ECHO | termios.ICANON)
        self._is_drawn = True
        termios.tcsetattr(sys.stdin, termios.TCSANOW, modes)
        _write("\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J" + _drawn(asked, listed))

    def hand_over(self) -> None:
        """Leave the screen to textual."""
        self._is_drawn = False

    def close(self) -> None:
        """Set the terminal as it was. Idempotent."""
        if self._is_drawn:
            self._is_drawn = False
            _write("\x1b[?1049l\x1b[?25h")
        if self._modes is not None:
            import termios

            termios.tcsetattr(sys.stdin, termios.TCSANOW, self._modes)
            self._modes = None


def _end(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _drawn(asked: Asked, listed: Listed) -> str:
    """Return the whole screen."""
    columns, rows = shutil.get_terminal_size()
    shape = shape_of(columns, rows)
    lines = [
        [Piece("> "), Piece(_PROMPT[0], "chosen"), Piece(_PROMPT[1:], "dim")],
        *_listed(listed, shape.list_columns - 1, shape.list_rows),  # beside the scrollbar
    ]
    ends = [[Piece(asked.told(listed)[:columns], "dim")], keys_line(footer("line"), columns)]
    colour = not is_plain(sys.stdout)
    texts = {at: _text(line, colour=colour) for at, line in enumerate(lines, 1)}
    texts |= {at: _text(line, colour=colour) for at, line in enumerate(ends, rows - 1)}
    return "".join(f"\x1b[{at};1H{text}" for at, text in texts.items())


def _listed(listed: Listed, columns: int, rows: int) -> Iterator[Line]:
    now = utc_now()
    for at, row in enumerate(listed.rows[:rows]):
        (line,) = lines_of(row, listed.columns, columns, now)
        yield [Piece(one.text, "chosen") for one in line] if at == 0 else line


def _text(line: Line, *, colour: bool) -> str:
    return "".join(sequence(one.look, colour=colour) + one.text for one in line) + "\x1b[0m"
