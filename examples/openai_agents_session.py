"""A chat of OpenAI's Agents SDK that goes on when the program is started again.

    pip install "localsessions[openai-agents]"
    python openai_agents_session.py FOLDER "What is the weather in Oslo?"

No network is needed: a stand-in answers, and calls a tool first. For a real model, leave out
`model=` and set OPENAI_API_KEY.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from agents import Agent, Runner, function_tool, set_tracing_disabled
from agents.testing import ScriptedModel, assistant_message, function_call

from localsessions import SessionStore, message_text
from localsessions.adapters.openai_agents import LocalSession


@function_tool
def weather(city: str) -> str:
    """Return the weather of a city."""
    return f"sunny in {city}"


def stand_in(items: list[Any], text: str) -> ScriptedModel:
    """A model that calls the tool, and then tells how much it was told before."""
    asked = [one["content"] for one in items if one.get("role") == "user"]
    before = f" Before it you asked: {asked[-1]}" if asked else ""
    call = function_call("weather", arguments={"city": "Oslo"}, call_id=f"call_{len(items)}")
    return ScriptedModel([[call], [assistant_message(f"You asked: {text}{before}")]])


async def main(folder: str, text: str) -> None:
    set_tracing_disabled(True)
    with SessionStore(folder) as store:
        session = LocalSession(store, "weather")
        model = stand_in(await session.get_items(), text)
        agent = Agent(name="Forecaster", tools=[weather], model=model)
        result = await Runner.run(agent, text, session=session)
        print(result.final_output)
        for message in store.load("weather").messages:
            print(f"  {message['role']}: {message_text(message) or 'calls a tool'}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
