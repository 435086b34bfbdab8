"""A session as a register with compare-and-swap: what each call may answer in which state. Pure.

The file is one register. Whether the index has a row is another: it follows the file before the
verb that made or removed it returns, and sooner wherever somebody looks.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from hashlib import sha256
from typing import Any, NamedTuple, TypeAlias

from proof.linearizability import Call

__all__ = ["INITIAL", "RowOf", "State", "Version", "parts", "step", "with_message"]


class Version(NamedTuple):
    """What a session file says.

    Attributes:
        title: Each write that sets it sets another.
        messages: How many.
        chain: A hash of all of them, in order.
        revision: Grows by one with each write.
    """

    title: str
    messages: int
    chain: str
    revision: int


class State(NamedTuple):
    """A session: its file, what of it is in the trash, and whether the index has a row."""

    version: Version | None = None
    trash: tuple[Version, ...] = ()
    row: bool = False


INITIAL = State()
RowOf: TypeAlias = tuple[str, int, int]
"""Title, number of messages and revision, as a listing tells them."""

OK = "ok"
_Rule: TypeAlias = Callable[[State, Any, Any], State | None]


def with_message(version: Version, mark: str) -> Version:
    """Return the version with one more message; the revision is the caller's to move."""
    chain = sha256(f"{version.chain} {mark}".encode()).hexdigest()[:16]
    return version._replace(messages=version.messages + 1, chain=chain)


def parts(calls: Iterable[Call]) -> list[Call]:
    """Return the calls and, for each that makes or removes a file, what it does to the index."""
    found = []
    for call in calls:
        found.append(call)
        if call.verb in ("create", "restore", "delete") and _succeeded(call):
            found.append(
                Call("index", None, (OK, None), call.start, call.end, call.who, after=call)
            )
    return found


def _succeeded(call: Call) -> bool:
    return isinstance(call.result, tuple) and call.result[0] == OK and call.result[1] is not False


def step(state: State, call: Call) -> State | None:
    """Return the state after a call; None where it cannot have had that result there."""
    if call.result is None:
        return _RULES[call.verb](state, call.argument, None)
    assert isinstance(call.result, tuple)
    ended, value = call.result
    if ended == "LockTimeoutError":
        return state
    if ended == OK:
        return _RULES[call.verb](state, call.argument, value)
    return state if ended in _REFUSALS.get(call.verb, ()) and _refuses(state, call, ended) else None


def _refuses(state: State, call: Call, ended: Hashable) -> bool:
    if call.verb == "restore":
        if not state.trash:
            return ended == "SessionNotFoundError"
        return ended == "SessionExistsError" and state.version is not None
    if ended == "SessionExistsError":
        return state.version is not None
    if ended == "ConflictError":
        assert isinstance(call.argument, tuple)
        return bool(state.version != call.argument[1])
    return state.version is None


_GONE = {"SessionNotFoundError"}
_REFUSALS = {
    "create": {"SessionExistsError"},
    "save": {"ConflictError"},
    "restore": {"SessionExistsError", "SessionNotFoundError"},
    **dict.fromkeys(("load", "edit", "give up", "append", "rename"), _GONE),
}


def _create(state: State, mark: str, made: Version | None) -> State | None:
    version = Version(mark, 0, "", 1)
    is_legal = state.version is None and made in (None, version)
    return state._replace(version=version) if is_legal else None


def _load(state: State, _: None, found: Version | None) -> State | None:
    return state if found in (None, state.version) and state.version else None


def _save(state: State, argument: tuple[str, Version], made: Version | None) -> State | None:
    mark, base = argument
    version = base._replace(title=mark, revision=base.revision + 1)
    is_legal = state.version == base and made in (None, version)
    return state._replace(version=version) if is_legal else None


def _edit(state: State, mark: str, found: Version | None) -> State | None:
    if state.version is None or found not in (None, state.version):
        return None
    version = with_message(state.version, mark)
    return state._replace(version=version._replace(title=mark, revision=version.revision + 1))


def _append(state: State, mark: str, _: object) -> State | None:
    if state.version is None:
        return None
    version = with_message(state.version, mark)
    return state._replace(version=version._replace(revision=version.revision + 1))


def _rename(state: State, mark: str, told: RowOf | None) -> State | None:
    if state.version is None:
        return None
    version = state.version._replace(title=mark, revision=state.version.revision + 1)
    return state._replace(version=version) if told in (None, _row(version)) else None


def _delete(state: State, _: None, was_there: bool | None) -> State | None:
    if was_there is False:
        return state if state.version is None else None
    if state.version is None:
        return None
    return state._replace(version=None, trash=(*state.trash, state.version))


def _restore(state: State, _: None, made: Version | None) -> State | None:
    if state.version is not None or not state.trash:
        return None
    *rest, last = state.trash
    is_legal = made in (None, last)
    return state._replace(version=last, trash=tuple(rest)) if is_legal else None


def _index(state: State, _: None, __: None) -> State:
    return state._replace(row=state.version is not None)


def _list(state: State, fresh: bool, told: RowOf | str) -> State | None:
    if told == "absent":
        # Between the rename of a creator and his row; a listing with fresh=True looks for itself.
        is_legal = state.version is None or (not state.row and not fresh)
        return state._replace(row=False) if is_legal else None
    is_legal = state.version is not None and _row(state.version) == told
    return state._replace(row=True) if is_legal else None


def _count(state: State, _: None, told: int) -> State | None:
    # Either what the index had, or what it has since somebody looked just now.
    is_legal = bool(told) in (state.row, state.version is not None)
    return state._replace(row=bool(told)) if is_legal else None


def _row(version: Version) -> RowOf:
    return version.title, version.messages, version.revision


_RULES: dict[str, _Rule] = {
    "create": _create,
    "load": _load,
    "save": _save,
    "edit": _edit,
    "give up": _load,
    "append": _append,
    "rename": _rename,
    "delete": _delete,
    "restore": _restore,
    "index": _index,
    "list": _list,
    "count": _count,
}
