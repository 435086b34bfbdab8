"""Listing, counting and naming sessions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from contract.acts import user
from contract.conftest import NewPlace
from localsessions import Page, Session, SessionNotFoundError, SessionStore, SessionSummary
from localsessions.models import Order

ORDERS: list[Order] = [
    "-last_activity",
    "last_activity",
    "-created_at",
    "created_at",
    "-size_bytes",
    "size_bytes",
]


DAY = datetime(2025, 3, 1, tzinfo=UTC)


def ids(store: SessionStore, **arguments: Any) -> list[str]:
    return [one.session_id for one in store.list(**arguments)]


def walk(store: SessionStore, **arguments: Any) -> list[str]:
    """All pages, one after the other."""
    found: list[str] = []
    cursor = None
    while True:
        page = store.list(cursor=cursor, **arguments)
        found += [one.session_id for one in page]
        cursor = page.next_cursor
        if cursor is None:
            return found
        assert len(page) == arguments["limit"]


@pytest.fixture
def filled(store: SessionStore) -> SessionStore:
    """Sessions with many ties."""
    store.create_many(
        Session(
            session_id=f"s{number:02}",
            user_id=f"user_{number % 3}",
            agent_id=["coder", None, "пишущий"][number % 3],
            status=["active", "archived"][number % 2],
            last_activity=DAY + timedelta(hours=number // 4),
            created_at=DAY - timedelta(days=number % 7),
            metadata={"fill": "x" * (number % 5)},
        )
        for number in range(30)
    )
    return store


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("limit", [1, 4, 7, 29, 30, 31])
def test_pages_follow_each_other_in_every_order(
    order: Order, limit: int, filled: SessionStore
) -> None:
    every = filled.list(limit=100).items
    name = order.lstrip("-")
    expected = sorted(
        every, key=lambda one: (getattr(one, name), one.session_id), reverse=order[0] == "-"
    )
    assert walk(filled, order=order, limit=limit) == [one.session_id for one in expected]


FILTERS: list[dict[str, Any]] = [
    {},
    {"user_id": "user_1"},
    {"agent_id": "пишущий"},
    {"status": "archived"},
    {"since": DAY + timedelta(hours=2)},
    {"until": DAY + timedelta(hours=2)},
    {"since": DAY + timedelta(hours=1), "until": DAY + timedelta(hours=5)},
    {"user_id": "user_0", "agent_id": "coder", "status": "active"},
    {"user_id": "nobody"},
    {"user_id": "user_0", "agent_id": "пишущий"},
]


@pytest.mark.parametrize("which", FILTERS)
def test_filters_restrict_lists_and_counts_alike(
    which: dict[str, Any], filled: SessionStore
) -> None:
    def fits(one: Any) -> bool:
        return (
            which.get("user_id") in (None, one.user_id)
            and which.get("agent_id") in (None, one.agent_id)
            and which.get("status") in (None, one.status)
            and one.last_activity >= which.get("since", one.last_activity)
            and ("until" not in which or one.last_activity < which["until"])
        )

    expected = {one.session_id for one in filled.list(limit=100) if fits(one)}
    for order in ORDERS:
        found = walk(filled, order=order, limit=4, **which)
        assert set(found) == expected
        assert len(found) == len(expected)
    assert filled.count(**which) == len(expected)


def test_pages_double_and_skip_nothing_while_sessions_come_go_and_move(
    filled: SessionStore, other: SessionStore
) -> None:
    before = ids(filled, limit=100)
    seen: list[str] = []
    cursor = None
    moved = [before[25], before[0]]

    def move_up() -> None:
        for one in moved:
            filled.append(one, user("moves up"))

    def make(name: str, year: int) -> None:
        other.save(Session(session_id=name, last_activity=datetime(year, 1, 1, tzinfo=UTC)))

    steps: list[Callable[[], object]] = [
        lambda: make("aa new", 2000),
        move_up,
        lambda: other.delete(before[20]),
        lambda: other.delete(before[1]),
        lambda: make("zz new", 2030),
    ]
    while True:
        page = filled.list(limit=4, cursor=cursor)
        seen += [one.session_id for one in page]
        cursor = page.next_cursor
        if cursor is None:
            break
        if steps:
            steps.pop()()

    assert len(seen) == len(set(seen))
    stayed = set(before) - {before[20], *moved}
    assert stayed <= set(seen)
    assert before[20] not in seen
    assert seen[-1] == "aa new"


@settings(max_examples=30)
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(1, 5), st.sampled_from(ORDERS)
)
def test_pages_of_any_ties_are_whole(
    new_place: NewPlace, hours: list[int], limit: int, order: Order
) -> None:
    with new_place().open() as store:
        for number, hour in enumerate(hours):
            instant = DAY + timedelta(hours=hour)
            session = Session(session_id=f"s{number}", last_activity=instant, created_at=instant)
            store.save(session)
        assert sorted(walk(store, limit=limit, order=order)) == sorted(
            f"s{number}" for number in range(len(hours))
        )


@pytest.mark.parametrize(
    "other",
    [
        {"order": "created_at"},
        {"order": "last_activity"},
        {"user_id": "user_1"},
        {"status": "active"},
        {"since": DAY},
    ],
)
def test_the_cursor_of_another_listing_is_refused(
    other: dict[str, Any], filled: SessionStore
) -> None:
    cursor = filled.list(limit=3).next_cursor
    with pytest.raises(ValueError, match="another order or other filters"):
        filled.list(cursor=cursor, **other)
    assert filled.list(limit=3, cursor=cursor)
    assert filled.list(limit=20, cursor=cursor)


@pytest.mark.parametrize("cursor", ["", "x", "????", "é", "bnVsbA", "W10", "\ud800", "W" * 9999])
def test_garbage_is_no_cursor(cursor: str, filled: SessionStore) -> None:
    with pytest.raises(ValueError, match="cursor"):
        filled.list(cursor=cursor)


@pytest.mark.parametrize(
    "wrong",
    [
        {"order": "title"},
        {"order": ""},
        {"limit": 0},
        {"limit": -1},
        {"since": datetime(2025, 1, 1)},  # noqa: DTZ001
        {"until": datetime(2025, 1, 1)},  # noqa: DTZ001
    ],
)
def test_arguments_out_of_range_are_refused(wrong: dict[str, Any], store: SessionStore) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        store.list(**wrong)


def test_a_summary_says_what_the_session_says(store: SessionStore) -> None:
    store.create("a", user_id="u", agent_id="g", ttl=60)
    store.append("a", {"role": "system", "content": "Be kind."})
    store.append("a", {"role": "user", "content": "Show\n  the files " + "x" * 200})
    store.append("a", {"role": "assistant", "content": [{"type": "text", "text": "Two files."}]})
    store.append("a", {"role": "assistant", "content": None, "tool_calls": []})
    store.switch_agent("a", "coder")
    store.tag("a", "x")
    store.pin("a")

    (listed,) = store.list()
    session = store.load("a")
    assert listed.title.startswith("Show the files x")
    assert len(listed.title) == 80
    assert (listed.preview, listed.message_count) == ("Two files.", 4)
    assert (listed.user_id, listed.agent_id, listed.current_agent) == ("u", "g", "coder")
    assert (listed.pinned, listed.tags, listed.status) == (True, ("x",), "active")
    assert listed.size_bytes == len(store.raw("a"))
    for name in ("created_at", "last_activity", "updated_at", "expires_at", "revision"):
        assert getattr(listed, name) == getattr(session, name)
    store.rename("a", "My own")
    assert store.list().items[0].title == "My own"
    assert store.reindex() == 1
    assert store.list().items[0] == store.list().items[0].model_copy(update={"title": "My own"})


def test_lone_surrogates_and_nul_are_listed_and_found(store: SessionStore) -> None:
    store.create("a", user_id="u\ud800", title="t\udfff", agent_id="nul\0")
    assert ids(store, user_id="u\ud800") == ["a"]
    assert ids(store, agent_id="nul\0") == ["a"]
    assert ids(store, user_id="u\ud801") == []
    assert store.list().items[0].title == "t\udfff"


# -- resolve -----------------------------------------------------------------------------------


def test_a_session_is_found_by_what_a_person_types(store: SessionStore) -> None:
    store.create("alpha-1", title="My First")
    store.create("alpha-2", title="Straße")
    store.create("beta", title="alpha-2")

    assert store.resolve("alpha-1") == "alpha-1"
    assert store.resolve("alpha-2") == "alpha-2"
    assert store.resolve("be") == "beta"
    assert store.resolve("my first") == "alpha-1"
    assert store.resolve("STRASSE") == "alpha-2"
    assert store.resolve("latest") == "beta"


def test_what_fits_more_than_one_or_none_is_refused(store: SessionStore) -> None:
    for number in range(7):
        store.create(f"alpha-{number}", title="same")
    with pytest.raises(ValueError, match=r"alpha-0, alpha-1.*\.\.\."):
        store.resolve("alpha")
    with pytest.raises(ValueError, match="more than one"):
        store.resolve("Same")
    for nothing in ("gamma", "a/b", "", "\0", "x" * 300, "\ud800"):
        with pytest.raises((SessionNotFoundError, ValueError)):
            store.resolve(nothing)


def test_a_short_id_is_the_shortest_beginning_that_no_other_has(store: SessionStore) -> None:
    expected = {
        "sess_0192-aa": "sess_0192-aa",
        "sess_0192-aab": "sess_0192-aab",
        "sess_0192-bcdef": "sess_0192-b",
        "another-one-far-away": "another-",
        "short": "short",
    }
    for session_id in expected:
        store.create(session_id)
    assert store.short_ids([*expected, *expected]) == expected
    assert store.short_ids([]) == {}
    for session_id, short in expected.items():
        assert store.resolve(short) == session_id
    assert store.short_ids(["not-there-but-long"]) == {"not-there-but-long": "not-ther"}


def test_an_empty_store_has_no_latest(store: SessionStore) -> None:
    with pytest.raises(SessionNotFoundError, match="latest"):
        store.resolve("latest")
    store.create("latest")
    store.create("later")
    assert store.resolve("latest") == "latest"


def test_an_empty_store_lists_nothing(store: SessionStore) -> None:
    page = store.list()
    assert (page.items, page.next_cursor, len(page), store.count()) == ((), None, 0, 0)


def test_a_title_means_its_session_whatever_its_case_and_a_prefix_as_well_is_ambiguous(
    store: SessionStore,
) -> None:
    store.create("a1", title="Fix the Parser")
    store.create("untitled")
    assert store.resolve("fix the parser") == "a1"
    store.create("fix the parser 2")
    with pytest.raises(ValueError, match="more than one"):
        store.resolve("fix the parser")


@pytest.mark.parametrize("reference", ["???", "\ud800", "-"])
def test_a_reference_without_words_means_no_untitled_session(
    store: SessionStore, reference: str
) -> None:
    store.create("untitled")
    with pytest.raises(SessionNotFoundError):
        store.resolve(reference)


# where sessions came from


def imported(store: SessionStore, session_id: str, **source: JsonValue) -> None:
    store.save(Session(session_id=session_id, source=source))


def ids_of(page: Page[SessionSummary]) -> set[str]:
    return {one.session_id for one in page}


def test_a_listing_is_restricted_to_a_program_a_project_or_a_parent(store: SessionStore) -> None:
    imported(store, "a", program="codex", project="/w/app")
    imported(store, "b", program="claude-code", project="/w/app")
    imported(store, "c", program="claude-code", project="/w/äpp", parent={"session_id": "b"})
    store.create("d", title="parser")
    assert ids_of(store.list(program="claude-code")) == {"b", "c"}
    assert ids_of(store.list(project="/w/app")) == {"a", "b"}
    assert ids_of(store.list(program="claude-code", project="/w/äpp")) == {"c"}
    assert ids_of(store.list(parent="b")) == {"c"}
    assert ids_of(store.list(program="nothing")) == set()
    assert (store.count(program="codex"), store.count(parent="b"), store.count()) == (1, 1, 4)
    (of_b,) = store.list(parent="b")
    assert (of_b.program, of_b.project, of_b.parent) == ("claude-code", "/w/äpp", "b")
    (plain,) = store.list(status="active", since=None, program=None, limit=1, order="-created_at")
    assert (plain.session_id, plain.program, plain.project, plain.parent) == ("d",) + (None,) * 3


def test_a_search_is_restricted_to_where_sessions_came_from(store: SessionStore) -> None:
    for name, program in (("a", "codex"), ("b", "claude-code")):
        store.save(Session(session_id=name, title="parser", source={"program": program}))
    found = store.search("parser", program="codex")
    assert [hit.session.session_id for hit in found] == ["a"]


def test_sub_agents_are_folded_under_their_parents(store: SessionStore) -> None:
    imported(store, "a")
    imported(store, "a-agent-1", parent={"session_id": "a"})
    imported(store, "b-agent-1", parent={"session_id": "b"})
    assert ids_of(store.list(folded=True)) == {"a", "b-agent-1"}  # nobody else shows this one
    assert store.count(folded=True) == 2
    imported(store, "b")
    assert ids_of(store.list(folded=True)) == {"a", "b"}
    store.delete("a")
    assert ids_of(store.list(folded=True)) == {"a-agent-1", "b"}
    assert ids_of(store.list()) == {"a-agent-1", "b", "b-agent-1"}


def test_forks_are_listed_and_folded_under_what_they_were_forked_from(store: SessionStore) -> None:
    store.create("a")
    store.append("a", {"role": "user", "content": "hi"})
    store.fork("a", new_id="of-a")
    imported(store, "agent", parent={"session_id": "a"})
    store.fork("agent", new_id="of-agent")
    assert ids_of(store.list(parent="a")) == {"of-a", "agent"}
    assert ids_of(store.list(parent="agent")) == {"of-agent"}
    assert ids_of(store.list(folded=True)) == {"a"}
    store.append("of-a", {"role": "user", "content": "on"})
    store.append("of-a", {"role": "user", "content": "and on"})
    (found,) = (one for one in store.list() if one.session_id == "of-a")
    assert (found.parent, found.message_count) == ("a", 3)


def test_pages_of_a_folded_listing_are_complete(store: SessionStore) -> None:
    for number in range(9):
        parent: dict[str, JsonValue] = {"parent": {"session_id": "s0"}} if number % 3 == 1 else {}
        imported(store, f"s{number}", **parent)
    shown: list[str] = []
    page = store.list(folded=True, limit=2)
    while True:
        shown += [one.session_id for one in page]
        if page.next_cursor is None:
            break
        page = store.list(folded=True, limit=2, cursor=page.next_cursor)
    assert sorted(shown) == ["s0", "s2", "s3", "s5", "s6", "s8"]


@pytest.mark.parametrize("source", [{"program": 1}, {"parent": "b"}, {"project": None}])
def test_a_source_of_other_types_is_listed_without_it(
    source: dict[str, JsonValue], store: SessionStore
) -> None:
    imported(store, "a", **source)
    (found,) = store.list()
    assert (found.program, found.project, found.parent, found.undated) == (None,) * 3 + (False,)


def test_undated_sessions_are_older_than_all_others_and_sorted_among_themselves(
    store: SessionStore,
) -> None:
    def keep(name: str, day: int, *, undated: bool) -> None:
        active = datetime(2026, 5, day, tzinfo=UTC)
        source: dict[str, JsonValue] = {"undated": f"2026-05-{day:02}T00:00:00.000Z"}
        store.save(
            Session(
                session_id=name,
                created_at=active,
                last_activity=active,
                source=source if undated else {},
            )
        )

    keep("dated", 1, undated=False)
    keep("later file", 9, undated=True)
    keep("earlier file", 8, undated=True)
    assert [one.session_id for one in store.list()] == ["dated", "later file", "earlier file"]
    first = store.list(limit=2)
    assert [one.session_id for one in store.list(limit=2, cursor=first.next_cursor)] == [
        "earlier file"
    ]
    assert [one.undated for one in store.list()] == [False, True, True]
    assert ids_of(store.list(since=datetime(2026, 1, 1, tzinfo=UTC))) == {"dated"}
    store.append("later file", {"role": "user", "content": "here"})
    assert [one.session_id for one in store.list()] == ["later file", "dated", "earlier file"]
    assert store.cleanup(max_age=365 * 86400 * 50).actions == ()


def test_what_no_id_can_be_has_a_short_form_too(store: SessionStore) -> None:
    strange = ["\ud800 is no id", "a\x00b"]
    assert store.short_ids(strange) == {one: one[:8] for one in strange}
