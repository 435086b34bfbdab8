"""The verbs on one session: what each promises, also against other writers."""

from __future__ import annotations

import contextlib
import gc
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import JsonValue

from contract.acts import said, user
from contract.places import Opener, Place
from localsessions import (
    ConflictError,
    LockTimeoutError,
    NotOwnerError,
    Session,
    SessionExistsError,
    SessionLimitError,
    SessionNotFoundError,
    SessionStore,
    UnstorableValueError,
)

Verb = Callable[[SessionStore], object]


# -- create ------------------------------------------------------------------------------------


def test_a_created_session_is_what_was_asked_for_and_is_there_at_once(
    store: SessionStore, other: SessionStore
) -> None:
    made = store.create("a", user_id="u", agent_id="g", title="t", metadata={"k": [1]}, ttl=60)
    assert (made.session_id, made.user_id, made.agent_id, made.title) == ("a", "u", "g", "t")
    assert (made.metadata, made.ttl, made.revision) == ({"k": [1]}, 60, 1)
    assert made.expires_at == made.created_at + timedelta(seconds=60)
    assert said(store.load("a")) == said(other.load("a")) == said(made)


def test_metadata_is_copied(store: SessionStore) -> None:
    given: dict[str, JsonValue] = {"list": [1]}
    made = store.create("a", metadata=given)
    given["list"] = 2
    assert made.metadata == {"list": [1]}


def test_made_ids_are_new_and_sort_by_time(store: SessionStore) -> None:
    made = [store.create().session_id for _ in range(5)]
    assert all(one.startswith("sess_") for one in made)
    assert len(set(made)) == 5
    assert [one[:17] for one in made] == sorted(one[:17] for one in made)


@pytest.mark.parametrize("ttl", [None, 0, -5])
def test_without_a_ttl_nothing_expires(ttl: float | None, store: SessionStore) -> None:
    assert store.create("a", ttl=ttl).expires_at is None


def test_creating_twice_is_refused_and_changes_nothing(store: SessionStore) -> None:
    store.create("a", title="first")
    before = store.raw("a")
    with pytest.raises(SessionExistsError, match="exists already") as caught:
        store.create("a", title="second")
    assert caught.value.existing == "a"
    assert store.raw("a") == before


@pytest.mark.parametrize(
    ("first", "second"),
    [("Notes", "notes"), ("straße", "STRASSE"), ("caf\u00e9", "cafe\u0301"), ("\u0130", "i\u0307")],
)
@pytest.mark.parametrize("turns", [0, 3])
def test_ids_that_macos_or_windows_cannot_tell_apart_are_refused(
    first: str, second: str, turns: int, store: SessionStore
) -> None:
    store.create(first)
    for number in range(turns):
        store.append(first, {"role": "user", "content": f"{number}"})
    with pytest.raises(SessionExistsError, match="would share one file") as caught:
        store.create(second)
    assert (caught.value.session_id, caught.value.existing) == (second, first)
    assert store.count() == 1


@pytest.mark.parametrize("session_id", ["", ".", "..", "a/b", "a\\b", "a\0b", "x" * 201])
def test_an_id_that_no_session_can_have_is_refused(session_id: str, store: SessionStore) -> None:
    for verb in (store.create, store.load, store.get, store.delete, store.path):
        with pytest.raises(ValueError, match="session_id"):
            verb(session_id)


def test_what_cannot_be_stored_makes_no_session(store: SessionStore) -> None:
    with pytest.raises(UnstorableValueError, match=r"metadata\.x"):
        store.create("a", metadata={"x": float("nan")})
    assert store.get("a") is None


