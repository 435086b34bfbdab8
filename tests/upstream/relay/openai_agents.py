"""A turn of OpenAI's Agents SDK."""

from __future__ import annotations

import json
from typing import Any

from agents import Agent, Runner, function_tool, set_tracing_disabled
from agents.testing import ScriptedModel, assistant_message, function_call

from localsessions.adapters.openai_agents import LocalSession
from upstream.relay.step import SESSION, Seen, Step, play


@function_tool  # type: ignore[untyped-decorator]
def weather(city: str) -> str:
    """Return the weather of a city."""
    return f"sunny in {city}"


async def run(step: Step) -> Seen:
    set_tracing_disabled(True)
    call = function_call("weather", arguments={"city": step.city}, call_id=step.call_id)
    model = ScriptedModel([[call], [assistant_message(step.answer)]])
    agent = Agent(name="Forecaster", tools=[weather], model=model)
    session = LocalSession(step.place, SESSION)
    await Runner.run(agent, step.asked, session=session)
    session.close()
    assert model.first_call is not None
    given: Any = model.first_call.input
    return [one for item in given[:-1] for one in seen(item)]


def seen(item: dict[str, Any]) -> Seen:
    match item.get("type"):
        case "function_call":
            return [("call", f"{item['name']} {json.loads(item['arguments'])['city']}")]
        case "function_call_output":
            return [("result", item["output"])]
    content = item["content"]
    parts = [content] if isinstance(content, str) else [part["text"] for part in content]
    return [(item["role"], text) for text in parts]


if __name__ == "__main__":
    play(run)
