"""Errors in the words of the command line: what, where, and what to type.

The library speaks to programs, of ``list()`` and ``lock_timeout``. Here its errors are said to a
person, from the data that they carry. What the system says gets the remedy.
"""

from __future__ import annotations

import errno
import os
import re
from typing import TYPE_CHECKING

from localsessions.errors import (
    AmbiguousReferenceError,
    ChangesExpiredError,
    ConflictError,
    DurabilityUnknownError,
    FormatVersionError,
    LockTimeoutError,
    SessionError,
    SessionExistsError,
    SessionNotFoundError,
    UnreadableSessionError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["message_of"]


def message_of(error: Exception) -> str:
    """Return what an error says to a person, on one line."""
    for kind, said in _SAID.items():
        if isinstance(error, kind):
            return said(error)
    if isinstance(error, OSError) and not isinstance(error, SessionError):
        return _of_system(error)
    return _without_python(str(error))


def _to_type(command: str, *options: str, session: str | None = None) -> str:
    from localsessions.cli.typed import to_type  # which opens folders, and so ends in errors

    return to_type(command, *options, session=session)


# -- the errors of the store ---------------------------------------------------------------------


def _not_found(error: SessionNotFoundError) -> str:
    where = f" in {error.path}" if error.path else ""
    is_deleted = "deleted" in error.what
    there = "" if is_deleted else f"to see what is there: {_to_type('list')}; "
    return (
        f"there is no {error.what} {_short(error.session_id or '')!r}{where}; "
        f"{there}what was deleted: {_to_type('restore', '--list')}"
    )


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


_LONGEST = 80


def _ambiguous(error: AmbiguousReferenceError) -> str:
    return f"{_short(error.reference)!r} fits more than one session; give more of the id of one"


def _exists(error: SessionExistsError) -> str:
    if error.existing != error.session_id:
        return _without_python(str(error))
    return (
        f"session {error.session_id!r} is there already; choose another id, or move that one to "
        f"the trash: {_to_type('delete', session=error.session_id)}"
    )


def _conflict(error: ConflictError) -> str:
    remedy = "do it again"
    if error.found is None:
        what = "was deleted meanwhile"
        remedy = f"to bring it back: {_to_type('restore', session=error.session_id)}"
    elif error.expected is None:
        what = "was made by someone else meanwhile"
    elif error.conflicts:
        what = f"was changed by someone else meanwhile, in {', '.join(error.conflicts[:5])} too"
    else:
        what = (
            f"was changed by someone else meanwhile (it had {error.expected.message_count} "
            f"messages, and has {error.found.message_count} now)"
        )
    return f"session {error.session_id!r} {what}; nothing was written: {remedy}"


def _unreadable(error: UnreadableSessionError) -> str:
    place = f" at line {error.line}, column {error.column}" if error.line is not None else ""
    where = f" ({error.path})" if error.path else ""
    reason = error.reason.partition("; open the store")[0]
    return (
        f"session {error.session_id!r} cannot be read{place}: {reason}{where}; nothing here "
        f"changes the file: mend it, or see what can be recovered: {_to_type('verify')}"
    )


def _newer(error: FormatVersionError) -> str:
    return (
        f"session {error.session_id!r} is of the format {error.found}, and this version writes "
        f"{error.supported}; nothing was written: pip install --upgrade localsessions"
    )


def _locked(error: LockTimeoutError) -> str:
    return (
        f"session {error.session_id!r} is locked by {error.holder or 'another process'}, and was "
        f"for {error.timeout:g} s; nothing was written: try again when that is done"
    )


def _doubtful(error: DurabilityUnknownError) -> str:
    return str(error).replace("save again", "do it again")


def _expired(error: ChangesExpiredError) -> str:
    return (
        f"what changed since {error.since} is not known any more: the index was rebuilt, or too "
        "much happened since; to begin with now: leave out --since"
    )


_SAID: Mapping[type[Exception], Callable[..., str]] = {
    AmbiguousReferenceError: _ambiguous,
    ChangesExpiredError: _expired,
    ConflictError: _conflict,
    DurabilityUnknownError: _doubtful,
    FormatVersionError: _newer,
    LockTimeoutError: _locked,
    SessionExistsError: _exists,
    SessionNotFoundError: _not_found,
    UnreadableSessionError: _unreadable,
}

# -- what was given ------------------------------------------------------------------------------

# Arguments of the library as a person knows them.
_NAMES = (
    (r"^session_id of (\d+) bytes is", r"the id has \1 bytes, which is"),
    (r"^session_id ", "the id "),
    (r"^cursor (.*) was not made by this store$", r"--cursor \1 is none that 'list' gave"),
    (r"^the cursor belongs to", "the --cursor belongs to"),
    (
        r"^ttl of (\S+) seconds ends beyond all times; None means never$",
        "--ttl ends beyond all times",
    ),
    (r"with merge=True$", "with --merge"),
    (r"^max_age of .* is beyond all times$", "the age is beyond all times"),
)


def _without_python(text: str) -> str:
    for pattern, said in _NAMES:
        text = re.sub(pattern, said, text)
    return text


# -- the system ----------------------------------------------------------------------------------

_FULL = "no space is left on the disk", "make room and do it again"
_DENIED = "you have no permission", "ask its owner, or choose another place"
_OF_NUMBERS: Mapping[int, tuple[str, str]] = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: ("your share of the disk is used up", "make room and do it again"),
    errno.EROFS: ("this place is read-only", "choose another place"),
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EMFILE: ("too many files are open", "allow this shell more of them: ulimit -n 1024"),
    errno.ENFILE: ("too many files are open on this system", "close some programs"),
    errno.ENOENT: ("there is no such file or folder", "look at the name"),
    errno.ENOTDIR: ("a part of this path is a file, and no folder", "look at the name"),
    errno.EISDIR: ("this is a folder, and no file", "name a file in it"),
    errno.ENAMETOOLONG: ("this name is too long", "choose a shorter one"),
    errno.EEXIST: ("there is something of this name already", "choose another name"),
    errno.EIO: ("the disk failed", "look after it, and do it again"),
}


def _of_system(error: OSError) -> str:
    place = f": {_place(os.fsdecode(error.filename))}" if error.filename else ""
    number = error.errno or 0
    if number in (errno.EMFILE, errno.ENFILE):
        place = ""  # it could have been any file
    if number in _OF_NUMBERS and _is_of_system(error):
        what, remedy = _OF_NUMBERS[number]
        return f"{what}{place}; {remedy}"
    what = error.strerror or str(error)  # perhaps a sentence of the store's own, with its remedy
    remedy = "" if ";" in what else _OF_OURS.get(number, "")
    return f"{what}{place}{remedy}"


# What to do where the store has words of its own.
_OF_OURS: Mapping[int, str] = {
    errno.EROFS: "; allow yourself to write there, or choose another folder with --dir",
    errno.EACCES: "; allow yourself to write there, or choose another folder with --dir",
    errno.ENOTDIR: "; move the file away, or choose another folder with --dir",
}


def _is_of_system(error: OSError) -> bool:
    return bool(getattr(error, "winerror", None)) or error.strerror == os.strerror(error.errno or 0)


def _place(path: str) -> str:
    """Return a path as a person knows it: of a temp file the folder of sessions."""
    folder, _, name = path.rpartition(os.path.join(os.sep + ".localsessions", "tmp", ""))
    return folder if folder and os.sep not in name else path
