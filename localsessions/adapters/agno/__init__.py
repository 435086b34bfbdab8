"""agno's sessions and runs in session files: ``AgnoDb`` is a database for agno's ``db=``.

Needs agno 3: ``pip install "agno>=3,<4"``. The shape of a session that an agent wrote::

    messages      every message once, with its ``run_id``
    runs          the records of the runs, without their messages and texts of those messages
    title, state  agno's ``session_name`` and ``session_state``
    agno          a field of the file: everything else that agno keeps about a session
"""

from localsessions.adapters.agno.asynchronous import AsyncAgnoDb
from localsessions.adapters.agno.database import AgnoDb

__all__ = ["AgnoDb", "AsyncAgnoDb"]
