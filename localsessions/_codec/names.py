"""Session id <-> file name, one to one, and safe on every system.

If possible, the id itself is the file name. Only characters that some system cannot store are
percent-encoded, so that a folder can be copied to another machine without loss.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

__all__ = [
    "SUFFIX",
    "checkpoint_id_of",
    "checkpoint_id_taken",
    "checkpoints_among",
    "file_stem",
    "folded",
    "is_name_on_windows",
    "is_session_id",
    "session_id_of",
]

SUFFIX = ".json"
_ID_BYTES = 200
# 255 is NAME_MAX of ext4, xfs, APFS and NTFS. The trash adds a time before and a suffix after.
_STEM_BYTES = 255 - len("20261231T235959000000Z-" + ".checkpoints")

# How many recent ids are cached: a single verb needs its session's file name several times.
_CACHED = 256

_PLAIN = re.compile(r"[A-Za-z0-9_@][A-Za-z0-9_@-]{4,120}")
_CHECKPOINT = re.compile(r"[0-9]{8}-(.+)", re.DOTALL)
_CHECKPOINT_FILE = re.compile(rf"([0-9]{{8}}-.+){re.escape(SUFFIX)}", re.DOTALL)
_FORBIDDEN = r"[/\\\x00-\x1f\x7f-\x9f]"
_ENCODED = r'[<>:"|?*%]|^\.|[. ]$'
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file; any extension may follow.
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\.|$)", re.IGNORECASE)


def file_stem(session_id: str) -> str:
    """Return the name of the session's file without ``.json``.

    Raises:
        TypeError: The id is not a text.
        ValueError: The id is empty, too long, or holds a character that no file name can hold.
    """
    if not isinstance(session_id, str):
        raise TypeError(f"session_id must be a str, not {type(session_id).__name__}")
    return _stem(session_id)


@lru_cache(maxsize=_CACHED)
def _stem(session_id: str) -> str:
    if _is_plain(session_id):
        return session_id
    _refuse_unsafe(session_id)
    stem = re.sub(_ENCODED, lambda match: _percent(match.group()), session_id)
    if _DEVICE.match(stem):
        stem = _percent(stem[0]) + stem[1:]
    if not unicodedata.is_normalized("NFC", stem):
        stem = "".join(char if char.isascii() else _percent(char) for char in stem)
    if (size := len(stem.encode())) > _STEM_BYTES:
        raise ValueError(
            f"session_id {session_id!r} would need a file name of {size} bytes, "
            f"the limit is {_STEM_BYTES}; choose a shorter one"
        )
    return stem


def session_id_of(stem: str) -> str | None:
    """Return the id whose file has this name; None if no id has it."""
    if _is_plain(stem):
        return stem
    try:
        session_id = re.sub(
            r"(?:%[0-9A-F]{2})+",
            lambda match: bytes.fromhex(match.group().replace("%", "")).decode(),
            stem,
        )
        return session_id if file_stem(session_id) == stem else None
    except ValueError:
        return None


def is_session_id(text: str) -> bool:
    """Tell whether a text can be a session id."""
    try:
        return bool(file_stem(text))
    except ValueError:
        return False


def checkpoint_id_of(name: str) -> str | None:
    """Return the id of a checkpoint from its name ``<number 8 digits>-<id>``; None if it is none.

    Not every system can store it: that is so if ``file_stem`` of the id is not the id.
    """
    numbered = _CHECKPOINT.fullmatch(name)
    return None if numbered is None else numbered[1]


def checkpoints_among(names: Iterable[str]) -> list[str]:
    """Return the names of checkpoints, ``<number>-<id>``, that names of files are; in order."""
    return sorted([found[1] for found in map(_CHECKPOINT_FILE.fullmatch, names) if found])


def is_name_on_windows(session_id: str) -> bool:
    """Tell whether Windows takes an id as it is for the name of a file and for nothing else.

    There ``d:x`` is on another drive, ``a:b`` a stream of ``a``, and ``nul`` is no file at all.
    """
    return not re.search(r'[<>:"|?*]', session_id) and not _DEVICE.match(session_id)


@lru_cache(maxsize=_CACHED)
def folded(name: str) -> str:
    """Return the same text for any two ids, or names, that are one file on macOS or Windows."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _is_plain(name: str) -> bool:
    return _PLAIN.fullmatch(name) is not None and _DEVICE.match(name) is None


def _refuse_unsafe(session_id: str) -> None:
    remedy = "use a name that one file can have"
    if not session_id or session_id in (".", ".."):
        raise ValueError(f"session_id {session_id!r} is no name of a file; {remedy}")
    if match := re.search(_FORBIDDEN, session_id):
        raise ValueError(f"session_id {session_id!r} holds {match.group()!r}; {remedy}")
    try:
        size = len(session_id.encode())
    except UnicodeEncodeError:
        raise ValueError(
            f"session_id {session_id!r} holds half a surrogate pair; {remedy}"
        ) from None
    if size > _ID_BYTES:
        raise ValueError(f"session_id of {size} bytes is longer than {_ID_BYTES}; {remedy}")


def _percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def checkpoint_id_taken(checkpoint_id: str) -> ValueError:
    """Return what says that a session has a checkpoint with an id."""
    return ValueError(f"there is a checkpoint {checkpoint_id!r} already; choose another id")
