"""A session of some messages, and the chat completions that it is exported as."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from localsessions.models import Message, Session
from localsessions.transcripts import export

if TYPE_CHECKING:
    from pydantic import JsonValue


def session(*messages: Message) -> Session:
    return Session(session_id="s", messages=list(messages))


def chat(*messages: Message) -> list[dict[str, JsonValue]]:
    """Return the messages of the one line of JSONL that the messages are exported as."""
    (line,) = export(session(*messages), "jsonl").decode().splitlines()
    listed = json.loads(line)["messages"]
    assert isinstance(listed, list)
    return listed
