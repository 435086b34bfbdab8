"""Conversations of pydantic-ai in session files: ``LocalConversationStore`` for its runs.

Needs ``pip install "localsessions[pydantic-ai]"``. A conversation is a session. The shape of the
data::

    messages      each message of the history once, in order; its ``id`` is that of the entry
    pydantic_ai   in a message: what of it the message does not say, such as the kinds of its parts
                  and the usage; in the session: the record, see ``records``, and the entries of
                  branches that were left
"""

from localsessions.adapters.pydantic_ai.conversation_store import LocalConversationStore

__all__ = ["LocalConversationStore"]
