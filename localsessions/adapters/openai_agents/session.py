"""LocalSession: the SDK's ``Session`` over a SessionStore."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from localsessions import Session, SessionNotFoundError
from localsessions.adapters.document import (
    Given,
    InOrder,
    add_messages,
    finished,
    hold,
    standing_id,
)
from localsessions.adapters.openai_agents.items import SHAPE
from localsessions.adapters.openai_agents.sdk import (
    CompactionSnapshot,
    SessionSettings,
    TResponseInputItem,
    coerce_session_settings,
    resolve_session_limit,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from localsessions import Message

__all__ = ["LocalSession"]

T = TypeVar("T")


class LocalSession:
    """A conversation of the SDK, ``Runner.run(..., session=...)``, in a readable file.

    Every promise of the store holds: what a call did is durable when it returns, a cancelled call
    is finished first, and any number of tasks and processes may use one conversation. What other
    programs said in the session is history of the agent; an edit of a message reaches the model.

    ``OpenAIResponsesCompactionSession`` and ``EncryptedSession`` take it as their session. No other
    program can read what the second one encrypts.

    Args:
        store: An open store; or a folder, or the address of a database: then this object opens and
            closes it. A server that has many conversations opens one store and gives it to all.
        session_id: The conversation: any text. A session that has that very id goes on; otherwise
            ``session_id_for`` says the id that it has in the store.
        session_settings: The SDK's settings, or a dict of them.

    Raises:
        ImportError: The SDK is missing.
    """

    session_settings: SessionSettings | None = None

    def __init__(
        self,
        store: Given,
        session_id: str,
        session_settings: SessionSettings | dict[str, Any] | None = None,
    ) -> None:
        self.session_id = session_id
        self.session_settings = coerce_session_settings(session_settings or {})
        self.store, self._close = hold(self, store)
        self._in_order = InOrder()
        self._standing: str | None = None

    def __repr__(self) -> str:
        return f"LocalSession({self.store.save_dir!r}, {self.session_id!r})"

    def close(self) -> None:
        """Close the store if this object opened it. Idempotent."""
        self._close()

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """Return the items of the conversation, in order.

        Args:
            limit: How many at most, the latest; with None, as the settings say. Less than 0 is all.

        Raises:
            UnreadableSessionError: The file is not a session.
        """
        count = resolve_session_limit(limit, self.session_settings)
        return await finished(lambda: self._items(count))

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Add items at the end: all of them or none, durably.

        Raises:
            TypeError: An item is not JSON; nothing was written, and so for the following.
            UnstorableValueError: An item cannot be stored without loss.
            UnreadableSessionError: The file is not a session; it stays as it is.
            LockTimeoutError: Another writer held the session for too long.
        """
        messages = _messages(items)
        if messages:
            await self._write(lambda: self._add(messages))

    async def pop_item(self) -> TResponseInputItem | None:
        """Remove the last item and return it; None if there is none."""
        return await self._pop_item_with_validation()

    async def clear_session(self) -> None:
        """Remove all messages; title, state and what else the session has stay."""

        def clear() -> None:
            try:
                with self.store.edit(self._id()) as session:
                    session.messages = []
            except SessionNotFoundError:
                return

        await self._write(clear)

    # -- what the SDK's own wrappers ask for, if it is there ---------------------------------------

    async def _pop_item_with_validation(
        self, validate: Callable[[TResponseInputItem], None] | None = None
    ) -> TResponseInputItem | None:
        """Remove the last item unless ``validate`` raises; inside the session's lock."""

        def pop() -> TResponseInputItem | None:
            try:
                with self.store.edit(self._id()) as session:
                    return _popped(session, validate)
            except SessionNotFoundError:
                return None

        return await self._write(pop)

    async def _get_compaction_snapshot(
        self,
        limit: int,
        *,
        prune_prefix: Callable[[TResponseInputItem], bool] | None = None,
    ) -> CompactionSnapshot | None:
        """Return the last items and what replaces some of them, if they still are the last."""

        def look() -> tuple[list[Message], list[Any], bool]:
            session = self._session()
            spoken = [one for one in session.messages if SHAPE.items_of(one)] if session else []
            # A message of another program may be several items: then it goes as a whole.
            seen = spoken[-limit:] if limit > 0 else []
            return seen, _items_in(seen), len(seen) == len(spoken)

        seen, items, complete = await finished(look)
        positions = [at for at, one in enumerate(seen) for _ in SHAPE.items_of(one)]

        async def replace_suffix(start: int, output: list[TResponseInputItem]) -> bool:
            expected = seen[positions[start] :] if start < len(positions) else []
            # An item in the middle of a message cannot be replaced without those before it.
            if not expected or positions.index(positions[start]) != start:
                return False
            made = _messages(output)
            return await self._write(lambda: self._replace(expected, made, prune_prefix))

        return CompactionSnapshot(items, complete, replace_suffix)

    # -- in the worker thread ----------------------------------------------------------------------

    async def _write(self, act: Callable[[], T]) -> T:
        return await self._in_order.finished(self.session_id, act)

    def _id(self) -> str:
        if self._standing is None:
            self._standing = standing_id(self.store, self.session_id)
        return self._standing

    def _session(self) -> Session | None:
        try:
            return self.store.load(self._id())
        except SessionNotFoundError:
            return None

    def _items(self, count: int | None) -> list[Any]:
        if count is None or count < 0:
            session = self._session()
            return _items_in(session.messages) if session else []
        asked = count
        while True:
            try:
                last = self.store.tail(self._id(), asked)
            except SessionNotFoundError:
                return []
            items = _items_in(last)
            if len(items) >= count or len(last) < asked:
                return items[len(items) - min(count, len(items)) :]
            asked *= 2  # events among them are no items

    def _add(self, messages: Sequence[Message]) -> None:
        add_messages(self.store, self._id(), messages, self._name)

    def _name(self, session: Session) -> None:
        """Keep the SDK's id with a new session, if the store has another for it."""
        if session.session_id != self.session_id:
            session.extra[SHAPE.key] = {"session_id": self.session_id}

    def _replace(
        self,
        expected: Sequence[Message],
        made: Sequence[Message],
        prune_prefix: Callable[[TResponseInputItem], bool] | None,
    ) -> bool:
        try:
            with self.store.edit(self._id()) as session:
                return _replaced(session, expected, made, prune_prefix)
        except SessionNotFoundError:
            return False


