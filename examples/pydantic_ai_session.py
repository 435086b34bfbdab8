"""A chat of pydantic-ai that goes on when the program is started again.

    pip install "localsessions[pydantic-ai]"
    python pydantic_ai_session.py FOLDER "What is the weather in Oslo?"

No network is needed: a stand-in answers, and calls a tool first. For a real model, give `Agent` its
name, such as "openai:gpt-5", and set OPENAI_API_KEY.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.conversation import Conversation
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, UserPromptPart
from pydantic_ai.models.function import FunctionModel

from localsessions import SessionStore, message_text
from localsessions.adapters.pydantic_ai import LocalConversationStore


def stand_in(messages: list[Any], _: Any) -> ModelResponse:
    """Call the tool, and then tell what was asked, and what was asked before."""
    parts = [part for message in messages for part in message.parts]
    if isinstance(messages[-1].parts[-1], UserPromptPart):
        call_id = f"call_{len(messages)}"
        return ModelResponse([ToolCallPart("weather", {"city": "Oslo"}, tool_call_id=call_id)])
    *before, text = [part.content for part in parts if isinstance(part, UserPromptPart)]
    earlier = f" Before it you asked: {before[-1]}" if before else ""
    return ModelResponse([TextPart(f"You asked: {text}{earlier}")])


agent = Agent(FunctionModel(stand_in), instructions="Be brief.")


@agent.tool_plain
def weather(city: str) -> str:
    """Return the weather of a city."""
    return f"sunny in {city}"


async def main(folder: str, text: str) -> None:
    with SessionStore(folder) as sessions:
        store = LocalConversationStore(sessions)
        conversation = await store.load("weather") or Conversation(conversation_id="weather")
        result = await agent.run(text, conversation=conversation)
        await store.save(result)
        print(result.output)
        for message in sessions.load("weather").messages:
            print(f"  {message['role']}: {message_text(message) or 'calls a tool'}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
