"""Changes over HTTP: told as they happen, gone on with after a break, one for a burst."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from localsessions import SessionChange, SessionStore, TouchedMessage
from localsessions.server.events import batch, coalesced
from server.asking import Asking, Event, in_this_process


def until(events: Iterator[Event], session_id: str, count: int) -> list[Event]:
    """Take events until a session has this many messages."""
    found = []
    for event in events:
        found.append(event)
        is_it = event.name == "change" and event.data["session_id"] == session_id
        if is_it and event.data["changed"].get("message_count", [0, 0])[1] == count:
            return found
    raise AssertionError(found)


def touched(events: list[Event]) -> list[Any]:
    return [one for event in events for one in event.data.get("messages") or ()]


def test_each_change_is_told_with_its_messages(
    service: Asking, store: SessionStore, session_id: str
) -> None:
    with service.events(f"changes?session_id={session_id}") as events:
        ready = next(events)
        assert (ready.name, ready.id) == ("ready", str(ready.data["last_change"]))
        store.append(session_id, {"id": "new", "role": "user", "content": "from elsewhere"})
        store.create("another")  # not asked for
        (change,) = until(events, session_id, 3)
    assert (change.data["kind"], change.data["origin"]) == ("modified", "another store")
    assert change.data["messages"] == [{"position": 2, "id": "new", "what": "added"}]
    assert change.data["number"] > ready.data["last_change"]


def test_an_edit_by_an_editor_is_told(
    service: Asking, store: SessionStore, session_id: str
) -> None:
    with service.events(f"changes?session_id={session_id}") as events:
        next(events)
        path = Path(store.path(session_id))
        path.write_text(path.read_text().replace("a title", "by hand"))
        change = next(events)
    assert change.data["changed"] == {"title": ["a title", "by hand"]}
    assert (change.data["origin"], change.data["messages"]) == ("external", None)


def test_a_listener_goes_on_where_it_was(
    service: Asking, store: SessionStore, session_id: str
) -> None:
    with service.events() as events:
        store.append(session_id, {"id": "seen", "role": "user", "content": "x"})
        last = [event.id for event in until(events, session_id, 3) if event.id][-1]
    for number in range(4):
        store.append(session_id, {"id": f"missed{number}", "role": "user", "content": "x"})
    for headers, path in (
        ({"Last_Event_ID": str(last)}, "changes"),
        ({}, f"changes?since={last}"),
        ({"Last_Event_ID": str(last)}, "changes?since=1"),
    ):
        with service.events(path, **headers) as events:
            assert next(events).name == "ready"
            found = until(events, session_id, 7)
        ids = [one["id"] for one in touched(found)]
        assert [one for one in ids if one.startswith("missed")] == [f"missed{n}" for n in range(4)]
        assert "seen" not in ids


def test_a_burst_is_a_few_events(service: Asking, store: SessionStore, session_id: str) -> None:
    with service.events(f"changes?session_id={session_id}") as events:
        next(events)
        for number in range(60):
            store.upsert_run(
                session_id,
                {"run_id": "r"},
                {"id": "a", "role": "assistant", "content": "x" * number},
            )
        store.append(session_id, {"role": "user", "content": "end"})
        found = until(events, session_id, 4)
    assert len(found) < 40
    assert {one["id"] for one in touched(found)} >= {"a"}


def test_a_number_that_is_not_known_is_a_reset(service: Asking) -> None:
    """(20)"""
    for path in ("changes?since=1", f"changes?since={2**62}"):
        with service.events(path) as events:
            event = next(events)
            assert (event.name, event.id) == ("reset", str(event.data["last_change"]))
    with service.events("changes", Last_Event_ID="7") as events:
        assert next(events).name == "reset"


@pytest.mark.parametrize("last", ["", "x", "-1", "1.5", "9" * 30, "1\t2", "١"])
def test_a_forged_id_is_422(service: Asking, last: str) -> None:
    """(20)"""
    headers = {"Last-Event-ID": last.encode().decode("latin-1")}
    answer = service("GET", "changes", headers=headers)
    assert (answer.status, answer.document["place"]) == (422, "Last-Event-ID")


def test_since_is_checked(service: Asking) -> None:
    for query in ("since=x", "since=-1", f"since={2**63}", "other=1"):
        assert service("GET", f"changes?{query}").status == 422


def test_two_hundred_listeners_cost_one_watch(
    service: Asking, store: SessionStore, session_id: str
) -> None:
    with ExitStack() as opened:
        listening = [
            opened.enter_context(service.events(f"changes?session_id={session_id}"))
            for _ in range(60)
        ]
        for events in listening:
            assert next(events).name == "ready"
        store.append(session_id, {"id": "all", "role": "user", "content": "x"})
        for events in listening:
            assert next(events).data["messages"][0]["id"] == "all"
    assert service("GET", "health").status == 200


def test_a_comment_comes_while_nothing_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localsessions.server.events._HEARTBEAT_SECONDS", 1)
    with (
        SessionStore(tmp_path / "s") as store,
        in_this_process(store) as (service, _),
        ExitStack() as opened,
    ):
        reader = socket.create_connection(("127.0.0.1", service.port), timeout=60)
        opened.enter_context(reader)
        host = f"Host: 127.0.0.1:{service.port}"
        reader.sendall(service.lines(host, path="/api/v1/changes"))
        lines = opened.enter_context(reader.makefile("rb"))
        assert next(line for line in lines if line.startswith(b":")).startswith(b": ping")


def test_a_reader_that_takes_nothing_is_hung_up_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """(19) It would keep what was not sent for ever."""
    monkeypatch.setattr("localsessions.server.events._SLOWEST_SECONDS", 0.2)
    with SessionStore(tmp_path / "s") as store, in_this_process(store) as (service, kept):
        store.create("s")
        with socket.create_connection(("127.0.0.1", service.port), timeout=60) as reader:
            host = f"Host: 127.0.0.1:{service.port}"
            reader.sendall(service.lines(host, path="/api/v1/changes"))
            assert reader.recv(10)
            deadline = time.monotonic() + 60
            while len(kept.listeners):
                assert time.monotonic() < deadline
                store.rename("s", f"{time.monotonic()}" * 20_000)


# -- coalescing, by itself -------------------------------------------------------------------------


def change(number: int, kind: Any, session_id: str = "s", **more: Any) -> SessionChange:
    return SessionChange(number, session_id, kind, "this store", datetime.now(UTC), **more)


def test_changes_of_a_session_become_one_with_the_first_and_the_last_value() -> None:
    added, grown = TouchedMessage(0, "m", "added"), TouchedMessage(0, "m", "changed")
    one, other = coalesced(
        [
            change(1, "created", changed={"title": (None, "a")}, messages=(added,)),
            change(2, "modified", "t", messages=()),
            change(3, "modified", changed={"title": ("a", "b")}, messages=(grown,)),
        ]
    )
    assert (one.session_id, one.number) == ("t", 2)
    assert (other.number, other.kind) == (3, "created")
    assert other.changed == {"title": (None, "b")}
    assert other.messages == (added, grown)


def test_what_is_not_known_of_one_is_not_known_of_both() -> None:
    known = change(1, "modified", messages=(TouchedMessage(0, "m", "added"),))
    removed = change(3, "modified", messages=(TouchedMessage(0, "m", "removed"),))
    for changes in ([known, change(2, "modified")], [known, removed]):
        (one,) = coalesced(changes)
        assert one.messages is None
    (gone,) = coalesced([known, change(2, "deleted")])
    assert gone.kind == "deleted"


def test_only_the_last_event_of_a_batch_has_an_id() -> None:
    """Who went on from the number of t would miss the first change of s."""
    changes = [change(1, "modified"), change(2, "modified", "t"), change(3, "modified")]
    assert [one.id for one in batch(changes, 9)] == [None, "9"]
