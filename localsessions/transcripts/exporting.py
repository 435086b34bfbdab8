"""A session as a file for people or other programs: the kinds of such files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from localsessions.format import encode
from localsessions.transcripts.chat_completions import chat_completions_line, chat_of
from localsessions.transcripts.markdown import markdown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from localsessions.models import Session

__all__ = ["EXPORT_SUFFIXES", "ExportKind", "export", "left_out"]

ExportKind: TypeAlias = Literal["json", "jsonl", "markdown"]
"""How a session can be written: its file, a line of chat completions, or Markdown to read."""

EXPORT_SUFFIXES: Mapping[ExportKind, str] = {
    "json": ".json",
    "jsonl": ".jsonl",
    "markdown": ".md",
}
"""The file name's suffix of each kind."""


def export(session: Session, kind: ExportKind) -> bytes:
    """Return a session as the content of a file, in UTF-8.

    Args:
        session: What to export; it stays as it is.
        kind: ``json``, the session file itself, which loses nothing and can be imported again;
            ``jsonl``, one line of chat completions; ``markdown``, for reading.

    Raises:
        ValueError: There is no such kind.
        FormatVersionError: For ``json``, if the session was read from a file of a newer format.
        UnstorableValueError: For ``json``, if the session holds a value that JSON cannot carry.
    """
    writers: Mapping[ExportKind, Callable[[Session], bytes]] = {
        "json": encode,
        "jsonl": chat_completions_line,
        "markdown": _markdown_file,
    }
    if kind not in writers:
        raise ValueError(
            f"no export kind {kind!r}; choose one of {', '.join(get_args(ExportKind))}"
        )
    return writers[kind](session)


def left_out(session: Session, kind: ExportKind) -> Mapping[str, int]:
    """Return how many of which things ``export`` leaves out of this session; empty for none.

    Of ``jsonl`` these are, for example, "reasoning", and "results without a call". A "picture" of a
    message in which the API takes none leaves its type and size in the text. Fields for which chat
    completions have no key are not counted. ``json`` and ``markdown`` leave out no message and no
    part of a content; Markdown cuts data, where it says so.
    """
    return chat_of(session).left_out if kind == "jsonl" else {}


def _markdown_file(session: Session) -> bytes:
    return markdown(session).encode("utf-8", errors="replace")
