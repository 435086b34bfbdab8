"""The title of a session whose first messages no person typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localsessions.models import made_title_of, message_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from localsessions.models import Message

__all__ = ["first_words"]


def first_words(messages: Iterable[Message], typed: Callable[[str], str | None]) -> str | None:
    """Return a title made of the first words of a person; None if there are none.

    Programs put texts of their own into the messages of a user: reminders, environments, commands.

    Args:
        messages: The messages of a session, in order.
        typed: Returns what a person typed of the text of a user message; None if all of it is a
            program's.
    """
    for message in messages:
        if message.get("role") == "user" and (words := typed(message_text(message))):
            return made_title_of([{"role": "user", "content": words}]) or None
    return None
