"""Runs agno's own Agent once over a folder of sessions, and says what its model was sent.

agno_agent.py FOLDER SESSION_ID TEXT [run|stream|arun|arun-async-db]
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

from agno.agent import Agent
from agno.models.base import Model
from agno.models.response import ModelResponse

from localsessions.adapters.agno import AgnoDb, AsyncAgnoDb


class Parrot(Model):
    """A model that needs no network: it repeats, and remembers what it was sent."""

    def __init__(self) -> None:
        super().__init__(id="parrot")
        self.sent: list[list[tuple[str, Any]]] = []

    def _answer(self, messages: list[Any]) -> ModelResponse:
        self.sent.append([(one.role, one.content) for one in messages])
        return ModelResponse(role="assistant", content=f"You said: {messages[-1].content}")

    def invoke(self, *, messages: list[Any], **_: Any) -> ModelResponse:
        return self._answer(messages)

    async def ainvoke(self, *, messages: list[Any], **_: Any) -> ModelResponse:
        return self._answer(messages)

    def invoke_stream(self, *, messages: list[Any], **_: Any) -> Iterator[ModelResponse]:
        for word in str(self._answer(messages).content).split(" "):
            yield ModelResponse(content=f"{word} ")

    async def ainvoke_stream(
        self, *, messages: list[Any], **_: Any
    ) -> AsyncIterator[ModelResponse]:
        for part in self.invoke_stream(messages=messages):
            yield part

    def _parse_provider_response(self, response: Any, **_: Any) -> Any:
        return response

    def _parse_provider_response_delta(self, response: Any) -> Any:
        return response


def main(folder: str, session_id: str, text: str, how: str = "run") -> None:
    parrot = Parrot()
    db = AsyncAgnoDb(folder) if how == "arun-async-db" else AgnoDb(folder)
    agent = Agent(model=parrot, db=db, session_id=session_id, add_history_to_context=True)
    if how == "stream":
        agent.print_response(text, stream=True, console=None)
    elif how == "run":
        agent.run(text)
    else:
        asyncio.run(agent.arun(text))
    print(f"\n{json.dumps(parrot.sent)}")  # a box around an answer may be before it


if __name__ == "__main__":
    main(*sys.argv[1:])
