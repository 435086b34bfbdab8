"""agno's run, a dict with its messages inside, to and from a run record and flat messages. Pure.

Imports no agno: dicts come in and go out. What a record says about its messages::

    same_as       which of its texts are left out of the record, since a message has the same text:
                  the place in the record, and the id of the message
    message_ids   the ids of all messages that were sent and answered, if some of them belong to
                  other runs; absent if they are exactly the messages with the run's ``run_id``
"""

from __future__ import annotations

import copy
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeAlias, cast

from pydantic import JsonValue

from localsessions import Message, Session, Turn

__all__ = ["delete_runs", "put_run", "run_rows", "seconds_of"]

Record: TypeAlias = dict[str, JsonValue]

# Fields that agno leaves at their default in nearly every message.
_UNSAID = ("from_history", "stop_after_tool_call")
_CHAT_FIELDS = ("id", "role", "content", "name", "tool_calls", "tool_call_id", "created_at")


def put_run(session: Session, run: Record, known: Collection[str] = ()) -> None:
    """Put agno's run into a session: replace the run with its id, or add it at the end.

    A message that is history of another run, or a system message that was sent before, is not
    stored again. Messages that the run no longer has are removed. Fields of the previous record and
    messages that agno does not know stay.

    Args:
        session: Changed in place.
        run: The result of agno's ``to_dict``, plain JSON; copied.
        known: The names of all fields that agno has in runs and messages.

    Raises:
        ValueError: The run has no ``run_id``.
    """
    run = copy.deepcopy(run)
    run_id = run.get("run_id")
    if not isinstance(run_id, str):
        raise ValueError("a run needs a run_id, a text")  # noqa: TRY004
    said = cast("list[Message]", run.pop("messages", None) or [])
    standing = _Standing(session, run_id)
    ids = [standing.find(message) for message in said]
    own = [_stored(one, run_id) for one, found in zip(said, ids, strict=True) if found is None]
    _point_at_texts(run, own)
    if any(ids):
        run["message_ids"] = [found or one.get("id") for one, found in zip(said, ids, strict=True)]
    if isinstance(created := run.get("created_at"), int | float):
        run["created_at"] = _instant_text(created)
    _put_record(session, run, known)
    _put_messages(session, own, run_id, known)


class _Standing:
    """The messages of a session that a run need not store, since they are there already."""

    def __init__(self, session: Session, run_id: str) -> None:
        others = [one for one in session.messages if one.get("run_id") not in (None, run_id)]
        self._ids = {one.get("id") for one in others if isinstance(one.get("id"), str)}
        self._prompts = {
            content: one_id
            for one in reversed(others)
            if one["role"] == "system"
            and isinstance(content := one.get("content"), str)
            and isinstance(one_id := one.get("id"), str)
        }

    def find(self, message: Message) -> str | None:
        """Return the id of the stored message with the same text, or None."""
        name, content = message.get("id"), message.get("content")
        if message.get("from_history") and isinstance(name, str) and name in self._ids:
            return name
        if message.get("role") == "system" and isinstance(content, str):
            return self._prompts.get(content)
        return None


def _stored(message: Message, run_id: str) -> Message:
    """Return agno's message as the file holds it: the fields that people read come first."""
    first = [name for name in ("id", "role", "content") if name in message]
    rest = [name for name in message if name not in (*first, "created_at")]
    made: Message = {name: message[name] for name in (*first, *rest)}
    for name in _UNSAID:
        if made.get(name) is False:
            del made[name]
    created = message.get("created_at")
    if created is not None:
        made["created_at"] = _instant_text(created) if isinstance(created, int | float) else created
    made["run_id"] = run_id
    return made


def _put_record(session: Session, run: Record, known: Collection[str]) -> None:
    ids = [one["run_id"] for one in session.runs]
    if run["run_id"] not in ids:
        session.runs = [*session.runs, run]
        return
    place = ids.index(run["run_id"])
    ours = {"same_as", "message_ids", *known}
    session.runs[place] = {**_unknown(session.runs[place], ours), **run}


