"""A turn of agno."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from agno.agent import Agent
from agno.models.base import Model
from agno.models.response import ModelResponse

from localsessions.adapters.agno import AgnoDb
from upstream.relay.step import SESSION, Seen, Step, play


def weather(city: str) -> str:
    """Return the weather of a city."""
    return f"sunny in {city}"


class Scripted(Model):
    """A stand-in that keeps what it is told first."""

    step: Any = None
    given: Any = None

    def invoke(self, *, messages: list[Any], **_: Any) -> ModelResponse:
        if self.given is None:
            self.given = [one.model_copy(deep=True) for one in messages]
            call = {"name": "weather", "arguments": json.dumps({"city": self.step.city})}
            made = {"id": self.step.call_id, "type": "function", "function": call}
            return ModelResponse(tool_calls=[made])
        return ModelResponse(content=self.step.answer)

    def invoke_stream(self, *, messages: list[Any], **_: Any) -> Iterator[ModelResponse]:
        yield self.invoke(messages=messages)

    async def ainvoke(self, *, messages: list[Any], **_: Any) -> ModelResponse:
        return self.invoke(messages=messages)

    async def ainvoke_stream(
        self, *, messages: list[Any], **_: Any
    ) -> AsyncIterator[ModelResponse]:
        yield self.invoke(messages=messages)

    def _parse_provider_response(self, response: Any, **_: Any) -> Any:
        return response

    def _parse_provider_response_delta(self, response: Any) -> Any:
        return response


async def run(step: Step) -> Seen:
    db = AgnoDb(step.place, session_table="sessions")
    model = Scripted(id="scripted")
    model.step = step
    agent = Agent(
        model=model,
        db=db,
        session_id=SESSION,
        tools=[weather],
        add_history_to_context=True,
        num_history_runs=1000,
        telemetry=False,
    )
    agent.run(step.asked)
    db.store.close()
    return [one for message in model.given[:-1] for one in seen(message)]


def seen(message: Any) -> Seen:
    found: Seen = []
    content = message.content
    if isinstance(content, list):
        content = "".join(part.get("text", "") for part in content)
    if content:
        found.append(("result" if message.role == "tool" else message.role, content))
    for call in message.tool_calls or ():
        given = call["function"]
        found.append(("call", f"{given['name']} {json.loads(given['arguments'])['city']}"))
    return found


if __name__ == "__main__":
    play(run)
