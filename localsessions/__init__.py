"""A local-first embedded store for agent sessions: one readable JSON file per session.

The face of the library. It imports no extra: the command line, the server and the adapters are
imported by those who use them.
"""

from localsessions.aio import AsyncSessionStore
from localsessions.errors import (
    ChangesExpiredError,
    ConflictError,
    DurabilityUnknownError,
    FormatVersionError,
    LockTimeoutError,
    NotOwnerError,
    SessionError,
    SessionExistsError,
    SessionLimitError,
    SessionNotFoundError,
    UnreadableSessionError,
    UnstorableValueError,
)
from localsessions.manager import SessionManager
from localsessions.models import (
    Checkpoint,
    CleanupAction,
    CleanupReport,
    Finding,
    Message,
    Page,
    SearchHit,
    Session,
    SessionChange,
    SessionSummary,
    StoreStats,
    TrashedSession,
    Turn,
    Unreadable,
    message_text,
)
from localsessions.store import SessionStore

__version__ = "0.1.0"

__all__ = [
    "AsyncSessionStore",
    "ChangesExpiredError",
    "Checkpoint",
    "CleanupAction",
    "CleanupReport",
    "ConflictError",
    "DurabilityUnknownError",
    "Finding",
    "FormatVersionError",
    "LockTimeoutError",
    "Message",
    "NotOwnerError",
    "Page",
    "SearchHit",
    "Session",
    "SessionChange",
    "SessionError",
    "SessionExistsError",
    "SessionLimitError",
    "SessionManager",
    "SessionNotFoundError",
    "SessionStore",
    "SessionSummary",
    "StoreStats",
    "TrashedSession",
    "Turn",
    "Unreadable",
    "UnreadableSessionError",
    "UnstorableValueError",
    "message_text",
]