def _put_messages(
    session: Session, own: Sequence[Message], run_id: str, known: Collection[str]
) -> None:
    """Replace each message that has a new version, add the others, remove those that are gone.

    A message without a run, written by hand or by another program, joins the run if agno returns
    it as part of the run.
    """
    new = {one["id"]: one for one in own if isinstance(one.get("id"), str)}
    made: list[Message] = []
    for former in session.messages:
        run = former.get("run_id")
        successor = new.pop(former.get("id"), None) if run in (None, run_id) else None
        if successor is not None:
            made.append({**_unknown(former, known), **successor})
        elif run != run_id or _heir(session, former, {run_id}):
            made.append(_inherited(session, former, {run_id}) if run == run_id else former)
    nameless = [one for one in own if not isinstance(one.get("id"), str)]
    session.messages = [*made, *new.values(), *nameless]


def _unknown(former: Mapping[str, JsonValue], known: Collection[str]) -> Record:
    """Return fields that other programs added; agno neither knows nor returned them."""
    return {name: value for name, value in former.items() if known and name not in known}


def delete_runs(session: Session, run_ids: Collection[str]) -> bool:
    """Remove runs with their messages from a session; return whether there were any.

    If a removed message was also sent to another run, that run keeps it, as history.
    """
    kept = [run for run in session.runs if run["run_id"] not in run_ids]
    if len(kept) == len(session.runs):
        return False
    session.runs = kept
    session.messages = [
        _inherited(session, one, run_ids) if one.get("run_id") in run_ids else one
        for one in session.messages
        if one.get("run_id") not in run_ids or _heir(session, one, run_ids)
    ]
    return True


def _heir(session: Session, message: Message, gone: Collection[str]) -> str | None:
    """Return the first run that stays and was also sent the message."""
    for run in session.runs:
        sent = run.get("message_ids")
        if run["run_id"] not in gone and isinstance(sent, list) and message.get("id") in sent:
            return cast("str", run["run_id"])
    return None


def _inherited(session: Session, message: Message, gone: Collection[str]) -> Message:
    tag: Message = {} if message["role"] == "system" else {"from_history": True}
    return {**message, **tag, "run_id": _heir(session, message, gone)}


# -- texts that a message already holds --------------------------------------------------------


def _point_at_texts(run: Record, own: Sequence[Message]) -> None:
    """Remove texts from a record that a message of the run also has, and note which."""
    same_as: dict[str, JsonValue] = {}
    for place, holder, name in _texts(run):
        field = _field_of(name)
        for message in own:
            if message.get(field) == holder[name] and isinstance(message.get("id"), str):
                same_as[place] = message["id"]
                del holder[name]
                break
    if same_as:
        run["same_as"] = same_as


def _put_texts_back(run: Record, by_id: Mapping[str, Message]) -> None:
    same_as = run.pop("same_as", None)
    if not isinstance(same_as, dict):
        return
    holders = {place: (holder, name) for place, holder, name in _places(run)}
    for place, message_id in same_as.items():
        if place in holders:
            holder, name = holders[place]
            holder[name] = by_id.get(str(message_id), {}).get(_field_of(name))


def _field_of(name: str) -> str:
    return name if name == "reasoning_content" else "content"


def _texts(run: Record) -> list[tuple[str, Record, str]]:
    return [
        (place, holder, name)
        for place, holder, name in _places(run)
        if isinstance(holder.get(name), str | list) and holder[name]
    ]


def _places(run: Record) -> Iterator[tuple[str, Record, str]]:
    """Yield where a run repeats texts of its messages: the place, the object, the name in it."""
    yield "content", run, "content"
    yield "reasoning_content", run, "reasoning_content"
    if isinstance(given := run.get("input"), dict):
        yield "input.input_content", given, "input_content"
    tools = run.get("tools")
    for position, tool in enumerate(tools if isinstance(tools, list) else []):
        if isinstance(tool, dict):
            yield f"tools.{position}.result", tool, "result"


# -- back to agno ------------------------------------------------------------------------------


