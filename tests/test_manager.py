"""SessionManager: users, expiry, limits and checkpoints over one folder of session files.

The first line of each docstring names the requirement that the test holds.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from opened import descriptors
from pydantic import BaseModel, ValidationError

import localsessions
from localsessions import (
    AsyncSessionStore,
    SessionLimitError,
    SessionManager,
    SessionStore,
    UnreadableSessionError,
    UnstorableValueError,
    manager,
)
from localsessions import store as store_room
from localsessions.manager import Checkpoint, Session, blocking

Start = Callable[..., "subprocess.Popen[str]"]
T = TypeVar("T")

DOCUMENT = Path(__file__).parent / "data" / "session_manager_examples.md"
NOW = datetime(2025, 1, 17, 10, 0, tzinfo=UTC)
NOTHING = inspect.Parameter.empty
VERBS: dict[str, dict[str, object]] = {
    "create_session": {"user_id": NOTHING, "agent_id": NOTHING, "metadata": None},
    "get_session": {"session_id": NOTHING},
    "update_session": {"session_id": NOTHING, "updates": NOTHING},
    "update_session_metadata": {"session_id": NOTHING, "metadata": NOTHING},
    "delete_session": {"session_id": NOTHING},
    "get_sessions_by_user": {"user_id": NOTHING},
    "session_exists": {"session_id": NOTHING},
    "get_active_session_count": {"user_id": None},
    "refresh_session": {"session_id": NOTHING},
    "save_checkpoint": {"session_id": NOTHING, "data": NOTHING},
    "get_checkpoint": {"session_id": NOTHING, "checkpoint_id": NOTHING},
    "get_latest_checkpoint": {"session_id": NOTHING},
    "list_checkpoints": {"session_id": NOTHING},
    "delete_checkpoint": {"session_id": NOTHING, "checkpoint_id": NOTHING},
    "clear_checkpoints": {"session_id": NOTHING},
    "cleanup_expired_sessions": {},
    "delete_user_sessions": {"user_id": NOTHING},
    "delete_agent_sessions": {"agent_id": NOTHING},
}


class Clock:
    """The clock of all managers and stores of this process."""

    def __init__(self) -> None:
        self.now = localsessions.models.utc_now()

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stopped = Clock()
    for room in (store_room, blocking):
        monkeypatch.setattr(room, "utc_now", stopped)
    return stopped


@pytest.fixture
def sessions(store: SessionStore) -> SessionManager:
    return SessionManager(store)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(coroutine)


def said(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def tell(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()


def on_disk(folder: Path, session_id: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / f"{session_id}.json").read_bytes())
    return document


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.json"))


# R1, R2: the shape


@pytest.mark.parametrize("name", sorted(VERBS))
def test_each_verb_awaits_and_has_the_documented_parameters(name: str) -> None:
    """R1: eighteen async methods, names, order and defaults as documented."""
    verb = getattr(SessionManager, name)
    assert inspect.iscoroutinefunction(verb)
    _, *parameters = inspect.signature(verb).parameters.values()
    assert {one.name: one.default for one in parameters} == VERBS[name]
    assert [one.name for one in parameters] == list(VERBS[name])
    kinds = {one.name: one.kind for one in parameters}
    assert (kinds.pop("updates", None) is inspect.Parameter.VAR_KEYWORD) == (
        "updates" in VERBS[name]
    )
    assert set(kinds.values()) <= {inspect.Parameter.POSITIONAL_OR_KEYWORD}


def test_the_constructor_is_the_documented_one() -> None:
    """R1: SessionManager(conn, ttl=3600, max_sessions=10000), on the face."""
    assert localsessions.SessionManager is manager.SessionManager
    _, *parameters = inspect.signature(SessionManager.__init__).parameters.values()
    documented = [("conn", NOTHING), ("ttl", 3600), ("max_sessions", 10000)]
    assert [(one.name, one.default) for one in parameters] == documented
    assert len(VERBS) == 18


def test_any_store_or_folder_is_a_connection_and_its_opener_closes_it(folder: Path) -> None:
    """R1: who opened the store closes it."""

    async def use(conn: Any) -> str:
        async with SessionManager(conn) as opened:
            assert opened.store.save_dir == str(folder)
            made = await opened.create_session("u", "a")
        await opened.close()
        return made.session_id

    with SessionStore(folder) as store:
        made = [run(use(store)), run(use(folder)), run(use(str(folder)))]
        assert store.count() == 3  # still open

    async def over_an_async_store() -> None:
        async with AsyncSessionStore(folder) as own:
            made.append(await use(own))
            assert await own.count() == 4

    run(over_an_async_store())
    assert files(folder) == sorted(f"{one}.json" for one in made)


def test_a_manager_that_was_closed_says_so(folder: Path) -> None:
    """R1: a verb after close raises."""

    async def use() -> None:
        closed = SessionManager(folder)
        await closed.close()
        with pytest.raises(ValueError, match="closed"):
            await closed.get_session("s")

    run(use())


def test_a_manager_tells_what_it_was_made_of(store: SessionStore) -> None:
    """R1: ttl and max_sessions are readable."""
    made = SessionManager(store, 60, 5)
    assert (made.store, made.ttl, made.max_sessions) == (store, 60, 5)
    assert repr(made) == f"SessionManager({store!r}, ttl=60, max_sessions=5)"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"conn": object()}, TypeError),
        ({"conn": None}, TypeError),
        ({"ttl": "3600"}, TypeError),
        ({"ttl": True}, TypeError),
        ({"ttl": float("nan")}, ValueError),
        ({"ttl": float("inf")}, ValueError),
        ({"max_sessions": -1}, ValueError),
        ({"max_sessions": 1.5}, TypeError),
        ({"max_sessions": True}, TypeError),
    ],
)
def test_a_manager_refuses_what_it_cannot_be_made_of(
    folder: Path, arguments: dict[str, Any], error: type[Exception]
) -> None:
    """R1: nothing is opened when an argument is wrong."""
    with pytest.raises(error):
        SessionManager(**{"conn": folder, **arguments})
    assert not folder.exists()


def test_a_session_and_a_checkpoint_have_the_documented_fields() -> None:
    """R2: six and four fields; a missing one is a ValidationError."""
    session = {
        "session_id": "s",
        "user_id": "u",
        "agent_id": "a",
        "created_at": NOW,
        "expires_at": NOW,
        "metadata": {"tier": "premium"},
    }
    checkpoint = {"checkpoint_id": "c", "session_id": "s", "data": {"turn": 1}, "created_at": NOW}
    for kind, fields in ((Session, session), (Checkpoint, checkpoint)):
        assert issubclass(kind, BaseModel)
        assert list(kind.model_fields) == list(fields)
        assert kind.model_validate(fields).model_dump() == fields
        for name in fields.keys() - {"metadata"}:
            with pytest.raises(ValidationError):
                kind.model_validate({key: value for key, value in fields.items() if key != name})
    for name in ("session_id", "user_id", "agent_id"):
        with pytest.raises(ValidationError):
            Session.model_validate({**session, name: None})


def test_metadata_is_shared_by_no_two_sessions() -> None:
    """R2: the default is an object of its own."""
    one, other = (
        Session(session_id="s", user_id="u", agent_id="a", created_at=NOW, expires_at=NOW)
        for _ in range(2)
    )
    one.metadata["key"] = 1
    assert other.metadata == {}


def test_times_of_a_model_are_aware_and_have_a_z_in_json() -> None:
    """R2: an instant without offset means UTC, as in files (D7)."""
    made = Session(
        session_id="s",
        user_id="u",
        agent_id="a",
        created_at=NOW.replace(tzinfo=None),
        expires_at=NOW.astimezone(),
    )
    assert (made.created_at, made.expires_at) == (NOW, NOW)
    assert made.created_at.tzinfo is UTC
    written = json.loads(made.model_dump_json())
    assert written["created_at"] == written["expires_at"] == "2025-01-17T10:00:00.000Z"
    assert Session.model_validate_json(made.model_dump_json()) == made


# R3, R4: creating


def test_a_created_session_is_one_file_with_the_documented_fields(
    folder: Path, store: SessionStore, clock: Clock
) -> None:
    """R3: sess_..., expires after ttl, <save_dir>/<id>.json, times with Z."""
    made = run(SessionManager(store, ttl=60).create_session("user_123", "chatbot", {"tier": "p"}))
    assert re.fullmatch(r"sess_[0-9a-f]+", made.session_id)
    assert made.expires_at == made.created_at + timedelta(seconds=60)
    assert made.created_at == clock.now
    document = on_disk(folder, made.session_id)
    assert (document["user_id"], document["agent_id"]) == ("user_123", "chatbot")
    assert (document["metadata"], document["ttl"]) == ({"tier": "p"}, 60)
    for name in ("created_at", "expires_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", document[name])
    assert datetime.fromisoformat(document["expires_at"]) == made.expires_at


def test_metadata_is_empty_unless_given_and_is_a_copy(sessions: SessionManager) -> None:
    """R3: metadata {} by default."""
    given: dict[str, Any] = {"list": [1]}

    async def use() -> None:
        assert (await sessions.create_session("u", "a")).metadata == {}
        made = await sessions.create_session("u", "a", given)
        given["list"].append(2)
        made.metadata["list"].append(3)
        again = await sessions.get_session(made.session_id)
        assert again is not None
        assert again.metadata == {"list": [1]}

    run(use())


def test_a_time_to_live_of_zero_means_never(store: SessionStore, clock: Clock) -> None:
    """R3: ttl <= 0 never expires, and expires_at is null."""

    async def use() -> None:
        eternal = SessionManager(store, ttl=0)
        made = await eternal.create_session("u", "a")
        assert made.expires_at is None
        clock.forward(10**9)
        assert await eternal.get_session(made.session_id) == made
        assert await eternal.refresh_session(made.session_id)
        assert await eternal.cleanup_expired_sessions() == 0

    run(use())


@pytest.mark.parametrize(
    "arguments",
    [
        ("", "a", None),
        (" ", "a", None),
        (None, "a", None),
        (7, "a", None),
        ("u", "", None),
        ("u", None, None),
        ("u", b"a", None),
        ("u", "a", []),
        ("u", "a", "text"),
        ("u", "a", [("key", "value")]),
    ],
)
def test_creating_refuses_blank_ids_and_metadata_that_is_no_dict(
    folder: Path, sessions: SessionManager, arguments: tuple[Any, Any, Any]
) -> None:
    """R4: ValueError, and nothing is made."""
    with pytest.raises(ValueError, match="must be"):
        run(sessions.create_session(*arguments))
    assert files(folder) == []


# R5: how many


def test_no_more_sessions_than_allowed_are_made_at_once(store: SessionStore) -> None:
    """R5: exact under gather."""

    async def use() -> list[object]:
        small = SessionManager(store, max_sessions=7)
        tasks = [small.create_session(f"u{number}", "a") for number in range(40)]
        return list(await asyncio.gather(*tasks, return_exceptions=True))

    done = run(use())
    assert sum(isinstance(one, Session) for one in done) == 7
    refused = [one for one in done if not isinstance(one, Session)]
    assert all(isinstance(one, RuntimeError) for one in refused)
    assert all(isinstance(one, SessionLimitError) and one.limit == 7 for one in refused)
    assert store.count() == 7


def test_no_more_sessions_than_allowed_are_made_by_several_processes(
    folder: Path, store: SessionStore, start: Start
) -> None:
    """R5: exact over processes."""
    children = [start("manage_create.py", folder, 50, 30) for _ in range(4)]
    assert [said(child) for child in children] == ["ready"] * 4
    for child in children:
        tell(child)
    made = [int(child.communicate()[0]) for child in children]
    assert [child.returncode for child in children] == [0] * 4
    assert sum(made) == store.count() == 50
    assert len([count for count in made if count]) > 1  # they did race


def test_deleting_expiring_and_archiving_make_room(store: SessionStore, clock: Clock) -> None:
    """R5: freed by delete and by expiry; only live sessions of the store count (D9)."""

    async def use() -> None:
        small = SessionManager(store, ttl=60, max_sessions=2)
        first, second = [await small.create_session("u", "a") for _ in range(2)]
        with pytest.raises(RuntimeError, match="2 live sessions"):
            await small.create_session("u", "a")
        await small.delete_session(first.session_id)
        await small.create_session("u", "a")
        with pytest.raises(SessionLimitError):
            await small.create_session("u", "a")
        store.archive(second.session_id)
        await small.create_session("u", "a")
        clock.forward(60)
        assert [await small.create_session("u", "a") for _ in range(2)]
        with pytest.raises(SessionLimitError):
            await small.create_session("u", "a")

    run(use())


def test_sessions_of_other_surfaces_count_and_are_not_held_up(store: SessionStore) -> None:
    """R5: the limit is the store's, whoever made the sessions; only the manager minds it."""

    async def use() -> None:
        small = SessionManager(store, max_sessions=1)
        store.create("made elsewhere")
        with pytest.raises(SessionLimitError):
            await small.create_session("u", "a")
        store.create("another")
        store.delete("another")
        await SessionManager(store, max_sessions=None).create_session("u", "a")
        with pytest.raises(SessionLimitError):
            await SessionManager(store, max_sessions=0).create_session("u", "a")

    run(use())


