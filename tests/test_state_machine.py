"""Whatever happens to a folder, every store of it agrees with a dict.

Two stores are open at once; either may be closed and opened again, the databases may vanish or
be garbled, and another program writes, copies, moves and removes files.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)

from localsessions import (
    ChangesExpiredError,
    ConflictError,
    Session,
    SessionChange,
    SessionExistsError,
    SessionNotFoundError,
    SessionStore,
    SessionSummary,
    UnreadableSessionError,
)

IDS = st.sampled_from(["a", "b", "c d", "имя", "x:y"])
WORDS = st.sampled_from(["parser", "Лексер", "索引", "plain", "токен"])
WHICH = st.integers(0, 1)
ROOM = ".localsessions"
TORN = "torn"


class Known:
    """What the dict knows of a session."""

    def __init__(self, title: str | None, texts: list[str]) -> None:
        self.title = title
        self.texts = texts
        self.pinned = False

    def copy(self) -> Known:
        known = Known(self.title, list(self.texts))
        known.pinned = self.pinned
        return known

    @property
    def said(self) -> tuple[str | None, list[str], bool]:
        return self.title, self.texts, self.pinned


class StoresAndADict(RuleBasedStateMachine):
    loaded = Bundle("loaded")

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="localsessions-"))
        self.folder = self.root / "sessions"
        self.stores = [self.open(), self.open()]
        self.model: dict[str, Known | str] = {}
        self.trash: dict[str, list[Known | str]] = {}
        # Which version a loaded copy was made from: counted up at each change.
        self.versions: dict[str, int] = {}

    def open(self) -> SessionStore:
        return SessionStore(self.folder, durability="fast")

    def teardown(self) -> None:
        for store in self.stores:
            store.close()
        shutil.rmtree(self.root)

    def path(self, session_id: str) -> Path:
        return Path(self.stores[0].path(session_id))

    def changed(self, session_id: str, known: Known | str | None) -> None:
        self.versions[session_id] = self.versions.get(session_id, 0) + 1
        if known is None:
            self.model.pop(session_id, None)
        else:
            self.model[session_id] = known

    def attempt(self, session_id: str, verb: Callable[[], object]) -> Known | None:
        """Call a verb on a session; return what it works on if it must work."""
        known = self.model.get(session_id)
        if isinstance(known, Known):
            verb()
            return known
        expected = SessionNotFoundError if known is None else UnreadableSessionError
        try:
            verb()
        except expected:
            return None
        raise AssertionError(f"{session_id!r} is {known!r}, and yet there was no {expected}")

    # -- verbs -----------------------------------------------------------------------------------

    @rule(which=WHICH, session_id=IDS, title=st.none() | WORDS)
    def create(self, which: int, session_id: str, title: str | None) -> None:
        try:
            self.stores[which].create(session_id, title=title)
        except SessionExistsError:
            assert session_id in self.model
        else:
            assert session_id not in self.model
            self.changed(session_id, Known(title, []))

    @rule(which=WHICH, session_id=IDS, text=WORDS)
    def append(self, which: int, session_id: str, text: str) -> None:
        message = {"role": "user", "content": text}
        if known := self.attempt(
            session_id, lambda: self.stores[which].append(session_id, message)
        ):
            known.texts.append(text)
            self.changed(session_id, known)

    @rule(which=WHICH, session_id=IDS, title=st.none() | WORDS)
    def rename(self, which: int, session_id: str, title: str | None) -> None:
        known = self.attempt(session_id, lambda: self.stores[which].rename(session_id, title))
        if known and known.title != title:
            known.title = title
            self.changed(session_id, known)

    @rule(which=WHICH, session_id=IDS, pinned=st.booleans())
    def pin(self, which: int, session_id: str, pinned: bool) -> None:
        known = self.attempt(session_id, lambda: self.stores[which].pin(session_id, pinned=pinned))
        if known and known.pinned != pinned:
            known.pinned = pinned
            self.changed(session_id, known)

    @rule(target=loaded, which=WHICH, session_id=IDS)
    def load(self, which: int, session_id: str) -> tuple[Session, int] | None:
        found: list[Session] = []
        if self.attempt(session_id, lambda: found.append(self.stores[which].load(session_id))):
            return found[0], self.versions[session_id]
        return None

    @rule(which=WHICH, what=consumes(loaded), text=WORDS)
    def save(self, which: int, what: tuple[Session, int] | None, text: str) -> None:
        if what is None:
            return
        session, version = what
        session_id = session.session_id
        session.messages = [*session.messages, {"role": "user", "content": text}]
        try:
            self.stores[which].save(session)
        except UnreadableSessionError:
            assert self.model[session_id] == TORN
        except ConflictError:
            assert version != self.versions[session_id]
        else:
            assert version == self.versions[session_id]
            known = self.model[session_id]
            assert isinstance(known, Known)
            known.texts.append(text)
            self.changed(session_id, known)

    @rule(which=WHICH, session_id=IDS, new_id=IDS)
    def fork(self, which: int, session_id: str, new_id: str) -> None:
        def verb() -> None:
            with suppress(SessionExistsError):
                self.stores[which].fork(session_id, new_id=new_id)
                assert new_id not in self.model

        if (known := self.attempt(session_id, verb)) and new_id not in self.model:
            self.changed(new_id, Known(known.title, list(known.texts)))

    @rule(which=WHICH, session_id=IDS)
    def delete(self, which: int, session_id: str) -> None:
        known = self.model.get(session_id)
        assert self.stores[which].delete(session_id) == (known is not None)
        if known is not None:
            self.trash.setdefault(session_id, []).append(known)
            self.changed(session_id, None)

    @rule(which=WHICH, session_id=IDS)
    def restore(self, which: int, session_id: str) -> None:
        trashed = self.trash.get(session_id)
        try:
            self.stores[which].restore(session_id)
        except SessionNotFoundError:
            assert not trashed
        except SessionExistsError:
            assert session_id in self.model
        except UnreadableSessionError:
            assert trashed
            assert trashed[-1] == TORN
            self.changed(session_id, trashed.pop())
        else:
            assert trashed
            self.changed(session_id, trashed.pop())

    @rule(which=WHICH)
    def cleanup(self, which: int) -> None:
        report = self.stores[which].cleanup(max_age=timedelta(days=1))
        assert report.deleted == ()

    # -- other programs --------------------------------------------------------------------------

    @rule(session_id=IDS, title=WORDS)
    def write_outside(self, session_id: str, title: str) -> None:
        activity = datetime.now(UTC).isoformat()
        document = {"title": title, "messages": [], "last_activity": activity}
        self.path(session_id).write_text(json.dumps(document))
        self.changed(session_id, Known(title, []))

    @rule(session_id=IDS)
    def tear_outside(self, session_id: str) -> None:
        self.path(session_id).write_text('{"title": "to')
        self.changed(session_id, TORN)

    @rule(session_id=IDS)
    def remove_outside(self, session_id: str) -> None:
        self.path(session_id).unlink(missing_ok=True)
        if session_id in self.model:
            self.changed(session_id, None)

    @rule(source=IDS, onto=IDS, move=st.booleans())
    def copy_outside(self, source: str, onto: str, move: bool) -> None:
        if source in self.model and source != onto:
            known = self.model[source]
            if move:
                self.path(source).replace(self.path(onto))
                self.changed(source, None)
            else:
                shutil.copy2(self.path(source), self.path(onto))
            self.changed(onto, known if isinstance(known, str) else known.copy())

    @rule(session_id=IDS)
    def touch_outside(self, session_id: str) -> None:
        if session_id in self.model:
            os.utime(self.path(session_id))

    # -- the databases ---------------------------------------------------------------------------

    @rule(which=WHICH)
    def reopen(self, which: int) -> None:
        self.stores[which].close()
        self.stores[which] = self.open()

    @rule(name=st.sampled_from(["index.sqlite3", "search.sqlite3"]))
    def lose_a_database(self, name: str) -> None:
        for suffix in ("", "-wal", "-shm"):
            (self.folder / ROOM / f"{name}{suffix}").unlink(missing_ok=True)

    @rule(name=st.sampled_from(["index.sqlite3", "search.sqlite3"]), offset=st.integers(0, 40))
    def garble_a_database(self, name: str, offset: int) -> None:
        path = self.folder / ROOM / name
        if path.exists():
            with path.open("r+b") as file:
                file.seek(offset * 512)
                file.write(b"\xa5" * 512)

    @rule()
    def lose_the_whole_room(self) -> None:
        shutil.rmtree(self.folder / ROOM, ignore_errors=True)

    @rule(which=WHICH)
    def reindex(self, which: int) -> None:
        assert self.stores[which].reindex() == len(self.model)

    # -- what must hold --------------------------------------------------------------------------

    @initialize()
    def begin_empty(self) -> None:
        assert self.stores[0].list().items == ()

    @invariant()
    def both_stores_agree_with_the_dict(self) -> None:
        for store in self.stores:
            listed = {one.session_id: one for one in store.list(limit=100, fresh=True)}
            assert set(listed) == set(self.model)
            assert store.count() == len(self.model)
            for session_id, known in self.model.items():
                one = listed[session_id]
                if isinstance(known, str):
                    assert one.status == "unreadable"
                    continue
                session = store.load(session_id)
                texts = [message["content"] for message in session.messages]
                assert (session.title, texts, session.pinned) == known.said
                assert (one.message_count, one.pinned) == (len(known.texts), known.pinned)
                assert one.title == (known.title or (known.texts[0] if known.texts else ""))
            for word in ("parser", "索引"):
                found = {hit.session.session_id for hit in store.search(word, limit=100)}
                assert found == {
                    session_id
                    for session_id, known in self.model.items()
                    if isinstance(known, Known) and word in [known.title, *known.texts]
                }
            assert {one.session_id for one in store.trash()} == {
                session_id for session_id, known in self.trash.items() if known
            }


TestStoresAndADict = StoresAndADict.TestCase
TestStoresAndADict.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)


# -- a follower --------------------------------------------------------------------------------


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
        self.follow(store, None)

    def follow(self, store: SessionStore, since: int | None) -> None:
        self.store = store
        try:
            self.watch = store.watch(self.apply, since=since, on_error=self.fail)
        except ChangesExpiredError:
            self.watch = store.watch(self.apply, on_error=self.fail)
            self.list_again()

    def list_again(self) -> None:
        self.has_listed = True
        self.picture = {
            one.session_id: (one.unreadable is None, None if one.unreadable else facts_of(one))
            for one in self.store.list(limit=100, fresh=True)
        }

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


class AFollowerAndADict(StoresAndADict):
    """The first store is watched all the time; after each step the picture is the folder."""

    def __init__(self) -> None:
        super().__init__()
        self.follower = Follower(self.stores[0])

    @initialize()
    def begin_empty(self) -> None:
        assert self.follower.picture == {}

    @rule(which=WHICH)
    def reopen(self, which: int) -> None:
        self.stores[which].close()
        self.stores[which] = self.open()
        if which == 0:
            self.follower.follow(self.stores[0], self.follower.watch.number)

    @rule(session_id=IDS)
    def delete_and_write_outside(self, session_id: str) -> None:
        """As git checks out another branch, and as some editors save."""
        self.remove_outside(session_id)
        self.write_outside(session_id, "plain")

    @invariant()
    def both_stores_agree_with_the_dict(self) -> None:
        expected = {
            session_id: None
            if isinstance(known, str)
            else (known.title or (known.texts[0] if known.texts else ""), len(known.texts))
            for session_id, known in self.model.items()
        }
        deadline = time.monotonic() + 20
        while self.follower.seen() != expected or not self.is_quiet():
            assert self.follower.failures == []
            assert time.monotonic() < deadline, (self.follower.seen(), expected)
            time.sleep(0.002)
        assert self.follower.failures == []

    def is_quiet(self) -> bool:
        """Tell whether all was told; after a list also what is in it already."""
        if self.follower.has_listed:
            self.stores[0].list(fresh=True)
            last = self.stores[0].last_change()
            if self.stores[0]._reconciler.settle() or self.follower.watch.number < last:
                return False
            self.follower.has_listed = False
        return True

    def teardown(self) -> None:
        try:
            super().both_stores_agree_with_the_dict()
        finally:
            super().teardown()


TestAFollowerAndADict = AFollowerAndADict.TestCase
TestAFollowerAndADict.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
