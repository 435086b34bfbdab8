"""LocalSessionService under Google's ADK, and beside its own DatabaseSessionService."""

from __future__ import annotations

import ast
import asyncio
import json
import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import needs
import pytest
from document.places import PLACES, place_of
from document.values import KEYS, LEAVES, TEXTS, VALUES, exactly
from hypothesis import given, settings
from hypothesis import strategies as st

from localsessions import Session, SessionStore, UnreadableSessionError, UnstorableValueError
from localsessions.adapters.document import session_id_for, speech_of

if lacking := needs.of_module("google adk"):
    pytest.skip(lacking, allow_module_level=True)

from google.adk.agents import BaseAgent
from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.errors.session_not_found_error import SessionNotFoundError
from google.adk.events import Event, EventActions
from google.adk.runners import Runner
from google.adk.sessions import DatabaseSessionService
from google.adk.sessions.base_session_service import GetSessionConfig
from google.genai import types

from localsessions.adapters.google_adk import LocalSessionService
from localsessions.adapters.google_adk.adk import StaleSessionError
from localsessions.adapters.google_adk.shape import SHAPE

OF: Any = {"app_name": "app", "user_id": "alice"}
KEY: Any = {**OF, "session_id": "s"}
OWN_ID = "s@alice@app"

CALL: Any = {"function_call": {"id": "c1", "name": "weather", "args": {"city": "Oslo", "n": 1.0}}}
OTHER: Any = {"function_call": {"name": "clock", "args": {}}, "thought_signature": "_-8="}
SUNNY: Any = {"function_response": {"id": "c1", "name": "weather", "response": {"result": "sun"}}}
CLOCK: Any = {"function_response": {"id": "c2", "name": "clock", "response": {"at": [12, None]}}}
PICTURE: Any = {"inline_data": {"data": "_-79", "mime_type": "image/png"}}
CODE: Any = {"executable_code": {"code": "print(1)", "language": "PYTHON"}}
CONTENTS: dict[str, tuple[str, Any]] = {
    "question": ("user", [{"text": "How is the weather?"}]),
    "picture": ("user", [{"text": "What is it?"}, PICTURE]),
    "calls": ("model", [{"text": "I ask the tool.", "thought": True}, CALL, OTHER]),
    "call and text": ("model", [CALL, {"text": "One moment."}]),
    "result": ("user", [SUNNY]),
    "results": ("user", [SUNNY, CLOCK]),
    "result and text": ("user", [SUNNY, {"text": "More follows."}]),
    "answer": ("model", [{"text": "It is sunny."}]),
    "signed": ("model", [{"text": "It is sunny.", "thought_signature": "_-8="}]),
    "code": ("model", [{"text": "I run it."}, CODE]),
    "nothing": ("model", []),
}


def event(kind: str = "", number: int = 0, **more: Any) -> Event:
    """Return an event of a kind of CONTENTS, or one without content."""
    fields: Any = {"id": f"e{number}", "invocation_id": "i1", "timestamp": 1796076000.25 + number}
    fields["author"] = "user" if kind in ("question", "picture") else "bot"
    if kind:
        role, parts = CONTENTS[kind]
        fields["content"] = {"role": role, "parts": parts}
    return Event.model_validate({**fields, **more})


EVENTS = [event(kind, number) for number, kind in enumerate(CONTENTS)] + [
    event("", 20, actions={"state_delta": {"k": None, "n": 1.0}, "transfer_to_agent": "other"}),
    event("answer", 21, author="writer", branch="a.b", long_running_tool_ids=["c2", "c1"]),
    event(
        "answer", 22, author="", custom_metadata={"$at": 1, "$bytes": "QQ=="}, turn_complete=True
    ),
    event("question", 23, author="bot", content={"parts": [{"text": "nobody's"}]}),
    event("answer", 24, actions={"artifact_delta": {"a.png": 2}}, node_info={"path": "wf/A@1"}),
]
NAMES = [f"{number} {one.author}" for number, one in enumerate(EVENTS)]


def dumped(one: Event) -> Any:
    return one.model_dump(mode="json", exclude_none=True)


def run(act: Awaitable[Any]) -> Any:
    async def awaited() -> Any:
        return await act

    return asyncio.run(awaited())


# -- events as messages ----------------------------------------------------------------------------

