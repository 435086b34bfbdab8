"""``edit``: a session in the person's own editor.

No work is lost. If another program stores the session while the editor is open, saving detects it,
since it compares with the version that was opened. If the person's text cannot be saved, it is kept
in a file, and the command prints its name.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from localsessions.cli.exits import ExitCode, stop
from localsessions.cli.folder import opened, session_argument
from localsessions.cli.options import examples
from localsessions.cli.screen.safe import one_line
from localsessions.cli.screen.streams import note
from localsessions.errors import FormatVersionError
from localsessions.format import inner_id, original_bytes, revised
from localsessions.models import FORMAT, Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from localsessions.store import SessionStore

__all__ = ["edit"]

_USUAL = "vi" if os.name == "posix" else "notepad"


@click.command(
    epilog=examples("localsessions edit latest", 'EDITOR="code --wait" localsessions edit latest')
)
@session_argument
def edit(*, reference: str) -> None:
    """Open a session in your editor and store your changes.

    The editor is $VISUAL or $EDITOR; closing it stores. If the text cannot be read afterwards, or
    someone else changed the session meanwhile, nothing is stored: your text is kept in a file,
    and the command prints its name. If your editor returns at once, use its option to wait.
    """
    with opened() as store:
        session = store.load(store.resolve(reference))
        if session.format != FORMAT:
            raise FormatVersionError(session.session_id, session.format, FORMAT)
        stem = os.path.basename(store.path(session.session_id))
        with _draft(stem, original_bytes(session) or b"") as draft:
            _open_editor(draft.path)
            edited = draft.read()
            if edited != draft.opened:
                _store(store, session, edited)
                return
    note("nothing was changed, nothing was written")


@dataclass(frozen=True)
class _Draft:
    path: str
    opened: bytes

    def read(self) -> bytes:
        with open(self.path, "rb") as file:
            return file.read()

    def is_worth_keeping(self) -> bool:
        try:
            return self.read() != self.opened
        except OSError:
            return False


@contextmanager
def _draft(name: str, opened: bytes) -> Iterator[_Draft]:
    """Yield a private copy of a session's file; if the block fails, the person's text stays."""
    folder = tempfile.mkdtemp(prefix="localsessions-")
    draft = _Draft(os.path.join(folder, name), opened)
    try:
        with open(draft.path, "xb") as file:
            file.write(draft.opened)
        yield draft
    except BaseException:  # also Ctrl-C
        if draft.is_worth_keeping():
            note(one_line(f"nothing was stored; your text is kept in {draft.path}"))
        else:
            shutil.rmtree(folder)
        raise
    shutil.rmtree(folder)


def _open_editor(path: str) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or _USUAL
    try:
        words = _words(editor)
    except ValueError as error:
        raise click.UsageError(f"the editor {editor!r} is no command: {error}") from None
    # Ctrl-C also goes to the editor, which handles it; a child would inherit SIG_IGN.
    former = signal.signal(signal.SIGINT, _let_pass)
    try:
        code = subprocess.call([*words, path])
    except OSError as error:
        why = error.strerror
        stop(
            f"the editor {editor!r} cannot be started: {why}; set EDITOR to another",
            ExitCode.SYSTEM,
        )
    finally:
        signal.signal(signal.SIGINT, former)
    if code != 0:
        stop(f"the editor {editor!r} ended with {code}", ExitCode.SYSTEM)


def _words(command: str) -> list[str]:
    """Return the words of a command, without the quotes around them.

    On Windows a backslash is part of a path, and a path with spaces may stand without quotes.
    """
    if os.name == "posix":
        return shlex.split(command)
    if shutil.which(command):
        return [command]
    words = shlex.split(command, posix=False)
    return [word[1:-1] if word[:1] == word[-1:] == '"' else word for word in words]


def _let_pass(_number: int, _frame: FrameType | None) -> None:
    pass


def _store(store: SessionStore, session: Session, edited: bytes) -> None:
    """Save the person's version of a session, if no other writer changed it meanwhile."""
    made = revised(session, edited)
    if inner_id(edited) not in (None, session.session_id):
        note(one_line(f"the session_id stays {session.session_id!r}: 'fork' makes another session"))
    former = made.revision
    store.save(made)
    if made.revision == former:
        note("nothing was changed but the layout, nothing was written")
    else:
        note(one_line(f"stored {session.session_id}"))
