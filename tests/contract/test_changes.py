"""The log of changes, read where it was left: by another store, later, and after a loss."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from contract.acts import user, wait_until
from contract.places import Opener, Place
from localsessions import ChangesExpiredError, Session, SessionChange, SessionStore

Said = tuple[str, str, str]


def said(changes: list[SessionChange]) -> list[Said]:
    return [(one.session_id, one.kind, one.origin) for one in changes]


class Reader:
    """Whoever asks now and then what happened since the last time."""

    def __init__(self, store: SessionStore) -> None:
        self.store = store
        self.number = store.last_change()

    def new(self) -> list[SessionChange]:
        found = list(self.store.changes(self.number, fresh=True))
        numbers = [self.number, *(one.number for one in found)]
        assert numbers == sorted(set(numbers))
        self.number = numbers[-1]
        return found

    def said(self) -> list[Said]:
        return said(self.new())


@pytest.fixture
def reader(store: SessionStore) -> Reader:
    """A reader of a store that has the sessions a and b."""
    store.create("a", title="A")
    store.create("b", title="B")
    return Reader(store)


def test_kinds_and_what_changed(reader: Reader, store: SessionStore) -> None:
    store.create("c", title="C", user_id="u", metadata={"k": 1})
    store.append("c", user("one"), user("two"))
    store.rename("c", "renamed")
    store.pin("c")
    store.tag("c", "x")
    with store.edit("c") as session:
        session.messages = session.messages[:1]
        session.state["deep"] = {"in": "side"}
    with store.edit("c") as session:
        session.state["deep"] = {}
    store.delete("c")

    changes = reader.new()

    assert said(changes) == [
        ("c", "created", "this store"),
        *[("c", "modified", "this store")] * 6,
        ("c", "deleted", "this store"),
    ]
    assert [dict(one.changed) for one in changes] == [
        {"title": (None, "C"), "user_id": (None, "u"), "status": (None, "active")},
        {"message_count": (0, 2)},
        {"title": ("C", "renamed")},
        {"pinned": (False, True)},
        {"tags": ([], ["x"])},
        {"message_count": (2, 1)},
        {},
        {},
    ]
    assert [one.new_messages for one in changes] == [None, (0, 2), *[None] * 6]
    assert [one.unreadable for one in changes] == [None] * 8


def test_two_stores_have_one_order(store: SessionStore, other: SessionStore) -> None:
    store.create("a")
    here, there = Reader(store), Reader(other)
    assert here.number == there.number
    for turn in range(20):
        (store, other)[turn % 2].append("a", user(str(turn)))
    one, two = here.new(), there.new()
    assert [(each.number, each.new_messages) for each in one] == [
        (each.number, each.new_messages) for each in two
    ]
    assert [each.new_messages for each in one] == [(turn, turn + 1) for turn in range(20)]
    assert [each.origin for each in one] == ["this store", "another store"] * 10
    assert [each.origin for each in two] == ["another store", "this store"] * 10


def test_more_than_a_batch_is_read_whole_and_goes_on_meanwhile(
    reader: Reader, store: SessionStore
) -> None:
    for turn in range(300):
        store.append("a", user(str(turn)))
    ranges = []
    for change in store.changes(reader.number):
        ranges.append(change.new_messages)
        if len(ranges) == 100:
            store.append("a", user("meanwhile"))
    assert ranges == [(turn, turn + 1) for turn in range(301)]


def test_a_closed_store_tells_nothing(store: SessionStore) -> None:
    store.create("a")
    number = store.last_change()
    for turn in range(300):
        store.append("a", user(str(turn)))
    changes = store.changes(number)
    next(changes)
    store.close()
    for act in (lambda: store.changes(number), store.last_change, lambda: list(changes)):
        with pytest.raises(ValueError, match="is closed"):
            act()


def test_a_number_from_the_future_is_not_known(reader: Reader, store: SessionStore) -> None:
    for number in (reader.number + 1, 2**62, 2**70, -(2**70)):
        with pytest.raises(ChangesExpiredError):
            store.changes(number)


def test_a_change_that_was_handed_out_is_nobody_elses(store: SessionStore) -> None:
    store.create("s")
    since = store.last_change()
    store.tag("s", "a")
    (change,) = store.changes(since=since)
    tags: Any = change.changed["tags"]
    tags[1].append("b")
    (again,) = store.changes(since=since)
    assert again.changed["tags"] != change.changed["tags"]


def test_what_changes_nothing_is_no_change(reader: Reader, store: SessionStore) -> None:
    store.save(store.load("a"))
    store.rename("a", "A")
    store.append("a")
    with store.edit("b"):
        pass
    with pytest.raises(KeyError), store.edit("b") as session:  # noqa: PT012
        session.title = "lost"
        raise KeyError("inside")
    assert reader.said() == []


def test_each_verb_is_told_once_and_by_whom(
    reader: Reader, store: SessionStore, other: SessionStore
) -> None:
    store.append("a", user("x"))
    other.fork("a", new_id="f")
    store.delete("a")
    other.restore("a")
    store.adopt("b", lambda _: store.load("a"))
    other.cleanup(max_age=0)
    assert reader.said()[:5] == [
        ("a", "modified", "this store"),
        ("f", "created", "another store"),
        ("a", "deleted", "this store"),
        ("a", "created", "another store"),
        ("b", "modified", "this store"),
    ]


def test_a_later_run_goes_on_where_the_first_stopped(place: Place) -> None:
    with place.open() as first:
        first.create("a")
        number = first.last_change()
        first.append("a", user("x"))
    with place.open() as second:
        second.append("a", user("y"))
        changes = list(second.changes(number, fresh=True))
        assert said(changes) == [
            ("a", "modified", "another store"),
            ("a", "modified", "this store"),
        ]
        second.delete("a")
        number = changes[-1].number
    with place.open() as third:
        assert said(list(third.changes(number))) == [("a", "deleted", "another store")]


def test_without_a_number_there_is_nothing_to_go_on_from(store: SessionStore) -> None:
    with pytest.raises(ValueError, match="needs since"):
        store.changes()
    with pytest.raises(TypeError, match="since must be"):
        store.changes("1")  # type: ignore[arg-type]


def test_after_a_reindex_no_former_number_is_known_and_later_ones_are_greater(
    store: SessionStore, other: SessionStore
) -> None:
    store.create("a")
    old = [store.last_change()]
    store.append("a", user("x"))
    old += [one.number for one in store.changes(old[0])]
    other.reindex()
    for number in (*old, 0, -1):
        with pytest.raises(ChangesExpiredError, match="list") as expired:
            store.changes(number)
        assert expired.value.since == number
    later = Reader(store)
    assert later.number > old[-1]
    store.append("a", user("y"))
    assert later.said() == [("a", "modified", "this store")]


# -- as they happen ------------------------------------------------------------------------------


class Follower(threading.Thread):
    """Whoever iterates over the changes in a thread of his own."""

    def __init__(self, store: SessionStore, since: int | None = None) -> None:
        super().__init__()
        self.told: list[SessionChange] = []
        self.errors: list[Exception] = []
        self._changes = store.changes(since, follow=True)
        self.start()

    def run(self) -> None:
        try:
            for change in self._changes:
                self.told.append(change)
        except Exception as error:
            self.errors.append(error)

    def until(self, *said_of: Said) -> None:
        wait_until(lambda: set(said_of) <= set(said([*self.told])))


def test_changes_come_as_they_happen_in_order_and_once(
    make_store: Opener, other: SessionStore
) -> None:
    store = make_store()
    store.create("a")
    number = store.last_change()
    store.append("a", user("0"))
    follower = Follower(store, number)
    for turn in range(1, 300):
        (store, other)[turn % 2].append("a", user(str(turn)))
    other.delete("a")
    follower.until(("a", "deleted", "another store"))
    store.close()
    follower.join()
    assert [one.new_messages for one in follower.told[:-1]] == [(at, at + 1) for at in range(300)]
    assert [one.origin for one in follower.told] == [
        *("this store", "another store") * 150,
        "another store",
    ]
    assert follower.errors == []


def test_without_a_number_it_begins_with_the_present(place: Place) -> None:
    with place.open() as store:
        store.create("before")
        changes = store.changes(follow=True)
        told: list[str] = []

        def make_until_told() -> None:
            number = 0
            while not told:
                store.create(f"s{number}")
                number += 1

        maker = threading.Thread(target=make_until_told)
        maker.start()
        told.append(next(changes).session_id)
        maker.join()
        assert told != ["before"]
        changes.close()


def test_a_slow_reader_holds_up_nobody_and_loses_nothing(place: Place) -> None:
    with place.open() as store:
        store.create("a")
        changes = store.changes(store.last_change(), follow=True)
        store.append("a", user("0"))
        assert next(changes).new_messages == (0, 1)
        for turn in range(1, 400):
            store.append("a", user(str(turn)))
        assert [next(changes).new_messages for _ in range(399)] == [
            (turn, turn + 1) for turn in range(1, 400)
        ]
        changes.close()


def test_an_iterator_that_is_closed_or_forgotten_leaves_no_thread(store: SessionStore) -> None:
    before = threading.active_count()
    number = store.last_change()
    store.create("a")
    for _ in range(2):
        changes = store.changes(number, follow=True)
        assert next(changes).session_id == "a"
        assert threading.active_count() > before
        changes.close()
        assert threading.active_count() <= before
    changes = store.changes(number, follow=True)
    assert next(changes).session_id == "a"
    del changes
    assert threading.active_count() <= before


def test_following_a_number_that_is_not_known_is_refused_at_the_first_change(
    store: SessionStore,
) -> None:
    for unknown in (store.last_change() + 1, 0, -1):
        with pytest.raises(ChangesExpiredError):
            next(store.changes(unknown, follow=True))


def test_what_happened_is_lost_while_it_is_followed(
    store: SessionStore, other: SessionStore
) -> None:
    follower = Follower(store, store.last_change())
    store.create("a")
    follower.until(("a", "created", "this store"))
    other.reindex()
    follower.join()
    assert [type(error) for error in follower.errors] == [ChangesExpiredError]


# -- which messages a change touched ---------------------------------------------------------------

Touches = list[list[tuple[int, str | None, str]] | None]


def touches(changes: list[SessionChange]) -> Touches:
    return [
        None if one.messages is None else [(at.position, at.id, at.what) for at in one.messages]
        for one in changes
    ]


def named(name: str, text: str = "") -> dict[str, Any]:
    return {**user(text), "id": name}


def test_a_change_names_the_messages_that_it_touched(reader: Reader, store: SessionStore) -> None:
    store.create("c", messages=[named("m0")])
    store.append("c", named("m1"), named("m2"))
    store.rename("c", "renamed")
    store.switch_agent("c", "coder")
    store.delete("c")
    store.restore("c")
    assert touches(reader.new()) == [
        [(0, "m0", "added")],
        [(1, "m1", "added"), (2, "m2", "added")],
        [],
        [],
        None,
        None,
    ]


def test_a_streamed_answer_names_its_message_again_and_again(
    reader: Reader, store: SessionStore
) -> None:
    store.append("a", named("m0"), named("m1"))
    for text in ("I", "I am", "I am here"):
        store.upsert_run("a", {"run_id": "r"}, named("m2", text))
    store.append("a", named("m3"))
    store.upsert_run("a", {"run_id": "r", "status": "COMPLETED"}, named("m2", "I am here"))
    assert touches(reader.new())[1:] == [
        [(2, "m2", "added")],
        [(2, "m2", "changed")],
        [(2, "m2", "changed")],
        [(3, "m3", "added")],
        [],
    ]


def test_edited_messages_are_changed_and_what_moved_is_not(
    reader: Reader, store: SessionStore
) -> None:
    store.append("a", *(named(f"m{number}") for number in range(5)))
    with store.edit("a") as session:
        session.messages[3]["content"] = "changed"
        del session.messages[1]
    with store.edit("a") as session:
        session.messages[:0] = [named("new")]
    session = store.load("a")
    session.messages = [*session.messages[1:], {"role": "tool", "content": "no id"}]
    store.save(session)
    assert touches(reader.new())[1:] == [
        [(1, "m1", "removed"), (2, "m3", "changed")],
        [(0, "new", "added")],
        [(0, "new", "removed"), (4, None, "added")],
    ]


def test_messages_without_ids_and_twice_the_same_are_counted(
    reader: Reader, store: SessionStore
) -> None:
    bare = {"role": "user", "content": "again"}
    with store.edit("a") as session:
        session.messages = [dict(bare), dict(bare), named("m"), named("m")]
    with store.edit("a") as session:
        session.messages = [dict(bare), named("m"), named("m", "second"), dict(bare)]
    assert touches(reader.new())[1:] == [[(2, "m", "changed")]]


def test_of_more_messages_than_a_person_looks_at_none_is_named(
    reader: Reader, store: SessionStore
) -> None:
    store.append("a", *(named(f"m{number}") for number in range(16)))
    store.append("a", *(named(f"n{number}") for number in range(17)))
    few, many = touches(reader.new())
    assert few is not None
    assert [at for at, _, _ in few] == [*range(16)]
    assert many is None


def test_both_stores_name_the_same_messages(store: SessionStore, other: SessionStore) -> None:
    store.create("a")
    here, there = Reader(store), Reader(other)
    for turn in range(20):
        (store, other)[turn % 2].append("a", named(f"m{turn}"))
        (store, other)[turn % 2].upsert_run("a", {"run_id": "r"}, named("answer", str(turn)))
    one, two = touches(here.new()), touches(there.new())
    assert one == two
    assert one[2:4] == [[(2, "m1", "added")], [(1, "answer", "changed")]]


def test_many_sessions_at_once_name_their_messages(reader: Reader, store: SessionStore) -> None:
    made = [Session(session_id=name, messages=[named(f"{name}1")]) for name in "xyz"]
    store.create_many(made)
    for one in made:
        one.messages.append(named(f"{one.session_id}2"))
    store.save_many(made)
    told = {one.session_id: one for one in reader.new()}
    assert touches([*told.values()]) == [[(1, f"{name}2", "added")] for name in told]


def test_a_merge_names_what_is_new_to_the_file(reader: Reader, store: SessionStore) -> None:
    store.append("a", named("m0"))
    mine = store.load("a")
    store.append("a", named("theirs"))
    mine.messages.append(named("mine"))
    store.save(mine, on_conflict="merge")
    assert touches(reader.new())[-1] == [(2, "mine", "added")]