PARTS = st.fixed_dictionaries(
    {},
    optional={
        "text": TEXTS | VALUES,
        "thought": st.booleans() | VALUES,
        "inline_data": st.fixed_dictionaries({}, optional={"data": TEXTS | VALUES}) | VALUES,
        "function_call": st.fixed_dictionaries(
            {}, optional={"id": TEXTS | VALUES, "name": TEXTS | VALUES, "args": VALUES}
        ),
        "function_response": st.fixed_dictionaries(
            {}, optional={"id": TEXTS | VALUES, "name": TEXTS | VALUES, "response": VALUES}
        ),
    },
)
ODD = st.fixed_dictionaries(
    {},
    optional={
        "id": TEXTS | VALUES,
        "author": st.sampled_from(["user", "bot", ""]) | VALUES,
        "invocation_id": TEXTS | VALUES,
        "timestamp": st.floats() | VALUES,
        "content": st.fixed_dictionaries(
            {},
            optional={
                "role": st.sampled_from(["user", "model"]) | VALUES,
                "parts": st.lists(
                    PARTS | st.sampled_from([CALL, OTHER, SUNNY, CLOCK, PICTURE]), max_size=3
                )
                | VALUES,
            },
        )
        | VALUES,
        "actions": VALUES,
        "node_info": VALUES,
    },
)


@given(st.sampled_from([*map(dumped, EVENTS)]) | ODD | st.dictionaries(KEYS, VALUES, max_size=5))
@settings(max_examples=200)
def test_every_event_comes_back_equal(item: Any) -> None:
    assert exactly(SHAPE.items_of(SHAPE.message_of(item))) == exactly([item])


@pytest.mark.parametrize("one", EVENTS, ids=NAMES)
def test_no_text_of_an_event_stands_twice(one: Event) -> None:
    stored = json.dumps(SHAPE.message_of(dumped(one)))
    texts = {text for text in strings_in(dumped(one)) if len(text) > 5}
    assert [text for text in texts if stored.count(json.dumps(text)[1:-1]) > 1] == []


def strings_in(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for one in value.values() for text in strings_in(one)]
    if isinstance(value, list):
        return [text for one in value for text in strings_in(one)]
    return [value] if isinstance(value, str) else []


def test_what_an_event_says_is_there_for_everybody() -> None:
    kinds = ("question", "picture", "calls", "call and text", "result", "results", "answer")
    said = {kind: speech_of(SHAPE.message_of(dumped(event(kind)))) for kind in kinds}
    assert [one.role for one in said.values()] == [
        *("user", "user", "assistant", "assistant", "tool", "user", "assistant")
    ]
    assert said["question"].text == "How is the weather?"
    assert said["picture"].parts[1] == {
        "type": "image_url",
        "image_url": {"url": "data:image/png;base64,/+79"},
    }
    assert (said["calls"].thoughts, said["calls"].text) == ("I ask the tool.", "")
    weather = ("c1", "weather", '{"city": "Oslo", "n": 1.0}')
    assert said["calls"].calls == [weather, ("clock", "clock", "{}")]
    assert (said["call and text"].calls, said["call and text"].text) == ([weather], "One moment.")
    results = [(one.call_id, one.name, one.text) for one in said["result"].results]
    assert results == [("c1", "weather", "sun")]
    assert [(one.call_id, one.text) for one in said["results"].results] == [
        ("c1", "sun"),
        ("c2", '{"at": [12, null]}'),
    ]


# -- beside ADK's own store ------------------------------------------------------------------------

STATES = st.dictionaries(
    st.sampled_from(["k", "app:k", "user:k", "temp:k", "app:", "$bytes", "user:$float"]) | KEYS,
    st.recursive(
        LEAVES | st.just((1, 2)) | st.just({"one"}),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=2),
        max_leaves=4,
    ),
    max_size=3,
)


async def states_and_events(service: Any, deltas: list[dict[str, Any]], **key: Any) -> Any:
    """Return what a service gives back of the events that it takes, and what it refuses."""
    session = await service.create_session(**key, state=deltas[0])
    refused = []
    for number, delta in enumerate(deltas[1:]):
        one = EVENTS[number].model_copy(deep=True)
        one.actions.state_delta = dict(delta)
        try:
            await service.append_event(session, one)
        except (TypeError, ValueError) as error:
            refused.append((number, type(error).__name__))
            session = await service.get_session(**key)
    got = await service.get_session(**key)
    [listed] = (await service.list_sessions(app_name=key["app_name"])).sessions
    user = await service.get_user_state(app_name=key["app_name"], user_id=key["user_id"])
    return (
        [dumped(one) for one in got.events],
        got.state,
        (listed.id, listed.user_id, listed.state, listed.events),
        user,
    ), refused


