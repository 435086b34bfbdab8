"""LocalConversationStore: pydantic-ai's ``ConversationStore`` over a SessionStore."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from localsessions import ConflictError, Session, SessionNotFoundError, UnreadableSessionError
from localsessions.adapters.document import (
    Given,
    Remembered,
    finished,
    hold,
    standing_id,
    summaries,
)
from localsessions.adapters.pydantic_ai.entries import Stored, entries_of, message_of
from localsessions.adapters.pydantic_ai.histories import grow, head_of, history_of
from localsessions.adapters.pydantic_ai.records import (
    branches_of,
    record_of,
    revision_of,
    say,
)
from localsessions.adapters.pydantic_ai.sdk import (
    ConversationConflict,
    ConversationEntry,
    ConversationRecord,
    ConversationStore,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from localsessions import SessionSummary

__all__ = ["LocalConversationStore"]

_log = logging.getLogger("localsessions.adapters.pydantic_ai")

# Of so many entries it is known which session has them; of others it is looked up.
_REMEMBERED = 4096


class LocalConversationStore(ConversationStore):
    """Conversations of pydantic-ai in readable files: ``store.load(id)``, ``store.save(result)``.

    A save is durable when it returns, with all its messages or none. If any
    program said something in the conversation since it was loaded, it raises
    ``ConversationConflict`` and changes nothing: load again and repeat. What other programs said is
    history of the agent; an edit of a message reaches the model. ``load(id, limit=...)`` reads only
    the end of the file.

    A fork is a session with its own copy of the history, so deleting one conversation takes
    nothing from another. Branches that were left stay in the session. A deleted conversation goes
    to the trash with all its messages; ``store.empty_trash`` removes them for good.

    Args:
        store: An open store; or a folder, or the address of a database: then this object opens and
            closes it.

    Raises:
        ImportError: pydantic-ai is missing.
    """

    def __init__(self, store: Given) -> None:
        self.store, self._close = hold(self, store)
        self._homes: Remembered[str, str] = Remembered(_REMEMBERED)

    def __repr__(self) -> str:
        return f"LocalConversationStore({self.store.save_dir!r})"

    def close(self) -> None:
        """Close the store if this object opened it. Idempotent."""
        self._close()

    async def read_record(self, conversation_id: str) -> ConversationRecord | None:
        """Return the record of a conversation; None if there is none.

        A session of any other program is a conversation, too.

        Raises:
            UnreadableSessionError: The file is not a session.
            ValueError: A person changed what pydantic-ai stored beside the messages, and it cannot
                read it any more; it says how to mend it.
        """

        def look() -> ConversationRecord | None:
            try:
                session, head_id = self._ending(standing_id(self.store, conversation_id))
            except SessionNotFoundError:
                return None
            return record_of(session, head_id)

        return await finished(look)

    async def read_records(
        self, *, scope: str | None = None, limit: int | None = None
    ) -> Sequence[ConversationRecord]:
        """Return the records of all conversations, or of those of a scope; the last saved first.

        Sessions that another one started, as sub-agents' are, and unreadable files are left out;
        so is, with a warning in the log, what pydantic-ai cannot read after a person changed it.
        """

        def look() -> list[ConversationRecord]:
            records: list[ConversationRecord] = []
            for summary in self._summaries(scope):
                if limit is not None and len(records) >= limit:
                    break
                try:
                    session, head_id = self._ending(summary.session_id)
                except (SessionNotFoundError, UnreadableSessionError):  # since it was listed
                    continue
                if "parent" in session.source:
                    continue
                try:
                    records.append(record_of(session, head_id))
                except ValueError as error:
                    _log.warning("left out of the list: %s", error)
            return sorted(records, key=lambda record: record.updated_at, reverse=True)

        return await finished(look)

    async def write_record(
        self,
        record: ConversationRecord,
        *,
        new_entries: Sequence[ConversationEntry] = (),
        expected_revision: str | None,
    ) -> None:
        """Store a record and new entries in one step, if no other program wrote since it was read.

        Raises:
            ConversationConflict: What is stored is not that revision, or lacks an entry of the
                history; nothing was written, and so for the next.
            ValueError: pydantic-ai cannot write a message as JSON.
            UnstorableValueError: A message cannot be stored without loss.
            UnreadableSessionError: The file is not a session; it stays as it is.
            LockTimeoutError: Another writer held the session for too long.
        """
        new = [Stored(one.id, one.parent_id, message_of(one)) for one in new_entries]
        if expected_revision is None:
            await finished(lambda: self._create(record, new))
        else:
            await finished(lambda: self._change(record, new, expected_revision))

    async def delete_record(self, conversation_id: str, *, expected_revision: str) -> None:
        """Move a conversation to the trash, with its entries; its forks have their own.

        Raises:
            ConversationConflict: There is none with that revision; nothing was changed.
        """

        def remove() -> None:
            session_id = standing_id(self.store, conversation_id)

            def allows(_: SessionSummary) -> bool:  # inside the lock
                if revision_of(*self._ending(session_id)) != expected_revision:
                    raise ConversationConflict(conversation_id)
                return True

            if not self.store.engine.delete(session_id, allows):
                raise ConversationConflict(conversation_id)

        await finished(remove)

    async def read_entry(self, entry_id: str) -> ConversationEntry:
        """Return an entry of any conversation.

        Raises:
            KeyError: There is none.
        """
        history = await self.read_history(entry_id, limit=1)
        return history[-1]

    async def read_history(
        self, head_id: str | None, *, limit: int | None = None
    ) -> list[ConversationEntry]:
        """Return the entries up to ``head_id``, in order, or only the last ``limit`` of them.

        Raises:
            KeyError: There is no such entry.
            ValueError: A message is none for pydantic-ai after a person changed it; it says how to
                mend it.
        """
        if head_id is None or limit == 0:
            return []
        return await finished(lambda: self._history(head_id, limit))

    # -- in the worker thread --------------------------------------------------------------------

    def _create(self, record: ConversationRecord, new: Sequence[Stored]) -> None:
        session = Session(session_id=standing_id(self.store, record.conversation_id))
        origin = self._origin(record)
        first = new[0].parent_id if new else record.head_id
        shared = [] if first is None else self._begin(session, first, origin)
        if not grow(session, [*shared, *new], record.head_id):
            raise ConversationConflict(record.conversation_id)
        say(session, record, origin)
        try:
            self.store.save(session)
        except ConflictError as error:  # it is there already
            raise ConversationConflict(record.conversation_id) from error
        self._remember(session.session_id, record.head_id)

    def _origin(self, record: ConversationRecord) -> str | None:
        """Return the session that a conversation was forked from."""
        if record.forked_from is None:
            return None
        return standing_id(self.store, record.forked_from)

    def _begin(self, fork: Session, head_id: str, origin: str | None) -> list[Stored]:
        """Return the history that a fork begins with, and name it; empty if it is nowhere now."""
        home = self._home(head_id) if origin is None else origin
        try:
            session = None if home is None else self.store.load(home)
        except SessionNotFoundError:
            return []
        history = None if session is None else history_of(session, head_id)
        if session is None or history is None:
            return []
        if title := session.title or session.made_title:
            fork.title = f"{title} (fork)"
        return [one._replace(message={**one.message, "id": one.id}) for one in history]

    def _change(
        self, record: ConversationRecord, new: Sequence[Stored], expected_revision: str
    ) -> None:
        session_id = standing_id(self.store, record.conversation_id)
        origin = self._origin(record)
        try:
            with self.store.edit(session_id) as session:
                if revision_of(session, head_of(session)) != expected_revision or not grow(
                    session, new, record.head_id
                ):
                    raise ConversationConflict(record.conversation_id)
                say(session, record, origin)
        except (SessionNotFoundError, ConflictError) as error:
            raise ConversationConflict(record.conversation_id) from error
        self._remember(session_id, record.head_id)

    def _ending(self, session_id: str) -> tuple[Session, str | None]:
        """Return a session with some of its last messages, and its last entry."""
        asked = 2
        while True:
            session = self.store.engine.tail(session_id, asked)
            is_all = len(session.messages) < asked
            head_id = head_of(session)
            if head_id is not None or is_all:
                self._remember(session_id, head_id, *branches_of(session))
                return session, head_id
            asked *= 4

    def _history(self, head_id: str, limit: int | None) -> list[ConversationEntry]:
        while (home := self._home(head_id)) is not None:
            history = self._stored_history(home, head_id, limit)
            if history is not None:
                return entries_of(history[-limit:] if limit is not None else history, home)
            self._homes.pop(head_id)  # it is gone from there; a fork may have it
        raise KeyError(head_id)

    def _stored_history(
        self, session_id: str, head_id: str, limit: int | None
    ) -> list[Stored] | None:
        try:
            last = None if limit is None else self._last(session_id, head_id, limit)
            return last or history_of(self.store.load(session_id), head_id)
        except SessionNotFoundError:
            return None

    def _last(self, session_id: str, head_id: str, limit: int) -> list[Stored] | None:
        """Return the last entries up to ``head_id``, if the end of the session has them."""
        # One more: an entry says which one is before it.
        session = self.store.engine.tail(session_id, limit + 2)
        history = history_of(session, head_id)
        return history[-limit:] if history is not None and len(history) > limit else None

    def _home(self, entry_id: str) -> str | None:
        """Return a session that has an entry, in its history or beside it."""
        if (known := self._homes.get(entry_id)) is not None:
            return known
        for summary in self._summaries(None):
            try:
                session = self.store.load(summary.session_id)
            except (SessionNotFoundError, UnreadableSessionError):  # since it was listed
                continue
            if history_of(session, entry_id) is not None:
                return self._homes.put(entry_id, summary.session_id)
        return None

    def _remember(self, session_id: str, *entry_ids: str | None) -> None:
        for entry_id in entry_ids:
            if entry_id is not None:
                self._homes.put(entry_id, session_id)

    def _summaries(self, scope: str | None) -> Iterator[SessionSummary]:
        return summaries(self.store, user_id=scope, unreadable=False)
