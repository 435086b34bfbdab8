"""create_many, save_many, delete_many: many sessions at once, each with the promise of one."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from contract.acts import edited, wait_until
from contract.places import Opener
from localsessions import (
    ConflictError,
    LockTimeoutError,
    NotOwnerError,
    Session,
    SessionExistsError,
    SessionStore,
    UnstorableValueError,
)

HELLO = {"id": "m1", "role": "user", "content": "hello"}


def new(*names: str) -> list[Session]:
    return [Session(session_id=name, messages=[{**HELLO}]) for name in names]


def numbered(count: int) -> list[Session]:
    return new(*(f"s{number:04}" for number in range(count)))


def ids(store: SessionStore) -> set[str]:
    return {one.session_id for one in store.list(limit=10_000, fresh=True)}


def refused(act: Callable[[], object]) -> dict[str, Exception]:
    """Return the errors of a group, by session."""
    with pytest.raises(ExceptionGroup) as caught:
        act()
    errors = [error for error in caught.value.exceptions if isinstance(error, Exception)]
    return {getattr(error, "session_id", None) or str(error): error for error in errors}


# -- create_many -------------------------------------------------------------------------------


def test_new_sessions_are_stored_and_can_be_changed_and_saved(store: SessionStore) -> None:
    made = numbered(300)

    assert [*store.create_many(made)] == made

    assert ids(store) == {one.session_id for one in made}
    assert store.load("s0123").messages == [HELLO]
    made[7].title = "changed"
    assert store.save(made[7]).revision == 2


def test_an_empty_id_is_made(store: SessionStore) -> None:
    made = store.create_many(Session(session_id="", title=str(number)) for number in range(3))

    assert all(one.session_id.startswith("sess_") for one in made)
    assert [store.load(one.session_id).title for one in made] == ["0", "1", "2"]


def test_those_that_exist_are_refused_and_the_others_stored(store: SessionStore) -> None:
    store.create("b", title="was here")

    with pytest.raises(ExceptionGroup, match="1 of 3 sessions were not stored") as caught:
        store.create_many(new("a", "b", "c"))

    (error,) = caught.value.exceptions
    assert isinstance(error, SessionExistsError)
    assert error.session_id == "b"
    assert ids(store) == {"a", "b", "c"}
    assert store.load("b").title == "was here"


def test_an_id_that_differs_by_letter_case_only_is_refused_within_one_call_too(
    store: SessionStore,
) -> None:
    store.create("chat")
    errors = refused(lambda: store.create_many(new("CHAT", "New", "NEW")))
    assert {name: type(error) for name, error in errors.items()} == {
        "CHAT": SessionExistsError,
        "NEW": SessionExistsError,
    }
    assert ids(store) == {"chat", "New"}


MISUSE: list[tuple[Callable[[SessionStore], object], type[Exception], str]] = [
    (lambda store: store.create_many([*new("a"), store.load("there")]), ValueError, "save_many"),
    (lambda store: store.create_many(new("a", "b", "a")), ValueError, "two of the sessions"),
    (lambda store: store.save_many(new("a", "b", "a")), ValueError, "two of the sessions"),
    (lambda store: store.create_many(new("a", "b/c")), ValueError, "session_id"),
    (lambda store: store.save_many([*new("a"), "b"]), TypeError, "must be a Session"),  # type: ignore[list-item]
    (lambda store: store.save_many(new("a"), on_conflict="no"), ValueError, "on_conflict"),  # type: ignore[arg-type]
    (lambda store: store.delete_many("there"), TypeError, "several texts"),
    (lambda store: store.delete_many(["there", "b/c"]), ValueError, "session_id"),
    (lambda store: store.delete_many(["there", 1]), TypeError, "must be a str"),  # type: ignore[list-item]
]


@pytest.mark.parametrize(("act", "kind", "text"), MISUSE)
def test_misuse_is_told_before_anything_is_done(
    act: Callable[[SessionStore], object], kind: type[Exception], text: str, store: SessionStore
) -> None:
    store.create("there")
    with pytest.raises(kind, match=text):
        act(store)
    assert ids(store) == {"there"}


def test_nothing_is_asked_of_a_closed_store(store: SessionStore) -> None:
    store.close()
    for act in (store.create_many, store.save_many, store.delete_many):
        with pytest.raises(ValueError, match="is closed"):
            act([])


# -- save_many ---------------------------------------------------------------------------------


def test_changes_are_saved_and_new_sessions_with_them(store: SessionStore) -> None:
    made = [*store.create_many(numbered(5))]
    for session in made[:3]:
        session.title = "changed"

    store.save_many([*made, *new("another")])

    found = {one.session_id: (one.title, one.revision) for one in store.list()}
    assert found == {
        **{f"s{number:04}": ("changed", 2) for number in range(3)},
        **{f"s{number:04}": ("hello", 1) for number in range(3, 5)},
        "another": ("hello", 1),
    }


def test_what_somebody_else_changed_is_refused_and_the_others_are_saved(
    store: SessionStore,
) -> None:
    made = store.create_many(new("a", "b", "c"))
    store.rename("b", "theirs")
    store.delete("c")
    for session in made:
        session.title = "mine"

    errors = refused(lambda: store.save_many(made))

    assert {name: type(error) for name, error in errors.items()} == {
        "b": ConflictError,
        "c": ConflictError,
    }
    assert {one.session_id: one.title for one in store.list()} == {"a": "mine", "b": "theirs"}


def test_conflicts_are_merged_where_that_is_asked(store: SessionStore) -> None:
    made = store.create_many(new("a", "b", "c"))
    store.rename("b", "theirs")
    store.rename("c", "theirs")
    made[0].tags = made[1].tags = ["mine"]
    made[2].title = "mine"

    errors = refused(lambda: store.save_many(made, on_conflict="merge"))

    assert isinstance(error := errors["c"], ConflictError)
    assert error.conflicts == ("title",)
    assert (store.load("a").tags, store.load("b").tags) == (["mine"], ["mine"])
    assert store.load("b").title == made[1].title == "theirs"


def test_what_cannot_be_stored_is_refused_alone(store: SessionStore) -> None:
    made = new("a", "b", "c")
    made[1].state["number"] = float("nan")
    errors = refused(lambda: store.save_many(made))
    assert isinstance(errors["b"], UnstorableValueError)
    assert ids(store) == {"a", "c"}


# -- delete_many -------------------------------------------------------------------------------


def test_sessions_go_to_the_trash_with_all_they_have(store: SessionStore) -> None:
    store.create_many(numbered(150))
    store.save_checkpoint("s0007", {"step": 1})

    gone = store.delete_many(["none", *(f"s{n:04}" for n in range(140)), "s0003"])

    assert [*gone] == [f"s{number:04}" for number in range(140)]
    assert len(ids(store)) == 10
    assert store.restore("s0007").messages == [HELLO]
    assert store.load_checkpoint("s0007").data == {"step": 1}


def test_sessions_of_another_user_stay(store: SessionStore) -> None:
    for name, user in (("a", "alice"), ("b", "bob"), ("c", None)):
        store.create(name, user_id=user)
    errors = refused(lambda: store.delete_many([*"abc"], user_id="alice"))
    assert isinstance(errors["b"], NotOwnerError)
    assert ids(store) == {"b"}


# -- what else follows -------------------------------------------------------------------------


def test_each_change_is_told_and_found_and_counted(store: SessionStore) -> None:
    since = store.last_change()
    told: list[tuple[str, str]] = []
    with store.watch(lambda change: told.append((change.session_id, change.kind))):
        made = store.create_many(new("a", "b", "c"))
        for session in made:
            session.title = "changed"
        store.save_many(made)
        store.delete_many(["a", "b"])
        changes = [*store.changes(since)]
        wait_until(lambda: len(told) == len(changes))
    expected = {
        *((name, "created") for name in "abc"),
        *((name, "modified") for name in "abc"),
        *((name, "deleted") for name in "ab"),
    }
    assert {(one.session_id, one.kind) for one in changes} == set(told) == expected
    assert {one.origin for one in changes} == {"this store"}
    assert len(changes) == 8
    assert [hit.session.session_id for hit in store.search("hello")] == ["c"]
    assert store.stats().sessions == 1


# -- locks -------------------------------------------------------------------------------------


def test_a_session_that_this_thread_is_editing_is_refused(store: SessionStore) -> None:
    made = store.create_many(new("a", "b"))
    for session in made:
        session.title = "changed"
    with store.edit("a"), pytest.raises(ExceptionGroup) as caught:
        store.save_many(made)
    (error,) = caught.value.exceptions
    assert isinstance(error, RuntimeError)
    assert error.__notes__ == ["session 'a'"]
    assert store.load("b").title == "changed"


def test_writers_in_opposite_order_do_not_wait_for_each_other_for_ever(
    store: SessionStore, other: SessionStore
) -> None:
    store.create_many(numbered(120))
    failed: list[Exception] = []

    def work(one: SessionStore, backwards: bool) -> None:
        names = sorted(ids(one), reverse=backwards)
        for number in range(5):
            sessions = [one.load(name) for name in names]
            for session in sessions:
                session.state[f"{backwards}"] = number
            try:
                one.save_many(sessions, on_conflict="merge")
            except ExceptionGroup as group:
                failed.extend(group.exceptions)

    threads = [
        threading.Thread(target=work, args=[store, backwards])
        for store, backwards in ((store, False), (store, True), (other, True))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {type(error) for error in failed} <= {ConflictError}
    states = [store.load(name).state for name in ids(store)]
    assert states == [{"False": 4, "True": 4}] * 120


def test_a_session_that_somebody_changes_is_waited_for_when_all_others_are_stored(
    store: SessionStore,
) -> None:
    made = store.create_many(numbered(20))
    for session in made:
        session.title = "changed"
    with edited(store, "s0000") as over:
        thread = threading.Thread(target=store.save_many, args=[made])
        thread.start()
        wait_until(lambda: store.load("s0019").title == "changed" == store.load("s0001").title)
        assert store.load("s0000").title is None
        # It holds no lock while it waits.
        assert store.rename("s0019", "by another").title == "by another"
        over.set()
        thread.join()
    assert store.load("s0000").title == "changed"


def test_who_is_waited_for_in_vain_is_refused_and_the_others_are_stored(
    make_store: Opener, other: SessionStore
) -> None:
    store = make_store(lock_timeout=0.05)
    made = store.create_many(new("a", "held", "b"))
    for session in made:
        session.title = "changed"
    with edited(other, "held"):
        errors = refused(lambda: store.save_many(made))
        assert {name: type(error) for name, error in errors.items()} == {"held": LockTimeoutError}
        assert refused(lambda: store.delete_many(["held", "b"])).keys() == {"held"}
    assert {one.session_id: one.title for one in store.list()} == {"a": "changed", "held": "hello"}
