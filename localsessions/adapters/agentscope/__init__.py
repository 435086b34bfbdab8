"""agentscope's sessions over this store: its names, its signatures, and no agentscope needed.

::

    state_module    StateModule: an object whose registered attributes are its state
    modules         what a session does with modules: snapshots in the order of the calls, restoring
    session_base    SessionBase: the interface
    json_session    JSONSession: into the session files of a store
    plain_files     the files that agentscope itself wrote, read and taken over
    sqlite_session  SqliteSession: into a table ``as_session`` of a database file

Modules are taken by what they can do: whatever has ``state_dict()`` and ``load_state_dict(state)``
is one, so agents and memories of agentscope 1.0 are as good as the ``StateModule`` here.
"""

from localsessions.adapters.agentscope.json_session import JSONSession
from localsessions.adapters.agentscope.session_base import SessionBase
from localsessions.adapters.agentscope.sqlite_session import SqliteSession
from localsessions.adapters.agentscope.state_module import StateModule

__all__ = ["JSONSession", "SessionBase", "SqliteSession", "StateModule"]
