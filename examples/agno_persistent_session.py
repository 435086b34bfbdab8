"""agno's persistent_session.py over session files instead of PostgreSQL.

    python examples/agno_persistent_session.py [FOLDER]

Run it twice: the second time the model also receives the first conversation. The model is OpenAI's
if OPENAI_API_KEY is set; otherwise it repeats what it hears, so that the example runs anywhere.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

try:
    from agno.agent import Agent
    from agno.models.base import Model
    from agno.models.response import ModelResponse
except ImportError:
    sys.exit('this example needs agno: pip install "agno>=3,<4" openai')

from localsessions.adapters.agno import AgnoDb


class Parrot(Model):
    """A stand-in that needs no key and no network."""

    def invoke(self, *, messages: list[Any], **_: Any) -> ModelResponse:
        """Answer with what it hears; ``messages`` are what any model would receive."""
        heard = sum(message.role == "user" for message in messages)
        return ModelResponse(content=f"You asked {heard} times, first: {messages[0].content}")

    def invoke_stream(self, *, messages: list[Any], **_: Any) -> Iterator[ModelResponse]:
        """Answer in one piece."""
        yield self.invoke(messages=messages)

    async def ainvoke(self, *, messages: list[Any], **_: Any) -> ModelResponse:
        """Give the same answer, awaited."""
        return self.invoke(messages=messages)

    async def ainvoke_stream(
        self, *, messages: list[Any], **_: Any
    ) -> AsyncIterator[ModelResponse]:
        """Answer in one piece, awaited."""
        yield self.invoke(messages=messages)

    def _parse_provider_response(self, response: Any, **_: Any) -> Any:
        return response

    def _parse_provider_response_delta(self, response: Any) -> Any:
        return response


def model() -> Any:
    if "OPENAI_API_KEY" not in os.environ:
        return Parrot(id="parrot")
    from agno.models.openai import OpenAIResponses

    return OpenAIResponses(id="gpt-5-mini")


def main(folder: str = "agno-sessions") -> None:
    db = AgnoDb(folder, session_table="sessions")
    agent = Agent(
        model=model(),
        db=db,
        session_id="session_storage",
        add_history_to_context=True,
        telemetry=False,
    )
    agent.print_response("Tell me a new interesting fact about space", stream=True)
    print(f"\nThe conversation is in {db.store.path('session_storage')}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
