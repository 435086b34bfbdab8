"""CodeLab's agent runtime: its ``Database`` and managers, kept in ordinary session files.

::

    database    where a database lives, the operations on all of it, its SQLite file
    sessions    SessionManager and the state of a session
    contexts    AgentContextManager, the context of a session's agents, AgentType
    live        lists and dicts of a session that store each change
    tables      the SQLite file with the two tables that other programs read
    rows        Session <-> rows of those tables, pure

The files are the truth, and each access reads them: no manager holds any state. So any number of
managers, threads and processes see the same. Needs nothing else installed; ``serve`` needs the
extra ``server``.
"""

from __future__ import annotations

from localsessions.adapters.codelab.contexts import AgentContext, AgentContextManager, AgentType
from localsessions.adapters.codelab.database import (
    Database,
    RegularCleanup,
    get_db,
    reset_db,
    serve,
)
from localsessions.adapters.codelab.sessions import SessionManager, SessionState

__all__ = [
    "AgentContext",
    "AgentContextManager",
    "AgentType",
    "Database",
    "RegularCleanup",
    "SessionManager",
    "SessionState",
    "get_db",
    "reset_db",
    "serve",
]
