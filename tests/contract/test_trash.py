"""Deleting, the trash, cleanup and expiry: nothing goes unasked, and what went comes back."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import JsonValue

from contract.acts import edited, wait_until
from contract.places import Opener, Place
from localsessions import (
    CleanupReport,
    LockTimeoutError,
    Session,
    SessionExistsError,
    SessionNotFoundError,
    SessionStore,
)

NOW = datetime.now(UTC)


def keep(store: SessionStore, session_id: str, age: timedelta, **fields: Any) -> None:
    """Make a session last active that long ago."""
    store.save(Session(session_id=session_id, last_activity=NOW - age, **fields))


def names(report: CleanupReport) -> tuple[list[str], list[str]]:
    return [one.session_id for one in report.deleted], [one.session_id for one in report.kept]


def test_a_deleted_session_is_gone_from_everywhere_but_the_trash(store: SessionStore) -> None:
    store.create("a", title="parser")
    size = len(store.raw("a"))
    store.save_checkpoint("a", 1)
    assert store.delete("a") is True

    assert store.get("a") is None
    assert store.list().items == ()
    assert store.count() == 0
    assert store.search("parser") == []
    assert store.checkpoints("a") == []
    (trashed,) = store.trash()
    assert (trashed.session_id, trashed.size_bytes) == ("a", size)
    assert trashed.path.startswith(store.save_dir)


def test_deleting_what_is_not_there_says_so(store: SessionStore) -> None:
    assert store.delete("a") is False


def test_a_restored_session_comes_back_with_all_it_had(store: SessionStore) -> None:
    store.create("a", title="parser")
    before = store.raw("a")
    saved = store.save_checkpoint("a", {"n": 1})
    store.delete("a")

    assert store.restore("a").title == "parser"
    assert store.raw("a") == before
    assert store.load_checkpoint("a").data == {"n": 1}
    assert store.checkpoints("a") == [saved.checkpoint_id]
    assert [one.title for one in store.list()] == ["parser"]
    assert len(store.search("parser")) == 1
    assert store.trash() == []


def test_restoring_never_replaces_a_session(store: SessionStore) -> None:
    store.create("a", title="old")
    store.delete("a")
    store.create("a", title="new")
    with pytest.raises(SessionExistsError):
        store.restore("a")
    assert store.load("a").title == "new"
    store.delete("a")
    store.create("A")
    with pytest.raises(SessionExistsError):
        store.restore("a")
    assert len(store.trash()) == 2


def test_of_sessions_deleted_twice_the_last_is_restored(store: SessionStore) -> None:
    for title in ("first", "second"):
        store.create("a", title=title)
        store.delete("a")
    assert len(store.trash()) == 2
    assert store.restore("a").title == "second"
    store.delete("a")
    assert [one.session_id for one in store.trash()] == ["a", "a"]


def test_restoring_what_is_not_in_the_trash_is_refused(store: SessionStore) -> None:
    with pytest.raises(SessionNotFoundError, match="deleted session"):
        store.restore("a")


def test_what_was_deleted_just_now_is_emptied_too(store: SessionStore) -> None:
    for _ in range(30):
        store.create("a")
        store.delete("a")
        assert len(store.empty_trash()) == 1


def test_the_trash_shows_the_last_deleted_first_and_is_emptied_by_age(store: SessionStore) -> None:
    for session_id in "abc":
        store.create(session_id)
        store.save_checkpoint(session_id, 1)
        store.delete(session_id)
    assert [one.session_id for one in store.trash()] == ["c", "b", "a"]
    times = [one.deleted_at for one in store.trash()]
    assert times == sorted(times, reverse=True)
    assert store.empty_trash(max_age=86400) == []
    assert [one.session_id for one in store.trash()] == ["c", "b", "a"]
    assert {one.session_id for one in store.empty_trash()} == {*"abc"}
    assert store.trash() == store.empty_trash() == []


def test_cleanup_goes_by_the_sessions_own_activity(store: SessionStore) -> None:
    day = timedelta(days=1)
    keep(store, "old", 40 * day)
    keep(store, "young", 20 * day)

    report = store.cleanup(max_age=30 * day)

    assert names(report) == (["old"], [])
    assert "last active at" in report.deleted[0].reason
    assert [one.session_id for one in store.list(fresh=True)] == ["young"]
    assert store.restore("old").session_id == "old"


def test_pinned_and_future_sessions_are_kept_and_named(store: SessionStore) -> None:
    day = timedelta(days=1)
    keep(store, "due", 3 * day)
    keep(store, "pinned", 2 * day, pinned=True)
    keep(store, "future", -400 * day)

    report = store.cleanup(max_age=86400)

    assert names(report)[0] == ["due"]
    assert {one.session_id: one.reason for one in report.kept} == {
        "pinned": "it is pinned",
        "future": "its last activity lies in the future",
    }
    assert store.count() == 2


def test_a_dry_run_says_what_a_real_run_does(store: SessionStore) -> None:
    for number in range(12):
        keep(
            store,
            f"s{number}",
            timedelta(hours=number),
            pinned=number % 4 == 0,
            expires_at=NOW - timedelta(hours=6 - number),
        )
    dry = store.cleanup(max_age=5 * 3600, dry_run=True)
    dry_expired = store.purge_expired(dry_run=True)
    assert store.count() == 12
    assert dry.dry_run
    assert store.cleanup(max_age=5 * 3600).actions == dry.actions
    left = [one for one in dry_expired.actions if store.get(one.session_id)]
    assert list(store.purge_expired().actions) == left
    assert store.count() == 12 - len(dry.deleted) - sum(one.deleted for one in left)
    assert len(dry.deleted) >= 4
    assert any(one.deleted for one in left)


def test_a_cleanup_goes_on_where_one_session_is_held_and_then_says_so(
    make_store: Opener, other: SessionStore
) -> None:
    store = make_store(lock_timeout=0.05)
    for name in "abc":
        keep(store, name, timedelta(days=2))
    with edited(other, "b"):
        with pytest.raises(LockTimeoutError) as caught:
            store.cleanup(max_age=86400)
        assert caught.value.session_id == "b"
        assert [one.session_id for one in store.list()] == ["b"]
    assert [one.session_id for one in store.cleanup(max_age=86400).actions] == ["b"]


def test_a_session_that_wakes_up_while_it_is_waited_for_is_kept(
    store: SessionStore, other: SessionStore
) -> None:
    for name in "ab":
        keep(store, name, timedelta(days=2))
    reports: list[CleanupReport] = []
    cleaner = threading.Thread(target=lambda: reports.append(store.cleanup(max_age=86400)))
    with other.edit("a") as session:
        cleaner.start()
        wait_until(lambda: other.get("b") is None)
        session.last_activity = NOW
    cleaner.join()
    assert [names(report) for report in reports] == [(["b"], [])]
    assert store.get("a") is not None


@pytest.mark.parametrize(
    "age",
    [-1, -0.001, timedelta(days=-1), float("nan"), 1e11, 1e300, float("inf"), timedelta.max],
)
def test_an_age_that_is_none_is_refused(age: float | timedelta, store: SessionStore) -> None:
    store.create("a")
    store.delete("a")
    store.create("a")
    for verb in (store.cleanup, store.empty_trash):
        with pytest.raises(ValueError, match="max_age"):
            verb(max_age=age)
    assert (store.count(), len(store.trash())) == (1, 1)


# what was deleted


PLACE: dict[str, JsonValue] = {"program": "p", "session_id": "own", "file": "/f", "element": "x-2"}


def test_a_deletion_says_where_the_session_came_from(store: SessionStore) -> None:
    store.save(Session(session_id="a", source=PLACE | {"branch": "main", "imported": {"m": "1"}}))
    store.create("b")
    store.create("c")
    before = datetime.now(UTC)
    for name in "ab":
        store.delete(name)
    first, second = store.deletions(["a", "b", "c", "d"])
    assert (first.session_id, first.source) == ("a", PLACE)
    assert (second.session_id, second.source) == ("b", {})
    assert before <= first.deleted_at <= second.deleted_at
    assert store.deletions(["c"]) == store.deletions([]) == []


def test_a_deletion_outlives_emptying_the_trash_until_it_is_forgotten(
    store: SessionStore, other: SessionStore
) -> None:
    for name in "ab":
        store.save(Session(session_id=name, source=PLACE))
    store.delete("a")
    store.empty_trash()
    store.delete("b")
    assert [one.session_id for one in other.deletions(["b", "a"])] == ["a", "b"]
    assert other.deletions(["a"])[0].source == PLACE
    other.forget_deletions()
    assert [one.session_id for one in store.deletions(["a", "b"])] == ["b"]
    store.empty_trash()
    assert [one.session_id for one in store.deletions(["a", "b"])] == ["b"]


def test_a_session_that_was_restored_was_not_deleted(store: SessionStore) -> None:
    store.create("a")
    for _ in range(2):
        store.delete("a")
        store.restore("a")
    assert store.deletions(["a"]) == []
    store.delete("a")
    store.create("a")
    store.delete("a")
    assert len(store.deletions(["a"])) == 2


def test_expired_sessions_are_purged_and_pinned_ones_are_not(store: SessionStore) -> None:
    past, future = NOW - timedelta(seconds=1), NOW + timedelta(hours=1)
    keep(store, "gone", timedelta(0), expires_at=past)
    keep(store, "kept", timedelta(0), expires_at=past, pinned=True)
    keep(store, "later", timedelta(0), expires_at=future)
    keep(store, "never", timedelta(0))

    assert names(store.purge_expired(dry_run=True)) == (["gone"], ["kept"])
    assert store.count() == 4
    report = store.purge_expired()
    assert names(report) == (["gone"], ["kept"])
    assert report.deleted[0].reason.startswith("expired at")
    assert [one.session_id for one in store.trash()] == ["gone"]
    assert store.get("kept") is not None


def test_nothing_is_deleted_unasked(place: Place) -> None:
    with place.open() as store:
        long_ago = datetime(2000, 1, 1, tzinfo=UTC)
        keep(store, "a", timedelta(days=9999), expires_at=long_ago)
        store.list(fresh=True)
        store.verify()
        store.reindex()
    with place.open() as again:
        assert again.count() == 1
