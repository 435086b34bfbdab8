"""The records of a thread: checkpoints of its session, found by their names.

The name of a record is ``<checkpoint>[@<namespace>].<kind>.<tag>``; the tag tells records of one
checkpoint apart. The kinds::

    put       a checkpoint of the graph: what is new in it
    writes    what one task wrote after a checkpoint
    left      messages as they were before the next checkpoint took them out of the session

No record ever changes: one that is stored again is a new one, and the last one counts. So one
that was read once need not be read again.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from localsessions import ConflictError, Session, SessionNotFoundError, UnreadableSessionError
from localsessions.adapters.document import Remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pydantic import JsonValue

    from localsessions import SessionStore

__all__ = ["Records", "Thread", "place_of"]

_PLAIN = re.compile(r"[0-9a-f][0-9a-f-]{0,63}")
_KINDS = ("put", "writes", "left")
_REMEMBERED = 1024
_THREADS = 64

_log = logging.getLogger("localsessions.adapters.langgraph")


def place_of(ns: str, checkpoint_id: str) -> str:
    """Return how the names of the records of a checkpoint begin; one to one."""
    is_plain = _PLAIN.fullmatch(checkpoint_id) is not None
    own = checkpoint_id if is_plain else f"~{_digest(checkpoint_id)}"
    return f"{own}@{_digest(ns)}" if ns else own


class Records:
    """Writes and reads the records of a store; remembers those that it read last.

    Args:
        store: Where the sessions are.
    """

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self._known: Remembered[tuple[str, str], dict[str, Any]] = Remembered(_REMEMBERED)
        self._threads: Remembered[str, Thread] = Remembered(_THREADS)

    def thread(self, session_id: str) -> Thread:
        """Return the records of a session as they are now."""
        names = self._store.checkpoints(session_id)
        known = self._threads.get(session_id)
        made = known.grown_to(names) if known is not None else None
        made = made or Thread(self, session_id).with_names(names[::-1])
        return self._threads.put(session_id, made)

    def save(
        self, session_id: str, place: str, kind: str, data: Any, make: Callable[[Session], object]
    ) -> str:
        """Store a record, durably; create the session if it is absent. Return its name."""
        name = f"{place}.{kind}.{secrets.token_hex(4)}"
        try:
            self._store.save_checkpoint(session_id, data, checkpoint_id=name)
        except SessionNotFoundError:
            create(self._store, session_id, make)
            self._store.save_checkpoint(session_id, data, checkpoint_id=name)
        self._known.put((session_id, name), data)
        return name

    def data(self, session_id: str, name: str) -> dict[str, Any]:
        """Return what a record says; do not change it.

        Raises:
            SessionNotFoundError: It was deleted meanwhile.
        """
        if (known := self._known.get((session_id, name))) is not None:
            return known
        read = self._store.load_checkpoint(session_id, name).data
        data: dict[str, Any] = read if isinstance(read, dict) else {}
        return self._known.put((session_id, name), data)

    def delete(self, session_id: str, name: str) -> None:
        """Remove a record for good."""
        self._store.delete_checkpoint(session_id, name)


class Thread:
    """The records of one session, as they were when this was made. It never changes."""

    def __init__(self, records: Records, session_id: str) -> None:
        self.session_id = session_id
        self.puts: dict[str, str] = {}
        self.writes: dict[str, tuple[str, ...]] = {}
        self.lefts: list[str] = []
        self.position: dict[str, int] = {}
        self._records = records
        self._names: list[str] = []
        self._latest: dict[str, str | None] = {}

    def grown_to(self, names: Sequence[str]) -> Thread | None:
        """Return these records and those that were saved since; None if some are gone.

        Args:
            names: All that there are now, the last saved first.
        """
        since = len(names) - len(self._names)
        if since < 0 or [*names[since:]] != self._names:
            return None
        return self.with_names(names[:since][::-1]) if since else self

    def with_names(self, names: Sequence[str]) -> Thread:
        """Return these records and later ones.

        Args:
            names: Those, the first saved first.
        """
        made = Thread(self._records, self.session_id)
        made.puts, made.writes = {**self.puts}, {**self.writes}
        made.lefts, made.position = [*self.lefts], {**self.position}
        made._names = [*names[::-1], *self._names]
        for name in names:
            made._add(name)
        return made

    def _add(self, name: str) -> None:
        place, _, kind_and_tag = name.partition(".")
        kind = kind_and_tag.partition(".")[0]
        if kind not in _KINDS:  # somebody's own checkpoint
            return
        self.position[name] = len(self.position)
        if kind == "put":
            self.puts[place] = name
        elif kind == "writes":
            self.writes[place] = (*self.writes.get(place, ()), name)
        else:
            self.lefts.append(name)

    def data(self, name: str) -> dict[str, Any]:
        """Return what a record says."""
        return self._records.data(self.session_id, name)

    def put(self, ns: str, checkpoint_id: str | None) -> dict[str, Any] | None:
        """Return the record of a checkpoint; None if there is none."""
        if checkpoint_id is None:
            return None
        name = self.puts.get(place_of(ns, checkpoint_id))
        return None if name is None else self.data(name)

    def name(self, ns: str, checkpoint_id: str) -> str:
        """Return the name of the record of a checkpoint that is there."""
        return self.puts[place_of(ns, checkpoint_id)]

    def latest(self, ns: str) -> str | None:
        """Return the id of the newest checkpoint of a namespace: the greatest."""
        if ns not in self._latest:
            self._latest[ns] = max((one for _, one in self.ids(ns)), default=None)
        return self._latest[ns]

    def ids(self, ns: str | None = None) -> Iterator[tuple[str, str]]:
        """Yield the namespaces and ids of the checkpoints; with None, of all namespaces."""
        wanted = None if ns is None else place_of(ns, "0")[1:]
        for place, name in self.puts.items():
            own, at, digest = place.partition("@")
            if wanted is not None and at + digest != wanted:
                continue
            data = self.data(name) if own[:1] == "~" or (ns is None and at) else None
            its_ns = ns if ns is not None else data["ns"] if data is not None else ""
            yield its_ns, data["id"] if data is not None else own

    def holding(self, ns: str, channel: str, version: JsonValue) -> dict[str, Any] | None:
        """Return the record that was saved last of those that brought a version of a channel."""
        wanted = place_of(ns, "0")[1:]
        for place, name in sorted(self.puts.items(), key=lambda one: -self.position[one[1]]):
            own, at, digest = place.partition("@")
            if own and at + digest == wanted:
                data = self.data(name)
                if channel in data["new"] and data["new"][channel] == version:
                    return data
        return None

    def has_left_since(self, record: dict[str, Any] | None) -> bool:
        """Tell whether messages left the session after a record was saved."""
        if record is None or not self.lefts:
            return False
        name = self.puts.get(place_of(record["ns"], record["id"]))
        return name is None or self.position[self.lefts[-1]] > self.position[name]

    def holder(self, record: dict[str, Any], channel: str, version: Any) -> dict[str, Any] | None:
        """Return the record that brought the version of a channel that a checkpoint has."""
        ns = record["ns"]
        for one in (record, self.put(ns, record["at"].get(channel))):
            if one is not None and channel in one["new"] and one["new"][channel] == version:
                return one
        return self.holding(ns, channel, version)

    def ancestors(self, ns: str, checkpoint_id: str | None) -> Iterator[dict[str, Any]]:
        """Yield the checkpoints before one, the nearest first."""
        passed = {checkpoint_id}
        record = self.put(ns, checkpoint_id)
        while record is not None and record["parent"] not in passed:
            passed.add(record["parent"])
            record = self.put(ns, record["parent"])
            if record is not None:
                yield record


def create(store: SessionStore, session_id: str, make: Callable[[Session], object]) -> None:
    """Create a session unless it is there.

    Raises:
        SessionExistsError: There is one whose id differs only by letter case or Unicode form.
    """
    session = Session(session_id=session_id)
    make(session)
    with suppress(ConflictError):  # another caller created it first
        store.save(session)


def readable(store: SessionStore, session_id: str) -> Session | None:
    """Return a session that was listed; None if it is gone since, or, with a warning, broken."""
    try:
        return store.load(session_id)
    except SessionNotFoundError:
        return None
    except UnreadableSessionError as unreadable:
        _log.warning("left out of the list: %s", unreadable)
        return None


def _digest(text: str) -> str:
    exact = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return base64.b32encode(exact).decode()[:26].lower()
