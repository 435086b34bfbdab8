"""A model for agents of Strands that needs no network: it calls a tool, and then answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from strands import tool
from strands.models.model import Model

__all__ = ["StandIn", "weather"]


@tool
def weather(city: str) -> str:
    """Return the weather of a city."""
    return f"sunny in {city}"


class StandIn(Model):
    """Calls the tool when it is asked, and answers when it gets the result."""

    def get_config(self) -> Any:
        return {}

    def update_config(self, **model_config: Any) -> None: ...

    def structured_output(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("nothing here asks for an object in the place of an answer")

    async def stream(self, messages: Any, *_: Any, **__: Any) -> AsyncIterator[Any]:
        yield {"messageStart": {"role": "assistant"}}
        if any("toolResult" in block for block in messages[-1]["content"]):
            yield {"contentBlockDelta": {"delta": {"text": "It is sunny."}}}
            yield {"contentBlockStop": {}}
            yield {"messageStop": {"stopReason": "end_turn"}}
            return
        call = {"toolUseId": f"call_{len(messages)}", "name": "weather"}
        yield {"contentBlockStart": {"start": {"toolUse": call}}}
        yield {"contentBlockDelta": {"delta": {"toolUse": {"input": '{"city": "Oslo"}'}}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "tool_use"}}
