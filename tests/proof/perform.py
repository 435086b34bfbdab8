"""Open a store, perform one verb of the table, say how it ended.

python -m proof.perform FOLDER VERB [DURABILITY]

Says "ready" once the store is open and waits for a line; then performs, and says "done", or the
class and the text of the error. Asking whether a file called ``BEGIN`` or ``END`` may be accessed
marks both moments for whoever traces the system calls.
"""

from __future__ import annotations

import os
import sys

from localsessions import SessionError, SessionStore
from localsessions.engine import Durability
from proof.verbs import VERBS

BEGIN, END = "/proof-begin", "/proof-end"


def perform(folder: str, name: str, durability: Durability = "full") -> str:
    """Perform a verb and return how it ended."""
    with SessionStore(folder, durability=durability) as store:
        print("ready", flush=True)
        sys.stdin.readline()
        os.access(BEGIN, os.F_OK)
        try:
            VERBS[name].act(store)
        except (OSError, SessionError) as error:
            ended = f"{type(error).__name__}: {error}"
        else:
            ended = "done"
        os.access(END, os.F_OK)
    return ended


if __name__ == "__main__":
    given, verb, *fast = sys.argv[1:]
    print(perform(given, verb, "fast" if fast == ["fast"] else "full"), flush=True)