def test_a_file_removed_by_hand_makes_room(folder: Path, store: SessionStore) -> None:
    """R5: the count goes by the files, as fresh as a listing."""

    async def use() -> None:
        small = SessionManager(store, max_sessions=1)
        made = await small.create_session("u", "a")
        (folder / f"{made.session_id}.json").unlink()
        store.list(fresh=True)
        await small.create_session("u", "a")

    run(use())


@pytest.mark.needs("open files that go")
def test_the_limit_holds_when_the_index_was_thrown_away(folder: Path, store: SessionStore) -> None:
    """R5: the index is derived; without it the files are counted anew."""

    async def use() -> None:
        small = SessionManager(store, max_sessions=3)
        for _ in range(3):
            await small.create_session("u", "a")
        for path in (folder / ".localsessions").glob("index.*"):
            path.unlink()
        with pytest.raises(SessionLimitError):
            await small.create_session("u", "a")

    run(use())


def test_the_store_refuses_a_limit_below_nothing(store: SessionStore) -> None:
    """R5: max_live is 0 or more."""
    with pytest.raises(ValueError, match="max_live"):
        store.create(max_live=-1)


# R6 to R9: looking


def test_a_session_is_got_by_other_managers_and_is_a_copy(
    folder: Path, sessions: SessionManager
) -> None:
    """R6: another manager, a copy, None where unknown."""

    async def use() -> None:
        made = await sessions.create_session("u", "a", {"key": 1})
        with SessionStore(folder) as other_store:
            got = await SessionManager(other_store).get_session(made.session_id)
        assert got == made
        assert got is not None
        got.metadata["key"] = 2
        assert await sessions.get_session(made.session_id) == made
        assert await sessions.get_session("sess_unknown") is None

    run(use())


