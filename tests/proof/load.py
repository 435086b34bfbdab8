"""A writer that does one verb after the other until the disk is gone, and says each one's end.

It runs in a process that ``nursery`` forks, on sessions of its own and on one that all writers
share. What it says goes to a log on another file system: before a verb what the session will be
after it, after the verb that it has returned. `ledger.py` reads it.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias
from zlib import crc32

from pydantic import JsonValue

from localsessions import SessionError, SessionNotFoundError, SessionStore, _system
from localsessions._local.files import durable
from localsessions.engine import Durability

__all__ = ["EMPTY", "SHARED", "Entry", "Known", "filling", "text_of", "write", "write_unsynced"]

Known: TypeAlias = dict[str, JsonValue]
"""What one session is on the disk: "live" and "trash" are what the file says, None where there is
none; "beside" and "trashed" are the steps of its checkpoints, in order."""

Entry: TypeAlias = dict[str, JsonValue]

EMPTY: Known = {"live": None, "trash": None, "beside": [], "trashed": []}
SHARED = "shared"
_SESSIONS = 5
_MESSAGES = 8


def text_of(message_id: str) -> str:
    """Return the only text that a message of this id has: up to three pages, so it can be torn."""
    return f"{message_id} " * (50 + crc32(message_id.encode()) % 1000)


def filling(number: int) -> list[JsonValue]:
    """Return what stands beside a number, so that a torn file does not agree with itself."""
    return [f"{number:08}"] * 700


def message(message_id: str) -> dict[str, JsonValue]:
    return {"id": message_id, "role": "user", "content": text_of(message_id)}


def write(
    durability: Durability, folder: str, log: str, name: str, round_: int, known: dict[str, Known]
) -> None:
    """Write until an error ends it, as it must once the power is cut.

    Args:
        folder: The store's.
        log: The file for what is said.
        name: Of this writer; its sessions begin with it.
        round_: Which load of the folder; others do other verbs.
        durability: Of the store.
        known: What its sessions are now.
    """
    with (
        open(log, "ab", buffering=0) as file,
        SessionStore(folder, durability=durability, lock_timeout=60) as store,
    ):
        Writer(store, file.write, f"{name}-{round_}", known, dark_after(log)).write_on()


def dark_after(log: str) -> Path:
    """Return the file that is made right before the power is cut.

    A real cut ends the program with the disk. Here it lives on, and xfs may answer a sync that was
    under way with success although the log was lost: what returns in the dark is not acknowledged.
    """
    return Path(log).with_suffix(".dark")


def write_unsynced(
    broken: str, folder: str, log: str, name: str, round_: int, known: dict[str, Known]
) -> None:
    """As ``write``, with one step of the protocol left out: "the folder" or "the file"."""
    if broken == "the folder":
        _system.sync_folder = lambda path: None
    else:
        real = durable.write_new
        durable.write_new = lambda path, data, *, mtime_ns, durable: real(
            path, data, mtime_ns=mtime_ns, durable=False
        )
    write("full", folder, log, name, round_, known)


class Writer:
    """Does verbs at random, each on the session's state as it is known."""

    def __init__(
        self,
        store: SessionStore,
        say: Callable[[bytes], object],
        prefix: str,
        known: dict[str, Known],
        dark: Path,
    ) -> None:
        self._store = store
        self._dark = dark
        self._say = say
        self._prefix = prefix
        self._known = known
        self._chance = random.Random(f"{prefix} {time.time_ns()}")
        self._turn = 0

    def write_on(self) -> None:
        """Do verb after verb; end at the first error, and say which; end in the dark."""
        self._tell(ready=os.getpid())
        try:
            while not self._dark.exists():
                self._turn += 1
                self._step()
        except (OSError, SessionError) as error:
            self._tell(failed=f"{type(error).__name__}: {error}")

    def _tell(self, **entry: JsonValue) -> None:
        if "done" in entry and self._dark.exists():
            return
        entry |= {"writer": self._prefix, "turn": self._turn, "at": time.monotonic_ns()}
        self._say(json.dumps(entry).encode() + b"\n")

    def _step(self) -> None:
        if self._turn % 5 == 0:
            self._tell(number=self._store.last_change())
        dice = self._chance.random()
        if dice < 0.15:
            self._share()
        elif dice < 0.20:
            self._tell(begin="empty_trash")
            self._store.empty_trash()
            self._tell(done=True)
        else:
            self._change_one()

    def _share(self) -> None:
        self._tell(begin="share", message=(made := self._made()))
        self._store.append(SHARED, {"id": made, "role": "user", "content": made})
        self._tell(done=True)

    def _made(self) -> str:
        return f"{self._prefix}-{self._turn}"

    def _change_one(self) -> None:
        there = [one for one, state in self._known.items() if state["live"] or state["trash"]]
        if len(there) < _SESSIONS:
            self._do("create", self._made(), EMPTY)
            return
        session_id = self._chance.choice(there)
        state = self._known[session_id]
        self._do(self._verb_for(state), session_id, state)

    def _verb_for(self, state: Known) -> str:
        live = state["live"]
        if not isinstance(live, dict):
            return "restore"
        assert isinstance(live["messages"], list)
        if len(live["messages"]) >= _MESSAGES:
            return "delete"
        verbs = ["append", "save", "edit", "upsert_run", "rename", "save_checkpoint", "delete"]
        return self._chance.choice([*verbs, "delete_checkpoint"] if state["beside"] else verbs)

    def _do(self, verb: str, session_id: str, state: Known) -> None:
        """Do a verb between two lines; its method plans, and returns what does it."""
        after: Known = json.loads(json.dumps(state))
        plan: Callable[[str, Known], Callable[[], object]] = getattr(self, f"_{verb}")
        act = plan(session_id, after)
        self._tell(begin=verb, session=session_id, after=after)
        try:
            act()
        except SessionNotFoundError:
            if verb != "restore":
                raise
            # Another writer has emptied the trash; checkpoints that a cut had parted stay.
            after = EMPTY | {"beside": state["beside"]}
        self._known[session_id] = after
        self._tell(done=True, session=session_id, after=after)

    # -- the verbs: each changes what is known, and returns the act ----------------------------

    def _create(self, session_id: str, after: Known) -> Callable[[], object]:
        after["live"] = {"title": session_id, "number": 0, "messages": [], "runs": []}
        return lambda: self._store.create(session_id, title=session_id)

    def _append(self, session_id: str, after: Known) -> Callable[[], object]:
        made = self._made()
        _part(after, "messages").append(made)
        return lambda: self._store.append(session_id, message(made))

    def _upsert_run(self, session_id: str, after: Known) -> Callable[[], object]:
        made = self._made()
        _part(after, "messages").append(made)
        _part(after, "runs").append(made)
        return lambda: self._store.upsert_run(session_id, {"run_id": made}, message(made))

    def _save(self, session_id: str, after: Known) -> Callable[[], object]:
        session = self._store.load(session_id)
        session.state |= {"number": self._turn, "filling": filling(self._turn)}
        _live(after)["number"] = self._turn
        return lambda: self._store.save(session)

    def _edit(self, session_id: str, after: Known) -> Callable[[], object]:
        _live(after)["number"] = self._turn

        def edit() -> None:
            with self._store.edit(session_id) as session:
                session.state |= {"number": self._turn, "filling": filling(self._turn)}

        return edit

    def _rename(self, session_id: str, after: Known) -> Callable[[], object]:
        title = _live(after)["title"] = f"title {self._turn}"
        return lambda: self._store.rename(session_id, title)

    def _delete(self, session_id: str, after: Known) -> Callable[[], object]:
        after |= {"live": None, "trash": after["live"], "beside": [], "trashed": after["beside"]}
        return lambda: self._store.delete(session_id)

    def _restore(self, session_id: str, after: Known) -> Callable[[], object]:
        # A cut may have parted them: then the checkpoints were never in the trash.
        beside = after["beside"] or after["trashed"]
        after |= {"live": after["trash"], "trash": None, "beside": beside, "trashed": []}
        return lambda: self._store.restore(session_id)

    def _save_checkpoint(self, session_id: str, after: Known) -> Callable[[], object]:
        data: JsonValue = {"step": self._made(), "filling": text_of(self._made())}
        assert isinstance(after["beside"], list)
        after["beside"].append(self._made())
        return lambda: self._store.save_checkpoint(session_id, data)

    def _delete_checkpoint(self, session_id: str, after: Known) -> Callable[[], object]:
        assert isinstance(after["beside"], list)
        chosen = self._chance.randrange(len(after["beside"]))
        del after["beside"][chosen]
        checkpoint_id = self._store.checkpoints(session_id)[::-1][chosen]
        return lambda: self._store.delete_checkpoint(session_id, checkpoint_id)


def _live(state: Known) -> dict[str, JsonValue]:
    live = state["live"]
    assert isinstance(live, dict)
    return live


def _part(state: Known, name: str) -> list[JsonValue]:
    part = _live(state)[name]
    assert isinstance(part, list)
    return part
