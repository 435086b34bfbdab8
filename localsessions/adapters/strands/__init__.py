"""Sessions of Strands Agents in session files, and what its agents store besides.

``LocalSessionRepository`` is for ``RepositorySessionManager``, ``LocalStorage`` for everything that
takes a ``Storage``. Needs ``pip install "localsessions[strands]"``. The shape of a session::

    messages       those of the main agent, the first that was made in the session
    modules        the state of each agent, by its ``agent_id``
    strands        the ``agent_id`` of the main agent, the ``session`` of Strands, ``multi_agents``;
                   in a message: its number, and what of it the message does not say

The messages of another agent are the session ``<agent_id>@<session_id>``, with the session as its
parent. Of a storage, each key is a session; see ``storage``.
"""

from localsessions.adapters.strands.repository import LocalSessionRepository
from localsessions.adapters.strands.storage import LocalStorage

__all__ = ["LocalSessionRepository", "LocalStorage"]
