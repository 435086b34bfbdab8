"""What is taken from pydantic-ai. Only this module says what to do if it is missing."""

from __future__ import annotations

try:
    from pydantic_ai.conversation import Conversation, ConversationTypeAdapter
    from pydantic_ai.conversation_store import (
        ConversationConflict,
        ConversationEntry,
        ConversationRecord,
        ConversationStore,
    )
    from pydantic_ai.messages import (
        ModelMessage,
        ModelMessagesTypeAdapter,
        ModelRequest,
        ModelRequestPart,
        ModelResponse,
        ModelResponsePart,
    )
except ImportError as error:
    raise ImportError(
        f"localsessions.adapters.pydantic_ai needs pydantic-ai ({error}); "
        'pip install "localsessions[pydantic-ai]"'
    ) from error

__all__ = [
    "Conversation",
    "ConversationConflict",
    "ConversationEntry",
    "ConversationRecord",
    "ConversationStore",
    "ConversationTypeAdapter",
    "ModelMessage",
    "ModelMessagesTypeAdapter",
    "ModelRequest",
    "ModelRequestPart",
    "ModelResponse",
    "ModelResponsePart",
]