@pytest.fixture
def theirs(tmp_path: Path) -> Callable[[], DatabaseSessionService]:
    return lambda: DatabaseSessionService(f"sqlite+aiosqlite:///{tmp_path}/theirs.db")


def test_what_adks_own_store_gives_back_ours_gives_back_or_refuses(
    tmp_path: Path, theirs: Callable[[], DatabaseSessionService]
) -> None:
    store, numbers = SessionStore(tmp_path / "ours", durability="fast"), iter(range(10_000))

    async def check(deltas: list[dict[str, Any]]) -> None:
        key = {"app_name": f"app{next(numbers)}", "user_id": "alice", "session_id": "s"}
        async with theirs() as service:
            try:
                expected, refused = await states_and_events(service, deltas, **key)
            except (TypeError, ValueError):
                return  # it does not even begin
        ours = LocalSessionService(store)
        try:
            actual, also = await states_and_events(ours, deltas, **key)
        except UnstorableValueError:
            return
        if not refused and not also:
            assert exactly(actual) == exactly(expected)

    @given(st.lists(STATES, min_size=1, max_size=4))
    @settings(max_examples=25)
    def all_of_them(deltas: list[dict[str, Any]]) -> None:
        asyncio.run(check(deltas))

    with store:
        all_of_them()


def test_all_kinds_of_events_come_back_as_from_adks_own_store(
    tmp_path: Path, theirs: Callable[[], DatabaseSessionService]
) -> None:
    async def given_back(service: Any, config: GetSessionConfig | None) -> Any:
        session = await service.get_session(**KEY, config=config)
        return session.events, session.state, session.last_update_time

    async def check() -> None:
        async with theirs() as own, LocalSessionService(tmp_path / "ours") as ours:
            for service in (own, ours):
                session = await service.create_session(**KEY)
                for one in EVENTS:
                    await service.append_event(session, one.model_copy(deep=True))
                assert session.events == EVENTS
            for number in (None, 0, 1, 3, 100):
                for since in (None, 0.0, EVENTS[3].timestamp, EVENTS[-1].timestamp, 2e9):
                    config = GetSessionConfig(num_recent_events=number, after_timestamp=since)
                    expected = await given_back(own, config)
                    assert await given_back(ours, config) == expected
            assert await given_back(ours, None) == await given_back(own, None)

    asyncio.run(check())


# -- the verbs -------------------------------------------------------------------------------------


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return place_of(request.param, tmp_path)


def test_a_session_is_there_after_a_restart_and_readable_for_everybody(place: str) -> None:
    async def first() -> None:
        async with LocalSessionService(place) as service:
            session = await service.create_session(
                **KEY, state={"k": 1, "app:theme": "dark", "user:name": "Al", "temp:x": 2}
            )
            assert session.state == {"k": 1, "app:theme": "dark", "user:name": "Al"}
            for kind in ("question", "calls", "result", "answer"):
                delta = {"said": kind, "temp:y": 3, "user:name": None}
                await service.append_event(session, event(kind, actions={"state_delta": delta}))
            assert session.state["temp:y"] == 3

    async def second() -> Any:
        async with LocalSessionService(place) as service:
            return await service.get_session(**KEY), await service.get_user_state(**OF)

    run(first())
    session, user = run(second())
    assert [one.content.parts[0].text for one in session.events[::3]] == [
        "How is the weather?",
        "It is sunny.",
    ]
    assert session.state == {"k": 1, "said": "answer", "app:theme": "dark", "user:name": None}
    assert user == {"name": None}
    with SessionStore(place) as store:
        stored = store.load(OWN_ID)
        assert (stored.user_id, stored.state) == ("alice", {"k": 1, "said": "answer"})
        assert [one["run_id"] for one in stored.messages] == ["i1"] * 4
        assert "temp:" not in store.raw(OWN_ID).decode()
        assert store.load("state@app").state == {"theme": "dark"}
        # They are no chats: a cleanup keeps them, and a listing folds what belongs to an app.
        assert [one.session_id for one in store.list(pinned=True, folded=True)] == ["state@app"]


