"""Whoever keeps a picture of the sessions by what the store tells of them, and nothing else."""

from __future__ import annotations

import threading

from localsessions import ChangesExpiredError, SessionChange, SessionStore, SessionSummary

__all__ = ["Follower", "Poller"]


class Follower:
    """Whoever keeps a picture of the sessions by what a watch tells, and lists again when told so.

    The picture holds, by session id, whether the file can be read and the facts of the summary
    when it last could; None where that is not known.
    """

    def __init__(self, store: SessionStore) -> None:
        self.picture: dict[str, tuple[bool, dict[str, object] | None]] = {}
        self.failures: list[BaseException] = []
        # Right after a list what is in it may be told once more.
        self.has_listed = True
        self.listings = 0
        self._listing = threading.Lock()
        self.follow(store, None)

    def follow(self, store: SessionStore, since: int | None) -> None:
        self.store = store
        try:
            self.watch = store.watch(self.apply, since=since, on_error=self.fail)
        except ChangesExpiredError:
            self.watch = store.watch(self.apply, on_error=self.fail)
            self.list_again()

    def list_again(self) -> None:
        with self._listing:
            self.has_listed = True
            self.listings += 1
            self.picture = {
                one.session_id: (one.unreadable is None, None if one.unreadable else facts_of(one))
                for one in self.store.list(limit=100, fresh=True)
            }

    def is_settled(self, listings: int) -> bool:
        """Tell that all in the list was told, unless the watch made it list once more meanwhile."""
        with self._listing:
            if self.listings == listings:
                self.has_listed = False
            return not self.has_listed

    def fail(self, error: Exception, change: SessionChange | None) -> None:
        if isinstance(error, ChangesExpiredError):
            self.list_again()
        else:
            self.failures.append(error)

    def apply(self, change: SessionChange) -> None:
        session_id = change.session_id
        was_there = session_id in self.picture
        is_readable, facts = self.picture.get(session_id, (True, {}))
        if not self.has_listed:
            legal = {
                "created": not was_there,
                "modified": was_there and is_readable,
                "readable": was_there and not is_readable,
                "unreadable": True,
                "deleted": was_there,
            }
            assert legal[change.kind], f"{change} and before {self.picture.get(session_id)}"
        if change.kind == "deleted":
            self.picture.pop(session_id, None)
        elif change.kind == "unreadable":
            self.picture[session_id] = False, facts
        elif facts is None or self.has_listed:
            listed = {one.session_id: one for one in self.store.list(limit=100)}
            if session_id in listed:
                self.picture[session_id] = True, facts_of(listed[session_id])
        else:
            self.picture[session_id] = True, self.moved_on(facts, change)

    def moved_on(self, facts: dict[str, object], change: SessionChange) -> dict[str, object]:
        for name in ("title", "message_count", "pinned"):
            if name in change.changed:
                was, now = change.changed[name]
                assert (was or None) == (facts.get(name) or None), change
                facts = {**facts, name: now}
        return facts

    def seen(self) -> dict[str, tuple[object, ...] | None]:
        return {
            session_id: (facts.get("title") or "", facts.get("message_count") or 0)
            if is_readable and facts is not None
            else None
            for session_id, (is_readable, facts) in dict(self.picture).items()
        }


def facts_of(summary: SessionSummary) -> dict[str, object]:
    return {name: getattr(summary, name) for name in ("title", "message_count", "pinned")}


class Poller:
    """Whoever asks now and then what has happened since, and lists again when told so."""

    def __init__(self, store: SessionStore) -> None:
        self.number = 0
        self.picture: dict[str, tuple[str, bool]] = {}
        self.list_again(store)

    def list_again(self, store: SessionStore) -> None:
        self.number = store.last_change()
        self.picture = {
            one.session_id: (one.title, one.unreadable is not None)
            for one in store.list(limit=100, fresh=True)
        }

    def poll(self, store: SessionStore) -> bool:
        """Bring the picture up to date; return whether that took listing again."""
        try:
            for change in store.changes(self.number, fresh=True):
                self.apply(change)
                self.number = change.number
        except ChangesExpiredError:
            self.list_again(store)
            return True
        return False

    def apply(self, change: SessionChange) -> None:
        if change.kind == "deleted":
            self.picture.pop(change.session_id, None)
            return
        former, _ = self.picture.get(change.session_id, ("", False))
        _, title = change.changed.get("title", (None, former))
        self.picture[change.session_id] = str(title or ""), change.kind == "unreadable"
