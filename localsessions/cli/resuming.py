"""``resume``: the program that a session came from, started again in its folder.

The session's texts are a stranger's. Which program that is stands in a table, it is looked for on
the PATH by its name only, and started without a shell. A folder that a transcript names is shown,
and asked for at its first use: programs obey the settings that they find in a folder.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from localsessions.cli.asking import agrees, refuse_unasked
from localsessions.cli.exits import ExitCode, stop
from localsessions.cli.folder import opened, session_argument
from localsessions.cli.options import examples, yes_option
from localsessions.cli.screen.safe import UNSAFE, one_line
from localsessions.cli.screen.streams import emit, note
from localsessions.cli.trusting import is_trusted, trust
from localsessions.cli.typed import UNSAYABLE, shell_line, to_show, to_type

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from types import FrameType

    from localsessions.models import Session
    from localsessions.transcripts import Resumption

__all__ = ["resume", "resume_session"]


@click.command(
    "resume",
    epilog=examples(
        "localsessions resume latest",
        "localsessions resume 'Hook fix' --in ~/work/hooks",
        "localsessions resume latest --print",
    ),
)
@session_argument
@click.option(
    "--in", "folder", metavar="FOLDER", help="Start it in this folder, not where the chat was."
)
@click.option("--print", "is_printed", is_flag=True, help="Only print the command, for a shell.")
@yes_option
def resume_session(*, reference: str, folder: str | None, is_printed: bool, yes: bool) -> None:
    """Go on with a session in the program that it came from.

    Starts Claude Code, Codex, gemini-cli, Copilot CLI or opencode, in the folder of the chat and
    with the chat's own id. It goes on with what the program itself has of the chat: what was
    changed here, it does not know. The exit code is the program's.
    """
    with opened() as store:
        session = store.load(store.resolve(reference))
    if is_printed:
        way = _way(session, must_be_there=False)
        emit(_line(_folder(way, session, folder), way, session))
        return
    resume(session, folder=folder, yes=yes)


def resume(session: Session, *, folder: str | None = None, yes: bool = False) -> NoReturn:
    """Start the program of a session; its store is closed, and nothing else has the terminal.

    On POSIX the program takes the place of this process. On Windows it is waited for, and the
    command ends with its exit code.

    Args:
        session: The session, as it is stored.
        folder: Where to start, as the person said; None means where the chat was.
        yes: Whether to start in a folder that was never agreed to.
    """
    way = _way(session, must_be_there=True)
    place = _folder(way, session, folder)
    path = _program(way, session, place)
    if folder is None and not is_trusted(place):
        refuse_unasked(f"start {way.executable} in {place}", yes=yes)
        if not agrees(f"The chat was in {place}. Start {way.executable} there?", yes=yes):
            stop("nothing was started", ExitCode.NO)
        if not yes:
            trust(place)
    if way.is_changed:
        note(f"the session was changed here; {way.program} goes on with what it has itself")
    note(one_line(f"starting {shell_line((way.executable, *way.arguments))} in {place}"))
    _start(path, way, place)


# -- what a session says -------------------------------------------------------------------------


def _way(session: Session, *, must_be_there: bool) -> Resumption:
    from localsessions.transcripts import NoResumption, resumption_of

    way = resumption_of(session)
    named = f"session {session.session_id!r}"
    if isinstance(way, NoResumption):
        stop(f"{named} {way.reason}; {_instead(session, way.parent)}", ExitCode.NO)
    if way.file is None or not _is_there(way.file):
        gone = f"the file that {named} was imported from is gone ({way.file})"
        if must_be_there:
            stop(
                f"{gone}, so {way.program} no longer has the chat; {_instead(session)}; "
                "to see the command all the same: --print",
                ExitCode.NOT_FOUND,
            )
        note(one_line(f"{gone}: {way.program} may no longer have the chat"))
    return way


def _instead(session: Session, parent: str | None = None) -> str:
    """Return what a person can type where no program goes on with a session."""
    name = session.session_id
    to_parent = f"to resume its parent: {to_type('resume', session=parent)}; " if parent else ""
    return (
        f"{to_parent}to read it: {to_show(name)}; "
        f"to give its text to any program: {to_type('export', session=name)}"
    )


def _is_there(file: str) -> bool:
    from localsessions.transcripts import file_state

    return _is_of_this_system(file) and file_state(file) is not None


def _folder(way: Resumption, session: Session, chosen: str | None) -> str:
    """Return the folder to start in: whole, and there."""
    folder = way.project if chosen is None else os.path.abspath(os.path.expanduser(chosen))
    again = to_type("resume", "--in", "FOLDER", session=session.session_id)
    remedy = f"to start it elsewhere: {again}"
    if not folder:
        stop(f"the chat does not say in which folder it was: {remedy}", ExitCode.NOT_FOUND)
    if not _is_of_this_system(folder):
        stop(
            f"the chat was in {folder!r}, which is not a folder on this system: {remedy}",
            ExitCode.NOT_FOUND,
        )
    _refuse_control_characters(folder, remedy)
    if not os.path.isdir(folder):
        what = "is a file" if os.path.isfile(folder) else "is not there"
        stop(f"the folder {folder} {what}: {remedy}", ExitCode.NOT_FOUND)
    whole = os.path.realpath(folder)
    _refuse_control_characters(whole, remedy)  # a link may lead to any name
    return whole


def _refuse_control_characters(folder: str, remedy: str) -> None:
    if UNSAFE.search(folder) or "\n" in folder or "\t" in folder:
        stop(f"the name of the folder {folder!r} has a control character: {remedy}", ExitCode.USAGE)


def _is_of_this_system(path: str) -> bool:
    r"""Tell whether a path is whole here, without a look at the disk.

    Not \\server\share: Windows would send the person's password hash to the server.
    """
    if os.name == "posix":
        return path.startswith("/")
    drive, rest = os.path.splitdrive(path)
    return len(drive) == 2 and rest[:1] in ("/", "\\")


# -- the program ---------------------------------------------------------------------------------

# What npm and installers make. Windows itself would also take a script of the current folder.
_SUFFIXES = ("",) if os.name == "posix" else (".exe", ".cmd")


def _program(way: Resumption, session: Session, folder: str) -> str:
    """Return the path of the program."""
    path = next(_programs(way.executable, {_real(folder), _real(os.getcwd())}), None)
    if path is None:
        stop(
            f"{way.program} is not here: there is no {way.executable!r} on the PATH; "
            f"to install it: {way.install}; {_instead(session)}",
            ExitCode.NOT_FOUND,
        )
    return path


def _programs(name: str, strange: Collection[str]) -> Iterator[str]:
    """Yield the programs of a name on the PATH, but for those of folders that are strange.

    An empty or relative folder on the PATH means the current one.
    """
    for place in os.get_exec_path():
        if not os.path.isabs(place) or _real(place) in strange:
            continue
        for path in (os.path.join(place, name + suffix) for suffix in _SUFFIXES):
            if os.path.isfile(path) and os.access(path, os.X_OK):
                yield path


def _real(path: str) -> str:
    return os.path.normcase(os.path.realpath(path))


def _line(folder: str, way: Resumption, session: Session) -> str:
    change = ("cd",) if os.name == "posix" else ("cd", "/d")
    if shell_line([folder]) == UNSAYABLE:
        stop(
            f"the name of the folder {folder!r} would act in a shell; to start it without one: "
            f"{to_type('resume', session=session.session_id)}",
            ExitCode.USAGE,
        )
    return f"{shell_line((*change, folder))} && {shell_line((way.executable, *way.arguments))}"


def _start(path: str, way: Resumption, folder: str) -> NoReturn:
    # opencode believes PWD before the folder that it was started in. The shims of npm would look
    # for node in that folder first, without the other variable.
    environment = {**os.environ, "PWD": folder, "NoDefaultCurrentDirectoryInExePath": "1"}
    try:
        if os.name == "posix":
            _become(path, way, folder, environment)
        raise click.exceptions.Exit(_wait_for([path, *way.arguments], folder, environment))
    except OSError as error:
        stop(f"{path} cannot be started in {folder}: {error.strerror}", ExitCode.SYSTEM)


def _become(path: str, way: Resumption, folder: str, environment: dict[str, str]) -> NoReturn:
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()
    os.chdir(folder)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # which Python ignores, and a program would, too
    os.execve(path, [way.executable, *way.arguments], environment)  # noqa: S606  (no shell is meant)


def _wait_for(command: list[str], folder: str, environment: dict[str, str]) -> int:
    # Ctrl-C goes to the program, too, which says what it means.
    former = signal.signal(signal.SIGINT, _let_pass)
    try:
        return subprocess.call(command, cwd=folder, env=environment)
    finally:
        signal.signal(signal.SIGINT, former)


def _let_pass(_number: int, _frame: FrameType | None) -> None:
    pass
