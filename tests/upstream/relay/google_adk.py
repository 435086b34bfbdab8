"""A turn of Google's ADK."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from google.adk.agents import Agent
from google.adk.models import BaseLlm, LlmResponse
from google.adk.runners import Runner
from google.genai import types

from localsessions.adapters.google_adk import LocalSessionService
from upstream.relay.step import SESSION, Seen, Step, play


def weather(city: str) -> str:
    """Return the weather of a city."""
    return f"sunny in {city}"


class StandIn(BaseLlm):
    """Calls the tool, and then answers; keeps what it was told first."""

    model: str = "stand-in"
    answers: list[Any]
    told: list[Any] = []  # noqa: RUF012  (a field of pydantic's: each has its own)

    async def generate_content_async(
        self, llm_request: Any, stream: bool = False
    ) -> AsyncIterator[LlmResponse]:
        self.told.append(list(llm_request.contents))
        content = types.Content(role="model", parts=[self.answers[len(self.told) - 1]])
        yield LlmResponse(content=content)


async def run(step: Step) -> Seen:
    call = types.FunctionCall(id=step.call_id, name="weather", args={"city": step.city})
    model = StandIn(answers=[types.Part(function_call=call), types.Part(text=step.answer)])
    service = LocalSessionService(step.place, agent_name="forecaster")
    runner = Runner(
        app_name="relay",
        agent=Agent(name="forecaster", model=model, tools=[weather]),
        session_service=service,
        auto_create_session=True,
    )
    said = types.Content(role="user", parts=[types.Part(text=step.asked)])
    async for _ in runner.run_async(user_id="me", session_id=SESSION, new_message=said):
        pass
    await service.close()
    return [
        one
        for content in model.told[0][:-1]
        for part in content.parts
        for one in seen(content, part)
    ]


def seen(content: Any, part: Any) -> Seen:
    if part.function_call:
        return [("call", f"{part.function_call.name} {part.function_call.args['city']}")]
    if part.function_response:
        return [("result", part.function_response.response["result"])]
    return [("assistant" if content.role == "model" else "user", part.text)]


if __name__ == "__main__":
    play(run)
