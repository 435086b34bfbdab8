"""What is taken from ADK. Only this module says what to do if it is missing."""

from __future__ import annotations

try:
    from google.adk.errors._stale_session_error import StaleSessionError
    from google.adk.errors.already_exists_error import AlreadyExistsError
    from google.adk.errors.session_not_found_error import SessionNotFoundError
    from google.adk.events.event import Event
    from google.adk.platform.time import get_time
    from google.adk.platform.uuid import new_uuid
    from google.adk.sessions import Session
    from google.adk.sessions._session_util import extract_json_safe_state_delta
    from google.adk.sessions.base_session_service import (
        BaseSessionService,
        GetSessionConfig,
        ListSessionsResponse,
    )
except ImportError as error:
    raise ImportError(
        f"localsessions.adapters.google_adk needs Google's ADK ({error}); "
        'pip install "localsessions[google-adk]"'
    ) from error

__all__ = [
    "AlreadyExistsError",
    "BaseSessionService",
    "Event",
    "GetSessionConfig",
    "ListSessionsResponse",
    "Session",
    "SessionNotFoundError",
    "StaleSessionError",
    "extract_json_safe_state_delta",
    "get_time",
    "new_uuid",
]