def run_rows(session: Session) -> list[Record]:
    """Return the session's runs as agno's dicts, with their messages, in order.

    A turn that no run recorded, written by hand or by another program, becomes a completed run; its
    id is made from the id of its first message.
    """
    by_id = {one_id: one for one in session.messages if isinstance(one_id := one.get("id"), str)}
    return [
        _recorded(session, turn.run, turn.messages, by_id) if turn.run else _made(session, turn)
        for turn in session.turns()
    ]


def _recorded(
    session: Session, record: Record, own: Sequence[Message], by_id: Mapping[str, Message]
) -> Record:
    row = copy.deepcopy(record)
    row.setdefault("session_id", session.session_id)
    if not any(row.get(name) for name in ("agent_id", "team_id", "workflow_id")):
        row["agent_id"] = session.agent_id
    if isinstance(status := row.get("status"), str):
        row["status"] = status.upper()
    row["created_at"] = seconds_of(row.get("created_at"), session)
    ids = row.pop("message_ids", None)
    # Not by_id: a run that was forked from another run has copies of its messages, same ids.
    _put_texts_back(row, {str(one.get("id")): one for one in own})
    said = _said(own, ids if isinstance(ids, list) else [], by_id, session)
    if said:
        row["messages"] = cast("JsonValue", said)
    return row


def _said(
    own: Sequence[Message], ids: Sequence[JsonValue], by_id: Mapping[str, Message], session: Session
) -> list[Message]:
    """Return the messages of a run, with messages of other runs that it was sent, in order."""
    mine = [_given(one, session) for one in own]
    by_mine = {str(one.get("id")): one for one in mine}
    listed = [
        by_mine.get(name) or _given(by_id[name], session, is_history=True)
        for name in map(str, ids)
        if name in by_mine or name in by_id
    ]
    return [*listed, *(one for one in mine if one.get("id") not in ids)]


def _given(message: Message, session: Session, *, is_history: bool = False) -> Message:
    """Return a stored message as agno passed it in; its ``run_id`` is ours and is removed."""
    made = copy.deepcopy(message)
    made.pop("run_id", None)
    for name in _UNSAID:
        made.setdefault(name, False)
    if is_history and made["role"] != "system":
        made["from_history"] = True
    made["created_at"] = seconds_of(made.get("created_at"), session)
    return made


def _made(session: Session, turn: Turn) -> Record:
    """Return a run for messages that no run recorded, with only fields that agno can read."""
    first = turn.messages[0]
    given = first.get("run_id") or f"turn-{first.get('id') or session.messages.index(first)}"
    said = [_foreign(one, f"{given}-{at}", session) for at, one in enumerate(turn.messages)]
    answers = [one["content"] for one in said if one["role"] == "assistant" and one["content"]]
    return {
        "run_id": str(given),
        "session_id": session.session_id,
        "agent_id": session.agent_id,
        "status": "COMPLETED",
        "content": answers[-1] if answers else None,
        "messages": cast("JsonValue", said),
        "created_at": said[0]["created_at"],
    }


def _foreign(message: Message, made_id: str, session: Session) -> Message:
    made = {name: copy.deepcopy(message[name]) for name in _CHAT_FIELDS if name in message}
    made["id"] = str(made.get("id") or made_id)
    content: object = made.setdefault("content", None)
    if content is not None and not isinstance(content, str | list):
        made["content"] = json.dumps(content, ensure_ascii=False)
    for name, kind in (("name", str), ("tool_call_id", str), ("tool_calls", list)):
        if not isinstance(made.get(name), kind):
            made.pop(name, None)
    made["created_at"] = seconds_of(made.get("created_at"), session)
    return made


def seconds_of(stored: JsonValue, session: Session) -> int:
    """Return an instant in whole seconds, as agno has it; by default the session's creation."""
    if isinstance(stored, int | float):
        return int(stored)
    if isinstance(stored, str):
        try:
            instant = datetime.fromisoformat(stored)
        except ValueError:  # written by hand or by another program
            instant = session.created_at
        return int((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp())
    return int(session.created_at.timestamp())


def _instant_text(seconds: float) -> str:
    instant = datetime.fromtimestamp(seconds, UTC)
    precision = "milliseconds" if seconds == int(seconds) else "microseconds"
    return instant.isoformat(timespec=precision).removesuffix("+00:00") + "Z"
