"""The questions to a store, and its repairs, as rules of the state machine."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from localsessions import SessionNotFoundError, SessionSummary
from localsessions.models import Order
from proof.model import IDS, TORN, USERS, WHICH, WORDS, Known, TwoStores

__all__ = ["Asking"]

ORDERS: st.SearchStrategy[Order] = st.sampled_from(
    ["-last_activity", "last_activity", "-created_at", "created_at", "-size_bytes", "size_bytes"]
)


class Asking(TwoStores):
    """What the two stores are asked beyond what the invariant asks."""

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
        said = self.fitting(lambda known: fits(known) and "plain" in known.words)
        assert {hit.session.session_id for hit in hits} == said

    @rule(which=WHICH)
    def groups(self, which: int) -> None:
        known = [one for one in self.model.values() if isinstance(one, Known)]
        tagged = Counter(tag for one in known for tag in {*one.tags})
        said = Counter[str]()
        for one in known:
            said.update(dict.fromkeys(one.tags, len(one.texts)))
        found = self.stores[which].groups("tag")
        assert {one.name: (one.sessions, one.messages) for one in found} == {
            tag: (count, said[tag]) for tag, count in tagged.items()
        }
        days = self.stores[which].groups("day")  # of a file that is no session, when it changed
        assert sum(one.sessions for one in days) == len(self.model)

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

    @rule(which=WHICH, session_id=IDS, n=st.none() | st.integers(0, 3))
    def history(self, which: int, session_id: str, n: int | None) -> None:
        """What is read from the end is what the whole session says."""
        store = self.stores[which]
        if isinstance(self.model.get(session_id), Known):
            session = store.load(session_id)
            told = [one["content"] for one in session.history(n)]
            assert [one["content"] for one in store.history(session_id, n)] == told
            sent = [one["content"] for one in store.context(session_id, last_runs=n)]
            assert sent == [text for text in told if text]
            assert [one.record for one in store.runs(session_id)] == session.runs

    @rule(which=WHICH, title=WORDS)
    def resolve(self, which: int, title: str) -> None:
        store = self.stores[which]
        fitting = self.fitting(lambda known: known.listed_title == title)
        if len(fitting) == 1:
            assert {store.resolve(title)} == fitting
        else:
            with pytest.raises(ValueError if fitting else SessionNotFoundError):
                store.resolve(title)
        for session_id, short in store.short_ids(self.model).items():
            assert len(short) >= 8 or short == session_id
            assert [one for one in self.model if one.startswith(short)] == [session_id]
        if self.model:
            last = store.list(limit=1, archived=False).items or store.list(limit=1).items
            assert store.resolve("latest") == last[0].session_id

    @rule(which=WHICH)
    def changes(self, which: int) -> None:
        """Who was away is told all that happened since, or to list again.

        A file that is torn is told of when nobody has written to it for 40 ms.
        """
        store = self.stores[which]
        deadline = time.monotonic() + 120
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