def test_a_session_is_got_by_another_process(folder: Path, sessions: SessionManager) -> None:
    """R6: another process."""
    made = run(sessions.create_session("u", "a", {"key": "Ключ"}))
    program = (
        "import asyncio, sys\n"
        "from localsessions import SessionManager\n"
        "async def main():\n"
        "    async with SessionManager(sys.argv[1]) as sessions:\n"
        "        print((await sessions.get_session(sys.argv[2])).model_dump_json())\n"
        "asyncio.run(main())\n"
    )
    python = [sys.executable, "-X", "utf8", "-W", "error"]
    command = [*python, "-c", program, str(folder), made.session_id]
    told = subprocess.run(command, capture_output=True, check=True).stdout
    assert Session.model_validate_json(told) == made


@pytest.mark.parametrize("session_id", ["", ".", "..", "../s", "a/b", "a\0b", "x" * 300, "\ud800"])
def test_a_text_that_can_be_no_id_is_an_unknown_session(
    folder: Path, sessions: SessionManager, session_id: str
) -> None:
    """R6: None, False, 0 or [] and, for a checkpoint, ValueError; nothing is touched."""

    async def use() -> None:
        assert await sessions.get_session(session_id) is None
        assert await sessions.session_exists(session_id) is False
        assert await sessions.update_session(session_id, metadata={}) is False
        assert await sessions.update_session_metadata(session_id, {}) is False
        assert await sessions.refresh_session(session_id) is False
        assert await sessions.delete_session(session_id) is False
        assert await sessions.get_checkpoint(session_id, "c") is None
        assert await sessions.get_latest_checkpoint(session_id) is None
        assert await sessions.list_checkpoints(session_id) == []
        assert await sessions.delete_checkpoint(session_id, "c") is False
        assert await sessions.clear_checkpoints(session_id) == 0
        with pytest.raises(ValueError, match="unknown or expired"):
            await sessions.save_checkpoint(session_id, {})

    run(use())
    assert files(folder.parent) == files(folder) == []


@pytest.mark.parametrize("wrong", [None, 7, b"s"])
def test_what_is_no_text_names_nothing_and_is_refused(
    store: SessionStore, sessions: SessionManager, wrong: Any
) -> None:
    """R6: no None ever stands for "any": deleting the sessions of user None deletes nothing."""

    async def use() -> None:
        made = await sessions.create_session("u", "a")
        await sessions.save_checkpoint(made.session_id, {})
        for refused in (
            sessions.get_session(wrong),
            sessions.session_exists(wrong),
            sessions.delete_session(wrong),
            sessions.refresh_session(wrong),
            sessions.get_sessions_by_user(wrong),
            sessions.delete_user_sessions(wrong),
            sessions.delete_agent_sessions(wrong),
            sessions.get_checkpoint(made.session_id, wrong),
            sessions.delete_checkpoint(made.session_id, wrong),
            sessions.get_active_session_count(b"u" if wrong is None else wrong),  # type: ignore[arg-type]
        ):
            with pytest.raises(ValueError, match="must be a text"):
                await refused
        assert len(await sessions.list_checkpoints(made.session_id)) == 1

    run(use())
    assert store.count() == 1


