"""SessionManager: sessions of users that expire, with checkpoints, for code that awaits.

The interface of a well-known Redis-backed manager over one folder of session files::

    manager  SessionManager: eighteen asynchronous verbs
    verbs    the same verbs, each whole in a worker thread; no lock is held across an await
    values   Session and Checkpoint, which callers receive; and the checks of what they pass

``localsessions.Session`` is the whole document; ``Session`` here is a part of it. To read messages,
runs or state of the same session, use ``SessionManager.store``.
"""

from localsessions.manager.manager import SessionManager
from localsessions.manager.values import Checkpoint, Session

__all__ = ["Checkpoint", "Session", "SessionManager"]
