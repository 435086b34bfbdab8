"""The verbs of checkpoints and of the trash as rules of the state machine."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from localsessions import SessionExistsError, SessionNotFoundError, UnreadableSessionError
from proof.model import IDS, TORN, WHICH, TwoStores

__all__ = ["Deleting"]


class Deleting(TwoStores):
    """What the two stores are asked to put away, and to bring back."""

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
            for session_id, each in self.trash.items():
                self.purged[session_id] = self.purged.get(session_id, 0) + len(each)
            self.trash.clear()

    @rule(which=WHICH)
    def forget_deletions(self, which: int) -> None:
        self.stores[which].forget_deletions()
        self.purged.clear()

    @rule(which=WHICH, session_id=IDS)
    def deletions(self, which: int, session_id: str) -> None:
        found = self.stores[which].deletions([session_id])
        expected = len(self.trash.get(session_id, ())) + self.purged.get(session_id, 0)
        assert [one.session_id for one in found] == [session_id] * expected

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
