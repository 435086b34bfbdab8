"""LocalStorage: the ``Storage`` of Strands, bytes under keys, over a store of this package.

A key is a session. The shape of the data::

    source      program "strands-storage"
    title       the key
    messages    those of a snapshot of an agent, each as in ``shape``
    strands     the ``key``, and what is stored there: ``json``, the rest of it; a ``text``; or else
                ``data``, bytes

Whatever is stored comes back to the byte: what JSON would not write again in the same way is a
text, and what is no text is bytes.
"""

from __future__ import annotations

import copy
import os
from typing import TYPE_CHECKING, Any, TypeVar

from localsessions import (
    ConflictError,
    Session,
    SessionError,
    SessionNotFoundError,
    UnreadableSessionError,
)
from localsessions.adapters.document import (
    Given,
    InOrder,
    Remembered,
    finished,
    hold,
    session_id_for,
    summaries,
)
from localsessions.adapters.strands.content import data_of, put_data
from localsessions.adapters.strands.sdk import (
    NAMESPACED,
    KeywordSearchStrategy,
    SearchStrategy,
    StorageError,
    StorageSearchResult,
    normalize_key,
    normalize_prefix,
)
from localsessions.adapters.strands.shape import SHAPE
from localsessions.addresses import is_address
from localsessions.transcripts.foreign import as_object

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Iterator

    from localsessions import SessionSummary

__all__ = ["LocalStorage"]

T = TypeVar("T")

_PROGRAM = "strands-storage"
_TRIES = 100
# Of so many sessions it is known which odd key they have.
_REMEMBERED = 20_000


