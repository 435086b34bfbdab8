"""What a session does with state modules: take a snapshot of them, and restore them.

No storage lives here. The shape of the data: a state is a JSON object, states are
``{name of the module: state}``.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from pydantic import JsonValue

__all__ = [
    "Snapshot",
    "Snapshots",
    "State",
    "Stateful",
    "json_copy",
    "refuse_what_is_no_module",
    "states_in",
]

State: TypeAlias = dict[str, JsonValue]

_STRIPES = 64
_SCALARS = frozenset({str, int, float, bool, type(None)})


class Stateful(Protocol):
    """A module: agentscope's own, or any object with these two methods."""

    def state_dict(self) -> State:
        """Return the state, a JSON object."""

    def load_state_dict(self, state_dict: State) -> None:
        """Restore a state that ``state_dict`` returned."""


def refuse_what_is_no_module(modules: Mapping[str, Stateful]) -> None:
    """Raise if an argument is not a module.

    Raises:
        TypeError: It has no ``state_dict`` or no ``load_state_dict``.
    """
    for name, module in modules.items():
        if not all(callable(getattr(module, verb, None)) for verb in _VERBS):
            kind = type(module).__name__
            raise TypeError(
                f"{name}= must be a module with {' and '.join(_VERBS)}, not a {kind}; "
                "every further argument is a module, options belong to the constructor"
            )


_VERBS = ("state_dict", "load_state_dict")


def states_in(document: Mapping[str, JsonValue]) -> dict[str, State]:
    """Return the values that can be a state: the objects. Other values belong to no module."""
    return {name: state for name, state in document.items() if isinstance(state, dict)}


def json_copy(value: object) -> JsonValue:
    """Return a copy as ``json.dumps`` and ``json.loads`` would: agentscope's rule for a state.

    Tuples become lists. Subclasses of JSON's types become their base types. A value that
    ``json.dumps`` refuses or would change otherwise (NaN, keys that are not texts) is left as it
    is: the store refuses it and names its place.
    """
    if type(value) in _SCALARS:
        return value  # type: ignore[return-value]  # the line above says so
    if isinstance(value, dict):
        return {key: json_copy(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_copy(item) for item in value]
    if isinstance(value, str):
        return str.__str__(value)  # str() of an enum is its name
    if isinstance(value, int):
        return int(value)
    return float(value) if isinstance(value, float) else value  # type: ignore[return-value]  # see above


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The states of modules at one instant; a higher ``number`` is a later instant."""

    session_id: str
    number: int
    states: dict[str, State]


class Snapshots:
    """The snapshots of one session object, written in the order in which they were taken.

    Saves run in worker threads, and a later save may finish first. An earlier state must not
    overwrite what the later save wrote of the same module.
    """

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._stripes = tuple(threading.Lock() for _ in range(_STRIPES))
        self._unwritten: set[int] = set()
        self._written: dict[tuple[str, str], int] = {}

    def take(self, session_id: str, modules: Mapping[str, Stateful]) -> Snapshot:
        """Return a copy of the states now; later changes of the modules do not reach it.

        Raises:
            TypeError: An argument is not a module, or its state is not a dict.
        """
        refuse_what_is_no_module(modules)
        states = {name: _state_of(name, module) for name, module in modules.items()}
        with self._lock:
            snapshot = Snapshot(session_id, next(self._numbers), states)
            self._unwritten.add(snapshot.number)
        return snapshot

    @contextmanager
    def writing(self, snapshot: Snapshot) -> Iterator[dict[str, State]]:
        """Yield the states that no later snapshot has written; other writers wait.

        The block writes them. If it raises, they count as not written.
        """
        with self._stripes[hash(snapshot.session_id) % _STRIPES]:
            try:
                names = [name for name in snapshot.states if self._is_newest(name, snapshot)]
                yield {name: snapshot.states[name] for name in names}
                self._written |= {(snapshot.session_id, name): snapshot.number for name in names}
            finally:
                self.drop(snapshot)

    def drop(self, snapshot: Snapshot) -> None:
        """Wait no longer for a snapshot: it is written, or no thread could be had. Idempotent."""
        with self._lock:
            self._unwritten.discard(snapshot.number)
            if not self._unwritten:  # no save is pending that a later save could overtake
                self._written.clear()

    def _is_newest(self, name: str, snapshot: Snapshot) -> bool:
        return self._written.get((snapshot.session_id, name), 0) < snapshot.number


def _state_of(name: str, module: Stateful) -> State:
    state: object = module.state_dict()
    if not isinstance(state, dict):
        kind = type(state).__name__
        raise TypeError(f"state_dict() of module {name!r} must return a dict, not a {kind}")
    copied = json_copy(state)
    assert isinstance(copied, dict)  # noqa: S101  (for the type checker: a dict's copy)
    return copied
