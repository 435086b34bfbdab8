"""``show`` and ``history``: a session, for reading."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

import click

from localsessions.cli.folder import opened, session_argument, summary_of
from localsessions.cli.options import examples, json_option
from localsessions.cli.screen.envelope import emit_json
from localsessions.cli.screen.safe import clean, one_line
from localsessions.cli.screen.streams import emit, note, styled
from localsessions.models import format_instant, message_text, reasoning_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import JsonValue

    from localsessions.models import Message, SessionSummary

__all__ = ["history", "show"]

_MOST_CHILDREN = 20


@click.command(epilog=examples("localsessions show latest"))
@session_argument
@click.option(
    "--messages",
    "-n",
    "count",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    help="How many of the last messages to show.",
)
@click.option("--all", "every", is_flag=True, help="All messages.")
@json_option
def show(*, reference: str, count: int, every: bool, as_json: bool) -> None:
    """Show the facts of a session and its last messages.

    SESSION is an id, the beginning of an id, a title, or 'latest'.
    """
    with opened() as store:
        session = store.load(store.resolve(reference))
        summary = summary_of(store, session)
        path = store.path(session.session_id)
        children = store.list(parent=session.session_id, order="created_at", limit=_MOST_CHILDREN)
    ids = [one.session_id for one in children]
    first = 0 if every else max(0, len(session.messages) - count)
    messages = session.messages[first:]
    if as_json:
        told = {"session": summary, "path": path, "children": ids, "messages": messages}
        emit_json([told])
        return
    _emit_facts(summary, path)
    if ids:
        more = ", …" if children.next_cursor else ""
        emit(f"{'started:':16}{one_line(', '.join(ids))}{more}")
    _emit_messages(messages, first)


def _emit_facts(summary: SessionSummary, path: str) -> None:
    for name in type(summary).model_fields:
        value = getattr(summary, name)
        if value in (None, "", (), False) or name == "preview":
            continue
        emit(f"{name.replace('_', ' ') + ':':16}{_fact(value)}")
    emit(f"{'path:':16}{one_line(path)}")


def _fact(value: object) -> str:
    if isinstance(value, datetime):
        return format_instant(value)
    if isinstance(value, tuple):
        return one_line(", ".join(value))
    return "yes" if value is True else one_line(str(value))


@click.command(epilog=examples("localsessions history latest | less"))
@session_argument
@click.option(
    "--messages",
    "-n",
    "count",
    type=click.IntRange(min=0),
    help="Only so many, the last ones.",
)
@json_option
def history(*, reference: str, count: int | None, as_json: bool) -> None:
    """Print the messages of a session in order."""
    with opened() as store:
        session = store.load(store.resolve(reference))
    first = 0 if count is None else max(0, len(session.messages) - count)
    messages = session.messages[first:]
    if as_json:
        emit_json(messages, session_id=session.session_id)
        return
    _emit_messages(messages, first)
    if not messages:
        note("no messages")


def _emit_messages(messages: Sequence[Message], first: int) -> None:
    for number, message in enumerate(messages, first + 1):
        emit("")
        emit(_heading(number, message))
        for part in _parts(message):
            for line in clean(part).strip("\n").split("\n"):
                emit(f"  {line}".rstrip())


def _heading(number: int, message: Message) -> str:
    words = [f"#{number}", styled(one_line(str(message["role"])))]
    facts = (message.get("name"), message.get("created_at"))
    words += [one_line(fact) for fact in facts if isinstance(fact, str)]
    return "  ".join(words)


def _parts(message: Message) -> Iterator[str]:
    """Yield what was thought and said in a message, and its calls."""
    if thought := reasoning_text(message):
        yield f"reasoning: {thought}"
    if text := message_text(message):
        yield text
    for call in _objects(message.get("tool_calls")):
        function = call.get("function")
        if isinstance(function, dict):
            yield f"calls {function.get('name')}({function.get('arguments', '')})"
    for part in _objects(message.get("content")):
        if part.get("type") == "tool_use":
            arguments = json.dumps(part.get("input"), ensure_ascii=False)
            yield f"calls {part.get('name')}({arguments})"


def _objects(value: JsonValue) -> Iterator[dict[str, JsonValue]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))