def test_a_partial_event_is_not_stored(tmp_path: Path) -> None:
    async def check() -> None:
        service = LocalSessionService(tmp_path)
        session = await service.create_session(**KEY)
        partial = event("answer", partial=True)
        assert await service.append_event(session, partial) is partial
        assert session.events == []
        assert (await service.get_session(**KEY)).events == []  # type: ignore[union-attr]

    run(check())


def test_sessions_are_listed_by_app_and_user_the_oldest_first(place: str) -> None:
    async def check() -> None:
        service = LocalSessionService(place)
        for user, name in (("alice", "b"), ("bob", "a"), ("alice", "a/ü@")):
            await service.create_session(
                app_name="app", user_id=user, session_id=name, state={"n": name, "user:u": user}
            )
        await service.create_session(app_name="other", user_id="alice", session_id="b")
        session: Any = await service.get_session(app_name="app", user_id="alice", session_id="b")
        for number in range(2):  # the second one is listed with what it is by now
            delta = {"n": number, "app:x": number}
            stamp = session.last_update_time + 1
            await service.append_event(
                session, event("answer", actions={"state_delta": delta}, timestamp=stamp)
            )
            listed = (await service.list_sessions(app_name="app")).sessions
            assert [(one.user_id, one.id) for one in listed] == [
                ("bob", "a"),
                ("alice", "a/ü@"),
                ("alice", "b"),
            ]
            assert listed[0].state == {"n": "a", "user:u": "bob", "app:x": number}
            assert listed[2].state == {"n": number, "user:u": "alice", "app:x": number}
            assert listed[2].last_update_time == stamp
        of_alice = await service.list_sessions(app_name="app", user_id="alice")
        assert [one.id for one in of_alice.sessions] == ["a/ü@", "b"]
        assert (await service.list_sessions(app_name="none")).sessions == []

    run(check())


def test_a_second_listing_reads_only_what_changed(tmp_path: Path) -> None:
    async def check() -> None:
        service = LocalSessionService(tmp_path)
        for number in range(50):
            await service.create_session(**OF, session_id=f"s{number}", state={"n": number})
        await service.list_sessions(**OF)
        before = service.store.stats().counters["files_read"]
        listed = await service.list_sessions(**OF)
        assert service.store.stats().counters["files_read"] - before <= 2  # what they share
        assert sorted(one.state["n"] for one in listed.sessions) == [*range(50)]

    run(check())


