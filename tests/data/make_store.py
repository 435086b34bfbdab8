"""Write the golden folder of a format version with the program of now: made once, then kept.

python tests/data/make_store.py tests/data/v2/store

What it writes is what programs of that version left on people's disks: it is not made again when
the program changes, it is read by all programs to come (`tests/proof/test_versions.py`).
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from pydantic import JsonValue

from localsessions import SessionStore


def make_store(folder: Path) -> None:
    """Make a folder with sessions, checkpoints, a torn file and a trash."""
    with SessionStore(folder) as store:
        store.create("chat", user_id="user_1", agent_id="coder", title="The parser", ttl=1e9)
        store.append("chat", {"role": "user", "content": "Why does the лексер fail?"})
        run: dict[str, JsonValue] = {
            "run_id": "run_1",
            "status": "COMPLETED",
            "metrics": {"input_tokens": 2**70},
        }
        store.upsert_run("chat", run, {"id": "m2", "role": "assistant", "content": "索引"})
        store.switch_agent("chat", "reviewer", "a second look")
        store.tag("chat", "work", "слово")
        store.pin("chat")
        store.save_checkpoint("chat", {"step": 1})
        store.save_checkpoint("chat", ["anything", None, 0.5])
        store.create("имя: odd?", title="percent-encoded")
        store.fork("chat", new_id="forked")
        store.archive("forked")
        with store.edit("forked") as session:
            session.extra["x-unknown"] = {"kept": [1, -0.0]}
            session.state["branch"] = "main"
            session.modules["friday"] = {"name": "Friday"}
        store.create("gone", title="restored")
        store.append("gone", {"role": "user", "content": "from the trash"})
        store.save_checkpoint("gone", {"step": "gone"})
        store.delete("gone")
        torn = Path(store.path("forked")).read_bytes()[:-200]
        Path(store.path("torn")).write_bytes(torn)
    shutil.rmtree(folder / ".localsessions")


if __name__ == "__main__":
    make_store(Path(sys.argv[1]))
