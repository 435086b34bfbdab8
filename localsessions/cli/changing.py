"""``new``, ``append``, ``rename``, ``fork``: make a session, and change one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

import click

from localsessions.cli.exits import ExitCode, stop
from localsessions.cli.folder import opened, session_argument, summary_of
from localsessions.cli.options import examples, json_option
from localsessions.cli.screen.envelope import emit_json
from localsessions.cli.screen.safe import one_line
from localsessions.cli.screen.streams import emit, note
from localsessions.cli.times import age
from localsessions.cli.typed import to_type

if TYPE_CHECKING:
    from datetime import timedelta

    from localsessions.models import Message, Session, SessionSummary

__all__ = ["append", "fork", "new", "rename"]


@click.command(epilog=examples('id=$(localsessions new --title "Release 2.0" --user ann)'))
@click.option("--id", "session_id", metavar="ID", help="Its id; without, one is made.")
@click.option("--title", metavar="TEXT", help="Without, listings use the first user message.")
@click.option("--user", "user_id", metavar="ID", help="Whose session it is.")
@click.option("--agent", "agent_id", metavar="ID", help="The agent that it belongs to.")
@click.option("--ttl", type=age, metavar="AGE", help="How long until it expires, as in 12h.")
@json_option
def new(
    *,
    session_id: str | None,
    title: str | None,
    user_id: str | None,
    agent_id: str | None,
    ttl: timedelta | None,
    as_json: bool,
) -> None:
    """Create a new session, and the folder if needed; print its id."""
    seconds = None if ttl is None else ttl.total_seconds()
    if seconds is not None and seconds.is_integer():
        seconds = int(seconds)
    with opened(make=True) as store:
        session = store.create(
            session_id, title=title, user_id=user_id, agent_id=agent_id, ttl=seconds
        )
        made = summary_of(store, session)
    _emit_made(made, as_json=as_json)


def _emit_made(made: SessionSummary, *, as_json: bool) -> None:
    if as_json:
        emit_json([made])
    else:
        emit(one_line(made.session_id))


@click.command(
    epilog=examples(
        'localsessions append latest --role user "Show the files"',
        "git diff | localsessions append latest --role user -",
    )
)
@session_argument
@click.option("--role", required=True, metavar="ROLE", help="Who says it: user, assistant, ...")
@click.option("--name", metavar="NAME", help="The message's name field.")
@click.argument("text", required=False)
@json_option
def append(*, reference: str, role: str, name: str | None, text: str | None, as_json: bool) -> None:
    """Add a message at the end of a session; print the message's id.

    The text is TEXT. If TEXT is '-' or absent, the text comes from standard input.
    """
    content = _typed() if text in (None, "-") else text
    message: Message = {"role": role, "content": content}
    if name:
        message["name"] = name
    with opened() as store:
        session_id = store.resolve(reference)
        added = store.append(session_id, message)
    if as_json:
        emit_json(added, session_id=session_id)
    else:
        emit(one_line(str(added[0]["id"])))


def _typed() -> str:
    """Return the text of standard input, without the newline at its end."""
    if sys.stdin is not None and sys.stdin.isatty():
        note("type the message; Ctrl-D on a line of its own ends it")
    data = b"" if sys.stdin is None else sys.stdin.buffer.read()
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        stop(f"standard input is not UTF-8 (byte {error.start})", ExitCode.USAGE)
    if not text:
        raise click.UsageError("standard input is empty: there is nothing to append")
    return text.removesuffix("\n").removesuffix("\r")


@click.command(epilog=examples('localsessions rename latest "Release 2.0"'))
@session_argument
@click.argument("title", required=False)
@click.option("--clear", is_flag=True, help="Remove the title: listings then make one.")
@json_option
def rename(*, reference: str, title: str | None, clear: bool, as_json: bool) -> None:
    """Set the title of a session."""
    if clear == bool(title):
        raise click.UsageError("give either a TITLE or --clear")
    with opened() as store:
        changed = store.rename(store.resolve(reference), title or None)
    _emit_changed(changed, f"title: {changed.title}", as_json=as_json)


def _emit_changed(changed: SessionSummary, what: str, *, as_json: bool) -> None:
    if as_json:
        emit_json([changed])
    else:
        note(one_line(f"{changed.session_id}: {what}"))


@click.command(epilog=examples("localsessions fork latest --at 4"))
@session_argument
@click.option(
    "--at",
    metavar="MESSAGE",
    help="The last message to take: its id, or its number as 'history' shows it.  [the last]",
)
@click.option("--id", "new_id", metavar="ID", help="Id of the new session; without, one is made.")
@json_option
def fork(*, reference: str, at: str | None, new_id: str | None, as_json: bool) -> None:
    """Copy a session up to some message; print the id of the copy."""
    with opened() as store:
        session = store.load(store.resolve(reference))
        made = store.fork(session.session_id, at=_place(session, at), new_id=new_id)
        summary = summary_of(store, made)
    _emit_made(summary, as_json=as_json)


def _place(session: Session, at: str | None) -> str | int | None:
    """Return the message as the store counts: people count from 1, the store from 0."""
    ids = [message.get("id") for message in session.messages]
    if at is None or at in ids:
        return at
    if at.isdecimal() and 1 <= (number := int(at[:12])) <= len(ids):
        return number - 1
    return _refuse_place(session, at)


def _refuse_place(session: Session, at: str) -> NoReturn:
    count = len(session.messages)
    what = f"{count} messages, none has the number" if at.isdecimal() else "no message of the id"
    stop(
        f"session {session.session_id!r} has {what} {at!r}; "
        f"to see them: {to_type('history', session=session.session_id)}",
        ExitCode.NOT_FOUND,
    )