def _messages(items: Sequence[TResponseInputItem]) -> list[Message]:
    """Return the messages of items as they are now, in JSON's types as the SDK's own store has."""
    return [SHAPE.message_of(item) for item in json.loads(json.dumps(items))]


def _items_in(messages: Sequence[Message]) -> list[Any]:
    return [item for message in messages for item in SHAPE.items_of(message)]


def _popped(session: Session, validate: Callable[[Any], None] | None) -> Any:
    messages = session.messages
    for at in reversed(range(len(messages))):
        if items := SHAPE.items_of(messages[at]):
            if validate is not None:
                validate(items[-1])
            kept = [SHAPE.message_of(item) for item in items[:-1]]
            session.messages = [*messages[:at], *kept, *messages[at + 1 :]]
            return items[-1]
    return None


def _replaced(
    session: Session,
    expected: Sequence[Message],
    made: Sequence[Message],
    prune_prefix: Callable[[Any], bool] | None,
) -> bool:
    """Replace the last items if they are the expected ones; what is no item stays."""
    places = [at for at, one in enumerate(session.messages) if SHAPE.items_of(one)]
    last = places[-len(expected) :]
    if [session.messages[at] for at in last] != expected:
        return False
    gone = set(last)
    for at in places[: -len(expected)] if prune_prefix is not None else ():
        if prune_prefix is None or not all(map(prune_prefix, SHAPE.items_of(session.messages[at]))):
            break
        gone.add(at)
    others = [one for at, one in enumerate(session.messages) if at not in gone and at > last[0]]
    head = [one for at, one in enumerate(session.messages) if at not in gone and at < last[0]]
    session.messages = [*head, *made, *others]
    return True
