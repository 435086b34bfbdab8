"""What is taken from Strands Agents. Only this module says what to do if it is missing."""

from __future__ import annotations

try:
    from strands.session.session_repository import SessionRepository
    from strands.storage.search import KeywordSearchStrategy, SearchStrategy
    from strands.storage.storage import (
        _NAMESPACED as NAMESPACED,
    )
    from strands.storage.storage import (
        StorageSearchResult,
    )
    from strands.storage.storage import (
        _normalize_key as normalize_key,
    )
    from strands.storage.storage import (
        _normalize_prefix as normalize_prefix,
    )
    from strands.types.exceptions import SessionException, StorageError
    from strands.types.session import Session as StrandsSession
    from strands.types.session import (
        SessionAgent,
        SessionMessage,
        SessionType,
        decode_bytes_values,
    )
except ImportError as error:
    raise ImportError(
        f"localsessions.adapters.strands needs Strands Agents ({error}); "
        'pip install "localsessions[strands]"'
    ) from error

__all__ = [
    "NAMESPACED",
    "KeywordSearchStrategy",
    "SearchStrategy",
    "SessionAgent",
    "SessionException",
    "SessionMessage",
    "SessionRepository",
    "SessionType",
    "StorageError",
    "StorageSearchResult",
    "StrandsSession",
    "decode_bytes_values",
    "normalize_key",
    "normalize_prefix",
]
