"""Changes as Server-Sent Events: each listener reads the log from where it is.

One watch of the store wakes all listeners, so that a listener costs no thread. Changes of one
session that come close together are one event. An id stands only on the last event of a batch: who
goes on from it has missed nothing, and may be told a change twice after a break in a batch.
"""

from __future__ import annotations

import asyncio
import json
import threading
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from localsessions.errors import ChangesExpiredError
from localsessions.server.problems import Problem
from localsessions.server.responses import plain

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from localsessions.models import SessionChange
    from localsessions.server.endpoints import Call
    from localsessions.server.shapes import ChangesQuery
    from localsessions.store import SessionStore
    from localsessions.watching import Watch

__all__ = ["Listeners", "batch", "changes", "coalesced"]

_HEARTBEAT_SECONDS = 15
_SLOWEST_SECONDS = 30.0
# What comes within this time becomes one event.
_PAUSE_SECONDS = 0.05
_BATCH = 500
_MOST = 500
_RECENT = 2000


class Listeners:
    """Who listens to the changes of one store."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self._guard = threading.Lock()
        self._starting = threading.Lock()
        self._awake: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._watch: Watch | None = None
        # The last changes, so that each listener need not read the log; and the number before.
        self._recent: list[SessionChange] = []
        self._before: int | None = None
        # The first and the last number of a batch, and its events as they are sent.
        self._sent: tuple[tuple[int, int], bytes] = ((0, 0), b"")

    def __len__(self) -> int:
        """Return how many listen."""
        return len(self._awake)

    def join(self) -> asyncio.Event:
        """Return what is set whenever something changed; the first starts the watch.

        Raises:
            Problem: There are too many.
        """
        awake = asyncio.Event()
        with self._guard:
            if len(self._awake) >= _MOST:
                raise Problem(503, f"{_MOST} listeners are here already", code="too-many")
            self._awake[awake] = asyncio.get_running_loop()
        return awake

    def watch(self) -> None:
        """Watch the store, unless it is watched already."""
        with self._starting:
            if self._watch is not None and not self._watch.closed:
                return
            before = self._store.last_change()
            with self._guard:
                self._recent, self._before = [], before
            watch = self._store.watch(self._take, since=before, on_error=self._fail)
            with self._guard:
                self._watch = watch if self._awake else None
        if self._watch is None:  # whoever wanted it has left meanwhile
            watch.close()

    def recent(self, number: int) -> list[SessionChange] | None:
        """Return the changes after a number, None if they are in the log only."""
        with self._guard:
            if self._before is None or number < self._before:
                return None
            begin = bisect_right(self._recent, number, key=attrgetter("number"))
            return self._recent[begin : begin + _BATCH]

    def sent(self, found: list[SessionChange], number: int) -> bytes:
        """Return the events of a batch as they are sent, made once for all who are at its place."""
        place = (found[0].number, number)
        made_for, made = self._sent
        if made_for != place:
            made = encoded(found, number)
            self._sent = place, made
        return made

    def leave(self, awake: asyncio.Event) -> None:
        """Wake a listener no more; the last ends the watch."""
        with self._guard:
            self._awake.pop(awake, None)
            ended, self._watch = (None, self._watch) if self._awake else (self._watch, None)
        if ended is not None:
            threading.Thread(target=ended.close, name="localsessions-unwatch").start()

    def _take(self, change: SessionChange) -> None:
        with self._guard:
            self._recent.append(change)
            if len(self._recent) > _RECENT:
                self._before = self._recent[_RECENT // 2 - 1].number
                del self._recent[: _RECENT // 2]
        self._wake()

    def _wake(self) -> None:
        with self._guard:
            awake = [*self._awake.items()]
        for event, loop in awake:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    def _fail(self, _: Exception, change: SessionChange | None) -> None:
        if change is None:  # what happened is not known: each listener finds that out
            with self._guard:
                self._recent, self._before = [], None
            self._wake()


async def changes(call: Call[ChangesQuery, None], request: Request) -> Response:
    """Stream the changes."""
    since = _position(request, call.query.since)
    listeners, store = call.service.listeners, call.store
    awake = listeners.join()
    try:
        await run_in_threadpool(listeners.watch)
        known, number = await run_in_threadpool(_begin, store, since)
    # A client that goes away cancels this: without a reader, its place would be woken for ever.
    except BaseException:
        listeners.leave(awake)
        raise
    events = _events(store, listeners, awake, number, call.query.session_id, is_known=known)
    return EventSourceResponse(events, ping=_HEARTBEAT_SECONDS, send_timeout=_SLOWEST_SECONDS)


def _position(request: Request, since: int | None) -> int | None:
    last = request.headers.getlist("last-event-id")
    if not last:
        return since
    if len(last) > 1 or not (last[0].isascii() and last[0].isdecimal() and len(last[0]) < 20):
        raise Problem(422, "Last-Event-ID must be the id of an event", place="Last-Event-ID")
    return int(last[0])


def _begin(store: SessionStore, since: int | None) -> tuple[bool, int]:
    """Return whether the number is known, and the number to go on from."""
    if since is None:
        return True, store.last_change()
    try:
        store.changes(since).close()
    except ChangesExpiredError:
        return False, store.last_change()
    return True, since


async def _events(
    store: SessionStore,
    listeners: Listeners,
    awake: asyncio.Event,
    number: int,
    session_id: str | None,
    *,
    is_known: bool,
) -> AsyncIterator[ServerSentEvent | bytes]:
    try:
        yield _note("ready" if is_known else "reset", number)
        while True:
            awake.clear()
            try:
                found = listeners.recent(number)
                if found is None:
                    found = await run_in_threadpool(_logged, store, number)
            except ChangesExpiredError:
                number = await run_in_threadpool(store.last_change)
                yield _note("reset", number)
                continue
            except ValueError:  # the store is closed
                return
            if found:
                number = found[-1].number
            if found and session_id is None:
                yield listeners.sent(found, number)
            elif wanted := [one for one in found if one.session_id == session_id]:
                yield encoded(wanted, number)
            if len(found) < _BATCH:
                await awake.wait()
                await asyncio.sleep(_PAUSE_SECONDS)
    finally:
        listeners.leave(awake)


def _logged(store: SessionStore, number: int) -> list[SessionChange]:
    return [*islice(store.changes(number), _BATCH)]


def _note(event: str, number: int) -> ServerSentEvent:
    """Return the first event: from which change on the others come."""
    return ServerSentEvent(f'{{"last_change":{number}}}', event=event, id=str(number))


def batch(changes: Iterable[SessionChange], number: int) -> Iterable[ServerSentEvent]:
    """Yield the events of a batch that ends with a change of this number; the last has an id."""
    told = coalesced(changes)
    for place, change in enumerate(told, start=1):
        last = str(number) if place == len(told) else None
        yield ServerSentEvent(_line(change), event="change", id=last)


def encoded(changes: Iterable[SessionChange], number: int) -> bytes:
    """Return the events of a batch as they are sent."""
    return b"".join(one.encode() for one in batch(changes, number))


def _line(change: SessionChange) -> str:
    # Escaped: a line feed would end the data, and UTF-8 has no lone surrogates.
    return json.dumps(plain(change), separators=(",", ":"))


def coalesced(changes: Iterable[SessionChange]) -> list[SessionChange]:
    """Return one change for each session, in the order of their last changes."""
    by_id: dict[str, SessionChange] = {}
    for change in changes:
        before = by_id.pop(change.session_id, None)
        by_id[change.session_id] = change if before is None else _both(before, change)
    return [*by_id.values()]


def _both(before: SessionChange, after: SessionChange) -> SessionChange:
    changed = {name: (was, now) for name, (was, now) in before.changed.items()}
    for name, (was, now) in after.changed.items():
        changed[name] = (changed[name][0] if name in changed else was, now)
    messages = None
    if before.messages is not None and after.messages is not None:
        kept = [one for one in before.messages if one not in after.messages]
        messages = (*kept, *after.messages)
    if any(one.what == "removed" for one in messages or ()):
        messages = None  # positions of both would not be of one version
    is_new = before.kind == "created" and after.kind == "modified"
    kind = "created" if is_new else after.kind
    origin = after.origin if before.origin == after.origin else "external"
    return replace(after, kind=kind, changed=changed, messages=messages, origin=origin)
