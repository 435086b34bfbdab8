"""ADK's events and the messages of a session, in both directions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from localsessions.adapters.document import unreadable_message
from localsessions.adapters.google_adk.adk import Event
from localsessions.adapters.google_adk.shape import SHAPE
from localsessions.transcripts.foreign import as_objects

if TYPE_CHECKING:
    from localsessions import Message

__all__ = ["events_of", "item_of"]


def item_of(event: Event) -> dict[str, Any]:
    """Return an event as JSON, as ADK's own stores keep it."""
    item: dict[str, Any] = event.model_dump(exclude_none=True, mode="json")
    return item


def events_of(messages: Sequence[Message], agent_name: str, session_id: str) -> list[Event]:
    """Return the events that messages are.

    Args:
        messages: Of a session, in order.
        agent_name: The author of what the assistants of other programs said.
        session_id: The id of the session in the store, for the error.

    Raises:
        ValueError: A message is no event for ADK after a person changed it.
    """
    return [_event(item, message, session_id) for message, item in _items_of(messages, agent_name)]


def _event(item: dict[str, Any], message: Message, session_id: str) -> Event:
    try:
        return Event.model_validate(item)
    except ValueError as error:
        raise unreadable_message(
            session_id, message.get("id"), reader="ADK", key=SHAPE.key, error=error
        ) from error


def _items_of(
    messages: Sequence[Message], agent_name: str
) -> Iterator[tuple[Message, dict[str, Any]]]:
    names: dict[str, str] = {}
    for message in messages:
        if SHAPE.is_own(message):
            for item in SHAPE.items_of(message):
                yield message, item
            continue
        for item in SHAPE.items_of(message):
            if item["author"] != "user":
                item["author"] = agent_name
            yield message, _named(item, names)


def _named(item: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Name the results after the calls: Gemini wants a name, and few programs keep it there."""
    for part in as_objects(item["content"]["parts"]):
        call: Any = part.get("function_call")
        result: Any = part.get("function_response")
        if call is not None:
            names[call["id"]] = call["name"]
        if result is not None:
            result["name"] = names.get(result["id"], result["name"])
    return item
