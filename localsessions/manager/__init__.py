"""SessionManager: sessions of users that expire, with checkpoints, for code that awaits.

The surface of a well-known Redis-backed manager over one folder of session files::

    manager  SessionManager: eighteen verbs that await
    verbs    the same verbs, each a whole one for a worker thread; no lock crosses an await
    values   Session and Checkpoint, what such code reads; and what is accepted from it

``localsessions.Session`` is the whole document, ``Session`` here is a part of it: who reads
messages, runs or state of the same session asks ``SessionManager.store``.
"""

from localsessions.manager.manager import SessionManager
from localsessions.manager.values import Checkpoint, Session

__all__ = ["Checkpoint", "Session", "SessionManager"]