def test_no_more_are_made_than_may_be_live(store: SessionStore) -> None:
    for name in "ab":
        store.create(name, max_live=2)
    with pytest.raises(SessionLimitError, match="2 live sessions") as caught:
        store.create("c", max_live=2)
    assert caught.value.limit == 2
    with pytest.raises(SessionExistsError):
        store.create("a", max_live=2)
    assert store.create("not restricted").revision == 1
    store.archive("a")
    store.delete("b")
    assert store.create("c", max_live=2).session_id == "c"
    assert store.count(live=True) == 2
    with pytest.raises(ValueError, match="max_live"):
        store.create(max_live=-1)


def test_together_threads_never_make_one_too_many(
    store: SessionStore, other: SessionStore, switching: None
) -> None:
    ready, made = threading.Barrier(8), list[str]()

    def make(number: int) -> None:
        ready.wait()
        for turn in range(10):
            with contextlib.suppress(SessionLimitError):
                one = (store, other)[number % 2]
                made.append(one.create(f"s{number}-{turn}", max_live=20).session_id)

    threads = [threading.Thread(target=make, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == store.count(live=True) == 20


def test_a_session_begins_with_messages_tags_and_state(store: SessionStore) -> None:
    message = user("hello")
    state: Any = {"deep": {"step": 1}}
    made = store.create("a", messages=[message], tags=["x", "y", "x"], state=state)
    message["content"] = state["deep"]["step"] = "changed later"
    assert made.revision == 1
    assert made.tags == ["x", "y"]
    assert made.state == {"deep": {"step": 1}}
    (stored,) = made.messages
    assert stored["content"] == "hello"
    assert str(stored["id"]).startswith("msg_")
    assert stored["created_at"] == made.model_dump(mode="json")["created_at"]
    assert store.load("a") == made
    assert made.made_title == "hello"


def test_what_is_no_message_is_refused_and_nothing_is_created(store: SessionStore) -> None:
    messages: Any
    for messages in (
        [{"content": "no role"}],
        ["text"],
        [{"role": "user", "content": float("nan")}],
    ):
        with pytest.raises((TypeError, ValueError)):
            store.create("a", messages=messages)
    with pytest.raises(TypeError, match="tags"):
        store.create("a", tags="one text")
    assert store.count() == 0


def test_get_or_create_gives_defaults_to_a_new_session_only(store: SessionStore) -> None:
    made = store.get_or_create("a", title="first", user_id="u", messages=[user("hello")])
    found = store.get_or_create("a", title="second", messages=[user("again")])
    assert (made.title, made.user_id, len(made.messages)) == ("first", "u", 1)
    assert found == made == store.load("a")
    assert found.revision == 1


def test_get_or_create_refuses_another_users_session_and_a_twin(store: SessionStore) -> None:
    store.create("a", user_id="u")
    with pytest.raises(NotOwnerError):
        store.get_or_create("a", user_id="other")
    with pytest.raises(SessionExistsError) as caught:
        store.get_or_create("A")
    assert caught.value.existing == "a"
    with pytest.raises(SessionLimitError):
        store.get_or_create("b", max_live=1)
    with pytest.raises(TypeError):
        store.get_or_create("b", tittle="misspelt")  # type: ignore[call-arg]
    assert store.count() == 1


def test_of_threads_that_get_or_create_at_once_one_creates(
    store: SessionStore, other: SessionStore, switching: None
) -> None:
    since, ready, got = store.last_change(), threading.Barrier(8), list[Session]()

    def get(number: int) -> None:
        for turn in range(10):
            ready.wait(60)  # one that raised does not come, and the others must not wait for ever
            one = (store, other)[number % 2]
            got.append(one.get_or_create(f"s{turn}", title=str(number)))

    threads = [threading.Thread(target=get, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 80
    assert all(one == store.load(one.session_id) for one in got)
    assert [one.kind for one in store.changes(since)] == ["created"] * 10


# -- load --------------------------------------------------------------------------------------


def test_loading_hands_out_copies(store: SessionStore) -> None:
    store.create("a")
    store.append("a", user("one"))
    first, second = store.load("a"), store.load("a")
    first.messages.clear()
    first.metadata["x"] = 1
    assert second.messages
    assert store.load("a") == second


def test_sessions_that_say_the_same_are_equal_whatever_they_are_based_on(
    store: SessionStore,
) -> None:
    made = store.create("a", metadata={"x": 1})
    assert made == store.load("a") == store.load("a")
    store.rename("a", "other")
    store.rename("a", "")
    loaded = store.load("a")
    assert loaded != made  # by its revision
    assert loaded.model_copy() == loaded
    loaded.title = "mine"
    assert loaded != store.load("a")
    assert made != "a"


def test_what_is_not_there_is_none_or_an_error(store: SessionStore) -> None:
    assert store.get("nobody") is None
    for verb in (store.load, lambda one: store.append(one, user("x")), store.fork, store.pin):
        with pytest.raises(SessionNotFoundError, match="nobody"):
            verb("nobody")
    with pytest.raises(LookupError), store.edit("nobody"):
        pass


# -- save --------------------------------------------------------------------------------------


def test_saving_moves_revision_and_times_and_can_be_repeated(store: SessionStore) -> None:
    session = store.create("a")
    created = session.last_activity
    for number in range(1, 4):
        session.messages = [*session.messages, user(str(number))]
        assert store.save(session) is session
        assert session.revision == number + 1
        assert said(store.load("a")) == said(session)
    assert session.last_activity >= created
    assert session.updated_at >= session.last_activity


def test_an_activity_that_was_set_by_hand_is_kept(store: SessionStore) -> None:
    session = store.create("a")
    session.last_activity = datetime(2020, 1, 1, tzinfo=UTC)
    store.save(session)
    assert store.load("a").last_activity == datetime(2020, 1, 1, tzinfo=UTC)


def test_an_unchanged_session_is_not_written(store: SessionStore) -> None:
    store.create("a", title="t")
    store.append("a", user("one"))
    before = store.raw("a"), store.last_change()
    session = store.load("a")
    assert store.save(session).revision == 2
    with store.edit("a"):
        pass
    store.rename("a", "t")
    store.pin("a", pinned=False)
    store.tag("a")
    assert (store.raw("a"), store.last_change()) == before


def test_a_session_never_loaded_makes_a_new_one(store: SessionStore) -> None:
    assert store.save(Session(session_id="a", title="t")).revision == 1
    assert store.load("a").title == "t"


def test_a_session_never_loaded_is_no_twin_of_one(store: SessionStore) -> None:
    store.create("Notes")
    with pytest.raises(SessionExistsError, match="would share one file"):
        store.save(Session(session_id="notes"))
    assert store.get("notes") is None


def test_a_session_never_loaded_never_replaces_one(store: SessionStore) -> None:
    store.create("a", title="kept")
    with pytest.raises(ConflictError, match="exists already") as caught:
        store.save(Session(session_id="a", title="other"))
    assert caught.value.expected is None
    assert caught.value.found is not None
    assert caught.value.found.title == "kept"
    assert store.load("a").title == "kept"


def test_a_deleted_session_is_not_brought_back_by_a_save(store: SessionStore) -> None:
    session = store.create("a")
    store.delete("a")
    session.title = "t"
    with pytest.raises(ConflictError, match="was deleted") as caught:
        store.save(session)
    assert caught.value.found is None
    assert store.get("a") is None


def test_a_refused_value_leaves_both_sessions_as_they_were(store: SessionStore) -> None:
    session = store.create("a")
    session.messages = [user("one", odd={1, 2})]  # type: ignore[arg-type]
    with pytest.raises(UnstorableValueError, match=r"messages\[0\]\.odd"):
        store.save(session)
    assert (session.revision, store.load("a").messages) == (1, [])
    session.messages = [user("one")]
    assert store.save(session).revision == 2


# -- edit --------------------------------------------------------------------------------------


def test_edit_stores_what_the_block_made(store: SessionStore) -> None:
    store.create("a")
    with store.edit("a") as session:
        session.state["step"] = 1
        session.messages.append(user("in place"))
    assert store.load("a").state == {"step": 1}
    assert store.load("a").revision == 2


def test_an_edit_that_is_no_activity_leaves_its_time(store: SessionStore) -> None:
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    store.save(Session(session_id="a", created_at=long_ago, last_activity=long_ago))
    with store.edit("a", is_activity=False) as session:
        session.state["step"] = 1
    assert (store.load("a").last_activity, store.load("a").state) == (long_ago, {"step": 1})
    with store.edit("a") as session:
        session.state["step"] = 2
    assert store.load("a").last_activity > long_ago


def test_an_exception_in_the_block_stores_nothing(store: SessionStore) -> None:
    store.create("a")
    before = store.raw("a"), store.last_change()
    with pytest.raises(KeyError), store.edit("a") as session:  # noqa: PT012
        session.title = "half done"
        raise KeyError("x")
    assert (store.raw("a"), store.last_change()) == before
    store.append("a", user("the lock is free again"))


def test_other_sessions_may_be_changed_inside_and_the_same_may_not(store: SessionStore) -> None:
    store.create("a")
    store.create("b")
    with store.edit("a") as session:
        with store.edit("b") as other:
            other.title = "inner"
        store.append("b", user("too"))
        for verb in (lambda: store.append("a", user("x")), lambda: store.rename("a", "x")):
            with pytest.raises(RuntimeError, match="being edited by this thread"):
                verb()
        session.title = "outer"
    assert (store.load("a").title, store.load("b").title) == ("outer", "inner")


def test_who_edits_may_read_the_session_and_not_change_it_in_another_way(
    store: SessionStore, other: SessionStore
) -> None:
    loaded = store.create("a", title="before")
    loaded.title = "saved"
    verbs: list[Verb] = [
        lambda store: store.save(loaded),
        lambda store: store.delete("a"),
        lambda store: store.adopt("a", lambda _: loaded),
        lambda store: store.save_checkpoint("a", 1),
        lambda store: store.clear_checkpoints("a"),
        lambda store: store.restore("a"),
    ]
    with store.edit("a") as session:
        for verb in verbs:
            with pytest.raises(RuntimeError, match="being edited by this thread"):
                verb(store)
        for reader in (store, other):
            assert reader.load("a").title == reader.list().items[0].title == "before"
            assert reader.tail("a", 1) == ()
        session.title = "edited"
    assert store.load("a").title == "edited"


def test_somebody_elses_edit_is_waited_for_and_no_longer_than_said(
    make_store: Opener, other: SessionStore
) -> None:
    store = make_store(lock_timeout=0.05)
    store.create("a")
    inside, done = threading.Event(), threading.Event()

    def hold() -> None:
        with other.edit("a") as session:
            session.title = "theirs"
            inside.set()
            done.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    inside.wait()
    with pytest.raises(LockTimeoutError, match=r"0\.05 s") as caught:
        store.append("a", user("x"))
    assert (caught.value.timeout, caught.value.session_id) == (0.05, "a")
    assert store.load("a").title is None  # readers wait for nobody
    done.set()
    holder.join()
    assert store.load("a").title == "theirs"


def test_threads_that_edit_lose_nothing(store: SessionStore) -> None:
    store.create("a")

    def count() -> None:
        for _ in range(20):
            with store.edit("a") as session:
                known = session.state.get("count", 0)
                assert isinstance(known, int)
                session.state["count"] = known + 1

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.load("a").state == {"count": 80}
    assert store.load("a").revision == 81


# -- append, runs, agents ----------------------------------------------------------------------


def test_append_adds_at_the_end_and_says_what_is_stored(store: SessionStore) -> None:
    store.create("a")
    given = user("one", parts=[1])
    (first,) = store.append("a", given)
    given["parts"] = []
    store.append("a", user("two", id="mine", created_at="yesterday"), {"role": "tool"})

    messages = store.load("a").messages
    assert [one["role"] for one in messages] == ["user", "user", "tool"]
    assert messages[0] == first
    assert first["parts"] == [1]
    assert str(first["id"]).startswith("msg_")
    assert (messages[1]["id"], messages[1]["created_at"]) == ("mine", "yesterday")


def test_append_creates_nothing_and_wants_a_role(store: SessionStore) -> None:
    with pytest.raises(SessionNotFoundError):
        store.append("a", user("x"))
    assert store.get("a") is None
    store.create("a")
    for wrong in ({"content": "x"}, {"role": 1}):
        with pytest.raises(ValueError, match="role"):
            store.append("a", user("good"), wrong)
    assert store.append("a") == ()
    assert store.load("a").revision == 1


def test_an_append_changes_what_stands_beside_in_the_same_step(store: SessionStore) -> None:
    store.create("a", state={"count": 1})

    def change(session: Session) -> None:
        if session.revision > 2:
            raise ValueError("another version")
        session.state["count"] = session.state["count"] + 1  # type: ignore[operator]
        session.title = f"{session.revision} and one"

    for _ in range(2):
        store.append("a", user("one"), change=change)
    with pytest.raises(ValueError, match="another version"):
        store.append("a", user("two"), change=change)
    loaded = store.load("a")
    assert (loaded.state, loaded.title, loaded.revision) == ({"count": 3}, "2 and one", 3)
    assert [one["content"] for one in loaded.messages] == ["one", "one"]
    wrong: Any = (1,)
    with pytest.raises(UnstorableValueError):
        store.append("a", user("two"), change=lambda session: session.state.update(wrong=wrong))
    assert store.load("a") == loaded


def test_a_run_takes_the_place_of_its_former_self(store: SessionStore) -> None:
    store.create("a")
    store.upsert_run("a", {"run_id": "r1", "status": "RUNNING"}, user("go", run_id="wrong"))
    store.upsert_run("a", {"run_id": "r2"})
    store.upsert_run("a", {"run_id": "r1", "status": "DONE"}, {"role": "assistant"})

    session = store.load("a")
    assert session.runs == [{"run_id": "r1", "status": "DONE"}, {"run_id": "r2"}]
    assert [one["run_id"] for one in session.messages] == ["r1", "r1"]
    with pytest.raises(ValueError, match="run_id"):
        store.upsert_run("a", {"id": "r3"})
    with pytest.raises(ValueError, match="role"):
        store.upsert_run("a", {"run_id": "r3"}, {"content": "x"})
    assert store.load("a").revision == 4


def test_agents_switch_and_the_switch_is_recorded(store: SessionStore) -> None:
    created = store.create("a")
    assert store.switch_agent("a", "coder", "asked") is True
    assert store.switch_agent("a", "coder") is False
    assert store.switch_agent("a", "writer") is True

    session = store.load("a")
    switches = session.agent_context["switches"]
    assert isinstance(switches, list)
    assert session.current_agent == "writer"
    assert [(one["from"], one["to"], one["reason"]) for one in switches] == [  # type: ignore[call-overload, index]
        (None, "coder", "asked"),
        ("coder", "writer", None),
    ]
    assert session.last_activity == created.last_activity
    assert store.list().items[0].current_agent == "writer"


# -- small changes -----------------------------------------------------------------------------


def test_a_title_that_a_person_set_is_never_overwritten_by_a_made_one(store: SessionStore) -> None:
    store.create("a")
    assert store.rename("a", "made", made=True).title == "made"
    assert store.rename("a", "made anew", made=True).title == "made"
    assert store.rename("a", "by hand").title == "by hand"
    assert store.rename("a", "made", made=True).title == "by hand"
    assert store.rename("a", None).title == ""
    store.append("a", user("What is this?"))
    assert store.list().items[0].title == "What is this?"


def test_tags_stand_once_in_the_order_of_adding(store: SessionStore) -> None:
    store.create("a")
    assert store.tag("a", "x", "y", "x").tags == ("x", "y")
    assert store.tag("a", "z", "y", remove=["x"]).tags == ("y", "z")
    assert store.tag("a", remove=["y", "none"]).tags == ("z",)


def test_pin_and_archive_are_no_activity_and_can_be_taken_back(store: SessionStore) -> None:
    active = store.create("a").last_activity
    assert store.pin("a").pinned is True
    assert store.archive("a").status == "archived"
    assert store.pin("a", pinned=False).pinned is False
    assert store.archive("a", archived=False).status == "active"
    assert store.load("a").last_activity == active


# -- fork and tail -----------------------------------------------------------------------------


def a_talk(store: SessionStore) -> None:
    store.create("a", title="talk", metadata={"k": 1}, ttl=60)
    store.upsert_run("a", {"run_id": "r1"}, user("zero", id="m0"), user("one", id="m1"))
    store.upsert_run("a", {"run_id": "r2"}, user("two", id="m2"))
    store.pin("a")
    store.archive("a")


@pytest.mark.parametrize(
    ("at", "count", "runs"),
    [(None, 3, ["r1", "r2"]), ("m1", 2, ["r1"]), (0, 1, ["r1"]), (2, 3, ["r1", "r2"])],
)
def test_a_fork_has_the_messages_up_to_one_of_them(
    at: str | int | None, count: int, runs: list[str], store: SessionStore
) -> None:
    a_talk(store)
    before = store.load("a")
    while datetime.now(UTC) - before.created_at < timedelta(milliseconds=1):
        time.sleep(0.001)  # times are cut to milliseconds
    fork = store.fork("a", at=at, new_id="b")

    assert [one["id"] for one in fork.messages] == ["m0", "m1", "m2"][:count]
    assert [one["run_id"] for one in fork.runs] == runs
    assert fork.forked_from == {
        "session_id": "a",
        "message_id": f"m{count - 1}",
        "message_count": count,
    }
    assert (fork.pinned, fork.status, fork.revision, fork.title) == (
        False,
        "active",
        1,
        "talk (fork)",
    )
    assert fork.metadata == {"k": 1}
    assert fork.expires_at == fork.created_at + timedelta(seconds=60)
    assert fork.created_at > before.created_at
    assert said(store.load("b")) == said(fork)
    assert said(store.load("a")) == said(before)


def test_a_fork_and_its_source_have_titles_of_their_own(store: SessionStore) -> None:
    store.create("untitled")
    assert store.fork("untitled").title is None
    store.append("untitled", user("Show the files"))
    made = store.fork("untitled")
    assert made.title == "Show the files (fork)"
    assert store.resolve("show the files") == "untitled"
    assert store.fork(made.session_id).title == "Show the files (fork) (fork)"


def test_a_fork_shares_nothing_with_its_source(store: SessionStore) -> None:
    a_talk(store)
    fork = store.fork("a")
    assert fork.session_id.startswith("sess_")
    fork.messages[0]["content"] = "changed"
    store.save(fork)
    assert store.load("a").messages[0]["content"] == "zero"


@pytest.mark.parametrize("at", ["nothing", 3, -1])
def test_a_fork_at_no_message_is_refused(at: str | int, store: SessionStore) -> None:
    a_talk(store)
    with pytest.raises(LookupError, match="message"):
        store.fork("a", at=at)
    assert store.count() == 1


def test_a_fork_onto_a_session_is_refused(store: SessionStore) -> None:
    a_talk(store)
    with pytest.raises(SessionExistsError):
        store.fork("a", new_id="a")


def test_a_fork_of_nothing_is_empty(store: SessionStore) -> None:
    store.create("a")
    fork = store.fork("a")
    assert fork.forked_from == {"session_id": "a", "message_id": None, "message_count": 0}


@pytest.mark.parametrize(("n", "found"), [(0, []), (1, ["m2"]), (3, ["m0", "m1", "m2"])])
def test_tail_is_the_last_messages_in_order(n: int, found: list[str], store: SessionStore) -> None:
    a_talk(store)
    assert [one["id"] for one in store.tail("a", n)] == found
    assert len(store.tail("a", 100)) == 3
    with pytest.raises(ValueError, match="n must be"):
        store.tail("a", -1)


def test_a_message_that_contains_itself_is_refused_and_others_are_copied(
    store: SessionStore,
) -> None:
    store.create("s")
    said: list[JsonValue] = ["mine"]
    message: dict[str, JsonValue] = {"role": "user", "content": said}
    (kept,) = store.append("s", message)
    said.append(message)
    assert kept["content"] == ["mine"]
    with pytest.raises(UnstorableValueError, match="deeper than 200 levels"):
        store.append("s", message)
    assert store.load("s").messages == [kept]


# -- the store itself --------------------------------------------------------------------------


VERBS: list[Verb] = [
    lambda store: store.create("b"),
    lambda store: store.get("a"),
    lambda store: store.load("a"),
    lambda store: store.save(Session(session_id="c")),
    lambda store: store.append("a", user("x")),
    lambda store: store.upsert_run("a", {"run_id": "r"}),
    lambda store: store.switch_agent("a", "x"),
    lambda store: store.rename("a", "x"),
    lambda store: store.pin("a"),
    lambda store: store.archive("a"),
    lambda store: store.tag("a", "x"),
    lambda store: store.fork("a"),
    lambda store: store.tail("a", 1),
    lambda store: store.streaming("a").__enter__(),
    lambda store: store.runs("a"),
    lambda store: store.runs(),
    lambda store: store.history("a"),
    lambda store: store.context("a", last_runs=1),
    lambda store: store.list(),
    lambda store: store.count(),
    lambda store: store.search("x"),
    lambda store: store.resolve("a"),
    lambda store: store.delete("a"),
    lambda store: store.restore("a"),
    lambda store: store.trash(),
    lambda store: store.empty_trash(),
    lambda store: store.deletions(["a"]),
    lambda store: store.forget_deletions(),
    lambda store: store.cleanup(max_age=0),
    lambda store: store.purge_expired(),
    lambda store: store.save_checkpoint("a", 1),
    lambda store: store.checkpoints("a"),
    lambda store: store.load_checkpoint("a"),
    lambda store: store.delete_checkpoint("a", "x"),
    lambda store: store.clear_checkpoints("a"),
    lambda store: store.verify(),
    lambda store: store.reindex(),
    lambda store: store.stats(),
]


def test_every_verb_of_a_closed_store_is_refused(make_store: Opener) -> None:
    store = make_store()
    unchanged = store.create("a")
    store.close()
    save: Verb = lambda store: store.save(unchanged)  # noqa: E731
    for verb in (*VERBS, save):
        with pytest.raises(ValueError, match="is closed"):
            verb(store)
    with pytest.raises(ValueError, match="is closed"), store.edit("a"):
        pass
    again = make_store()
    assert said(again.load("a")) == said(unchanged)
    assert [one.session_id for one in again.list(fresh=True)] == ["a"]


def test_a_forgotten_store_warns(place: Place) -> None:
    store = place.open()
    with pytest.warns(ResourceWarning, match="SessionStore.*was not closed"):  # noqa: PT031
        del store
        gc.collect()


def test_sessions_survive_closing(place: Place) -> None:
    with place.open() as store:
        store.create("a", title="t")
        made = store.append("a", user("x"))
    with place.open() as store:
        assert store.load("a").messages == list(made)
        assert store.list().items[0].title == "t"


def test_the_store_says_where_its_sessions_are(store: SessionStore, other: SessionStore) -> None:
    assert store.save_dir == other.save_dir
    assert store.path("a").startswith(store.save_dir)
    assert store.path("a") == other.path("a") != store.path("b")
    assert repr(store) == f"SessionStore({store.save_dir!r})"