def test_the_sessions_of_a_user_are_exactly_his_and_the_newest_comes_first(
    store: SessionStore, clock: Clock
) -> None:
    """R7: exact user, no expired, newest first by created_at (D4), [] for nobody."""

    async def use() -> None:
        short, long = SessionManager(store, ttl=10), SessionManager(store, ttl=1000)
        await short.create_session("user_1", "a")
        made = []
        for _ in range(3):
            clock.forward(5)
            made.append(await long.create_session("user_1", "a"))
        await long.update_session_metadata(made[0].session_id, {"active": "last"})
        for other in ("user_10", "user", "USER_1", "user_1 "):
            await long.create_session(other, "a")
        listed = await long.get_sessions_by_user("user_1")
        assert [one.session_id for one in listed] == [one.session_id for one in made[::-1]]
        assert listed[-1].metadata == {"active": "last"}
        assert await long.get_sessions_by_user("nobody") == []
        assert await long.get_sessions_by_user("") == []

    run(use())


def test_all_sessions_of_a_user_are_listed_whatever_their_number(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R7: page after page."""
    monkeypatch.setattr(blocking, "_PAGE", 3)

    async def use() -> None:
        sessions = SessionManager(store)
        tasks = [sessions.create_session("u", "a") for _ in range(10)]
        made = {one.session_id for one in await asyncio.gather(*tasks)}
        listed = await sessions.get_sessions_by_user("u")
        assert sorted(one.session_id for one in listed) == sorted(made)
        assert await sessions.delete_user_sessions("u") == 10

    run(use())


def test_one_broken_file_hides_no_other_and_is_not_touched(
    folder: Path, sessions: SessionManager
) -> None:
    """R7: what cannot be read belongs to nobody known; asked for by id, it is named."""

    async def use() -> None:
        whole, broken = [await sessions.create_session("u", "a") for _ in range(2)]
        path = folder / f"{broken.session_id}.json"
        path.write_text('{"user_id": "u", ')
        assert [one.session_id for one in await sessions.get_sessions_by_user("u")] == [
            whole.session_id
        ]
        assert await sessions.get_active_session_count() == 1
        for verb in (sessions.get_session, sessions.session_exists, sessions.refresh_session):
            with pytest.raises(UnreadableSessionError, match="line 1"):
                await verb(broken.session_id)
        assert path.read_text() == '{"user_id": "u", '
        assert await sessions.delete_session(broken.session_id)

    run(use())


def test_a_file_that_breaks_while_its_user_is_listed_hides_no_other(
    folder: Path, sessions: SessionManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R7: between the listing and the reading, too."""
    whole, broken = (run(sessions.create_session("u", "a")) for _ in range(2))
    pages = SessionStore.list

    def list_and_break(self: SessionStore, **which: Any) -> Any:
        page = pages(self, **which)
        (folder / f"{broken.session_id}.json").write_text("{")
        return page

    monkeypatch.setattr(SessionStore, "list", list_and_break)
    assert run(sessions.get_sessions_by_user("u")) == [whole]


def test_a_session_of_another_surface_is_told_with_empty_texts(
    store: SessionStore, sessions: SessionManager
) -> None:
    """R6: what has no user and never expires is a session all the same."""

    async def use() -> None:
        store.create("chat", metadata={"key": 1})
        got = await sessions.get_session("chat")
        assert got is not None
        assert (got.user_id, got.agent_id, got.expires_at) == ("", "", None)
        assert await sessions.update_session_metadata("chat", {"other": 2})
        assert store.load("chat").metadata == {"key": 1, "other": 2}
        assert await sessions.get_sessions_by_user("") == []

    run(use())


def test_live_sessions_are_counted_for_all_and_for_one_user(
    store: SessionStore, clock: Clock
) -> None:
    """R9: not expired, of exactly this user; 0 for nobody."""

    async def use() -> None:
        sessions = SessionManager(store, ttl=10)
        assert await sessions.get_active_session_count() == 0
        for user_id in ("u", "u", "v"):
            await sessions.create_session(user_id, "a")
        clock.forward(5)
        archived = await sessions.create_session("u", "a")
        await sessions.create_session("u", "a")
        assert await sessions.get_active_session_count() == 5
        store.archive(archived.session_id)
        assert await sessions.get_active_session_count("u") == 3
        assert await sessions.get_active_session_count("nobody") == 0
        clock.forward(5)
        assert await sessions.get_active_session_count() == 1
        assert await sessions.get_active_session_count("v") == 0

    run(use())
    assert store.count() == 5


# R10 to R12: expiry


def test_an_expired_session_is_as_good_as_gone_and_its_file_untouched(
    folder: Path, store: SessionStore, clock: Clock
) -> None:
    """R10, R8: None, False, not listed, not counted, not writable, not refreshable."""

    async def use() -> None:
        sessions = SessionManager(store, ttl=60)
        made = await sessions.create_session("u", "a")
        session_id = made.session_id
        checkpoint_id = await sessions.save_checkpoint(session_id, {"turn": 1})
        clock.forward(59.999)
        assert await sessions.session_exists(session_id) is True
        assert await sessions.get_session(session_id) == made
        before = (folder / f"{session_id}.json").read_bytes()
        clock.forward(0.001)
        assert await sessions.session_exists(session_id) is False
        assert await sessions.get_session(session_id) is None
        assert await sessions.get_sessions_by_user("u") == []
        assert await sessions.get_active_session_count() == 0
        assert await sessions.refresh_session(session_id) is False
        assert await sessions.update_session(session_id, metadata={"late": 1}) is False
        assert await sessions.update_session_metadata(session_id, {"late": 1}) is False
        with pytest.raises(ValueError, match="unknown or expired"):
            await sessions.save_checkpoint(session_id, {"turn": 2})
        assert await sessions.get_checkpoint(session_id, checkpoint_id) is None
        assert await sessions.get_latest_checkpoint(session_id) is None
        assert await sessions.list_checkpoints(session_id) == []
        assert await sessions.delete_checkpoint(session_id, checkpoint_id) is False
        assert await sessions.clear_checkpoints(session_id) == 0
        assert (folder / f"{session_id}.json").read_bytes() == before
        assert len(os.listdir(folder / f"{session_id}.checkpoints")) == 1

    run(use())


def test_a_session_expires_by_the_real_clock_too(store: SessionStore) -> None:
    """R10: nothing but time passes."""

    async def use() -> None:
        sessions = SessionManager(store, ttl=0.3)
        made = await sessions.create_session("u", "a")
        assert made.expires_at is not None
        while datetime.now(UTC) < made.expires_at:  # noqa: ASYNC110  (what is waited for is time)
            await asyncio.sleep(0.01)
        assert await sessions.get_session(made.session_id) is None

    run(use())


def test_only_refreshing_moves_the_expiry(store: SessionStore, clock: Clock) -> None:
    """R11: expires = now + ttl; nothing else moves it (D5); False where unknown."""

    async def use() -> None:
        sessions = SessionManager(store, ttl=60)
        made = await sessions.create_session("u", "a")
        session_id = made.session_id
        clock.forward(30)
        await sessions.update_session(session_id, metadata={"key": 1}, agent_id="b")
        await sessions.update_session_metadata(session_id, {"key": 2})
        await sessions.save_checkpoint(session_id, {"turn": 1})
        store.append(session_id, {"role": "user", "content": "Hi"})
        got = await sessions.get_session(session_id)
        assert got is not None
        assert got.expires_at == made.expires_at
        assert await sessions.refresh_session(session_id) is True
        got = await sessions.get_session(session_id)
        assert got is not None
        assert got.expires_at == clock.now + timedelta(seconds=60)
        assert got.created_at == made.created_at
        assert await SessionManager(store, ttl=7).refresh_session(session_id)
        assert store.load(session_id).expires_at == clock.now + timedelta(seconds=7)
        assert await sessions.refresh_session("sess_unknown") is False

    run(use())


def test_cleaning_up_moves_expired_sessions_and_their_checkpoints_to_the_trash(
    folder: Path, store: SessionStore, clock: Clock
) -> None:
    """R12: files, index rows and checkpoints go; the second call finds none."""

    async def use() -> None:
        sessions = SessionManager(store, ttl=60)
        expired = [await sessions.create_session("u", "a") for _ in range(3)]
        await sessions.save_checkpoint(expired[0].session_id, {"turn": 1})
        pinned = await sessions.create_session("u", "a")
        store.pin(pinned.session_id)
        clock.forward(60)
        kept = await sessions.create_session("u", "a")
        assert await sessions.cleanup_expired_sessions() == 3
        assert files(folder) == sorted(f"{one.session_id}.json" for one in (pinned, kept))
        assert await sessions.get_session(pinned.session_id) is None
        assert [name for name in os.listdir(folder) if name.endswith(".checkpoints")] == []
        assert store.count() == 2
        assert await sessions.cleanup_expired_sessions() == 0
        # Nothing is lost that can be wanted back: it is in the trash until that is emptied.
        assert store.restore(expired[0].session_id).user_id == "u"
        assert len(store.checkpoints(expired[0].session_id)) == 1

    run(use())


# R13 to R15: changing


def test_updating_sets_fields_whole(sessions: SessionManager) -> None:
    """R13: sets the named fields; False where unknown."""

    async def use() -> None:
        made = await sessions.create_session("u", "a", {"old": 1})
        assert await sessions.update_session(made.session_id, metadata={"new": 2}) is True
        assert await sessions.update_session(made.session_id, agent_id="other") is True
        assert await sessions.update_session(made.session_id) is True
        got = await sessions.get_session(made.session_id)
        changed = {"metadata": {"new": 2}, "agent_id": "other"}
        assert got == made.model_copy(update=changed)
        assert await sessions.update_session("sess_unknown", metadata={}) is False
        assert await sessions.delete_agent_sessions("other") == 1

    run(use())


@pytest.mark.parametrize(
    "updates",
    [
        {"metdata": {}},
        {"messages": []},
        {"user_id": "other"},
        {"created_at": NOW},
        {"expires_at": NOW},
        {"metadata": None},
        {"metadata": "text"},
        {"agent_id": ""},
        {"agent_id": 7},
        {"metadata": {"good": 1}, "nonsense": 2},
    ],
)
def test_updating_refuses_unknown_fields_wrong_types_and_identity(
    folder: Path, sessions: SessionManager, updates: dict[str, Any]
) -> None:
    """R13: ValueError, and nothing is written."""
    made = run(sessions.create_session("u", "a"))
    before = (folder / f"{made.session_id}.json").read_bytes()
    with pytest.raises(ValueError, match=r"must be|sets metadata and agent_id"):
        run(sessions.update_session(made.session_id, **updates))
    assert (folder / f"{made.session_id}.json").read_bytes() == before


def test_another_session_id_cannot_even_be_said(sessions: SessionManager) -> None:
    """R13: the name is taken by the first parameter."""
    both: dict[str, Any] = {"session_id": "other"}
    with pytest.raises(TypeError):
        run(sessions.update_session("s", **both))


def test_metadata_is_merged_shallowly(sessions: SessionManager) -> None:
    """R14: keys are set, others stay, what is nested is replaced; False where unknown (D3)."""

    async def use() -> None:
        made = await sessions.create_session("u", "a", {"kept": 1, "nested": {"a": 1}})
        merge = {"nested": {"b": 2}, "new": None}
        assert await sessions.update_session_metadata(made.session_id, merge) is True
        got = await sessions.get_session(made.session_id)
        assert got is not None
        assert got.metadata == {"kept": 1, "nested": {"b": 2}, "new": None}
        assert await sessions.update_session_metadata("sess_unknown", {}) is False
        with pytest.raises(ValueError, match="must be a dict"):
            await sessions.update_session_metadata(made.session_id, [])  # type: ignore[arg-type]

    run(use())


def test_what_tasks_and_processes_merge_at_once_is_all_kept(
    folder: Path, store: SessionStore, sessions: SessionManager, start: Start
) -> None:
    """R14: reading, merging and writing are one step."""
    made = run(sessions.create_session("u", "a"))
    names = ("x", "y", "z")
    children = [start("manage_merge.py", folder, made.session_id, name, 40) for name in names]
    assert [said(child) for child in children] == ["ready"] * 3
    for child in children:
        tell(child)

    async def merge() -> None:
        patient = SessionManager(store)
        tasks = [
            patient.update_session_metadata(made.session_id, {f"t{number}": number})
            for number in range(20)
        ]
        assert await asyncio.gather(*tasks) == [True] * 20

    run(merge())
    assert [child.wait() for child in children] == [0] * 3
    expected = {f"{name}{number}": number for name in names for number in range(40)}
    expected |= {f"t{number}": number for number in range(20)}
    assert store.load(made.session_id).metadata == expected


def test_datetimes_become_iso_texts_wherever_they_stand(
    folder: Path, sessions: SessionManager
) -> None:
    """R15: datetime to ISO (D8), in metadata and checkpoints."""
    naive = datetime(2025, 1, 17, 10, 0, 0, 123456)  # noqa: DTZ001  (a naive one is given)
    given = {"at": NOW, "list": [{"naive": naive}]}
    expected = {
        "at": "2025-01-17T10:00:00+00:00",
        "list": [{"naive": "2025-01-17T10:00:00.123456"}],
    }

    async def use() -> None:
        made = await sessions.create_session("u", "a", given)
        assert made.metadata == expected
        assert on_disk(folder, made.session_id)["metadata"] == expected
        await sessions.update_session(made.session_id, metadata={"set": NOW})
        await sessions.update_session_metadata(made.session_id, {"merged": naive})
        got = await sessions.get_session(made.session_id)
        assert got is not None
        assert got.metadata == {"set": expected["at"], "merged": naive.isoformat()}
        checkpoint_id = await sessions.save_checkpoint(made.session_id, given)
        checkpoint = await sessions.get_checkpoint(made.session_id, checkpoint_id)
        assert checkpoint is not None
        assert checkpoint["data"] == expected
        assert given["at"] is NOW

    run(use())


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


def endless() -> list[Any]:
    value: list[Any] = []
    value.extend([value, value])
    return value


@pytest.mark.parametrize(
    "wrong",
    [
        float("nan"),
        b"bytes",
        {1, 2},
        (1, 2),
        {1: "key"},
        object(),
        date(2025, 1, 17),
        NOW.time(),
        deep(),
        endless(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_json_is_refused_and_nothing_is_written(
    folder: Path, store: SessionStore, sessions: SessionManager, wrong: Any
) -> None:
    """R15: both TypeError and ValueError; nothing is written."""

    async def use() -> None:
        made = await sessions.create_session("u", "a", {"kept": 1})
        before = (folder / f"{made.session_id}.json").read_bytes()
        given = {"good": 1, "list": [wrong]}
        for refused in (
            sessions.create_session("u", "a", given),
            sessions.update_session(made.session_id, metadata=given),
            sessions.update_session_metadata(made.session_id, given),
            sessions.save_checkpoint(made.session_id, given),
        ):
            with pytest.raises(UnstorableValueError) as caught:
                await refused
            assert isinstance(caught.value, TypeError)
            assert isinstance(caught.value, ValueError)
        assert (folder / f"{made.session_id}.json").read_bytes() == before
        assert files(folder) == [f"{made.session_id}.json"]
        assert await sessions.list_checkpoints(made.session_id) == []

    run(use())


# R16: what goes


def test_deleting_takes_the_file_and_the_checkpoints(
    folder: Path, sessions: SessionManager
) -> None:
    """R16: delete_session; False the second time."""

    async def use() -> None:
        made = await sessions.create_session("u", "a")
        await sessions.save_checkpoint(made.session_id, {"turn": 1})
        assert await sessions.delete_session(made.session_id) is True
        assert files(folder) == []
        assert not (folder / f"{made.session_id}.checkpoints").exists()
        assert await sessions.get_session(made.session_id) is None
        assert await sessions.delete_session(made.session_id) is False

    run(use())


def test_deleting_by_user_and_by_agent_takes_exactly_theirs(
    folder: Path, store: SessionStore, clock: Clock
) -> None:
    """R16: exact user, exact agent, expired ones too; 0 the second time."""

    async def use() -> None:
        sessions = SessionManager(store, ttl=60)
        for user_id, agent_id in [("u", "a"), ("u", "b"), ("v", "a"), ("uu", "aa"), ("v", "c")]:
            made = await sessions.create_session(user_id, agent_id)
            await sessions.save_checkpoint(made.session_id, {"of": user_id})
        clock.forward(60)
        await sessions.create_session("u", "c")
        assert await sessions.delete_user_sessions("u") == 3
        assert await sessions.delete_user_sessions("u") == 0
        assert await sessions.delete_agent_sessions("a") == 1
        assert await sessions.delete_agent_sessions("nobody") == 0
        assert await sessions.delete_user_sessions("") == 0

    run(use())
    left = store.list().items
    assert sorted((one.user_id, one.agent_id) for one in left) == [("uu", "aa"), ("v", "c")]
    assert len(list(folder.glob("*.checkpoints"))) == 2


# R17 to R20: checkpoints


def test_a_checkpoint_is_a_snapshot_with_the_documented_fields(
    sessions: SessionManager, clock: Clock
) -> None:
    """R17: {checkpoint_id, session_id, data, created_at}; later changes do not reach it."""

    async def use() -> None:
        made = await sessions.create_session("u", "a")
        data: dict[str, Any] = {"turn": 1, "history": [{"role": "user", "content": "Hi"}]}
        checkpoint_id = await sessions.save_checkpoint(made.session_id, data)
        data["history"].append("changed since")
        assert re.fullmatch(r"ckpt_[0-9a-f]+", checkpoint_id)
        got = await sessions.get_checkpoint(made.session_id, checkpoint_id)
        assert got is not None
        assert list(got) == list(Checkpoint.model_fields)
        assert got == Checkpoint.model_validate(got).model_dump()
        assert (got["checkpoint_id"], got["session_id"]) == (checkpoint_id, made.session_id)
        assert got["data"] == {"turn": 1, "history": [{"role": "user", "content": "Hi"}]}
        got["data"].clear()
        again = await sessions.get_latest_checkpoint(made.session_id)
        assert again is not None
        assert again["data"]["turn"] == 1

    run(use())


def test_a_checkpoint_belongs_to_its_session_and_needs_one(sessions: SessionManager) -> None:
    """R17: ValueError for an unknown session; None from another one."""

    async def use() -> None:
        one, other = [await sessions.create_session("u", "a") for _ in range(2)]
        checkpoint_id = await sessions.save_checkpoint(one.session_id, {})
        assert await sessions.get_checkpoint(other.session_id, checkpoint_id) is None
        assert await sessions.delete_checkpoint(other.session_id, checkpoint_id) is False
        assert await sessions.get_checkpoint(one.session_id, "ckpt_unknown") is None
        with pytest.raises(ValueError, match="unknown or expired"):
            await sessions.save_checkpoint("sess_unknown", {})
        await sessions.delete_session(one.session_id)
        with pytest.raises(ValueError, match="unknown or expired"):
            await sessions.save_checkpoint(one.session_id, {})
        with pytest.raises(ValueError, match="data must be a dict"):
            await sessions.save_checkpoint(other.session_id, ["no", "dict"])  # type: ignore[arg-type]

    run(use())


def test_a_session_deleted_while_a_checkpoint_is_saved_is_unknown(
    store: SessionStore, sessions: SessionManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R17: ValueError too, between the look and the lock."""
    made = run(sessions.create_session("u", "a"))
    save = SessionStore.save_checkpoint

    def delete_first(self: SessionStore, session_id: str, data: Any) -> Any:
        self.delete(session_id)
        return save(self, session_id, data)

    monkeypatch.setattr(SessionStore, "save_checkpoint", delete_first)
    with pytest.raises(ValueError, match="unknown or expired"):
        run(sessions.save_checkpoint(made.session_id, {}))


def test_checkpoints_are_in_the_order_of_saving_whatever_the_clock_says(
    sessions: SessionManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R18: by order of saving, the last first (D4); None and [] without any."""
    times = iter([NOW, NOW - timedelta(days=1), NOW - timedelta(days=2)])

    async def use() -> None:
        made = await sessions.create_session("u", "a")
        monkeypatch.setattr("localsessions.store.utc_now", lambda: next(times))
        assert await sessions.get_latest_checkpoint(made.session_id) is None
        assert await sessions.list_checkpoints(made.session_id) == []
        for turn in range(3):
            await sessions.save_checkpoint(made.session_id, {"turn": turn})
        listed = await sessions.list_checkpoints(made.session_id)
        assert [one["data"]["turn"] for one in listed] == [2, 1, 0]
        assert [one["created_at"] for one in listed] == sorted(one["created_at"] for one in listed)
        assert await sessions.get_latest_checkpoint(made.session_id) == listed[0]
        assert await sessions.get_latest_checkpoint("sess_unknown") is None

    run(use())


def test_checkpoints_are_deleted_one_by_one_and_all_at_once(sessions: SessionManager) -> None:
    """R19: True then False; the number of those that went, then 0."""

    async def use() -> None:
        made = await sessions.create_session("u", "a")
        first, *_ = [await sessions.save_checkpoint(made.session_id, {}) for _ in range(4)]
        assert await sessions.delete_checkpoint(made.session_id, first) is True
        assert await sessions.delete_checkpoint(made.session_id, first) is False
        assert await sessions.clear_checkpoints(made.session_id) == 3
        assert await sessions.clear_checkpoints(made.session_id) == 0
        assert await sessions.get_session(made.session_id) == made

    run(use())


def test_the_session_file_does_not_grow_with_its_checkpoints(
    folder: Path, sessions: SessionManager
) -> None:
    """R20: a checkpoint is a file beside the document (D6)."""

    async def use() -> None:
        made = await sessions.create_session("u", "a")
        before = (folder / f"{made.session_id}.json").read_bytes()
        ids = [
            await sessions.save_checkpoint(made.session_id, {"text": "x" * 1000, "turn": turn})
            for turn in range(5)
        ]
        assert (folder / f"{made.session_id}.json").read_bytes() == before
        names = sorted(os.listdir(folder / f"{made.session_id}.checkpoints"))
        assert names == [f"{turn + 1:08}-{one}.json" for turn, one in enumerate(ids)]

    run(use())


def test_checkpoints_saved_at_once_are_all_kept(folder: Path, sessions: SessionManager) -> None:
    """R20: parallel saves lose nothing."""

    async def use() -> None:
        made = await sessions.create_session("u", "a")
        with SessionStore(folder) as other_store:
            other = SessionManager(other_store)
            tasks = [
                one.save_checkpoint(made.session_id, {"turn": turn})
                for turn in range(20)
                for one in (sessions, other)
            ]
            ids = await asyncio.gather(*tasks)
        listed = await sessions.list_checkpoints(made.session_id)
        assert sorted(one["checkpoint_id"] for one in listed) == sorted(ids)
        assert sorted(one["data"]["turn"] for one in listed) == sorted([*range(20), *range(20)])
        names = os.listdir(folder / f"{made.session_id}.checkpoints")
        assert len({name[:8] for name in names}) == 40  # each has a place of its own

    run(use())


# R21 to R24: many


def test_batches_are_created_and_deleted_at_once(folder: Path, sessions: SessionManager) -> None:
    """R21: a hundred at once, by asyncio.gather."""

    async def use() -> None:
        tasks = [sessions.create_session(f"user_{i}", "chatbot") for i in range(100)]
        made = await asyncio.gather(*tasks)
        assert len({one.session_id for one in made}) == len(files(folder)) == 100
        assert [one.user_id for one in made] == [f"user_{i}" for i in range(100)]
        assert await sessions.get_active_session_count() == 100
        gone = await asyncio.gather(*(sessions.delete_session(one.session_id) for one in made))
        assert gone == [True] * 100
        assert files(folder) == []

    run(use())


def test_the_loop_goes_on_while_a_verb_waits_for_its_lock(
    store: SessionStore, sessions: SessionManager
) -> None:
    """R21: a verb waits in its thread."""

    async def use() -> None:
        made, other = [await sessions.create_session("u", "a") for _ in range(2)]
        with store.edit(made.session_id) as document:
            merge = sessions.update_session_metadata(made.session_id, {"b": 2})
            waiting = asyncio.create_task(merge)
            await asyncio.sleep(0)  # it begins
            assert await sessions.session_exists(other.session_id)
            assert not waiting.done()
            document.metadata["a"] = 1
        assert await waiting
        assert store.load(made.session_id).metadata == {"a": 1, "b": 2}

    run(use())


@pytest.mark.needs("open files that go")
def test_nothing_is_stale_whoever_changed_the_files(
    folder: Path, store: SessionStore, sessions: SessionManager
) -> None:
    """R22: other managers, hand edits, copies, removals, and an index thrown away."""

    async def use() -> None:
        made = await sessions.create_session("u", "a", {"by": "manager"})
        path = folder / f"{made.session_id}.json"
        with SessionStore(folder) as other_store:
            other = SessionManager(other_store)
            assert await other.get_session(made.session_id) == made
            await other.update_session(made.session_id, metadata={"by": "another"})
            assert await metadata_of(sessions, made.session_id) == {"by": "another"}
            path.write_text(path.read_text().replace('"another"', '"a person"'))
            for one in (sessions, other):
                assert await metadata_of(one, made.session_id) == {"by": "a person"}
                assert (await one.get_sessions_by_user("u"))[0].metadata == {"by": "a person"}
            (folder / "copy.json").write_bytes(path.read_bytes())
            assert await metadata_of(other, "copy") == {"by": "a person"}
            store.list(fresh=True)  # a copy is listed when a sweep is due, at the latest
            assert await other.get_active_session_count("u") == 2
            path.unlink()
            for one in (sessions, other):
                assert await one.session_exists(made.session_id) is False
            for index in (folder / ".localsessions").glob("*.sqlite3*"):
                index.unlink()
            for one in (sessions, other):
                assert [s.session_id for s in await one.get_sessions_by_user("u")] == ["copy"]
                assert await one.get_active_session_count() == 1

    run(use())


async def metadata_of(sessions: SessionManager, session_id: str) -> dict[str, Any]:
    session = await sessions.get_session(session_id)
    assert session is not None
    return session.metadata


def fences() -> list[str]:
    """Return the document's programs; what connected to Redis is what the test provides."""
    text = DOCUMENT.read_text(encoding="utf-8")
    found = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    here = "from localsessions import SessionManager"
    connected = [
        re.sub(r"(?m)^ *(import redis|redis_client = redis\.Redis\(.*\))\n", "", fence)
        for fence in found
    ]
    return [
        fence.replace("from src.agent_runtime.session_manager import SessionManager", here)
        for fence in connected
    ]


def test_the_examples_of_the_document_run_as_written(
    folder: Path,
    store: SessionStore,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """R22, R21: only the import and the connection are other ones."""

    async def sleep(seconds: float) -> None:
        clock.forward(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    names: dict[str, Any] = {"redis_client": store}
    programs = [fence for fence in fences() if "ConnectionPool" not in fence]
    assert len(programs) == 7
    for program in programs:
        exec(compile(program, str(DOCUMENT), "exec"), names)
    shown = capsys.readouterr().out
    assert "Retrieved: user_123" in shown
    assert "Checkpoint state: conversation_active" in shown
    assert "Immediate access: True\nAfter expiry: False\n" in shown
    assert "Created 10 sessions\nUser 5 has 1 sessions\n" in shown
    assert len(run(names["batch_create"]())) == 100
    assert issubclass(names["CachedSessionManager"], SessionManager)


def test_the_caching_subclass_of_the_document_caches_and_misleads_no_other_verb(
    store: SessionStore,
) -> None:
    """R22: the document's subclass works; what it caches is its own."""
    names: dict[str, Any] = {"SessionManager": SessionManager}
    exec(compile(fences()[-1], str(DOCUMENT), "exec"), names)

    async def use() -> None:
        cached = names["CachedSessionManager"](store, 60, cache_size=5)
        made = await cached.create_session("u", "a")
        first = await cached.get_session(made.session_id)
        assert await cached.get_session(made.session_id) is first
        assert await cached.get_session("sess_unknown") is None
        store.delete(made.session_id)
        assert await cached.get_session(made.session_id) is first  # as its author wrote it
        assert await cached.session_exists(made.session_id) is False
        assert await cached.refresh_session(made.session_id) is False
        with pytest.raises(ValueError, match="unknown or expired"):
            await cached.save_checkpoint(made.session_id, {})

    run(use())


def test_open_files_stay_bounded(sessions: SessionManager) -> None:
    """R23: nothing to pool; two hundred sessions later no more files are open than after ten."""

    async def batch(count: int) -> None:
        made = await asyncio.gather(*(sessions.create_session("u", "a") for _ in range(count)))
        await asyncio.gather(*(sessions.get_session(one.session_id) for one in made))

    async def use() -> tuple[int, int]:
        await batch(10)
        few = descriptors()
        await batch(200)
        return few, descriptors()

    few, many = run(use())
    assert many <= few + 2


def test_each_verb_reads_and_writes_no_more_files_than_it_must(store: SessionStore) -> None:
    """R24: a number of files for each verb, whatever else the store holds."""

    def work() -> tuple[int, int]:
        counters = store.stats().counters
        return counters["files_read"], counters["files_written"]

    async def use() -> None:
        sessions = SessionManager(store)
        await asyncio.gather(*(sessions.create_session("u", "a") for _ in range(30)))
        made = await sessions.create_session("u", "a")
        one = made.session_id
        expected: list[tuple[Callable[[], Coroutine[Any, Any, object]], tuple[int, int]]] = [
            (lambda: sessions.create_session("u", "a"), (0, 1)),
            (lambda: sessions.get_session(one), (1, 0)),
            (lambda: sessions.session_exists(one), (1, 0)),
            (lambda: sessions.update_session_metadata(one, {"a": 1}), (2, 1)),
            (lambda: sessions.refresh_session(one), (2, 1)),
            (lambda: sessions.save_checkpoint(one, {"turn": 1}), (1, 0)),
            (lambda: sessions.get_latest_checkpoint(one), (1, 0)),
            (sessions.get_active_session_count, (0, 0)),
            (lambda: sessions.get_active_session_count("u"), (0, 0)),
            (lambda: sessions.delete_session(one), (0, 0)),
        ]
        for verb, cost in expected:
            before = work()
            await verb()
            after = work()
            # A file that is younger than the clock's grain is compared byte by byte: one more.
            assert after[0] - before[0] <= cost[0]
            assert after[1] - before[1] == cost[1]

    run(use())