def test_an_append_reads_none_of_the_former_events(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        store.save(
            Session(
                session_id=OWN_ID,
                user_id="alice",
                messages=[{"role": "user", "content": "word " * 50} for _ in range(2000)],
            )
        )
        store.append(OWN_ID, {"role": "user", "content": "so that its end is known"})
        service = LocalSessionService(store)
        config = GetSessionConfig(num_recent_events=1)
        session: Any = run(service.get_session(**KEY, config=config))
        before = store.stats().counters
        delta = {"state_delta": {"k": 1}}
        for number in range(10):
            run(service.append_event(session, event("answer", number, actions=delta)))
        after = store.stats().counters
        assert after["ends_written"] - before.get("ends_written", 0) == 10
        assert after["files_read"] == before["files_read"]


def test_sessions_of_others_are_not_there(place: str) -> None:
    async def check() -> None:
        service = LocalSessionService(place)
        await service.create_session(**KEY, state={"app:k": 1})
        odd = ({"user_id": "bob"}, {"app_name": "other"}, {"session_id": "S"})
        for other in odd:
            assert await service.get_session(**{**KEY, **other}) is None
        for own_id in (OWN_ID, "state@app", "state@user@alice@app"):
            for app in ("app", "other"):
                key = {"app_name": app, "user_id": "alice", "session_id": own_id}
                assert await service.get_session(**key) is None
        for other in odd:
            await service.create_session(**{**KEY, **other})
        with pytest.raises(AlreadyExistsError, match="Session with id s already exists"):
            await service.create_session(**KEY, state={"app:k": 2, "user:k": 2})
        session: Any = await service.get_session(**KEY)
        assert session.state == {"app:k": 1}

    run(check())


def test_a_deleted_session_is_in_the_trash_and_takes_no_event(place: str) -> None:
    async def check() -> None:
        service = LocalSessionService(place)
        session = await service.create_session(**KEY, state={"user:k": 1})
        await service.append_event(session, event("question"))
        for _ in range(2):
            await service.delete_session(**KEY)
        assert await service.get_session(**KEY) is None
        with pytest.raises(SessionNotFoundError, match="Session s not found"):
            await service.append_event(session, event("answer", 1))
        assert [one.session_id for one in service.store.trash()] == [OWN_ID]
        again = await service.create_session(**KEY)
        assert (again.events, again.state) == ([], {"user:k": 1})

    run(check())


# -- versions --------------------------------------------------------------------------------------


def test_an_event_for_a_stale_session_is_refused_and_nothing_is_stored(place: str) -> None:
    async def check() -> None:
        service = LocalSessionService(place)
        first = await service.create_session(**KEY)
        second: Any = await LocalSessionService(place).get_session(**KEY)
        delta = {"k": 1, "app:k": 1, "user:k": 1}
        await service.append_event(second, event("question", actions={"state_delta": delta}))
        wrong = {"k": 2, "app:k": 2, "user:k": 2}
        with pytest.raises(
            StaleSessionError, match=r"'s@alice@app' was modified .* get_session\(\)"
        ):
            await service.append_event(first, event("answer", 1, actions={"state_delta": wrong}))
        stored: Any = await service.get_session(**KEY)
        assert ([one.id for one in stored.events], stored.state) == (["e0"], delta)
        assert [one.id for one in first.events] == []
        for number in (1, 2):  # as is said in the error
            await service.append_event(stored, event("answer", number))
        assert stored == await service.get_session(**KEY)

    run(check())


def test_of_two_that_append_at_once_one_is_refused(tmp_path: Path) -> None:
    async def check() -> None:
        service = LocalSessionService(tmp_path)
        await service.create_session(**KEY)
        loaded: list[Any] = [await service.get_session(**KEY) for _ in range(2)]
        acts = (service.append_event(one, event("answer", at)) for at, one in enumerate(loaded))
        ended = await asyncio.gather(*acts, return_exceptions=True)
        assert sorted(type(one).__name__ for one in ended) == ["Event", "StaleSessionError"]

    run(check())


def test_what_changes_beside_the_events_makes_no_session_stale(place: str) -> None:
    async def check() -> None:
        service = LocalSessionService(place)
        session = await service.create_session(**KEY)
        for number in range(2):
            service.store.rename(OWN_ID, f"Weather {number}")
            service.store.tag(OWN_ID, f"tag{number}")
            await service.append_event(session, event("answer", number))
        service.store.append(OWN_ID, {"role": "user", "content": "of another program"})
        with pytest.raises(StaleSessionError):
            await service.append_event(session, event("answer", 3))

    run(check())


def test_a_session_without_a_version_is_compared_by_its_last_event(tmp_path: Path) -> None:
    async def check() -> None:
        service = LocalSessionService(tmp_path)
        session = await service.create_session(**KEY)
        await service.append_event(session, event("question", timestamp=2e9))
        for marker in (None, "2026-01-01T00:00:00.000000"):
            session._storage_update_marker = marker
            session.last_update_time -= 0.001
            await service.append_event(session, event("answer", len(session.events)))
        session._storage_update_marker, session.last_update_time = None, 0.0
        session.events.pop()
        with pytest.raises(StaleSessionError):
            await service.append_event(session, event("answer", 9))

    run(check())


def test_two_events_of_one_time_move_the_session_on(tmp_path: Path) -> None:
    async def check() -> None:
        service = LocalSessionService(tmp_path)
        session = await service.create_session(**KEY)
        for number in range(3):
            await service.append_event(session, event("answer", number, timestamp=2e9))
            assert abs(session.last_update_time - 2e9) < 3e-6
            assert await service.get_session(**KEY) == session
        assert len(session.events) == 3

    run(check())


def test_a_time_of_no_date_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    async def check() -> None:
        service = LocalSessionService(tmp_path)
        session = await service.create_session(**KEY)
        for stamp in (1e30, float("nan"), float("inf")):
            with pytest.raises(ValueError, match=r"timestamp|NaN|infinity"):
                await service.append_event(session, event("answer", timestamp=stamp))
        assert (await service.get_session(**KEY)) == session

    run(check())


def test_what_cannot_be_stored_is_refused_with_all_that_it_changes(tmp_path: Path) -> None:
    deep: Any = 1
    for _ in range(210):
        deep = [deep]

    async def check() -> None:
        service = LocalSessionService(tmp_path)
        with pytest.raises(UnstorableValueError):
            await service.create_session(**KEY, state={"deep": deep, "app:k": 1})
        session = await service.create_session(**KEY)
        for name in ("deep", "app:deep", "user:deep"):
            delta = {name: deep, "app:k": 1, "user:k": 1}
            with pytest.raises(UnstorableValueError):
                await service.append_event(session, event("", actions={"state_delta": delta}))
        stored: Any = await service.get_session(**KEY)
        assert (stored.events, stored.state) == ([], {})

    run(check())


# -- what others write -----------------------------------------------------------------------------

FOREIGN: list[Any] = [
    {"role": "system", "content": "You are another's."},
    {"role": "user", "content": "Hi", "created_at": "2026-11-30T12:00:00Z"},
    {"role": "event", "other": {"title": "x"}},
    {
        "role": "assistant",
        "content": "One moment.",
        "tool_calls": [
            {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "t1", "content": [{"type": "text", "text": "4"}]},
    {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm"}]},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "See"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,/+79"}},
            {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        ],
    },
]
HISTORY: list[Any] = [
    ("user", "user", [{"text": "Hi"}]),
    (
        "bot",
        "model",
        [
            {"text": "One moment."},
            {"function_call": {"id": "t1", "name": "f", "args": {"a": 1}}},
        ],
    ),
    (
        "bot",
        "user",
        [{"function_response": {"id": "t1", "name": "f", "response": {"result": "4"}}}],
    ),
    (
        "user",
        "user",
        [
            {"text": "See"},
            {"inline_data": {"data": "_-79", "mime_type": "image/png"}},
            {"file_data": {"file_uri": "https://example.org/a.png", "mime_type": "image/*"}},
        ],
    ),
]


def test_a_chat_of_another_program_is_history_and_goes_on(place: str) -> None:
    with SessionStore(place) as store:
        before = store.create("s", messages=FOREIGN).messages
        service = LocalSessionService(store, agent_name="bot")
        session: Any = run(service.get_session(**KEY))
        told = [dumped(one) for one in session.events]
        assert [
            (one["author"], one["content"]["role"], one["content"]["parts"]) for one in told
        ] == HISTORY
        assert session.events[0].timestamp == 1796040000.0
        run(service.append_event(session, event("question", actions={"state_delta": {"k": 1}})))
        assert run(service.get_session(**KEY)) == session
        stored = store.load("s")
        assert (len(stored.messages), stored.state) == (len(FOREIGN) + 1, {"k": 1})
        assert stored.messages[:-1] == before
        with pytest.raises(AlreadyExistsError):
            run(service.create_session(**KEY))


def test_the_last_events_are_found_among_messages_that_are_none(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        store.create("s", messages=[FOREIGN[1], *[FOREIGN[2]] * 40, FOREIGN[1], FOREIGN[2]])
        service = LocalSessionService(store)
        for count, expected in ((1, 1), (2, 2), (3, 2)):
            config = GetSessionConfig(num_recent_events=count)
            session: Any = run(service.get_session(**KEY, config=config))
            assert [one.content.parts[0].text for one in session.events] == ["Hi"] * expected


def test_a_session_of_another_owner_does_not_stand_for_a_key(place: str) -> None:
    with SessionStore(place) as store:
        store.create("s", user_id="bob", messages=FOREIGN)
        assert run(LocalSessionService(store).get_session(**KEY)) is None


def test_an_edited_message_reaches_the_model(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        service = LocalSessionService(store)
        session = run(service.create_session(**KEY))
        for number, kind in enumerate(("question", "calls", "result", "results", "answer")):
            run(service.append_event(session, event(kind, number)))
        with store.edit(OWN_ID) as edited:
            edited.messages[0]["content"] = "Hello"
            edited.messages[1]["tool_calls"][0]["function"]["arguments"] = "{}"  # type: ignore[index, call-overload]
            edited.messages[2]["content"] = "rain"
            edited.messages[3]["content"][1]["content"] = '{"at": 13}'  # type: ignore[index, call-overload]
            del edited.messages[4]["content"]
        parts = [
            one["content"]["parts"] for one in map(dumped, run(service.get_session(**KEY)).events)
        ]
    assert len(parts) == 4
    assert parts[0] == [{"text": "Hello"}]
    assert parts[1][1] == {"function_call": {**CALL["function_call"], "args": {}}}
    assert parts[2][0]["function_response"]["response"] == {"result": "rain"}
    assert [one["function_response"]["response"] for one in parts[3]] == [
        {"result": "sun"},
        {"at": 13},
    ]


def test_what_cannot_be_read_after_an_edit_is_said_with_a_remedy(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        service = LocalSessionService(store)
        session = run(service.create_session(**KEY))
        for number in range(2):
            run(service.append_event(session, event("answer", number)))
        with store.edit(OWN_ID) as edited:
            name = edited.messages[1]["id"]
            edited.messages[1]["google_adk"]["branch"] = 5  # type: ignore[index, call-overload]
        told = f"message '{name}' of session '{OWN_ID}' was changed, and ADK cannot read it"
        with pytest.raises(ValueError, match=told):
            run(service.get_session(**KEY))
        with store.edit(OWN_ID) as edited:
            del edited.messages[1]["google_adk"]  # the remedy that it names
        assert len(run(service.get_session(**KEY)).events) == 2


def test_a_program_that_takes_no_lock_and_changes_a_shared_state_keeps_it_and_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionStore(tmp_path) as store:
        service = LocalSessionService(store)
        session = run(service.create_session(**KEY, state={"app:a": 0, "user:u": 0}))
        append = store.append

        def beside(*arguments: Any, **options: Any) -> Any:
            path = tmp_path / "state@app.json"
            path.write_text(path.read_text().replace('"a"', '"theirs": 1, "a"'))
            return append(*arguments, **options)

        monkeypatch.setattr(store, "append", beside)
        delta = {"app:a": 1, "user:u": 1}
        run(service.append_event(session, event("answer", actions={"state_delta": delta})))
        monkeypatch.undo()
        state = run(service.get_session(**KEY)).state
        assert state == {"app:a": 1, "app:theirs": 1, "user:u": 1}


def test_a_service_closes_its_store_in_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []
    close = SessionStore.close

    def told(store: SessionStore) -> None:
        threads.append(threading.current_thread())
        close(store)

    monkeypatch.setattr(SessionStore, "close", told)
    run(LocalSessionService(tmp_path).close())
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread()


def test_an_edited_state_reaches_the_agent(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        service = LocalSessionService(store)
        session = run(service.create_session(**KEY, state={"k": float("nan"), "app:a": (1, b"b")}))
        assert exactly(session.state) == exactly({"k": float("nan"), "app:a": [1, "b"]})
        for session_id in (OWN_ID, "state@app"):
            with store.edit(session_id) as edited:
                edited.state["mine"] = {"$bytes": "not base64"}
        assert (
            run(service.get_session(**KEY)).state.items()
            >= {
                "mine": {"$bytes": "not base64"},
                "app:mine": {"$bytes": "not base64"},
            }.items()
        )


def test_a_broken_file_is_named_and_stays_and_hides_no_other(tmp_path: Path) -> None:
    async def check() -> None:
        service = LocalSessionService(tmp_path)
        session = await service.create_session(**KEY)
        await service.create_session(**OF, session_id="t")
        path = tmp_path / f"{OWN_ID}.json"
        path.write_text("{", encoding="utf-8")
        for act in (service.get_session(**KEY), service.append_event(session, event("answer"))):
            with pytest.raises(UnreadableSessionError, match=OWN_ID):
                await act
        assert path.read_text(encoding="utf-8") == "{"
        assert [one.id for one in (await service.list_sessions(app_name="app")).sessions] == ["t"]

    run(check())


# -- under the framework ---------------------------------------------------------------------------


class Echo(BaseAgent):  # type: ignore[misc]
    """Says how often it was asked, and keeps the number for itself and for the user."""

    async def _run_async_impl(self, context: Any) -> AsyncIterator[Event]:
        count = context.session.state.get("user:count", 0) + 1
        asked = [
            one.content.parts[0].text for one in context.session.events if one.author == "user"
        ]
        yield Event(
            author=self.name,
            invocation_id=context.invocation_id,
            content=types.Content(role="model", parts=[types.Part(text=f"{count}: {asked}")]),
            actions=EventActions(state_delta={"user:count": count, "temp:x": 1}),
        )


def test_a_runner_goes_on_where_it_was(place: str) -> None:
    async def turn(text: str) -> list[str]:
        async with LocalSessionService(place) as service:
            runner = Runner(
                agent=Echo(name="echo"),
                app_name="app",
                session_service=service,
                auto_create_session=True,
            )
            said = types.Content(role="user", parts=[types.Part(text=text)])
            return [
                one.content.parts[0].text
                async for one in runner.run_async(user_id="alice", session_id="s", new_message=said)
            ]

    assert run(turn("one")) == ["1: ['one']"]
    assert run(turn("two")) == ["2: ['one', 'two']"]
    with SessionStore(place) as store:
        runs = [one["run_id"] for one in store.load(OWN_ID).messages]
        assert (runs[0], runs[2]) == (runs[1], runs[3])
        assert runs[0] != runs[2]


GUIDE = Path(__file__).resolve().parents[2] / "docs" / "migration.md"


def steps_of_the_guide() -> list[str]:
    section = GUIDE.read_text("utf-8").split("service of Google's ADK\n")[1].split("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


def test_old_sessions_are_brought_along_as_the_guide_says(
    tmp_path: Path, theirs: Callable[[], DatabaseSessionService]
) -> None:
    async def check() -> None:
        async with theirs() as old, LocalSessionService(tmp_path / "sessions") as new:
            for user in ("alice", "bob"):
                key = {**KEY, "user_id": user}
                session = await old.create_session(**key, state={"k": 0, "app:k": 0})
                for number, one in enumerate(EVENTS[:4]):
                    delta = {"n": number, "user:n": number, "app:n": number}
                    made = one.model_copy(deep=True)
                    made.actions.state_delta = delta
                    await old.append_event(session, made)
            step = compile(steps_of_the_guide()[0], GUIDE, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            await eval(step, {"old": old, "new": new})
            assert await told(new) == await told(old)

    async def told(service: Any) -> list[Any]:
        found = [await service.get_session(**{**KEY, "user_id": one}) for one in ("alice", "bob")]
        return [(one.id, one.state, one.events, one.last_update_time) for one in found]

    run(check())


def test_adk_web_is_told_of_it_as_the_guide_says(tmp_path: Path) -> None:
    from google.adk.cli.service_registry import get_service_registry

    exec(steps_of_the_guide()[1], {})
    uri = f"localsessions://{tmp_path}/sessions"
    service: Any = get_service_registry().create_session_service(uri, agents_dir=str(tmp_path))
    assert service.store.save_dir == str(tmp_path / "sessions")


def test_a_cancelled_append_is_stored_and_its_session_is_stale(tmp_path: Path) -> None:
    async def check() -> None:
        service = LocalSessionService(tmp_path)
        session = await service.create_session(**KEY)
        task = asyncio.ensure_future(service.append_event(session, event("question")))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        stored: Any = await service.get_session(**KEY)
        assert [one.id for one in stored.events] == ["e0"]
        with pytest.raises(StaleSessionError):
            await service.append_event(session, event("answer", 1))

    run(check())


def test_without_adk_the_pip_line_is_named() -> None:
    program = (
        "import sys; sys.modules['google.adk'] = None; import localsessions.adapters.google_adk"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert 'pip install "localsessions[google-adk]"' in done.stderr


def test_odd_ids_are_sessions_of_their_own(tmp_path: Path) -> None:
    keys = [
        (session, user, app)
        for session in ("a", "A", "a/b", "ü", "..")
        for user in ("u", "u@v", "")
        for app in ("app", "v@app")
    ]

    async def check() -> None:
        service = LocalSessionService(tmp_path)
        for session, user, app in keys:
            await service.create_session(app_name=app, user_id=user, session_id=session)
        for app in ("app", "v@app"):
            listed = (await service.list_sessions(app_name=app)).sessions
            assert {(one.id, one.user_id, one.app_name) for one in listed} == {
                key for key in keys if key[2] == app
            }

    run(check())
    assert session_id_for("a", "u", "app") == "a@u@app"
