"""What a file is that is no transcript: the nearest guess, in the words of a report.

Nothing here opens a file; it looks at the first bytes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from json import JSONDecodeError

__all__ = ["HEAD_BYTES", "NO_JSON", "cannot_be_read", "no_json", "signature_of"]

HEAD_BYTES = 4096
"""How many of the first bytes of a file are looked at."""

NO_JSON = "neither JSON nor JSON Lines"

_SIGNATURES = (
    (rb"SQLite format 3\0", "a SQLite database"),
    (rb"PK(\x03\x04|\x05\x06)", "a ZIP archive"),
    (rb"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (rb"\x1f\x8b", "compressed with gzip; unpack it first"),
    (rb"BZh[1-9]", "compressed with bzip2; unpack it first"),
    (rb"\xfd7zXZ\0", "compressed with xz; unpack it first"),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    (rb"(?s:.{257})ustar", "a tar archive; unpack it first"),
    (rb"\x89PNG\r\n\x1a\n", "a picture (PNG)"),
    (rb"\xff\xd8\xff", "a picture (JPEG)"),
    (rb"GIF8[79]a", "a picture (GIF)"),
    (rb"(?s:RIFF.{4}WEBP)", "a picture (WebP)"),
    (rb"(?s:RIFF.{4}WAVE|ID3|OggS|fLaC)", "sound"),
    (rb"(?s:.{4}ftyp)", "a video or a picture (MP4, HEIC)"),
    (rb"%PDF-", "a PDF document"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document"),
    (rb"PAR1", "a Parquet table"),
    (rb"\x7fELF|MZ[^ -~]|\xcf\xfa\xed\xfe|\xca\xfe\xba\xbe", "a program"),
)
_TEXTS = (
    (rb"(?m)^# aider chat started at ", "a chat history of aider (Markdown)"),
    (rb"(?i)\A\s*(<!doctype html|<html)", "an HTML page"),
    (rb"\A\s*<\?xml", "XML"),
    (rb"\A#!", "a script"),
    (rb"(?m)^(#{1,6} |```|[*] |- |> )", "Markdown, or text like it"),
)
_OPENS_JSON = re.compile(rb"[ \t\r\n\0\xef\xbb\xbf]*[\[{]")


def signature_of(head: bytes) -> str | None:
    """Return what a file is by the signature that it begins with; None if it has none.

    Args:
        head: The first ``HEAD_BYTES`` bytes, or all if there are fewer.
    """
    return next((name for pattern, name in _SIGNATURES if re.match(pattern, head)), None)


def _text_kind(head: bytes) -> str | None:
    """Return what a file is that is no JSON; None if it is empty or begins as JSON does.

    Args:
        head: The first ``HEAD_BYTES`` bytes, or all if there are fewer.
    """
    if _OPENS_JSON.match(head) or not head.strip(b" \t\r\n\0"):
        return None
    if found := next((name for pattern, name in _TEXTS if re.search(pattern, head)), None):
        return found
    if b"\0" in head:
        return "binary data of no kind that is known here"
    try:
        head.decode()
    except UnicodeDecodeError as error:
        # A head may end inside a character.
        if error.start < len(head) - 3 or len(head) < HEAD_BYTES:
            return "text that is not UTF-8, or binary data"
    return "plain text"


def no_json(fault: JSONDecodeError, head: bytes) -> str:
    """Return why a file is no JSON.

    Args:
        fault: What is wrong with its content.
        head: The first ``HEAD_BYTES`` bytes, or all if there are fewer.
    """
    if not head.strip():
        return "the file is empty"
    if kind := _text_kind(head):
        return f"{NO_JSON}, but {kind}"
    place = f"line {fault.lineno}, column {fault.colno}"
    return f"{NO_JSON}: {fault.msg} ({place})"


def cannot_be_read(error: OSError) -> str:
    """Return what a report says of a file or a folder that cannot be read."""
    return f"cannot be read: {error.strerror or error}"
