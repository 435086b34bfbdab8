"""The title of a session of Claude Code.

Before the words of a person goes a title of the program: ``custom-title``, then ``ai-title``, then
a ``summary``. A resumed file begins with the summaries of *other* sessions, so a summary is that
of the session that has its ``leafUuid``. ``sessions-index.json`` in the folder of the project has
``customTitle`` and ``summary`` for each of its sessions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from localsessions.models import made_title_of, message_text
from localsessions.transcripts.foreign import Object, as_object, as_objects, as_text
from localsessions.transcripts.programs.claude_typed import (
    is_command,
    is_output,
    texts_of,
    typed_text,
)
from localsessions.transcripts.titles import first_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pydantic import JsonValue

    from localsessions.models import Message

__all__ = ["given_title", "summaries_of", "words_title"]


def summaries_of(records: Iterable[Object]) -> dict[str, str]:
    """Return the summaries in a file, each by the ``uuid`` of the last record that it is about."""
    return {
        leaf: summary
        for record in records
        if record.get("type") == "summary"
        and (leaf := as_text(record.get("leafUuid")))
        and (summary := as_text(record.get("summary")))
    }


def given_title(
    session_id: str | None,
    records: Sequence[Object],
    summaries: Mapping[str, str],
    index: JsonValue,
) -> str | None:
    """Return the title that the program has for a session, the latest of the best kind.

    Args:
        session_id: The session's own id.
        records: The records of the session.
        summaries: The summaries in the file, see ``summaries_of``.
        index: The content of ``sessions-index.json``; None if there is none.
    """
    entry = _entry(index, session_id)
    about = [summaries.get(as_text(record.get("uuid")) or "") for record in records]
    return (
        _last(records, "custom-title", "customTitle")
        or as_text(entry.get("customTitle"))
        or _last(records, "ai-title", "aiTitle")
        or next((summary for summary in reversed(about) if summary), None)
        or as_text(entry.get("summary"))
    )


def _last(records: Sequence[Object], kind: str, key: str) -> str | None:
    given = [as_text(record.get(key)) for record in records if record.get("type") == kind]
    return next((title for title in reversed(given) if title), None)


def _entry(index: JsonValue, session_id: str | None) -> Object:
    entries = as_objects(as_object(index).get("entries")) if session_id else []
    return next((entry for entry in entries if entry.get("sessionId") == session_id), {})


def words_title(messages: Sequence[Message], *, name: str) -> str | None:
    """Return a title made of the first words of a person, or of the first answer.

    None if it is the title that every listing makes of the messages itself.

    Args:
        messages: The messages of the session.
        name: The title if no person typed anything and there is no answer.
    """
    made = made_title_of(messages)
    if not made:
        return None
    title = first_words(_prompts(messages), str) or _first_answer(messages) or name
    return None if title == made else title


def _prompts(messages: Sequence[Message]) -> Iterator[Message]:
    """Yield what a person typed; last the bare commands that no model saw, such as ``/clear``."""
    local: list[Message] = []
    for at, message in enumerate(messages):
        if not (words := _words(message)):
            continue
        prompt: Message = {"role": "user", "content": words}
        is_bare = " " not in words and any(map(is_command, texts_of(message["content"])))
        if is_bare and is_output(message_text(messages[at + 1]) if at + 1 < len(messages) else ""):
            local.append(prompt)
        else:
            yield prompt
    yield from local


def _words(message: Message) -> str:
    of_program = (message.get("isMeta"), message.get("isCompactSummary"))
    origin = as_text(as_object(message.get("origin")).get("kind"))
    if message.get("role") != "user" or True in of_program or origin not in (None, "human"):
        return ""
    words = typed_text(message.get("content"))
    # The program opens side chains with this word, to fill the cache of the model.
    return "" if message.get("isSidechain") is True and words == "Warmup" else words


def _first_answer(messages: Iterable[Message]) -> str | None:
    answers: list[Message] = [
        {"role": "user", "content": text}
        for message in messages
        if message.get("role") == "assistant"
        and (text := "\n".join(texts_of(message.get("content"))))
    ]
    return made_title_of(answers[:1]) or None
