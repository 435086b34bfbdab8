"""A local-first embedded store for agent sessions: one readable JSON file per session.

This is the public interface. It imports no extra: a program that uses the command line, the server
or an adapter imports it. Each name except the errors is imported at its first use, and pydantic
with it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from localsessions.errors import (
    AmbiguousReferenceError,
    BackupError,
    ChangesExpiredError,
    ConflictError,
    DurabilityUnknownError,
    FormatVersionError,
    LockTimeoutError,
    NotOwnerError,
    SearchGivenUpError,
    SessionError,
    SessionExistsError,
    SessionLimitError,
    SessionNotFoundError,
    StoreUnavailableError,
    UnreadableSessionError,
    UnstorableValueError,
)

if TYPE_CHECKING:
    from localsessions.aio import AsyncSessionStore
    from localsessions.manager import SessionManager
    from localsessions.models import (
        Checkpoint,
        CleanupAction,
        CleanupReport,
        Defaults,
        Deletion,
        Filters,
        Finding,
        Group,
        Message,
        Neighbour,
        Page,
        SearchHit,
        Session,
        SessionChange,
        SessionRun,
        SessionSummary,
        StoreStats,
        TouchedMessage,
        TrashedSession,
        Turn,
        Unfinished,
        Unreadable,
        message_text,
        reasoning_text,
    )
    from localsessions.store import SessionStore
    from localsessions.streaming import AsyncStreamedMessage, StreamedMessage

__version__ = "0.1.0"

__all__ = [
    "AmbiguousReferenceError",
    "AsyncSessionStore",
    "AsyncStreamedMessage",
    "BackupError",
    "ChangesExpiredError",
    "Checkpoint",
    "CleanupAction",
    "CleanupReport",
    "ConflictError",
    "Defaults",
    "Deletion",
    "DurabilityUnknownError",
    "Filters",
    "Finding",
    "FormatVersionError",
    "Group",
    "LockTimeoutError",
    "Message",
    "Neighbour",
    "NotOwnerError",
    "Page",
    "SearchGivenUpError",
    "SearchHit",
    "Session",
    "SessionChange",
    "SessionError",
    "SessionExistsError",
    "SessionLimitError",
    "SessionManager",
    "SessionNotFoundError",
    "SessionRun",
    "SessionStore",
    "SessionSummary",
    "StoreStats",
    "StoreUnavailableError",
    "StreamedMessage",
    "TouchedMessage",
    "TrashedSession",
    "Turn",
    "Unfinished",
    "Unreadable",
    "UnreadableSessionError",
    "UnstorableValueError",
    "message_text",
    "reasoning_text",
]

_AT_USE = {
    "AsyncSessionStore": "localsessions.aio",
    "AsyncStreamedMessage": "localsessions.streaming",
    "SessionManager": "localsessions.manager",
    "SessionStore": "localsessions.store",
    "StreamedMessage": "localsessions.streaming",
}
# All other names that are imported at use.
_MODELS = "localsessions.models"


if not TYPE_CHECKING:  # a type checker knows the names above and refuses all others

    def __getattr__(name: str) -> object:
        """Import a name at its first use; see PEP 562."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_AT_USE.get(name, _MODELS)), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
