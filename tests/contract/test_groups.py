"""Groups: what sessions have in common, counted alike by every engine."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from contract.acts import user
from localsessions import Filters, Group, Session, SessionStore, SessionSummary
from localsessions.models import Grouping, format_instant

DAY = datetime(2025, 3, 1, tzinfo=UTC)
LONG = "/home/ann/" + "long/" * 60
FILTERS: list[Filters] = [
    {},
    {"user_id": "ann"},
    {"tags": ["work"]},
    {"archived": False, "folded": True},
    {"since": DAY, "until": DAY + timedelta(days=2)},
    {"live": True},
]


def made(number: int) -> Session:
    project = [None, "/home/ann/api", LONG + "a", LONG + "b", "/проект", "a\ud800"][number % 6]
    tags = [[], ["work"], ["work", "work", "b"], ["b", "work", '\0 "x'], ["long " * 99]]
    return Session(
        session_id=f"s{number:02}",
        user_id=["ann", "ben"][number % 2],
        status=["active", "archived", "active"][number % 3],
        tags=tags[number % 5],
        last_activity=DAY + timedelta(hours=7 * number),
        source={"program": ["codex", "", "opencode"][number % 3], "project": project},
        messages=[user("x")] * (number % 4),
    )


@pytest.fixture
def varied(store: SessionStore) -> SessionStore:
    sessions = [made(number) for number in range(40)]
    sessions[7].last_activity = datetime(1969, 12, 31, 23, 59, tzinfo=UTC)
    sessions[8].last_activity = datetime(1950, 1, 1, tzinfo=UTC)
    sessions[9].source["parent"] = {"session_id": "s01"}
    for one in sessions[:3]:  # without a date
        one.source["undated"] = format_instant(one.last_activity)
    store.create_many(sessions)
    return store


def names_of(by: Grouping, one: SessionSummary) -> set[str]:
    if by == "tag":
        return {*one.tags}
    if by == "day":
        return set() if one.undated else {one.last_activity.strftime("%Y-%m-%d")}
    return {getattr(one, by)} - {None}


@pytest.mark.parametrize("filters", FILTERS, ids=str)
@pytest.mark.parametrize("by", get_args(Grouping))
def test_groups_are_those_of_a_listing(
    varied: SessionStore, by: Grouping, filters: Filters
) -> None:
    found = defaultdict(list)
    for one in varied.list(limit=100, **filters):
        for name in names_of(by, one):
            found[name].append(one)
    expected = [
        Group(
            name,
            len(ones),
            sum(one.message_count for one in ones),
            max((one.last_activity for one in ones if not one.undated), default=None),
        )
        for name, ones in found.items()
    ]
    expected.sort(key=lambda one: (-one.sessions, one.name))
    assert [*varied.groups(by, **filters)] == expected
    assert expected


def test_groups_follow_every_change(store: SessionStore) -> None:
    assert [*store.groups("tag")] == []
    store.create("a", tags=["x"], messages=[user("1")])
    store.create("b", tags=["x"])
    store.tag("b", "y")
    store.append("b", user("2"), user("3"))
    store.delete("a")
    assert [(one.name, one.sessions, one.messages) for one in store.groups("tag")] == [
        ("x", 1, 2),
        ("y", 1, 2),
    ]


def test_nothing_else_is_put_together(store: SessionStore) -> None:
    with pytest.raises(ValueError, match="by must be one of program, project, tag, day, not 'x'"):
        store.groups("x")  # type: ignore[arg-type]
