"""agentscope's sessions over this store: its names and signatures, without needing agentscope.

::

    state_module    StateModule: an object whose registered attributes are its state
    modules         what a session does with modules: ordered snapshots, restoring
    messages        agentscope's Msgs as messages, and messages as Msgs
    memories        memories in states: their Msgs stand in the session's messages
    seen            what modules of this process have seen of sessions
    session_base    SessionBase: the interface
    json_session    JSONSession: into the session files of a store
    plain_files     reads files that agentscope itself wrote, and converts them
    sqlite_session  SqliteSession: into a table ``as_session`` of a database file

The shape of a session file::

    messages   what is said, the Msgs of memories among it; under "agentscope" what only it knows
    modules    the states, by module; memories in them refer to messages

Any object that has ``state_dict()`` and ``load_state_dict(state)`` is a module. So agents and
memories of agentscope 1.0 work as well as the ``StateModule`` here.
"""

from localsessions.adapters.agentscope.json_session import JSONSession
from localsessions.adapters.agentscope.session_base import SessionBase
from localsessions.adapters.agentscope.sqlite_session import SqliteSession
from localsessions.adapters.agentscope.state_module import StateModule

__all__ = ["JSONSession", "SessionBase", "SqliteSession", "StateModule"]