class LocalStorage:
    """Bytes under keys, ``Agent(storage=...)``, ``SnapshotSessionManager(storage=...)``, in files.

    What a call wrote is durable when it returns, and whole. Calls on one key are done in their
    order, and a cancelled one is finished first. Keys are those of Strands' own storages: parts
    with ``/`` between them. The chat in a snapshot of an agent is readable, and found by ``search``
    of the store; an edit of it reaches the agent. Deleted values go to the trash.

    Args:
        store: An open store; or a folder, or the address of a database: then this object opens and
            closes it. It may be that of a ``LocalSessionRepository``.
        search_strategy: What ``search`` asks, and ``write`` tells what it wrote; by default the
            words of a query are looked for in all values. A strategy that needs a folder of its own
            cannot be used with a database.

    Raises:
        ImportError: Strands is missing.
    """

    def __init__(self, store: Given, *, search_strategy: SearchStrategy[Any] | None = None) -> None:
        self.store, self._close = hold(self, store)
        self._search_strategy = search_strategy
        self._in_order = InOrder()
        self._prefix = ""
        self._whole: LocalStorage | None = None
        self._keys: Remembered[str, str] = Remembered(_REMEMBERED)

    def __repr__(self) -> str:
        scope = f", {self._prefix!r}" if self._prefix else ""
        return f"LocalStorage({self.store.save_dir!r}{scope})"

    def close(self) -> None:
        """Close the store if this object opened it. Idempotent."""
        self._close()

    @property
    def base_dir(self) -> str:
        """The folder of the store, and in it one for each part of the namespace.

        No value is a file there: search strategies keep their indexes there or beside it.

        Raises:
            AttributeError: The store is on a server.
        """
        folder = self.store.save_dir
        if is_address(folder):
            raise AttributeError(
                f"{self!r} has no folder for a search strategy; leave search_strategy out, or keep "
                "the store in a folder"
            )
        return os.path.normpath(os.path.join(folder, *self._prefix.split("/")))

    def namespace(self, prefix: str) -> LocalStorage:
        """Return a view of the keys that begin with a prefix; its keys are without it.

        Raises:
            StorageError: The prefix has a part ``..`` or a backslash.
        """
        scope = normalize_prefix(prefix).rstrip("/")
        view = copy.copy(self)
        view._whole = self  # who opened the store lives as long as its views  # noqa: SLF001
        view._prefix = f"{self._prefix}{scope}/" if scope else self._prefix  # noqa: SLF001
        view._namespaced = NAMESPACED  # type: ignore[attr-defined]  # noqa: SLF001
        return view

    async def write(self, key: str, data: bytes) -> None:
        """Keep data under a key, in the place of what was there.

        Raises:
            StorageError: The key is empty or has a part ``..`` or a backslash; or the data could
                not be written: it says why.
        """
        own, copied = normalize_key(key), bytes(data)
        full = f"{self._prefix}{own}"
        await self._done(f"write {key!r}", full, lambda: self._put(full, copied))
        if self._search_strategy is None:
            return
        try:
            await self._search_strategy.index(self, own, data)
        except Exception as error:
            raise StorageError(f"wrote {key!r}, but the search strategy failed: {error}") from error

    async def read(self, key: str) -> bytes | None:
        """Return what is kept under a key; None if there is nothing.

        Raises:
            StorageError: As ``write``; or the file is not a session.
        """
        full = f"{self._prefix}{normalize_key(key)}"

        def look() -> bytes | None:
            try:
                return data_of(self.store.load(_session_id(full)))
            except SessionNotFoundError:
                return None

        return await self._done(f"read {key!r}", None, look)

    async def delete(self, key: str) -> None:
        """Move what is kept under a key to the trash; without it, do nothing.

        Raises:
            StorageError: As ``write``.
        """
        full = f"{self._prefix}{normalize_key(key)}"
        await self._done(f"delete {key!r}", full, lambda: self.store.delete(_session_id(full)))

    async def list(self, query: str = "") -> builtins.list[str]:
        """Return the keys that begin with a text, sorted; the empty text is all.

        Raises:
            StorageError: As ``write``.
        """
        start = f"{self._prefix}{normalize_prefix(query)}"

        def look() -> builtins.list[str]:
            found = [key for one in self._all() if (key := self._key(one)) is not None]
            return sorted(key[len(self._prefix) :] for key in found if key.startswith(start))

        return await self._done(f"list the keys of {query!r}", None, look)

    async def search(self, query: str) -> builtins.list[StorageSearchResult]:
        """Return the keys of the values that a query finds, the best first."""
        strategy = self._search_strategy or KeywordSearchStrategy()
        found: builtins.list[StorageSearchResult] = await strategy.search(self, query)
        return found

    # -- in the worker thread ----------------------------------------------------------------------

    async def _done(self, name: str, key: str | None, act: Callable[[], T]) -> T:
        try:
            if key is None:
                return await finished(act)
            return await self._in_order.finished(key, act)
        except (SessionError, OSError, ValueError) as error:
            raise StorageError(f"could not {name}: {error}") from error

    def _put(self, key: str, data: bytes) -> None:
        session_id = _session_id(key)
        for tries_left in reversed(range(_TRIES)):
            try:
                with self.store.edit(session_id) as session:
                    put_data(session, key, data)
                return
            except SessionNotFoundError:
                session = Session(session_id=session_id, title=key, source={"program": _PROGRAM})
                put_data(session, key, data)
            try:
                self.store.save(session)
                return
            except ConflictError:  # another caller wrote it first
                if not tries_left:
                    raise

    def _all(self) -> Iterator[SessionSummary]:
        return summaries(self.store, program=_PROGRAM)

    def _key(self, summary: SessionSummary) -> str | None:
        """Return the key of a session, None if it is gone; its id says it, if the key is plain."""
        session_id = summary.session_id
        plain = "/".join(reversed(session_id.removesuffix(f"@{_PROGRAM}").split("@")))
        if _session_id(plain) == session_id:
            return plain
        if (known := self._keys.get(session_id)) is not None:
            return known
        try:
            own = as_object(self.store.load(session_id).extra.get(SHAPE.key))
        except (SessionNotFoundError, UnreadableSessionError):  # since it was listed
            return None
        return self._keys.put(session_id, str(own.get("key", plain)))


def _session_id(key: str) -> str:
    return session_id_for(*reversed(key.split("/")), _PROGRAM)
