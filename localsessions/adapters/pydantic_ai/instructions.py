"""Instructions stand once in a session: pydantic-ai repeats them in every request of every run.

The shape of the data, under the key of pydantic-ai::

    "instructions_at": "9f2c…"            in a message, in the place of ``instructions``
    "instructions": {"9f2c…": "Be brief"} in the session
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from localsessions.adapters.pydantic_ai.shape import SHAPE
from localsessions.transcripts.foreign import as_object, as_text, without

if TYPE_CHECKING:
    from localsessions import Message, Session

__all__ = ["put_aside", "with_instructions"]

_NAME, _AT = "instructions", "instructions_at"


def put_aside(session: Session, message: Message) -> Message:
    """Return a message without its instructions, which the session has then."""
    rest = as_object(message.get(SHAPE.key))
    text = as_text(rest.get(_NAME))
    if text is None:
        return message
    at = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    own = as_object(session.extra.get(SHAPE.key))
    kept = as_object(own.get(_NAME))
    if kept.get(at) != text:
        session.extra[SHAPE.key] = {**own, _NAME: {**kept, at: text}}
    return {**message, SHAPE.key: {**without(rest, _NAME), _AT: at}}


def with_instructions(session: Session, message: Message) -> Message:
    """Return a message as it was before ``put_aside``; without them if they are not there."""
    rest = as_object(message.get(SHAPE.key))
    at = as_text(rest.get(_AT))
    if at is None:
        return message
    kept = as_object(as_object(session.extra.get(SHAPE.key)).get(_NAME))
    text = as_text(kept.get(at))
    said = {} if text is None else {_NAME: text}
    return {**message, SHAPE.key: {**without(rest, _AT), **said}}
