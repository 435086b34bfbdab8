"""LocalBaseStore: LangGraph's long-term memory over a store of this package.

A namespace is a session. The shape of the data::

    source      program "langgraph-store"
    langgraph   the namespace
    state       each item by its key: value, created_at, updated_at
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from localsessions import Session, SessionNotFoundError
from localsessions.adapters.document import (
    Given,
    Remembered,
    finished,
    hold,
    session_id_for,
    summaries,
)
from localsessions.adapters.langgraph.records import create, readable
from localsessions.adapters.langgraph.sdk import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
)
from localsessions.adapters.langgraph.shape import KEY
from localsessions.adapters.langgraph.values import Values
from localsessions.models import formatted_now

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from pydantic import JsonValue

__all__ = ["LocalBaseStore"]

_PROGRAM = "langgraph-store"
_REMEMBERED = 4096
_COMPARISONS: dict[str, Any] = {
    "$eq": lambda one, two: one == two,
    "$ne": lambda one, two: one != two,
    "$gt": lambda one, two: float(one) > float(two),
    "$gte": lambda one, two: float(one) >= float(two),
    "$lt": lambda one, two: float(one) < float(two),
    "$lte": lambda one, two: float(one) <= float(two),
}


class LocalBaseStore(BaseStore):
    """Keeps what agents remember, ``compile(store=LocalBaseStore(store))``, in readable files.

    A namespace is one file. What a call put is durable when it returns; the items that it puts
    into one namespace are there together or not at all. There is no search by meaning: a ``query``
    brings the items first in which more of its words stand, and leaves none out.

    Args:
        store: An open store; or a folder, or the address of a database: then this object opens and
            closes it. It may be that of a ``LocalSaver``.

    Raises:
        ImportError: LangGraph is missing.
    """

    __slots__ = ("_close", "_namespaces", "_values", "store")

    def __init__(self, store: Given) -> None:
        self.store, self._close = hold(self, store)
        self._values = Values(None)
        self._namespaces: Remembered[str, tuple[str, ...]] = Remembered(_REMEMBERED)

    def __repr__(self) -> str:
        return f"LocalBaseStore({self.store.save_dir!r})"

    def close(self) -> None:
        """Close the store if this object opened it. Idempotent."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Do operations; those that read see nothing of those that write.

        Raises:
            TypeError: A value cannot be packed; nothing was written.
            UnreadableSessionError: The file of the namespace is not a session. A search and a list
                leave it out.
            ValueError: An item is none after a person changed it.
        """
        results: list[Result] = []
        puts: dict[tuple[str, ...], dict[str, JsonValue]] = {}
        for op in ops:
            if isinstance(op, PutOp):
                value = None if op.value is None else self._values.stored(dict(op.value))
                puts.setdefault(tuple(op.namespace), {})[op.key] = value
            results.append(self._answer(op))
        for namespace, items in puts.items():
            self._write(namespace, items)
        return results

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """As ``batch``; cancelled, it is finished first."""
        chosen = [*ops]
        return await finished(lambda: self.batch(chosen))

    def _answer(self, op: Op) -> Result:
        match op:
            case GetOp():
                return self._items(tuple(op.namespace)).get(op.key)
            case SearchOp():
                return self._found(op)
            case ListNamespacesOp():
                return self._listed(op)
            case PutOp():
                return None
        raise ValueError(f"LangGraph has a new operation, {type(op)}")

    # -- writing -----------------------------------------------------------------------------------

    def _write(self, namespace: tuple[str, ...], items: dict[str, JsonValue]) -> None:
        session_id = _session_id(namespace)

        def name(session: Session) -> None:
            session.source = {"program": _PROGRAM}
            session.title = " / ".join(namespace)
            session.extra[KEY] = {"namespace": [*namespace]}

        try:
            self._edit(session_id, items)
        except SessionNotFoundError:
            if any(value is not None for value in items.values()):
                create(self.store, session_id, name)
                self._edit(session_id, items)

    def _edit(self, session_id: str, items: dict[str, JsonValue]) -> None:
        now = formatted_now()
        with self.store.edit(session_id) as session:
            state = dict(session.state)
            for key, value in items.items():
                former = state.pop(key, None) if value is None else state.get(key)
                if value is not None:
                    began = former.get("created_at") if isinstance(former, dict) else None
                    state[key] = {"value": value, "created_at": began or now, "updated_at": now}
            session.state = state

    # -- reading -----------------------------------------------------------------------------------

    def _items(self, namespace: tuple[str, ...]) -> dict[str, Item]:
        try:
            return self._items_in(self.store.load(_session_id(namespace)), namespace)
        except SessionNotFoundError:
            return {}

    def _readable_items(self, namespace: tuple[str, ...]) -> dict[str, Item]:
        session = readable(self.store, _session_id(namespace))
        return {} if session is None else self._items_in(session, namespace)

    def _items_in(self, session: Session, namespace: tuple[str, ...]) -> dict[str, Item]:
        return {
            key: self._item(session.session_id, namespace, key, told)
            for key, told in session.state.items()
            if isinstance(told, dict)
        }

    def _item(
        self, session_id: str, namespace: tuple[str, ...], key: str, told: dict[str, JsonValue]
    ) -> Item:
        try:
            return Item(
                value=self._values.value(told["value"]),
                key=key,
                namespace=namespace,
                created_at=datetime.fromisoformat(str(told["created_at"])),
                updated_at=datetime.fromisoformat(str(told["updated_at"])),
            )
        except (KeyError, ValueError) as error:
            raise ValueError(
                f"item {key!r} in the state of session {session_id!r} was changed, and is none any "
                f"more ({error!r}); it needs value, created_at and updated_at: mend it, or take "
                "it out of the state"
            ) from error

    def _found(self, op: SearchOp) -> list[SearchItem]:
        prefix = tuple(op.namespace_prefix)
        found = [
            item
            for namespace in self._all()
            if namespace[: len(prefix)] == prefix
            for item in self._readable_items(namespace).values()
            if _fits(item.value, op.filter or {})
        ]
        if op.query:
            words = op.query.casefold().split()
            found.sort(key=lambda item: -_words_in(item.value, words))
        chosen = found[op.offset : op.offset + op.limit]
        return [
            SearchItem(one.namespace, one.key, one.value, one.created_at, one.updated_at)
            for one in chosen
        ]

    def _listed(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        conditions = op.match_conditions or ()
        found = {
            namespace[: op.max_depth]
            for namespace in self._all()
            if all(_matches(one, namespace) for one in conditions)
            and self._readable_items(namespace)
        }
        return sorted(found)[op.offset : op.offset + op.limit]

    def _all(self) -> Iterator[tuple[str, ...]]:
        """Yield all namespaces, the oldest first."""
        for one in summaries(self.store, program=_PROGRAM, order="created_at"):
            if (namespace := self._namespace(one.session_id)) is not None:
                yield namespace

    def _namespace(self, session_id: str) -> tuple[str, ...] | None:
        """Return the namespace that a session is; None if it cannot be read."""
        if (known := self._namespaces.get(session_id)) is not None:
            return known
        if (session := readable(self.store, session_id)) is None:
            return None
        named = session.extra.get(KEY)
        parts = named.get("namespace") if isinstance(named, dict) else None
        found = tuple(map(str, parts)) if isinstance(parts, list) else (session_id,)
        return self._namespaces.put(session_id, found)


def _session_id(namespace: Sequence[str]) -> str:
    return session_id_for(*reversed(namespace), _PROGRAM)


def _matches(condition: MatchCondition, namespace: tuple[str, ...]) -> bool:
    path = condition.path
    if condition.match_type not in ("prefix", "suffix"):
        raise ValueError(f"LangGraph has a new kind of match, {condition.match_type!r}")
    if len(namespace) < len(path):
        return False
    at = 0 if condition.match_type == "prefix" else len(namespace) - len(path)
    part = namespace[at : at + len(path)]
    return all(want in ("*", own) for own, want in zip(part, path, strict=True))


def _words_in(value: Any, words: Sequence[str]) -> int:
    text = str(value).casefold()
    return sum(word in text for word in words)


def _fits(value: Any, wanted: Any) -> bool:
    """Tell whether a value is what a filter asks for, objects by some of their fields."""
    if isinstance(wanted, dict):
        if any(name.startswith("$") for name in wanted):
            return all(_compared(value, name, other) for name, other in wanted.items())
        return isinstance(value, dict) and all(
            _fits(value.get(name), other) for name, other in wanted.items()
        )
    if isinstance(wanted, list | tuple):
        is_list = isinstance(value, list | tuple) and len(value) == len(wanted)
        return is_list and all(map(_fits, value, wanted))
    return bool(value == wanted)


def _compared(value: Any, operator: str, other: Any) -> bool:
    if operator not in _COMPARISONS:
        raise ValueError(f"a filter has no operator {operator!r}; it has {', '.join(_COMPARISONS)}")
    return bool(_COMPARISONS[operator](value, other))
