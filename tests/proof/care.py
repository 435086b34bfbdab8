"""A caller that does what is not one session's: cleaning, purging, indexing anew, searching.

Sessions whose names begin with "p" come and go under its hands; those that others work on get
checkpoints, which nobody removes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import JsonValue

from localsessions import Session, SessionStore
from proof.history import Recorder

__all__ = ["PASSING", "REFUSALS", "Carer", "care"]

PASSING = [f"p{number}" for number in range(5)]
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
REFUSALS = {
    "ConflictError",
    "SessionExistsError",
    "SessionNotFoundError",
    # The session that checkpoints in the trash belong to has others by now.
    "FileExistsError",
}
"""What a caller may hear when another was faster; everything else is a fault."""


class Carer:
    """Does such verbs through one store.

    Args:
        store: Shared or not.
        recorder: Writes down what was acknowledged.
        kept: The sessions that nobody may remove.
        seed: Other seeds do other verbs.
    """

    def __init__(
        self, store: SessionStore, recorder: Recorder, kept: Sequence[str], seed: object
    ) -> None:
        self._store = store
        self._recorder = recorder
        self._kept = kept
        self._chance = random.Random(str(seed))
        self._verbs: dict[str, Callable[[str], object]] = {
            "make an old one": self._make_old,
            "make one that expires": lambda one: store.create(one, ttl=0.000001).revision,
            "fork": lambda one: store.fork(self._one_kept(), new_id=one).revision,
            "delete": store.delete,
            "restore": lambda one: store.restore(one).revision,
            "save_checkpoint": lambda one: store.save_checkpoint(one, {"of": one}).checkpoint_id,
            "clear_checkpoints": store.clear_checkpoints,
            "cleanup": lambda _: len(store.cleanup(max_age=3600).actions),
            "purge_expired": lambda _: len(store.purge_expired().actions),
            "empty_trash": lambda _: len(store.empty_trash()),
            "reindex": lambda _: store.reindex(),
            "verify": lambda _: len(store.verify()),
            "search": lambda one: len(store.search("w")),
            "stats": lambda _: store.stats().sessions,
            "tail": lambda one: len(store.tail(one, 1)),
        }

    def _one_kept(self) -> str:
        return self._chance.choice(self._kept)

    def _make_old(self, name: str) -> None:
        self._store.save(Session(session_id=name, title="old", last_activity=LONG_AGO))

    def act(self) -> None:
        """Do one verb, or save a checkpoint of a session that is kept."""
        if self._chance.random() < 0.3:
            self.checkpoint(self._one_kept())
            return
        verb = self._chance.choice(list(self._verbs))
        name = self._chance.choice(PASSING)
        self._recorder.call(verb, name, None, lambda: self._verbs[verb](name))

    def checkpoint(self, name: str) -> None:
        mark = self._recorder.mark()
        data: JsonValue = {"mark": mark}
        self._recorder.call(
            "checkpoint", name, mark, lambda: self._store.save_checkpoint(name, data).checkpoint_id
        )


def care(folder: str, records: str, who: str, kept: Sequence[str], calls: int) -> None:
    """Do so many verbs in a store of its own."""
    recorder = Recorder(Path(records), who)
    with SessionStore(folder, lock_timeout=60) as store:
        carer = Carer(store, recorder, kept, who)
        for _ in range(calls):
            carer.act()
