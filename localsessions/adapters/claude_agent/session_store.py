"""LocalSessionStore: the SDK's ``SessionStore`` over a store of this package."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from localsessions import Session, SessionNotFoundError, UnreadableSessionError
from localsessions.adapters.claude_agent.entries import SHAPE, entries_of
from localsessions.adapters.claude_agent.sdk import (
    SessionKey,
    SessionListSubkeysKey,
    SessionStore,
    SessionStoreEntry,
    SessionStoreListEntry,
    SessionSummaryEntry,
    fold_session_summary,
)
from localsessions.adapters.document import (
    Given,
    InOrder,
    Remembered,
    add_messages,
    finished,
    hold,
    session_id_for,
    standing_id,
    summaries,
)
from localsessions.transcripts.foreign import as_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from localsessions import Message, SessionSummary

__all__ = ["LocalSessionStore"]


_PROGRAM = "claude-agent"
# Of so many transcripts it is known which entries they have, and what their summaries are.
_REMEMBERED = 256


class _Folded(NamedTuple):
    """What was made of a transcript, and of which version of its session."""

    revision: int
    data: dict[str, Any]


class LocalSessionStore(SessionStore):
    """Transcripts of the SDK, ``ClaudeAgentOptions(session_store=...)``, in readable files.

    A batch is added durably, all or none, at a cost that does not grow with the transcript. An
    entry whose ``uuid`` is there already is not added again, and never returned twice. What other
    programs said in the session is part of the transcript; an edit of a message reaches the model.
    Deleted transcripts go to the trash. Works in asyncio and in trio.

    Args:
        store: An open store; or a folder, or the address of a database: then this object opens and
            closes it.

    Raises:
        ImportError: The SDK is missing.
    """

    def __init__(self, store: Given) -> None:
        self.store, self._close = hold(self, store)
        self._in_order = InOrder()
        self._ids: Remembered[tuple[str, ...], str] = Remembered(_REMEMBERED)
        self._uuids: Remembered[str, set[str]] = Remembered(_REMEMBERED)
        self._folded: Remembered[str, _Folded] = Remembered(_REMEMBERED)
        self._last_write_ms = 0

    def __repr__(self) -> str:
        return f"LocalSessionStore({self.store.save_dir!r})"

    def close(self) -> None:
        """Close the store if this object opened it. Idempotent."""
        self._close()

    async def append(self, key: SessionKey, entries: list[SessionStoreEntry]) -> None:
        """Add entries at the end of a transcript; the calls on one transcript in their order.

        Raises:
            UnstorableValueError: An entry is not JSON; nothing was written, and so for the next.
            UnreadableSessionError: The file is not a session; it stays as it is.
            LockTimeoutError: Another writer held the session for too long.
        """
        if entries:
            parts, messages = _parts(key), [SHAPE.message_of(entry) for entry in entries]
            uuids = [as_text(entry.get("uuid")) for entry in entries]
            await self._in_order.finished(
                "@".join(parts), lambda: self._add(parts, messages, uuids)
            )

    async def load(self, key: SessionKey) -> list[SessionStoreEntry] | None:
        """Return the entries of a transcript, in order; None if it was never written.

        Raises:
            UnreadableSessionError: The file is not a session.
        """

        def look() -> list[Any] | None:
            try:
                session = self.store.load(self._id(_parts(key)))
            except SessionNotFoundError:
                return None
            return entries_of(session.messages, key["session_id"])

        return await finished(look)

    async def list_sessions(self, project_key: str) -> list[SessionStoreListEntry]:
        """Return the transcripts of a project, without those of sub-agents; from the index."""

        def look() -> list[SessionStoreListEntry]:
            return [
                {"session_id": self._session_id(one, project_key), "mtime": _mtime(one)}
                for one in self._transcripts(project_key)
            ]

        return await finished(look)

    async def list_session_summaries(self, project_key: str) -> list[SessionSummaryEntry]:
        """Return what the SDK's fold makes of each transcript of a project.

        Reads the transcripts that changed since this object read them last.
        """

        def look() -> list[SessionSummaryEntry]:
            found = (
                (one, self._summary(one, project_key)) for one in self._transcripts(project_key)
            )
            return [
                {
                    "session_id": self._session_id(one, project_key),
                    "mtime": _mtime(one),
                    "data": data,
                }
                for one, data in found
                if data is not None
            ]

        return await finished(look)

    async def delete(self, key: SessionKey) -> None:
        """Move a transcript to the trash; without a subpath, those of its sub-agents first."""

        def remove() -> None:
            parts = _parts(key)
            session_id = self._id(parts)
            below = [] if key.get("subpath") else [*self._below(session_id)]
            self.store.delete_many([*(one.session_id for one in below), session_id])
            self._ids.pop(parts)
            for one in (session_id, *(below_it.session_id for below_it in below)):
                self._uuids.pop(one)

        await self._in_order.finished("@".join(_parts(key)), remove)

    async def list_subkeys(self, key: SessionListSubkeysKey) -> list[str]:
        """Return the subpaths of the sub-agents of a transcript."""

        def look() -> list[str]:
            below = self._below(self._id((key["session_id"], key["project_key"])))
            return [one.agent_id for one in below if one.agent_id is not None]

        return await finished(look)

    # -- in the worker thread ----------------------------------------------------------------------

    def _add(
        self, parts: tuple[str, ...], messages: Sequence[Message], uuids: Sequence[str | None]
    ) -> None:
        session_id = self._id(parts)
        known = self._known(session_id)
        new: list[Message] = []
        added: set[str] = set()
        for message, own in zip(messages, uuids, strict=True):
            if own is None or not (own in known or own in added):
                new.append(message)
            if own is not None:
                added.add(own)
        if not new:
            return
        self._wait_for_the_next_millisecond()
        try:
            add_messages(self.store, session_id, new, lambda session: self._name(session, parts))
        # After an error or Ctrl-C it may be written all the same: without a look at what is there,
        # the next try would store the entries twice.
        except BaseException:
            self._uuids.pop(session_id)
            raise
        finally:
            self._last_write_ms = max(self._last_write_ms, _now_ms())
        known |= added

    def _wait_for_the_next_millisecond(self) -> None:
        """Wait until a session gets a later time than the last one did: the SDK sorts by it."""
        deadline = time.monotonic() + 0.005  # a clock that was set back is not waited for
        while _now_ms() <= self._last_write_ms and time.monotonic() < deadline:
            time.sleep(0.0002)

    def _known(self, session_id: str) -> set[str]:
        """Return the uuids of the entries that a session has, as far as this process knows."""
        if (known := self._uuids.get(session_id)) is not None:
            return known
        try:
            messages = self.store.load(session_id).messages
        except SessionNotFoundError:
            messages = []
        ids = {own for one in messages if isinstance(own := one.get("id"), str)}
        return self._uuids.put(session_id, ids)

    def _name(self, session: Session, parts: tuple[str, ...]) -> None:
        """Say in a new session which transcript it is."""
        *subpath, session_id, project_key = parts
        session.source = {"program": _PROGRAM, "session_id": session_id, "project": project_key}
        if subpath:
            parent = self._id((session_id, project_key))
            session.source["parent"] = {"session_id": parent}
            session.agent_id = subpath[0]

    def _id(self, parts: tuple[str, ...]) -> str:
        if (known := self._ids.get(parts)) is not None:
            return known
        is_main = len(parts) == 2
        session_id = standing_id(self.store, *parts) if is_main else session_id_for(*parts)
        return self._ids.put(parts, session_id)

    # -- listing -----------------------------------------------------------------------------------

    def _transcripts(self, project_key: str) -> Iterator[SessionSummary]:
        found = summaries(self.store, program=_PROGRAM, project=project_key)
        return (one for one in found if one.parent is None)

    def _below(self, session_id: str) -> Iterator[SessionSummary]:
        return summaries(self.store, program=_PROGRAM, parent=session_id)

    def _session_id(self, summary: SessionSummary, project_key: str) -> str:
        """Return the SDK's id of a transcript; the store's begins with it, if that is plain."""
        plain = summary.session_id.removesuffix(f"@{project_key}")
        if session_id_for(plain, project_key) == summary.session_id:
            return plain
        own = self.store.load(summary.session_id).source.get("session_id")
        return own if isinstance(own, str) else summary.session_id

    def _summary(self, summary: SessionSummary, project_key: str) -> dict[str, Any] | None:
        known = self._folded.get(summary.session_id)
        if known is not None and known.revision == summary.revision:
            return dict(known.data)
        try:
            session = self.store.load(summary.session_id)
        except (SessionNotFoundError, UnreadableSessionError):  # since it was listed
            return None
        own = self._session_id(summary, project_key)
        entries: Any = entries_of(session.messages, own)
        folded = fold_session_summary(
            None, {"project_key": project_key, "session_id": own}, entries
        )
        data: dict[str, Any] = folded["data"]
        self._folded.put(summary.session_id, _Folded(session.revision, data))
        return dict(data)


def _parts(key: SessionKey) -> tuple[str, ...]:
    """Return a key of the SDK as the parts of an id, the narrowest first."""
    main = (key["session_id"], key["project_key"])
    return (key["subpath"], *main) if key.get("subpath") else main


def _mtime(summary: SessionSummary) -> int:
    return round(summary.updated_at.timestamp() * 1000)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
