"""``show --save-images``: what stands in messages beside text, as files.

The name of a file is made here, of the message's number and the media type; no text of a session
becomes a name.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from localsessions.cli.exits import ExitCode, stop
from localsessions.cli.files import write_file
from localsessions.cli.screen.attachments import Attachment
from localsessions.cli.screen.parts import Result, parts_of
from localsessions.cli.screen.safe import counted, one_line
from localsessions.cli.screen.streams import note

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from localsessions.models import Message

__all__ = ["save_attachments"]


def save_attachments(messages: Sequence[Message], first: int, folder: str, *, force: bool) -> None:
    """Write each attachment into a folder, which is made, and tell how many these were.

    Args:
        messages: Whose attachments.
        first: The position of the first message in its session.
        folder: Where to; what is there already stays, unless ``force``.
        force: Whether a file of that name is overwritten.
    """
    found = list(_found(messages, first))
    held = [(os.path.join(folder, name), one) for name, one in found if one.data]
    for path, _ in held:
        if os.path.lexists(path) and not force:
            stop(f"{path} is there already; --force overwrites it", ExitCode.CONFLICT)
    saved = 0
    for path, one in held:
        if (content := one.content()) is not None:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            write_file(path, [content], force=force)
            saved += 1
    note(f"{counted(saved, 'file')} saved in {one_line(folder)}" if saved else "no files saved")
    if left := len(found) - saved:
        note(f"{counted(left, 'attachment')} without data that can be read: an address, or cut")


def _found(messages: Sequence[Message], first: int) -> Iterator[tuple[str, Attachment]]:
    """Yield each attachment and the name of its file."""
    for number, message in enumerate(messages, first + 1):
        for count, one in enumerate(_attachments(message), 1):
            yield f"message-{number}-{count}{_ending(one.media_type)}", one


def _attachments(message: Message) -> Iterator[Attachment]:
    for part in parts_of(message):
        for one in part.content if isinstance(part, Result) else [part]:
            if isinstance(one, Attachment):
                yield one


def _ending(media_type: str) -> str:
    """Return the ending of a known media type, else ``.bin``: no program runs such a file."""
    return _ENDINGS.get(media_type.partition(";")[0].strip().lower(), ".bin")


_ENDINGS = {
    "application/json": ".json",
    "application/pdf": ".pdf",
    "audio/mp3": ".mp3",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
    "audio/wav": ".wav",
    "image/avif": ".avif",
    "image/bmp": ".bmp",
    "image/gif": ".gif",
    "image/heic": ".heic",
    "image/jpeg": ".jpg",
    "image/jpg": ".jpg",
    "image/png": ".png",
    "image/svg+xml": ".svg",
    "image/tiff": ".tiff",
    "image/webp": ".webp",
    "text/csv": ".csv",
    "text/markdown": ".md",
    "text/plain": ".txt",
    "video/mp4": ".mp4",
    "video/webm": ".webm",
}
