"""What the log of changes says, held against what callers did: each write once, none invented."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from localsessions import SessionChange, SessionStore
from proof.linearizability import Call
from proof.register import OK

__all__ = ["assert_log_tells"]

TITLING = ("save", "edit", "rename")


def assert_log_tells(
    store: SessionStore, changes: Iterable[SessionChange], histories: dict[str, list[Call]]
) -> int:
    """Find that the changes are what the callers did, from an empty folder on.

    Args:
        store: What they led to.
        changes: All of the log, in order.
        histories: All calls on each session.

    Returns:
        How many changes there were.
    """
    found = list(changes)
    numbers = [change.number for change in found]
    assert numbers == sorted(set(numbers))
    assert {change.session_id for change in found} <= set(histories)
    for name, calls in histories.items():
        of_it = [change for change in found if change.session_id == name]
        session = store.get(name)
        last = session and (session.title, len(session.messages))
        assert _replayed(of_it) == last
        _each_once(of_it, calls)
    return len(found)


def _replayed(changes: Sequence[SessionChange]) -> tuple[object, object] | None:
    """Return what the session is after all changes, each of which stands on the one before."""
    state: tuple[object, object] | None = None
    for change in changes:
        if change.kind == "deleted":
            assert state is not None
            state = None
            continue
        assert change.kind == ("created" if state is None else "modified")
        # What is told was not so before; of a new session what is empty is not told.
        was_title, was_count = state or (None, None)
        title = change.changed.get("title", (was_title, was_title))
        count = change.changed.get("message_count", (was_count, was_count or 0))
        assert (title[0], count[0]) == (was_title, was_count)
        state = title[1], count[1]
    return state


def _each_once(changes: Sequence[SessionChange], calls: Sequence[Call]) -> None:
    """Find each write that returned once, each that was killed once at most, and no other."""
    titles = [
        str(change.changed["title"][1])
        for change in changes
        if change.kind == "modified" and "title" in change.changed
    ]
    told = Counter(titles)
    writes = {
        _mark(call): call
        for call in calls
        if call.verb in TITLING or _may_be_told_as_modified(call, calls)
    }
    assert set(told) <= set(writes)
    assert {mark for mark, count in told.items() if count > 1} == set()
    assert [mark for mark, call in writes.items() if _took_effect(call) and not told[mark]] == []
    _in_order(titles, writes)
    kinds = Counter(change.kind for change in changes if "title" not in change.changed)
    _as_many(kinds["modified"], [call for call in calls if call.verb == "append"])
    _as_many(kinds["deleted"], [call for call in calls if call.verb == "delete"])
    created = sum(change.kind == "created" for change in changes)
    _as_many(created, [call for call in calls if call.verb in ("create", "restore")])


def _may_be_told_as_modified(call: Call, calls: Sequence[Call]) -> bool:
    """Tell whether a new session may be told as a modified one.

    That is so if the process that deleted it and the process that created it were both killed
    before they wrote to the log. The next look at the folder then finds another file.
    """
    gone = any(one.verb == "delete" and not one.is_known for one in calls)
    return call.verb == "create" and not call.is_known and gone


def _mark(call: Call) -> str:
    argument = call.argument
    return str(argument[0] if isinstance(argument, tuple) else argument)


def _took_effect(call: Call) -> bool:
    return isinstance(call.result, tuple) and call.result[0] == OK and call.result[1] is not False


def _in_order(titles: Sequence[str], writes: dict[str, Call]) -> None:
    latest_start = 0.0
    for title in titles:
        assert writes[title].end > latest_start, f"{title} had ended before the one before began"
        latest_start = max(latest_start, writes[title].start)


def _as_many(told: int, calls: Sequence[Call]) -> None:
    returned = sum(map(_took_effect, calls))
    killed = sum(not call.is_known for call in calls)
    assert returned <= told <= returned + killed, f"{told} told, {returned} returned, {killed} not"
