"""A turn of a program without a framework, by the store's own verbs."""

from __future__ import annotations

import json

from localsessions import SessionStore
from localsessions.adapters.document import speech_of
from upstream.relay.step import SESSION, Seen, Step, play


async def run(step: Step) -> Seen:
    call = {"name": "weather", "arguments": json.dumps({"city": step.city})}
    with SessionStore(step.place) as store:
        told = [one for message in store.get_or_create(SESSION).messages for one in seen(message)]
        store.append(
            SESSION,
            {"role": "user", "content": step.asked},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": step.call_id, "type": "function", "function": call}],
            },
            {"role": "tool", "tool_call_id": step.call_id, "content": step.told},
            {"role": "assistant", "content": step.answer},
        )
    return told


def seen(message: object) -> Seen:
    said = speech_of(message)  # type: ignore[arg-type]
    found: Seen = [("result", one.text) for one in said.results]
    if said.text:
        found.append((said.role, said.text))
    calls = [(one.name, json.loads(one.arguments)["city"]) for one in said.calls]
    return [*found, *(("call", f"{name} {city}") for name, city in calls)]


if __name__ == "__main__":
    play(run)
