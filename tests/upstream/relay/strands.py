"""A turn of Strands Agents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from strands import Agent, tool
from strands.models.model import Model
from strands.session.repository_session_manager import RepositorySessionManager

from localsessions.adapters.strands import LocalSessionRepository
from upstream.relay.step import SESSION, Seen, Step, play


@tool  # type: ignore[untyped-decorator]
def weather(city: str) -> str:
    """Return the weather of a city."""
    return f"sunny in {city}"


class Scripted(Model):
    """Calls the tool, and then says the answer; keeps what it was told first."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.told: list[Any] | None = None

    def get_config(self) -> Any:
        return {}

    def update_config(self, **model_config: Any) -> None: ...

    def structured_output(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("nothing here asks for an object in the place of an answer")

    async def stream(self, messages: Any, *_: Any, **__: Any) -> AsyncIterator[Any]:
        yield {"messageStart": {"role": "assistant"}}
        if self.told is None:
            self.told = [*messages]
            call = {"toolUseId": self.step.call_id, "name": "weather"}
            given = f'{{"city": "{self.step.city}"}}'
            yield {"contentBlockStart": {"start": {"toolUse": call}}}
            yield {"contentBlockDelta": {"delta": {"toolUse": {"input": given}}}}
            reason = "tool_use"
        else:
            yield {"contentBlockDelta": {"delta": {"text": self.step.answer}}}
            reason = "end_turn"
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": reason}}


async def run(step: Step) -> Seen:
    repository = LocalSessionRepository(step.place)
    manager = RepositorySessionManager(session_id=SESSION, session_repository=repository)
    model = Scripted(step)
    agent = Agent(model=model, tools=[weather], session_manager=manager, callback_handler=None)
    await agent.invoke_async(step.asked)
    repository.close()
    assert model.told is not None
    blocks = [(one["role"], block) for one in model.told for block in one["content"]]
    return [seen(role, block) for role, block in blocks[:-1]]


def seen(role: str, block: dict[str, Any]) -> tuple[str, str]:
    if "toolUse" in block:
        return "call", f"{block['toolUse']['name']} {block['toolUse']['input']['city']}"
    if "toolResult" in block:
        [told] = block["toolResult"]["content"]
        return "result", told["text"]
    return role, block["text"]


if __name__ == "__main__":
    play(run)
