"""Events of a Codex rollout that say something: what the program showed on its screen.

As a rule an event repeats an item, a little before it or after it. What no item repeats was said
all the same: a prompt that was interrupted at once, raw reasoning, a plan. So every event of these
kinds stands in the list of messages until the whole rollout is known, and then those that an item
repeats go. The kinds are those of ``EventMsg`` in
https://github.com/openai/codex/blob/main/codex-rs/protocol/src/protocol.rs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import Object, as_object, as_text, without
from localsessions.transcripts.programs.codex_items import squeezed, thinking
from localsessions.transcripts.transcript import message

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from localsessions.models import Message

__all__ = ["Said", "event_message", "unrepeated"]

_TEXTS = {
    "user_message": ("user", "message"),
    "agent_message": ("assistant", "message"),
    "agent_reasoning": ("assistant", "text"),
    "agent_reasoning_raw_content": ("assistant", "text"),
}
_WINDOW = 16
"""How many messages an event and its item are apart at most."""


@dataclass(slots=True)
class Said:
    """A message of a rollout, and the kind of the event that it was made from, if it was."""

    message: Message
    event: str | None = None


def event_message(
    event: str | None, payload: Object, around: Object, *, made_id: str
) -> Said | None:
    """Return what an event says; None if it says nothing that people read."""
    if event == "item_completed":
        item = as_object(payload.get("item"))
        if as_text(item.get("type")) not in ("Plan", "plan") or not as_text(item.get("text")):
            return None
        rest = around | without(payload, "item") | without(item, "text", "id")
        spoken = message("assistant", rest, id=made_id, content=item["text"])
        return Said(spoken | {"type": "plan"}, event)
    role, key = _TEXTS.get(event or "", ("", ""))
    text = as_text(payload.get(key)) if key else None
    if text is None:
        return None
    is_reasoning = key == "text"
    return Said(
        message(
            role,
            around | without(payload, key),
            id=made_id,
            content=thinking(text) if is_reasoning else text,
        ),
        event,
    )


def unrepeated(said: Sequence[Said]) -> Iterator[tuple[Said, bool]]:
    """Yield the messages of a rollout, without the events that items repeat.

    With each comes whether it is settled. An event after which no assistant has said anything is
    not: its item may come when the rollout grows.
    """
    texts = [squeezed(one.message.get("content")) for one in said]
    answers = [
        at
        for at, one in enumerate(said)
        if one.event is None and one.message["role"] == "assistant"
    ]
    last_answer = answers[-1] if answers else -1
    taken: set[int] = set()
    for at, one in enumerate(said):
        if one.event is None:
            yield one, True
        elif (item := _item_of(at, said, texts, taken)) is None:
            yield one, at < last_answer
        elif not one.event.startswith("agent_reasoning"):
            # An item of reasoning has a part for each event; any other item has one event.
            taken.add(item)


def _item_of(at: int, said: Sequence[Said], texts: Sequence[str], taken: set[int]) -> int | None:
    """Return the nearest item that repeats an event and that no other event has taken."""
    for distance in range(1, _WINDOW + 1):
        for near in (at - distance, at + distance):
            if (
                0 <= near < len(said)
                and near not in taken
                and said[near].event is None
                and said[near].message["role"] == said[at].message["role"]
                and texts[at] in texts[near]
            ):
                return near
    return None
