"""A turn of pydantic-ai."""

from __future__ import annotations

from typing import Any

from pydantic_ai import Agent
from pydantic_ai.conversation import Conversation
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import FunctionModel

from localsessions.adapters.pydantic_ai import LocalConversationStore
from upstream.relay.step import SESSION, Seen, Step, play


def weather(city: str) -> str:
    """Return the weather of a city."""
    return f"sunny in {city}"


async def run(step: Step) -> Seen:
    told: list[list[Any]] = []

    def answers(messages: list[Any], _: Any) -> ModelResponse:
        told.append([*messages])
        if len(told) == 1:
            call = ToolCallPart("weather", {"city": step.city}, tool_call_id=step.call_id)
            return ModelResponse([call])
        return ModelResponse([TextPart(step.answer)])

    store = LocalConversationStore(step.place)
    conversation = await store.load(SESSION) or Conversation(conversation_id=SESSION)
    agent = Agent(FunctionModel(answers), tools=[weather])
    await store.save(await agent.run(step.asked, conversation=conversation))
    store.close()
    return [seen(part) for message in told[0] for part in message.parts][:-1]


def seen(part: Any) -> tuple[str, str]:
    match part.part_kind:
        case "tool-call":
            return "call", f"{part.tool_name} {part.args_as_dict()['city']}"
        case "tool-return":
            return "result", part.content
    return {"user-prompt": "user", "text": "assistant"}[part.part_kind], part.content


if __name__ == "__main__":
    play(run)
