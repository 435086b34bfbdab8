"""A session of OpenAI's Agents SDK in a session file: ``LocalSession`` is a ``Session`` for it.

Needs ``pip install "localsessions[openai-agents]"``. The shape of the data::

    messages        each item of the conversation once, in order
    openai_agents   in a message: what of the item the message does not say, such as its ``type``
                    and ``id``; in the session: its id for the SDK, if the store has another for it
"""

from localsessions.adapters.openai_agents.session import LocalSession

__all__ = ["LocalSession"]
