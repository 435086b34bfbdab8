"""LangGraph's threads and long-term memory in session files: ``LocalSaver``, ``LocalBaseStore``.

Needs ``pip install "localsessions[langgraph]"``. The shape of the data::

    messages      the messages of the newest checkpoint of the graph, and what others said
    langgraph     in a message: what of it the message does not say, such as its metadata;
                  in the session: the id of the thread, if the store has another for it
    checkpoints   beside the session, see ``records`` and ``threads``
"""

from localsessions.adapters.langgraph.base_store import LocalBaseStore
from localsessions.adapters.langgraph.saver import LocalSaver

__all__ = ["LocalBaseStore", "LocalSaver"]
