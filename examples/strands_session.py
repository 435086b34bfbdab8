"""A chat of an agent of Strands that goes on when the program is started again.

    pip install "localsessions[strands]"
    python strands_session.py FOLDER "What is the weather in Oslo?"

No network is needed: a stand-in answers, and calls a tool first. For a real model, leave out
`model=` and have credentials of Amazon Bedrock, or give one of Strands' other models.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Any

from strands import Agent, tool
from strands.models.model import Model
from strands.session.repository_session_manager import RepositorySessionManager

from localsessions import SessionStore, message_text
from localsessions.adapters.strands import LocalSessionRepository


@tool
def weather(city: str) -> str:
    """Return the weather of a city."""
    return f"sunny in {city}"


class StandIn(Model):
    """A model that calls the tool, and then tells what it was asked before."""

    def get_config(self) -> Any:
        """Return the settings of the model: there are none."""
        return {}

    def update_config(self, **model_config: Any) -> None:
        """Change no settings."""

    def structured_output(self, *_: Any, **__: Any) -> Any:
        """Refuse what no agent of this example asks for, though every model must have it."""
        raise AssertionError("nothing here asks for an object in the place of an answer")

    async def stream(self, messages: Any, *_: Any, **__: Any) -> AsyncIterator[Any]:
        """Yield the events of an answer."""
        blocks = [block for one in messages if one["role"] == "user" for block in one["content"]]
        asked = [block["text"] for block in blocks if "text" in block]
        yield {"messageStart": {"role": "assistant"}}
        if "text" in blocks[-1]:
            call = {"toolUseId": f"call_{len(messages)}", "name": "weather"}
            yield {"contentBlockStart": {"start": {"toolUse": call}}}
            yield {"contentBlockDelta": {"delta": {"toolUse": {"input": '{"city": "Oslo"}'}}}}
        else:
            before = f" Before it you asked: {asked[-2]}" if len(asked) > 1 else ""
            text = f"You asked: {asked[-1]}{before}"
            yield {"contentBlockDelta": {"delta": {"text": text}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "tool_use" if "text" in blocks[-1] else "end_turn"}}


def main(folder: str, text: str) -> None:
    with SessionStore(folder) as store:
        manager = RepositorySessionManager(
            session_id="weather", session_repository=LocalSessionRepository(store)
        )
        agent = Agent(
            model=StandIn(), tools=[weather], session_manager=manager, callback_handler=None
        )
        print(str(agent(text)).strip())
        for message in store.load("weather").messages:
            print(f"  {message['role']}: {message_text(message) or 'calls a tool'}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
