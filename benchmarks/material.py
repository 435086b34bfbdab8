"""The messages that all contestants store: 1,000 bytes each, cut from examples/transcripts.

The harness cuts them once and writes them to a file, because the children of the peers cannot read
transcripts. The same number always gives the same message.
"""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.contestants.contract import Said

MESSAGE_BYTES = 1_000
TRANSCRIPT_MESSAGES = 10
_NUMBER_BYTES = 9


class Material:
    """Any number of messages, made from a few hundred pieces of text."""

    def __init__(self, path: Path) -> None:
        self._pieces: list[str] = json.loads(path.read_text("utf-8"))

    def message(self, number: int) -> Said:
        """Return message number ``number`` of any session; the even numbers are the user's."""
        text = f"#{number:07} {self._pieces[number % len(self._pieces)]}"
        return Said(number, "assistant" if number % 2 else "user", text)

    def messages(self, begin: int, end: int) -> list[Said]:
        """Return the messages from ``begin`` up to, but not including, ``end``."""
        return [self.message(number) for number in range(begin, end)]


def write_material(path: Path, transcripts: Path) -> None:
    """Cut the texts of all transcripts into pieces, the same every time."""
    from localsessions.models import message_text
    from localsessions.transcripts import read_transcript

    texts = [
        message_text(message)
        for file in sorted(transcripts.rglob("*"))
        if file.suffix in {".json", ".jsonl", ".traj"}
        for session in read_transcript(file).sessions
        for message in session.messages
    ]
    path.write_text(json.dumps(pieces("\n".join(texts))), "utf-8")


def write_transcripts(folder: Path, count: int, material: Material) -> list[str]:
    """Write chats as other programs store them, each in a file; return the paths."""
    folder.mkdir()
    paths = []
    for number in range(count):
        begin = number * TRANSCRIPT_MESSAGES
        said = material.messages(begin, begin + TRANSCRIPT_MESSAGES)
        messages = [{"role": role, "content": text} for _, role, text in said]
        path = folder / f"chat-{number:06}.json"
        path.write_text(json.dumps({"messages": messages}, ensure_ascii=False), "utf-8")
        paths.append(str(path))
    return paths


def pieces(text: str) -> list[str]:
    """Cut a text so that each piece, with its number before it, has ``MESSAGE_BYTES``."""
    size = MESSAGE_BYTES - _NUMBER_BYTES
    # A surrogate cannot be written as UTF-8, and some peers drop NUL.
    data = text.replace("\0", " ").encode("utf-8", errors="replace")
    cut = (
        data[at : at + size].decode("utf-8", errors="ignore") for at in range(0, len(data), size)
    )
    return [_filled(piece.strip(), size) for piece in cut if len(piece) > size // 4]


def _filled(piece: str, size: int) -> str:
    return piece + "." * (size - len(piece.encode("utf-8")))
