"""Save a session once, with a call before and after it that a trace shows.

save_once.py FOLDER SESSION_ID DURABILITY
"""

from __future__ import annotations

import os
import sys
from typing import cast

from localsessions import SessionStore
from localsessions.engine import Durability


def main(folder: str, session_id: str, durability: str) -> None:
    with SessionStore(folder, durability=cast("Durability", durability)) as store:
        session = store.load(session_id)
        session.title = "saved once"
        os.access("/before the save", os.F_OK)
        store.save(session)
        os.access("/after the save", os.F_OK)


main(*sys.argv[1:])
