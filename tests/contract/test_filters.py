"""Filters: each verb on many takes the same ones, and they mean the same everywhere."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract.acts import user
from localsessions import Filters, Session, SessionStore, SessionSummary
from localsessions.models import Order

DAY = datetime(2025, 3, 1, tzinfo=UTC)
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
ORDERS: list[Order] = ["-last_activity", "created_at", "size_bytes"]
PROJECTS = [None, "/home/ann/api", "/home/ann/web", "/home/ann/web/проект"]

FILTERS: list[Filters] = [
    {"user_id": "ann"},
    {"agent_id": "coder"},
    {"status": "archived"},
    {"since": DAY + timedelta(hours=7)},
    {"until": DAY + timedelta(hours=7)},
    {"program": "codex"},
    {"project": "/home/ann/web"},
    {"project": "/home/ann/web/проект"},
    {"branch": "main"},
    {"branch": "nobody's"},
    {"parent": "s03"},
    {"tags": ["work"]},
    {"tags": ("work", "urgent")},
    {"tags": []},
    {"tags": ["wor"]},
    {"pinned": True},
    {"pinned": False},
    {"archived": True},
    {"archived": False},
    {"unreadable": True},
    {"unreadable": False},
    {"folded": True},
    {"live": True},
]
TESTS: dict[str, Callable[[SessionSummary, Any], bool]] = {
    "since": lambda one, value: one.last_activity >= value,
    "until": lambda one, value: one.last_activity < value,
    "tags": lambda one, value: {*value} <= {*one.tags},
    "archived": lambda one, value: (one.status == "archived") == value,
    "unreadable": lambda one, value: (one.unreadable is not None) == value,
    "folded": lambda one, value: one.parent is None or one.parent == "gone",
    "live": lambda one, value: one.status != "archived" and one.expires_at != LONG_AGO,
}


@pytest.fixture
def varied(store: SessionStore) -> SessionStore:
    def made(number: int) -> Session:
        program, parent = [None, "codex", "claude-code"][number % 3], [None, "s03", "gone"]
        source: dict[str, Any] = {
            "program": program,
            "project": PROJECTS[number % 4],
            "branch": [None, "main", "fix/ü", "main2", "a\ud800"][number % 5],
            "parent": {"session_id": parent[number % 7 % 3]},
        }
        return Session(
            session_id=f"s{number:02}",
            user_id=["ann", "ben", None][number % 3],
            agent_id=["coder", None][number % 2],
            status=["active", "archived", "active", "done"][number % 4],
            tags=[[], ["work"], ["urgent", "work"], ["homework", "workshop"]][number % 4],
            pinned=number % 5 == 0,
            expires_at=[None, LONG_AGO, datetime(2999, 1, 1, tzinfo=UTC)][number % 3],
            last_activity=DAY + timedelta(hours=number // 3),
            created_at=DAY - timedelta(days=number % 7),
            source=source if number % 2 else {},
            messages=[user(f"the parser fails {number}")],
        )

    store.create_many(map(made, range(60)))
    return store


def expected(store: SessionStore, which: Filters) -> set[str]:
    """What the filters ask for, by a look at each session."""

    def fits(one: SessionSummary) -> bool:
        return all(
            TESTS[name](one, value) if name in TESTS else getattr(one, name) == value
            for name, value in which.items()
        )

    return {one.session_id for one in store.list(limit=100) if fits(one)}


PAIRS = [
    Filters(**one, **two)
    for one, two in itertools.combinations(FILTERS, 2)
    if not one.keys() & two.keys()
]


@pytest.mark.parametrize("which", [{}, *FILTERS], ids=str)
def test_every_verb_on_many_means_the_same_by_a_filter(
    which: Filters, varied: SessionStore
) -> None:
    meant = expected(varied, which)
    for order in ORDERS:
        assert {one.session_id for one in varied.list(**which, order=order, limit=100)} == meant
    assert varied.count(**which) == len(meant)
    for question in ("parser", "the parser", "after:2025"):
        hits = varied.search(question, **which, limit=100)
        assert {hit.session.session_id for hit in hits} == meant
    told = varied.cleanup(max_age=0, dry_run=True, **which).actions
    assert {one.session_id for one in told} == meant
    expired = varied.purge_expired(dry_run=True, **which).actions
    past = {f"s{number:02}" for number in range(1, 60, 3)}
    assert {one.session_id for one in expired} == meant & past


def test_two_filters_must_both_fit(varied: SessionStore) -> None:
    for which in PAIRS:
        meant = expected(varied, which)
        assert {one.session_id for one in varied.list(**which, limit=100)} == meant, which
        assert varied.count(**which) == len(meant), which


def test_pages_of_a_filter_follow_each_other(varied: SessionStore) -> None:
    for which in FILTERS:
        found: list[str] = []
        page = varied.list(**which, limit=4)
        found += [one.session_id for one in page]
        while page.next_cursor is not None:
            page = varied.list(**which, limit=4, cursor=page.next_cursor)
            found += [one.session_id for one in page]
        assert found == [one.session_id for one in varied.list(**which, limit=100)]


def test_a_filter_follows_what_a_session_becomes(varied: SessionStore) -> None:
    varied.tag("s00", "work")
    varied.pin("s01")
    varied.archive("s02")
    assert "s00" in {one.session_id for one in varied.list(tags=["work"], limit=100)}
    assert "s01" in {one.session_id for one in varied.list(pinned=True, limit=100)}
    assert "s02" not in {one.session_id for one in varied.list(archived=False, limit=100)}
    varied.tag("s00", remove=["work"])
    assert "s00" not in {one.session_id for one in varied.list(tags=["work"], limit=100)}


@pytest.mark.parametrize(
    "tag", ["", ",", '"', '","', "\\", "\x1f", 'a"\x1f"b', "a\x1fb", "%", "\ud800", "é", "work "]
)
def test_a_tag_of_any_signs_is_found_and_no_other(tag: str, store: SessionStore) -> None:
    store.create_many(
        Session(session_id=name, tags=tags)
        for name, tags in [("has", ["b", tag, "a"]), ("not", ["b", f"{tag}x", f"x{tag}", "a"])]
    )
    assert [one.session_id for one in store.list(tags=[tag])] == ["has"]
    assert store.count(tags=[tag, "a", "b"]) == 1


def test_a_cleanup_touches_only_what_the_filter_asks_for(varied: SessionStore) -> None:
    meant = expected(varied, {"tags": ["work"], "pinned": False})
    report = varied.cleanup(max_age=0, tags=["work"], pinned=False)
    assert {one.session_id for one in report.deleted} == meant
    assert varied.count() == 60 - len(meant)
    assert varied.count(tags=["work"], pinned=False) == 0


def test_a_session_that_leaves_the_filter_meanwhile_is_not_removed(
    store: SessionStore, other: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create_many(Session(session_id=name, tags=["draft"], last_activity=DAY) for name in "ab")
    delete_many = type(store.engine).delete_many

    def untag_first(*given: Any) -> Any:
        other.tag("a", remove=["draft"])
        with other.edit("a", is_activity=False) as session:
            session.last_activity = DAY
        return delete_many(*given)

    monkeypatch.setattr(type(store.engine), "delete_many", untag_first)
    report = store.cleanup(max_age=0, tags=["draft"])
    assert [one.session_id for one in report.actions] == ["b"]
    assert [one.session_id for one in store.list()] == ["a"]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"user": "ann"}, "there is no filter 'user'"),
    ({"tags": "work"}, "several texts"),
    ({"tags": [1]}, "a tag must be a str"),
    ({"pinned": "yes"}, "pinned must be True, False or None"),
    ({"archived": 1}, "archived must be True, False or None"),
    ({"branch": 1}, "branch must be a str or None"),
    ({"folded": "no"}, "folded must be True, False or None"),
]


@pytest.mark.parametrize(("wrong", "why"), WRONG, ids=str)
def test_what_is_no_filter_is_refused_by_name(
    wrong: dict[str, Any], why: str, varied: SessionStore
) -> None:
    verbs: list[Callable[[], object]] = [
        lambda: varied.list(**wrong),
        lambda: varied.count(**wrong),
        lambda: varied.search("parser", **wrong),
        lambda: varied.cleanup(max_age=0, **wrong),
        lambda: varied.purge_expired(**wrong),
    ]
    for verb in verbs:
        with pytest.raises(TypeError, match=why):
            verb()
    assert varied.count() == 60


def test_latest_is_no_archived_session_unless_all_are(store: SessionStore) -> None:
    store.save(Session(session_id="old", last_activity=LONG_AGO))
    store.save(Session(session_id="new", last_activity=DAY))
    store.archive("new")
    assert store.resolve("latest") == "old"
    store.archive("old")
    assert store.resolve("latest") == "new"
