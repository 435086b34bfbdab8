"""Messages that a person changed so that their framework cannot read them."""

from __future__ import annotations

__all__ = ["unreadable_message"]


def unreadable_message(
    session_id: str, message_id: object, *, reader: str, key: str, error: Exception
) -> ValueError:
    """Return the error that names a message, and says how to mend it.

    Args:
        session_id: Which session.
        message_id: Which message; one without an id has None.
        reader: The framework, as people call it.
        key: What the framework keeps of its own in a message.
        error: What it says.
    """
    named = "a message without an id" if message_id is None else f"message {message_id!r}"
    return ValueError(
        f"{named} of session {session_id!r} was changed, and {reader} cannot read it any more "
        f"({error}); mend it, or take its key {key!r} out: then it is read as a message of another "
        "program"
    )
