"""A chat of Google's ADK that goes on when the program is started again.

    pip install "localsessions[google-adk]"
    python google_adk_session.py FOLDER "What is the weather in Oslo?"

No network is needed: a stand-in answers, and calls a tool first. For a real model, say its name,
as in `model="gemini-3-flash"`, and set GOOGLE_API_KEY.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from typing import Any

from google.adk.agents import Agent
from google.adk.models import BaseLlm, LlmRequest, LlmResponse
from google.adk.runners import Runner
from google.genai import types

from localsessions import SessionStore, message_text
from localsessions.adapters.google_adk import LocalSessionService


def weather(city: str) -> str:
    """Return the weather of a city."""
    return f"sunny in {city}"


class StandIn(BaseLlm):
    """A model that calls the tool, and then tells what it was asked before."""

    model: str = "stand-in"

    async def generate_content_async(
        self,
        llm_request: LlmRequest,
        stream: bool = False,  # noqa: ARG002
    ) -> AsyncGenerator[LlmResponse, None]:
        """Yield one answer."""
        parts = [part for one in llm_request.contents for part in one.parts or []]
        asked = [part.text for part in parts if part.text and "You asked" not in part.text]
        if parts[-1].text:
            call = types.FunctionCall(
                id=f"call_{len(parts)}", name="weather", args={"city": "Oslo"}
            )
            answer = types.Part(function_call=call)
        else:
            before = f" Before it you asked: {asked[-2]}" if len(asked) > 1 else ""
            answer = types.Part(text=f"You asked: {asked[-1]}{before}")
        yield LlmResponse(content=types.Content(role="model", parts=[answer]))


async def main(folder: str, text: str) -> None:
    with SessionStore(folder) as store:
        runner = Runner(
            app_name="weather",
            agent=Agent(name="forecaster", model=StandIn(), tools=[weather]),
            session_service=LocalSessionService(store, agent_name="forecaster"),
            auto_create_session=True,
        )
        said = types.Content(role="user", parts=[types.Part(text=text)])
        key: dict[str, Any] = {"user_id": "me", "session_id": "chat"}
        async for event in runner.run_async(**key, new_message=said):
            if event.is_final_response() and event.content and event.content.parts:
                print(event.content.parts[0].text)
        for message in store.load("chat@me@weather").messages:
            print(f"  {message['role']}: {message_text(message) or 'calls a tool'}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
