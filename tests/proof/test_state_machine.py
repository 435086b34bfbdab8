"""Whatever happens to a folder, every store of it agrees with a dict.

Two stores are open at once; either may be closed and opened again; another program writes,
truncates, replaces, copies, moves and removes files and puts their times back; the databases
vanish, are garbled, are made anew by another version or put back as they were. After each step
both stores say what the dict says, whichever way they are asked.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    consumes,
    initialize,
    invariant,
    rule,
)

from localsessions import (
    ConflictError,
    Session,
    SessionExistsError,
    SessionNotFoundError,
    SessionStore,
    SessionSummary,
    UnreadableSessionError,
)
from localsessions.models import Order
from proof.counting import sized
from proof.following import Follower, Poller
from proof.model import PAST, ROOM, TORN, Known, TwoStores

IDS = st.sampled_from(["a", "b", "c d", "имя", "x:y"])
WORDS = st.sampled_from(["parser", "Лексер", "索引", "plain", "токен"])
WHICH = st.integers(0, 1)
USERS = st.sampled_from([None, "ann", "Боб"])
ORDERS: st.SearchStrategy[Order] = st.sampled_from(
    ["-last_activity", "last_activity", "-created_at", "created_at", "-size_bytes", "size_bytes"]
)
DATABASES = st.sampled_from(["index.sqlite3", "search.sqlite3"])
# What the machine leaves to others, and to whom.
NOT_HERE = {
    "get": "is load",
    "watch": "the follower below",
    "close": "reopen, by every rule that needs it",
    "save_dir": "is no verb",
    "path": "names the files that other programs write",
    "list": "the invariant",
}


def refusals(verb: Callable[[], object]) -> dict[str, type[Exception]]:
    """Do a verb on many sessions; return what it raised of which."""
    try:
        verb()
    except ExceptionGroup as group:
        return {getattr(error, "session_id", "?"): type(error) for error in group.exceptions}
    return {}


class StoresAndADict(TwoStores):
    loaded = Bundle("loaded")

    # -- verbs that write ------------------------------------------------------------------------

    @rule(which=WHICH, session_id=IDS, title=st.none() | WORDS, user=USERS, expired=st.booleans())
    def create(
        self, which: int, session_id: str, title: str | None, user: str | None, expired: bool
    ) -> None:
        try:
            self.stores[which].create(session_id, title=title, user_id=user)
        except SessionExistsError:
            assert session_id in self.model
            return
        assert session_id not in self.model
        if expired:
            with self.stores[which].edit(session_id) as session:
                session.expires_at = PAST
        self.changed(session_id, Known(title, user_id=user, expired=expired))

    @rule(which=WHICH, session_id=IDS, text=WORDS)
    def append(self, which: int, session_id: str, text: str) -> None:
        message = {"role": "user", "content": text}
        if known := self.attempt(
            session_id, lambda: self.stores[which].append(session_id, message)
        ):
            known.texts.append(text)
            self.changed(session_id, known)

    @rule(which=WHICH, session_id=IDS, texts=st.lists(WORDS, max_size=3))
    def edit(self, which: int, session_id: str, texts: list[str]) -> None:
        """All messages are put away, and others in their place."""

        def verb() -> None:
            with self.stores[which].edit(session_id) as session:
                session.messages = [{"role": "user", "content": text} for text in texts]

        if known := self.attempt(session_id, verb):
            known.texts = list(texts)
            self.changed(session_id, known)

    @rule(which=WHICH, session_id=IDS, run=st.sampled_from("rs"), status=WORDS, text=WORDS)
    def upsert_run(self, which: int, session_id: str, run: str, status: str, text: str) -> None:
        def verb() -> None:
            message = {"id": f"of {run}", "role": "user", "content": text}
            record = {"run_id": run, "status": status}
            self.stores[which].upsert_run(session_id, record, message)

        store = self.stores[which]
        is_known = isinstance(self.model.get(session_id), Known)
        before = [one.get("id") for one in store.load(session_id).messages] if is_known else []
        if known := self.attempt(session_id, verb):
            known.runs[run] = status
            if f"of {run}" in before:
                known.texts[before.index(f"of {run}")] = text
            else:
                known.texts.append(text)
            self.changed(session_id, known)

    @rule(which=WHICH, session_id=IDS, agent=WORDS)
    def switch_agent(self, which: int, session_id: str, agent: str) -> None:
        switched: list[bool] = []
        known = self.attempt(
            session_id,
            lambda: switched.append(self.stores[which].switch_agent(session_id, agent)),
        )
        if known:
            assert switched == [known.agent != agent]
            self.change(session_id, known, agent=agent)

    def change(self, session_id: str, known: Known, **fields: object) -> None:
        if any(getattr(known, name) != value for name, value in fields.items()):
            for name, value in fields.items():
                setattr(known, name, value)
            self.changed(session_id, known)

    @rule(which=WHICH, session_id=IDS, title=st.none() | WORDS, made=st.booleans())
    def rename(self, which: int, session_id: str, title: str | None, made: bool) -> None:
        known = self.attempt(
            session_id, lambda: self.stores[which].rename(session_id, title, made=made)
        )
        if known and not (made and known.title):
            self.change(session_id, known, title=title)

    @rule(which=WHICH, session_id=IDS, pinned=st.booleans())
    def pin(self, which: int, session_id: str, pinned: bool) -> None:
        known = self.attempt(session_id, lambda: self.stores[which].pin(session_id, pinned=pinned))
        if known:
            self.change(session_id, known, pinned=pinned)

    @rule(which=WHICH, session_id=IDS, archived=st.booleans())
    def archive(self, which: int, session_id: str, archived: bool) -> None:
        known = self.attempt(
            session_id, lambda: self.stores[which].archive(session_id, archived=archived)
        )
        if known:
            self.change(session_id, known, archived=archived)

    @rule(which=WHICH, session_id=IDS, tag=st.sampled_from("uvw"), remove=st.booleans())
    def tag(self, which: int, session_id: str, tag: str, remove: bool) -> None:
        tags, removed = ([], [tag]) if remove else ([tag], [])
        known = self.attempt(
            session_id, lambda: self.stores[which].tag(session_id, *tags, remove=removed)
        )
        if known:
            kept = [one for one in known.tags if one not in removed]
            self.change(session_id, known, tags=list(dict.fromkeys([*kept, *tags])))

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

    @rule(which=WHICH, what=consumes(loaded), tag=st.sampled_from("xyz"))
    def save_merging(self, which: int, what: tuple[Session, int] | None, tag: str) -> None:
        """A tag that is added never conflicts: a merge keeps all that others did meanwhile."""
        if what is None:
            return
        session, _ = what
        session_id = session.session_id
        is_new = tag not in session.tags
        session.tags = list(dict.fromkeys([*session.tags, tag]))
        try:
            self.stores[which].save(session, on_conflict="merge")
        except UnreadableSessionError:
            assert self.model[session_id] == TORN
        except ConflictError:
            # Nothing to merge with: the file is gone, or is another session's, with other times.
            assert session_id not in self.model or session.created_at != PAST
        else:
            known = self.model.get(session_id)
            if isinstance(known, Known) and is_new:
                tags = self.stores[which].load(session_id).tags
                assert {*tags} == {*known.tags, tag}
                self.change(session_id, known, tags=tags)

    @rule(which=WHICH, session_id=IDS, new_id=IDS, at=st.none() | st.integers(0, 2))
    def fork(self, which: int, session_id: str, new_id: str, at: int | None) -> None:
        known = self.model.get(session_id)
        if isinstance(known, Known) and at is not None and at >= len(known.texts):
            with pytest.raises(LookupError):
                self.stores[which].fork(session_id, new_id=new_id, at=at)
            return

        def verb() -> None:
            with suppress(SessionExistsError):
                self.stores[which].fork(session_id, new_id=new_id, at=at)
                assert new_id not in self.model

        if (source := self.attempt(session_id, verb)) and new_id not in self.model:
            forked = source.copy()
            forked.pinned = forked.archived = forked.expired = False
            if at is not None:
                forked.texts = forked.texts[: at + 1]
                ids = {one.get("run_id") for one in self.stores[which].load(new_id).messages}
                forked.runs = {run: status for run, status in forked.runs.items() if run in ids}
            self.changed(new_id, forked)

    # -- many at once ----------------------------------------------------------------------------

    @rule(which=WHICH, session_ids=st.lists(IDS, min_size=1, unique=True), title=st.none() | WORDS)
    def create_many(self, which: int, session_ids: list[str], title: str | None) -> None:
        taken = [session_id for session_id in session_ids if session_id in self.model]
        sessions = [Session(session_id=session_id, title=title) for session_id in session_ids]
        refused = refusals(lambda: self.stores[which].create_many(sessions))
        assert refused == dict.fromkeys(taken, SessionExistsError)
        for session_id in set(session_ids) - set(taken):
            self.changed(session_id, Known(title))

    @rule(which=WHICH, one=consumes(loaded), other=consumes(loaded), text=WORDS)
    def save_many(
        self,
        which: int,
        one: tuple[Session, int] | None,
        other: tuple[Session, int] | None,
        text: str,
    ) -> None:
        chosen = {what[0].session_id: what for what in (one, other) if what is not None}
        for session, _ in chosen.values():
            session.messages = [*session.messages, {"role": "user", "content": text}]
        sessions = [session for session, _ in chosen.values()]
        refused = refusals(lambda: self.stores[which].save_many(sessions))
        assert refused.keys() <= chosen.keys()
        for session_id, (_, version) in chosen.items():
            known, is_as_loaded = self.model.get(session_id), version == self.versions[session_id]
            if (error := refused.get(session_id)) is not None:
                assert error is (UnreadableSessionError if known == TORN else ConflictError)
                assert known == TORN or not is_as_loaded
                continue
            assert is_as_loaded
            assert isinstance(known, Known)
            known.texts.append(text)
            self.changed(session_id, known)

    @rule(which=WHICH, session_ids=st.lists(IDS, min_size=1, unique=True))
    def delete_many(self, which: int, session_ids: list[str]) -> None:
        there = {session_id for session_id in session_ids if session_id in self.model}
        assert {*self.stores[which].delete_many(session_ids)} == there
        for session_id in there:
            self.move_to_trash(session_id)

    # -- checkpoints -----------------------------------------------------------------------------

    @rule(which=WHICH, session_id=IDS, number=st.integers(0, 9))
    def save_checkpoint(self, which: int, session_id: str, number: int) -> None:
        """Of an unreadable session too: nothing of it is read."""
        if session_id not in self.model:
            with pytest.raises(SessionNotFoundError):
                self.stores[which].save_checkpoint(session_id, number)
            return
        self.stores[which].save_checkpoint(session_id, number)
        self.checkpoints.setdefault(session_id, []).append(number)

    @rule(which=WHICH, session_id=IDS, first=st.booleans())
    def delete_checkpoint(self, which: int, session_id: str, first: bool) -> None:
        ids = self.stores[which].checkpoints(session_id)
        if ids:
            assert self.stores[which].delete_checkpoint(session_id, ids[-1 if first else 0])
            self.checkpoints[session_id].pop(0 if first else -1)
        assert not self.stores[which].delete_checkpoint(session_id, "none")

    @rule(which=WHICH, session_id=IDS)
    def clear_checkpoints(self, which: int, session_id: str) -> None:
        expected = len(self.checkpoints.pop(session_id, []))
        assert self.stores[which].clear_checkpoints(session_id) == expected

    @rule(which=WHICH, session_id=IDS)
    def load_checkpoint(self, which: int, session_id: str) -> None:
        store, expected = self.stores[which], self.checkpoints.get(session_id, [])
        ids = store.checkpoints(session_id)
        assert [store.load_checkpoint(session_id, one).data for one in ids] == expected[::-1]
        if expected:
            assert store.load_checkpoint(session_id).data == expected[-1]

    # -- deleting --------------------------------------------------------------------------------

    @rule(which=WHICH, session_id=IDS)
    def delete(self, which: int, session_id: str) -> None:
        is_there = session_id in self.model
        assert self.stores[which].delete(session_id) == is_there
        if is_there:
            self.move_to_trash(session_id)

    @rule(which=WHICH, session_id=IDS)
    def restore(self, which: int, session_id: str) -> None:
        trashed = self.trash.get(session_id, [])
        try:
            self.stores[which].restore(session_id)
        except SessionNotFoundError:
            assert not trashed
            return
        except SessionExistsError:
            assert session_id in self.model
            assert trashed
            return
        except UnreadableSessionError:
            assert trashed[-1][0] == TORN
        known, checkpoints = trashed.pop()
        self.changed(session_id, known)
        self.checkpoints[session_id] = checkpoints

    @rule(which=WHICH, all_of_them=st.booleans())
    def empty_trash(self, which: int, all_of_them: bool) -> None:
        age = timedelta(0) if all_of_them else timedelta(days=1)
        purged = self.stores[which].empty_trash(max_age=age)
        expected = sum(map(len, self.trash.values())) if all_of_them else 0
        assert len(purged) == expected
        if all_of_them:
            self.trash.clear()

    @rule(which=WHICH, all_of_them=st.booleans(), dry_run=st.booleans())
    def cleanup(self, which: int, all_of_them: bool, dry_run: bool) -> None:
        age = timedelta(0) if all_of_them else timedelta(days=1)
        report = self.stores[which].cleanup(max_age=age, dry_run=dry_run)
        due = self.fitting(lambda known: all_of_them and not known.pinned)
        assert {one.session_id for one in report.deleted} == due
        for session_id in () if dry_run else due:
            self.move_to_trash(session_id)

    @rule(which=WHICH, dry_run=st.booleans())
    def purge_expired(self, which: int, dry_run: bool) -> None:
        report = self.stores[which].purge_expired(dry_run=dry_run)
        due = self.fitting(lambda known: known.expired and not known.pinned)
        assert {one.session_id for one in report.deleted} == due
        for session_id in () if dry_run else due:
            self.move_to_trash(session_id)

    # -- asking ----------------------------------------------------------------------------------

    @rule(
        which=WHICH,
        order=ORDERS,
        limit=st.integers(1, 3),
        user=USERS,
        status=st.sampled_from([None, "active", "archived"]),
    )
    def page_through(
        self, which: int, order: Order, limit: int, user: str | None, status: str | None
    ) -> None:
        store = self.stores[which]
        found: list[SessionSummary] = []
        cursor = None
        while True:
            page = store.list(user_id=user, status=status, order=order, limit=limit, cursor=cursor)
            found += page.items
            if (cursor := page.next_cursor) is None:
                break
            assert len(page.items) == limit
        keys = [(getattr(one, order.lstrip("-")), one.session_id) for one in found]
        assert keys == sorted(keys, reverse=order[0] == "-")

        def fits(known: Known) -> bool:
            return user in (None, known.user_id) and status in (None, known.status)

        expected = self.fitting(fits)
        if user is None and status is None:
            expected = {*self.model}
        assert [one.session_id for one in found if one.session_id in expected] == [
            one.session_id for one in found
        ]
        assert {one.session_id for one in found} == expected
        assert store.count(user_id=user, status=status) == len(expected)
        hits = store.search("plain", user_id=user, status=status, limit=100)
        said = self.fitting(lambda known: fits(known) and "plain" in [known.title, *known.texts])
        assert {hit.session.session_id for hit in hits} == said

    @rule(which=WHICH, days=st.integers(-1, 1))
    def count_since_and_live(self, which: int, days: int) -> None:
        store = self.stores[which]
        instant = datetime.now(UTC) + timedelta(days=days)
        later, earlier = store.count(since=instant), store.count(until=instant)
        assert later + earlier == len(self.model)
        if days:
            assert (later, earlier)[days > 0] == len(self.model)
        assert store.count(live=True) == len(
            self.fitting(lambda known: not known.archived and not known.expired)
        )
        stats = store.stats()
        texts = [known.texts for known in self.model.values() if isinstance(known, Known)]
        assert (stats.sessions, stats.messages) == (len(self.model), sum(map(len, texts)))
        assert stats.unreadable == len(self.model) - len(texts)
        assert stats.trashed == sum(map(len, self.trash.values()))

    @rule(which=WHICH, session_id=IDS, n=st.integers(0, 4))
    def tail(self, which: int, session_id: str, n: int) -> None:
        found: list[object] = []
        store = self.stores[which]
        known = self.attempt(
            session_id, lambda: found.extend(one["content"] for one in store.tail(session_id, n))
        )
        if known:
            assert found == known.texts[len(known.texts) - min(n, len(known.texts)) :]

    @rule(which=WHICH, title=WORDS)
    def resolve(self, which: int, title: str) -> None:
        store = self.stores[which]
        fitting = self.fitting(lambda known: known.listed_title == title)
        if len(fitting) == 1:
            assert {store.resolve(title)} == fitting
        else:
            with pytest.raises(ValueError if fitting else SessionNotFoundError):
                store.resolve(title)
        if self.model:
            assert store.resolve("latest") == store.list(limit=1).items[0].session_id

    @rule(which=WHICH)
    def changes(self, which: int) -> None:
        """Who was away is told all that happened since, or to list again.

        A file that is torn is told of when nobody has written to it for 40 ms.
        """
        store = self.stores[which]
        deadline = time.monotonic() + 20
        while True:
            has_listed = self.poller.poll(store)
            assert self.is_damaged or not has_listed
            torn = {one for one, (_, is_torn) in self.poller.picture.items() if is_torn}
            expected = {one for one, known in self.model.items() if known == TORN}
            if torn == expected and self.poller.number == store.last_change():
                break
            assert time.monotonic() < deadline, "what was torn is not told of"
            time.sleep(0.002)
        assert self.poller.picture.keys() == self.model.keys()
        for session_id, (title, is_torn) in self.poller.picture.items():
            known = self.model[session_id]
            assert is_torn == (known == TORN)
            assert isinstance(known, str) or title == known.listed_title

    @rule(which=WHICH)
    def verify_and_repair(self, which: int) -> None:
        torn = {session_id for session_id, known in self.model.items() if known == TORN}
        findings = [one for one in self.stores[which].verify() if one.kind != "index"]
        assert {one.session_id for one in findings if one.kind == "unreadable"} == torn
        for one in findings:
            # What is torn stays as it is: what can be recovered of it would be another session.
            if one.session_id not in torn:
                assert one.kind == "wrong inner id"
                self.stores[which].repair(one)
                assert one.session_id is not None
                self.changed(one.session_id, self.model[one.session_id])
        left = [one for one in self.stores[which].verify() if one.kind != "index"]
        assert {one.session_id for one in left} == torn

    # -- other programs --------------------------------------------------------------------------

    @staticmethod
    def written(title: str, text: str | None = None) -> tuple[bytes, Known]:
        activity = datetime.now(UTC).isoformat()
        messages = [] if text is None else [{"role": "user", "content": text}]
        document = {"title": title, "messages": messages, "last_activity": activity}
        return json.dumps(document).encode(), Known(title, [] if text is None else [text])

    @rule(session_id=IDS, title=WORDS)
    def write_outside(self, session_id: str, title: str) -> None:
        data, known = self.written(title)
        self.path(session_id).write_bytes(data)
        self.changed(session_id, known)

    @rule(session_id=IDS, title=WORDS, text=WORDS)
    def replace_outside(self, session_id: str, title: str, text: str) -> None:
        """As editors do that write a new file and rename it over the old one."""
        data, known = self.written(title, text)
        beside = self.root / "new"
        beside.write_bytes(data)
        beside.replace(self.path(session_id))
        self.changed(session_id, known)

    @rule(session_id=IDS, title=WORDS)
    def delete_and_write_outside(self, session_id: str, title: str) -> None:
        """As git checks out another branch."""
        self.path(session_id).unlink(missing_ok=True)
        self.write_outside(session_id, title)

    @rule(session_id=IDS, title=WORDS)
    def write_in_place_and_put_times_back(self, session_id: str, title: str) -> None:
        """As ``touch -r``, ``rsync -t`` and ``cp -p`` do; of the same size where it can be."""
        if session_id in self.model:
            path = self.path(session_id)
            status = path.stat()
            data, known = self.written(title)
            data = data.ljust(status.st_size)
            with path.open("r+b") as file:
                file.truncate(len(data))
                file.write(data)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
            self.changed(session_id, known)

    @rule(session_id=IDS, cut=st.booleans())
    def tear_outside(self, session_id: str, cut: bool) -> None:
        if cut and isinstance(self.model.get(session_id), Known):
            os.truncate(self.path(session_id), 1)
        else:
            self.path(session_id).write_text('{"title": "to')
        self.changed(session_id, TORN)

    @rule(session_id=IDS)
    def remove_outside(self, session_id: str) -> None:
        self.path(session_id).unlink(missing_ok=True)
        self.lose_checkpoints(session_id)
        if session_id in self.model:
            self.changed(session_id, None)

    def lose_checkpoints(self, session_id: str) -> None:
        shutil.rmtree(self.path(session_id).with_suffix(".checkpoints"), ignore_errors=True)
        self.checkpoints.pop(session_id, None)

    @rule(source=IDS, onto=IDS, move=st.booleans())
    def copy_outside(self, source: str, onto: str, move: bool) -> None:
        if source in self.model and source != onto:
            known = self.model[source]
            if move:
                self.path(source).replace(self.path(onto))
                self.lose_checkpoints(source)
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

    @rule(name=DATABASES)
    def lose_a_database(self, name: str) -> None:
        self.is_damaged = True
        for suffix in ("", "-wal", "-shm"):
            (self.folder / ROOM / f"{name}{suffix}").unlink(missing_ok=True)

    @rule(name=DATABASES, offset=st.integers(0, 40))
    def garble_a_database(self, name: str, offset: int) -> None:
        self.is_damaged = True
        path = self.folder / ROOM / name
        if path.exists():
            with path.open("r+b") as file:
                file.seek(offset * 512)
                file.write(b"\xa5" * 512)

    @rule(name=DATABASES, version=st.sampled_from([0, 1, 99]))
    def be_of_another_version(self, name: str, version: int) -> None:
        """A program that is older or newer was here while no store was open."""
        self.is_damaged = True
        self.close_both()
        path = self.folder / ROOM / name
        if path.exists():
            with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(path)) as db:
                db.execute(f"PRAGMA user_version = {version}")
        self.open_both()

    @rule(act=st.sampled_from(["keep", "put back"]))
    def put_the_databases_back(self, act: str) -> None:
        """As a power cut or a backup does, while no store is open."""
        self.close_both()
        room, kept = self.folder / ROOM, self.root / "kept"
        if act == "keep" and room.exists():
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(room, kept)
        elif kept.exists():
            self.is_damaged = True
            shutil.rmtree(room, ignore_errors=True)
            shutil.copytree(kept, room)
        self.open_both()

    @rule()
    def lose_the_whole_room(self) -> None:
        self.is_damaged = True
        shutil.rmtree(self.folder / ROOM, ignore_errors=True)

    @rule(which=WHICH)
    def reindex(self, which: int) -> None:
        self.is_damaged = True
        assert self.stores[which].reindex() == len(self.model)


def test_a_walk_through_the_rules_by_hand() -> None:
    """What hypothesis needs minutes to make small is found here in one."""
    machine = StoresAndADict()
    machine.begin_empty()
    walk: list[tuple[Callable[..., object], tuple[object, ...]]] = [
        (machine.create, (0, "a", "plain", "ann", False)),
        (machine.create, (1, "b", None, None, True)),
        (machine.append, (1, "a", "parser")),
        (machine.write_outside, ("c d", "parser")),
        (machine.write_in_place_and_put_times_back, ("a", "токен")),
        (machine.changes, (1,)),
        (machine.tear_outside, ("c d", False)),
        (machine.remove_outside, ("c d",)),
        (machine.changes, (0,)),
        (machine.upsert_run, (0, "b", "r", "plain", "索引")),
        (machine.fork, (1, "b", "имя", 0)),
        (machine.save_checkpoint, (0, "b", 1)),
        (machine.delete, (1, "b")),
        (machine.restore, (0, "b")),
        (machine.load_checkpoint, (1, "b")),
        (machine.replace_outside, ("b", "Лексер", "索引")),
        (machine.page_through, (0, "-last_activity", 1, None, None)),
        (machine.changes, (1,)),
        (machine.put_the_databases_back, ("keep",)),
        (machine.append, (0, "b", "plain")),
        (machine.put_the_databases_back, ("put back",)),
        (machine.lose_a_database, ("index.sqlite3",)),
        (machine.verify_and_repair, (1,)),
        (machine.cleanup, (0, True, False)),
    ]
    try:
        for step, values in walk:
            step(*values)
            machine.both_stores_agree_with_the_dict()
    finally:
        machine.teardown()


def test_the_machine_does_every_verb() -> None:
    verbs = {name for name in vars(SessionStore) if not name.startswith("_")}
    # Asked by a rule of another name, or by the invariant.
    named = {"search": "page_through", "count": "page_through", "trash": "agrees"} | {
        "stats": "count_since_and_live", "last_change": "changes", "verify": "verify_and_repair",
        "repair": "verify_and_repair", "checkpoints": "load_checkpoint",
    }  # fmt: skip
    rules = {name for name in vars(StoresAndADict) if not name.startswith("_")}
    assert verbs == (verbs & rules) | named.keys() | NOT_HERE.keys()
    assert {*named.values()} <= rules | vars(TwoStores).keys()


TestStoresAndADict = StoresAndADict.TestCase


class AFollowerAndADict(StoresAndADict):
    """The first store is watched all the time; after each step the picture is the folder."""

    def __init__(self) -> None:
        super().__init__()
        self.follower = Follower(self.stores[0])

    @initialize()
    def begin_empty(self) -> None:
        assert self.follower.picture == {}
        self.poller = Poller(self.stores[0])

    def open_both(self) -> None:
        super().open_both()
        self.follower.follow(self.stores[0], self.follower.watch.number)

    @rule(which=WHICH)
    def reopen(self, which: int) -> None:
        self.stores[which].close()
        self.stores[which] = self.open()
        if which == 0:
            self.follower.follow(self.stores[0], self.follower.watch.number)

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
            listings = self.follower.listings
            self.stores[0].list(fresh=True)
            last = self.stores[0].last_change()
            if self.stores[0]._reconciler.settle() or self.follower.watch.number < last:
                return False
            return self.follower.is_settled(listings)
        return True

    def teardown(self) -> None:
        try:
            super().both_stores_agree_with_the_dict()
        finally:
            super().teardown()


TestAFollowerAndADict = AFollowerAndADict.TestCase


def of_size(examples: int, steps: int) -> settings:
    """The size of a run: what the profile says at night, else what there is time for."""
    if os.environ.get("HYPOTHESIS_PROFILE") == "night":
        return settings(stateful_step_count=100)
    return settings(max_examples=examples, stateful_step_count=steps)


TestStoresAndADict.settings = of_size(sized(45, 120), sized(30, 50))
TestAFollowerAndADict.settings = of_size(sized(10, 30), sized(25, 40))
