"""Every error that the store itself raises.

::

    SessionError(Exception)                        .session_id, .path where known
      SessionNotFoundError(LookupError)            .what
      AmbiguousReferenceError(ValueError)          .reference, .fitting, .is_more
      SessionExistsError
      ConflictError                                .expected, .found, .conflicts
      UnreadableSessionError                       .reason, .line, .column
      FormatVersionError                           .found, .supported
      LockTimeoutError(TimeoutError)               .timeout, .holder
      DurabilityUnknownError(OSError)              visible, perhaps not durable
      UnstorableValueError(ValueError, TypeError)  .where, a path into the value
      SessionLimitError(RuntimeError)              .limit
      NotOwnerError(PermissionError)               .user_id
      ChangesExpiredError(LookupError)             .since
      BackupError(ValueError)                      .member, .reason, .brought
      StoreUnavailableError(ConnectionError)       .reason, .is_unknown
      SearchGivenUpError                           the caller said so

Some errors are not in this tree, because it is not the store that fails: ``OSError`` with its path,
``ValueError`` and ``TypeError`` for misuse, ``ImportError`` with the pip line for a missing extra.

Each message says what is wrong, where, and the remedy. Each error carries its data as attributes
and can be pickled. No other package may define an exception class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localsessions.models import SessionSummary

__all__ = [
    "AmbiguousReferenceError",
    "BackupError",
    "ChangesExpiredError",
    "ConflictError",
    "DurabilityUnknownError",
    "FormatVersionError",
    "LockTimeoutError",
    "NotOwnerError",
    "SearchGivenUpError",
    "SessionError",
    "SessionExistsError",
    "SessionLimitError",
    "SessionNotFoundError",
    "StoreUnavailableError",
    "UnreadableSessionError",
    "UnstorableValueError",
]


class SessionError(Exception):
    """Root of the tree; catch it to catch every error that a store raises about a session."""

    session_id: str | None
    path: str | None

    def __init__(
        self, message: str, *, session_id: str | None = None, path: str | None = None
    ) -> None:
        super().__init__(message)
        self.session_id = session_id
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        # The constructors of the subclasses take data, not messages, so they are not called.
        return _rebuild, (type(self), str(self)), vars(self)


def _rebuild(kind: type[SessionError], message: str) -> SessionError:
    error = kind.__new__(kind)
    error.args = (message,)
    return error


class SessionNotFoundError(SessionError, LookupError):
    """No session, checkpoint or deleted session has that id; ``what`` says which of them."""

    def __init__(
        self, session_id: str, *, path: str | None = None, what: str = "a session"
    ) -> None:
        self.what = what.removeprefix("a ")
        where = f" in {path}" if path else ""
        super().__init__(
            f"there is no {self.what} {session_id!r}{where}; list() shows what is stored",
            session_id=session_id,
            path=path,
        )


class AmbiguousReferenceError(SessionError, ValueError):
    """Several sessions fit what was to name one.

    ``fitting`` are some of them; ``is_more`` says whether there are others.
    """

    def __init__(
        self,
        reference: str,
        fitting: tuple[SessionSummary, ...],
        *,
        is_more: bool = False,
        path: str | None = None,
    ) -> None:
        self.reference = reference
        self.fitting = fitting
        self.is_more = is_more
        names = ", ".join(one.session_id for one in fitting) + (", ..." if is_more else "")
        super().__init__(
            f"{reference!r} fits more than one session: {names}; give more of the id", path=path
        )


class SessionExistsError(SessionError):
    """A session exists with that id, or with an id that some file system takes for the same."""

    def __init__(
        self, session_id: str, *, path: str | None = None, existing: str | None = None
    ) -> None:
        self.existing = existing or session_id
        if self.existing == session_id:
            message = f"session {session_id!r} exists already; load() it, or choose another id"
        else:
            message = (
                f"session {session_id!r} would share one file with {existing!r} on systems that "
                "do not tell letter case or Unicode forms apart; choose another id"
            )
        super().__init__(message, session_id=session_id, path=path)


class ConflictError(SessionError):
    """The file is not the version that was loaded; nothing was written.

    ``expected`` is the loaded version and ``found`` is the present version; None means that the
    session did not exist. ``conflicts`` are the places that a merge could not decide, such as
    ``title`` or ``messages[id=msg_3]``; empty if no merge was tried.
    """

    def __init__(
        self,
        session_id: str,
        *,
        path: str | None = None,
        expected: SessionSummary | None = None,
        found: SessionSummary | None = None,
        conflicts: tuple[str, ...] = (),
    ) -> None:
        self.expected = expected
        self.found = found
        self.conflicts = conflicts
        remedy = "load() it again and repeat the change, or make the change inside edit()"
        if found is None:
            what = "was deleted after it was loaded, or has another id now"
            remedy = "restore() it, or make another of it with create()"
        elif expected is None:
            what = "exists already, but this one was never loaded from it"
        elif conflicts:
            more = f" and {len(conflicts) - 5} more" if len(conflicts) > 5 else ""
            what = f"cannot be merged: both sides changed {', '.join(conflicts[:5])}{more}"
        else:
            what = (
                f"was changed by someone else after it was loaded (revision {expected.revision} "
                f"with {expected.message_count} messages then, revision {found.revision} with "
                f"{found.message_count} now)"
            )
        super().__init__(
            f"session {session_id!r} {what}; nothing was written: {remedy}",
            session_id=session_id,
            path=path,
        )


class UnreadableSessionError(SessionError):
    """The file exists but is not a session; it stays as it is until a person repairs it.

    ``line`` and ``column`` count from 1; they are None if the fault has no place.
    """

    def __init__(
        self,
        session_id: str | None,
        reason: str,
        *,
        path: str | None = None,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        self.reason = reason
        self.line = line
        self.column = column
        place = f" at line {line}, column {column}" if line is not None else ""
        where = f" ({path})" if path else ""
        super().__init__(
            f"session {session_id!r} cannot be read{place}: {reason}{where}; "
            "repair or move the file: nothing here will change it; verify() says what of it can be "
            "recovered",
            session_id=session_id,
            path=path,
        )


class FormatVersionError(SessionError):
    """The file has a newer format; it is read as far as possible, and never written."""

    def __init__(
        self, session_id: str, found: str, supported: str, *, path: str | None = None
    ) -> None:
        self.found = found
        self.supported = supported
        super().__init__(
            f"session {session_id!r} is of format {found!r} and this version writes {supported!r}; "
            "nothing was written: upgrade localsessions to change it",
            session_id=session_id,
            path=path,
        )


class LockTimeoutError(SessionError, TimeoutError):
    """Another thread or process held the session's lock for the whole ``timeout`` (seconds).

    ``holder`` says who, as in "python ide.py (pid 123)"; None where the system does not tell.
    """

    def __init__(
        self,
        timeout: float,
        *,
        session_id: str | None = None,
        path: str | None = None,
        holder: str | None = None,
    ) -> None:
        self.timeout = timeout
        self.holder = holder
        super().__init__(
            f"session {session_id!r} stayed locked for {timeout:g} s by "
            f"{holder or 'another thread or process'} ({path}); "
            "try again, or open the store with a longer lock_timeout",
            session_id=session_id,
            path=path,
        )


class DurabilityUnknownError(SessionError, OSError):
    """All processes see the new content, but the disk did not confirm that it is durable.

    Raised if syncing the folder fails after the rename. The session in memory matches the new file,
    so a later save does not conflict. Save again when the disk works.
    """

    def __init__(self, cause: OSError, *, session_id: str | None = None, path: str) -> None:
        super().__init__(
            f"session {session_id!r} was written and is visible, but syncing {path} failed "
            f"({cause.strerror or cause}): after a power cut the former content may come back; "
            "check the disk and save again",
            session_id=session_id,
            path=path,
        )
        self.errno = cause.errno

    def __reduce__(self) -> tuple[object, ...]:
        rebuild, arguments, state = super().__reduce__()
        assert isinstance(state, dict)  # noqa: S101  (vars() of an exception)
        return rebuild, arguments, {**state, "errno": self.errno}


class UnstorableValueError(SessionError, ValueError, TypeError):
    """A value that JSON would lose or change; it is refused before anything is written.

    ``where`` is its place, such as ``messages[3].content.usage``.
    """

    def __init__(self, where: str, reason: str, *, session_id: str | None = None) -> None:
        self.where = where
        self.reason = reason
        what = where or ("the session" if session_id is None else f"session {session_id!r}")
        super().__init__(
            f"{what} cannot be stored without loss: {reason}; nothing was written",
            session_id=session_id,
        )


class SessionLimitError(SessionError, RuntimeError):
    """There are already as many live sessions as allowed."""

    def __init__(self, limit: int, *, path: str | None = None) -> None:
        self.limit = limit
        super().__init__(
            f"there are {limit} live sessions already, the most that was allowed; "
            "delete some, or allow more",
            path=path,
        )


class NotOwnerError(SessionError, PermissionError):
    """The session belongs to another user; nothing was written."""

    def __init__(self, session_id: str, user_id: str, *, path: str | None = None) -> None:
        self.user_id = user_id
        super().__init__(
            f"session {session_id!r} belongs to another user than {user_id!r}; "
            "nothing was written: use a session of that user's own",
            session_id=session_id,
            path=path,
        )


class BackupError(SessionError, ValueError):
    """A file is no backup that can be restored.

    ``member`` is the file inside the backup that ``reason`` is about; None if it is all of it.
    ``brought`` is how many sessions were restored before that was found; they are whole.
    """

    def __init__(
        self,
        reason: str,
        *,
        member: str | None = None,
        path: str | None = None,
        brought: int = 0,
    ) -> None:
        self.reason = reason
        self.member = member
        self.brought = brought
        where = "" if path is None else f" {path}"
        at = "" if member is None else f" at {member!r}"
        after = "nothing was changed: take another backup"
        if brought:
            number = f"{brought:,} sessions are" if brought > 1 else "1 session is"
            after = (
                f"{number} restored, whole: restore the rest from another backup, with merge=True"
            )
        super().__init__(f"the backup{where} is refused{at}: {reason}; {after}", path=path)


class SearchGivenUpError(SessionError):
    """The caller no longer wants the answer of a search."""

    def __init__(self) -> None:
        super().__init__("the search was given up: its answer is no longer wanted")


class ChangesExpiredError(SessionError, LookupError):
    """The log no longer knows the changes since a number; none of them is returned.

    The index was rebuilt, or more changes happened since than the log keeps.
    """

    def __init__(self, since: int, *, path: str | None = None) -> None:
        self.since = since
        super().__init__(
            f"what changed since {since} is not known any more: the index was rebuilt, or too "
            "much happened since; list() again and go on from last_change()",
            path=path,
        )


class StoreUnavailableError(SessionError, ConnectionError):
    """The server that keeps the sessions does not answer, or refuses to serve this store.

    Nothing was written, unless ``is_unknown``: then the connection was lost while the server
    confirmed a write, and it did not come back in time to be asked. ``reason`` holds no password.
    """

    def __init__(
        self,
        path: str,
        reason: str,
        remedy: str = "try again when the server answers",
        *,
        session_id: str | None = None,
        is_unknown: bool = False,
    ) -> None:
        self.reason = reason
        self.is_unknown = is_unknown
        outcome = "nothing was written"
        if is_unknown:
            outcome = "whether it was written is not known"
            remedy = "load() it again when the server answers, and see"
        super().__init__(
            f"the store at {path} is not available: {reason}; {outcome}: {remedy}",
            session_id=session_id,
            path=path,
        )
