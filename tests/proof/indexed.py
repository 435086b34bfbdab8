"""A folder with an index that can be damaged again and again, and all that its index is asked for.

Nothing is copied: a copied session file has times of its own, and the look at it would mend what
is to be found. The databases are put back instead, byte by byte.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from localsessions import ChangesExpiredError, SessionStore
from localsessions.models import Order, SessionChange

__all__ = [
    "DATABASES",
    "ROOM",
    "SUFFIXES",
    "Indexed",
    "answers",
    "fill",
    "fresh_answers",
    "told",
    "write",
]

ROOM = ".localsessions"
DATABASES = ("index.sqlite3", "search.sqlite3")
SUFFIXES = ("", "-wal", "-shm", "-journal")


def write(folder: Path, session_id: str, text: str, **fields: object) -> None:
    """Write a session's file as another program would."""
    number = int(session_id[1:])
    document = {
        "title": f"Title {number % 5}",
        "user_id": f"user_{number % 3}",
        "agent_id": "coder" if number % 2 else None,
        "status": "archived" if number % 4 == 0 else "active",
        "created_at": f"2025-01-{31 - number:02}T00:00:00Z",
        "last_activity": f"2025-02-{number % 9 + 1:02}T00:00:00Z",
        "expires_at": f"2026-01-{number:02}T00:00:00Z" if number % 6 == 1 else None,
        "messages": [{"role": "user", "content": text}] * (number % 3 + 1),
    }
    (folder / f"{session_id}.json").write_text(json.dumps(document | fields))


def fill(folder: Path) -> None:
    """Write 24 sessions and a torn one."""
    folder.mkdir(exist_ok=True)
    for number in range(1, 25):
        write(folder, f"s{number}", f"the parser of file {number} fails")
    (folder / "s25.json").write_text("{torn")


def answers(store: SessionStore) -> dict[str, object]:
    """Return everything that the two databases are asked for."""
    orders: tuple[Order, ...] = ("-last_activity", "last_activity", "-created_at", "size_bytes")
    hits = (*store.search("parser", limit=100), *store.search("file 7"))
    stats = store.stats()
    return {
        "orders": [store.list(order=order, limit=100) for order in orders],
        "users": [store.list(user_id=f"user_{number}", limit=5) for number in range(3)],
        "agent": store.list(agent_id="coder", limit=100).items,
        "status": [store.list(status=one).items for one in ("active", "archived", "unreadable")],
        "counts": [store.count(), store.count(user_id="user_1"), store.count(live=True)],
        "totals": [stats.sessions, stats.unreadable, stats.messages, stats.size_bytes],
        "hits": [(hit.session, hit.position, hit.snippet, hit.highlights) for hit in hits],
        "loaded": [store.load("s3").messages, store.get("s99"), store.resolve("s25")],
        "expired": store.purge_expired(dry_run=True).actions,
    }


def fresh_answers(folder: Path, beside: Path) -> dict[str, object]:
    """Return the answers of a store that never had an index."""
    copied = beside / "fresh"
    shutil.copytree(folder, copied, ignore=shutil.ignore_patterns(ROOM))
    with SessionStore(copied, durability="fast") as store:
        found = answers(store)
    shutil.rmtree(copied)
    return found


def told(store: SessionStore, since: int) -> list[SessionChange] | None:
    """Return what a client is told that was away since a change; None: that it lists again."""
    try:
        return list(store.changes(since))
    except ChangesExpiredError:
        return None


class Indexed:
    """The folder, what is right, and its databases as they were.

    Attributes:
        folder: The folder; its session files stay as they are.
        expected: What ``answers`` are right.
        listed: The summaries of all sessions.
        since: The number of a change that a client was told of, then went away.
        ends: What became of the sessions that were changed after that.
        files: The databases as they are now, by name.
        journaled: The same, with their journals, while a store was open.
        older: The databases before what was missed.
        older_journaled: The same, with their journals, while that store was open.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        fill(folder)
        with SessionStore(folder, durability="fast") as store:
            answers(store)
            store.rename("s1", "known to the client")
            self.since = store.last_change()
            self.older_journaled = self._databases()
        self.older = self._databases()
        with SessionStore(folder, durability="fast") as store:
            store.append("s2", {"role": "user", "content": "one more parser"})
            store.rename("s5", "a title of one's own")
            store.delete("s6")
            store.create("s26", title="the last parser")
            answers(store)
            self.journaled = self._databases()
            missed = told(store, self.since)
        self.files = self._databases()
        self.expected = fresh_answers(folder, folder.parent)
        with SessionStore(folder, durability="fast") as store:
            self.listed = store.list(limit=100).items
        assert missed is not None
        self.ends = self.ends_of(missed)
        assert [*self.ends] == ["s2", "s5", "s6", "s26"]
        assert {f"{name}{end}" for name in DATABASES for end in SUFFIXES[:3]} == {*self.journaled}

    def _databases(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(self.room.glob("*.sqlite3*"))}

    @property
    def room(self) -> Path:
        """Where the databases are."""
        return self.folder / ROOM

    def put_back(self, files: dict[str, bytes], **damaged: bytes) -> None:
        """Let the databases be these, and no journals but those among them."""
        self.room.mkdir(exist_ok=True)
        for path in self.room.glob("*.sqlite3*"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                os.unlink(path)
        for name, data in {**files, **damaged}.items():
            (self.room / name).write_bytes(data)

    @staticmethod
    def ends_of(changes: list[SessionChange]) -> dict[str, tuple[str, str]]:
        """Return what became of each session that is told of."""
        ends: dict[str, tuple[str, str]] = {}
        for one in changes:
            (_, title) = one.changed.get("title", (None, None))
            ends[one.session_id] = one.kind, str(title)
        return ends

    def faults(self, store: SessionStore) -> list[str]:
        """Return what an open store does not answer right."""
        found = answers(store)
        wrong = [what for what, right in self.expected.items() if found[what] != right]
        # Where the log went back in time, what is missing of it is logged again, as external.
        if (changes := told(store, self.since)) is not None and self.ends_of(changes) != self.ends:
            wrong.append("changes")
        return wrong
