"""A turn of agentscope."""

from __future__ import annotations

import json
from typing import Any

from agentscope.agent import ReActAgent
from agentscope.formatter import OpenAIChatFormatter
from agentscope.memory import InMemoryMemory
from agentscope.message import Msg, TextBlock, ToolUseBlock
from agentscope.model import ChatModelBase, ChatResponse
from agentscope.tool import Toolkit, ToolResponse

from localsessions.adapters.agentscope import JSONSession
from upstream.relay.step import SESSION, Seen, Step, play


def weather(city: str) -> Any:
    """Return the weather of a city."""
    return ToolResponse(content=[TextBlock(type="text", text=f"sunny in {city}")])


class Scripted(ChatModelBase):
    """A stand-in that calls the tool, and then answers."""

    def __init__(self, step: Step) -> None:
        super().__init__("scripted", stream=False)
        self.step = step
        self.given: list[dict[str, Any]] = []

    async def __call__(self, messages: list[dict[str, Any]], **_: Any) -> ChatResponse:
        if not self.given:
            self.given = messages
            given = {"id": self.step.call_id, "name": "weather", "input": {"city": self.step.city}}
            return ChatResponse(content=[ToolUseBlock(type="tool_use", **given)])
        return ChatResponse(content=[TextBlock(type="text", text=self.step.answer)])


async def run(step: Step) -> Seen:
    tools = Toolkit()
    tools.register_tool_function(weather)
    model = Scripted(step)
    agent = ReActAgent(
        name="Friday",
        sys_prompt="You help.",
        model=model,
        formatter=OpenAIChatFormatter(),
        toolkit=tools,
        memory=InMemoryMemory(),
    )
    agent.set_console_output_enabled(False)
    session = JSONSession(save_dir=step.place)
    await session.load_session_state(SESSION, friday=agent)
    await agent(Msg("user", step.asked, "user"))
    await session.save_session_state(SESSION, friday=agent)
    session.close()
    return [one for message in model.given[1:-1] for one in seen(message)]


def seen(message: dict[str, Any]) -> Seen:
    """Return what the model was sent, in the words of chat completions."""
    found: Seen = []
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(part.get("text", "") for part in content)
    if content:
        found.append(("result" if message["role"] == "tool" else message["role"], content))
    for call in message.get("tool_calls") or ():
        given = call["function"]
        found.append(("call", f"{given['name']} {json.loads(given['arguments'])['city']}"))
    return found


if __name__ == "__main__":
    play(run)
