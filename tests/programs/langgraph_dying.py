"""Processes put checkpoints into a thread, and each ends one step of the store later than the last.

langgraph_dying.py FOLDER

Says of each, as JSON on a line: the folder of its store, how it ended, the messages of each
checkpoint that it was told is stored, and after which checkpoints it was told that writes are.
The last one comes to its end.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from langchain_core.messages import HumanMessage
from langgraph.checkpoint.base import empty_checkpoint

from localsessions import SessionStore
from localsessions.adapters.langgraph import LocalSaver

STEPS = ("append", "save", "save_checkpoint", "edit", "delete_checkpoint")


def end_at(fatal: int) -> None:
    """Let this process end before or after a step of the store: the number of both counts."""
    count = 0

    def counted(step: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*args: Any, **options: Any) -> Any:
            pass_one()
            done = step(*args, **options)
            pass_one()
            return done

        return counting

    def pass_one() -> None:
        nonlocal count
        count += 1
        if count == fatal:
            os._exit(9)

    for name in STEPS:
        setattr(SessionStore, name, counted(getattr(SessionStore, name)))


def put_all(folder: Path, told: int) -> None:
    with SessionStore(folder, durability="fast") as store:
        saver = LocalSaver(store)
        config: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
        chat: list[Any] = []
        for at in range(4):
            chat = [*chat[at % 2 :], HumanMessage(f"m{at}", id=f"m{at}")]
            new: Any = {"messages": f"{at}", "x": f"{at}"}
            checkpoint: Any = {**empty_checkpoint(), "id": f"{at}", "channel_versions": new}
            checkpoint["channel_values"] = {"messages": chat, "x": at}
            config = saver.put(config, checkpoint, {"step": at}, new)
            os.write(told, f"put {','.join(one.content for one in chat)}\n".encode())
            saver.put_writes(config, [("x", at), ("y", at)], "task")
            os.write(told, f"writes {at}\n".encode())


def ended(folder: Path, fatal: int) -> dict[str, Any]:
    reading, writing = os.pipe()
    if not (pid := os.fork()):
        end_at(fatal)
        put_all(folder, writing)
        os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as said:
        lines = [line.split() for line in said]
    return {
        "folder": str(folder),
        "code": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]),
        "puts": [what for kind, what in lines if kind == "put"],
        "writes": [int(what) for kind, what in lines if kind == "writes"],
    }


def main(folder: str) -> None:
    fatal, code = 0, 9
    while code:
        fatal += 1
        one = ended(Path(folder) / str(fatal), fatal)
        code = one["code"] if one["code"] in (0, 9) else 0
        print(json.dumps(one))


if __name__ == "__main__":
    main(sys.argv[1])
