"""Every error that the store itself raises.

::

    SessionError(Exception)                        .session_id, .path where known
      SessionNotFoundError(LookupError)
      SessionExistsError
      ConflictError                                .expected, .found, .conflicts
      UnreadableSessionError                       .reason, .line, .column
      FormatVersionError                           .found, .supported
      LockTimeoutError(TimeoutError)               .timeout
      DurabilityUnknownError(OSError)              visible, perhaps not durable
      UnstorableValueError(ValueError, TypeError)  .where, a path into the value
      SessionLimitError(RuntimeError)              .limit
      NotOwnerError(PermissionError)               .user_id
      ChangesExpiredError(LookupError)             .since

Outside the family, because the store is not what failed: ``OSError`` that names its path,
``ValueError`` and ``TypeError`` for misuse, ``ImportError`` with the pip line for a missing extra.

Each message says what, where and the remedy; each error carries its data as attributes and
pickles. No other room may define an exception class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localsessions.models import SessionSummary

__all__ = [
    "ChangesExpiredError",
    "ConflictError",
    "DurabilityUnknownError",
    "FormatVersionError",
    "LockTimeoutError",
    "NotOwnerError",
    "SessionError",
    "SessionExistsError",
    "SessionLimitError",
    "SessionNotFoundError",
    "UnreadableSessionError",
    "UnstorableValueError",
]


class SessionError(Exception):
    """Root of the family; catch it to catch whatever the store can say about a session."""

    session_id: str | None
    path: str | None

    def __init__(
        self, message: str, *, session_id: str | None = None, path: str | None = None
    ) -> None:
        super().__init__(message)
        self.session_id = session_id
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        # The constructors of the leaves take data, not messages: rebuild without them.
        return _rebuild, (type(self), str(self)), vars(self)


def _rebuild(kind: type[SessionError], message: str) -> SessionError:
    error = kind.__new__(kind)
    error.args = (message,)
    return error


class SessionNotFoundError(SessionError, LookupError):
    """No session, checkpoint or deleted session of that id."""

    def __init__(
        self, session_id: str, *, path: str | None = None, what: str = "a session"
    ) -> None:
        where = f" in {path}" if path else ""
        super().__init__(
            f"there is no {what.removeprefix('a ')} {session_id!r}{where}; "
            "list() shows what is stored",
            session_id=session_id,
            path=path,
        )


class SessionExistsError(SessionError):
    """A session of that id, or of one that some file system cannot tell from it, is there."""

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
    """The file is not what the session was loaded from; nothing was written.

    ``expected`` is what was loaded and ``found`` is what is there now; None says that the session
    was not there. ``conflicts`` are the places that a merge could not decide, as ``title`` or
    ``messages[id=msg_3]``; empty where none was tried.
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
    """The file is there but is no session; it stays as it is until a person repairs it.

    ``line`` and ``column`` count from 1 and are None where the fault has no place.
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
    """The file was written in a newer format; it was read as far as it can be, never written."""

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
    """Somebody held the lock of the session for the whole of ``timeout`` (seconds)."""

    def __init__(
        self, timeout: float, *, session_id: str | None = None, path: str | None = None
    ) -> None:
        self.timeout = timeout
        super().__init__(
            f"session {session_id!r} stayed locked for {timeout:g} s by another thread or process "
            f"(lock file {path}); try again, or open the store with a longer lock_timeout",
            session_id=session_id,
            path=path,
        )


class DurabilityUnknownError(SessionError, OSError):
    """The new content is visible to everyone, but the disk did not confirm that it will stay.

    Raised when making the folder durable fails after the rename. Memory has moved on with the
    file, so a later save does not conflict; save again once the disk is well.
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
    """A value that JSON would lose or change; refused before the disk was touched.

    ``where`` is its place, as in ``messages[3].content.usage``.
    """

    def __init__(self, where: str, reason: str, *, session_id: str | None = None) -> None:
        self.where = where
        self.reason = reason
        super().__init__(
            f"{where or 'the session'} cannot be stored without loss: {reason}; "
            "nothing was written",
            session_id=session_id,
        )


class SessionLimitError(SessionError, RuntimeError):
    """There are as many live sessions as were allowed."""

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


class ChangesExpiredError(SessionError, LookupError):
    """The changes since a number are not known any more; nothing of them is answered.

    The index was made anew, or more happened since than is kept.
    """

    def __init__(self, since: int, *, path: str | None = None) -> None:
        self.since = since
        super().__init__(
            f"what changed since {since} is not known any more: the index was made anew, or too "
            "much happened since; list() again and go on from last_change()",
            path=path,
        )
