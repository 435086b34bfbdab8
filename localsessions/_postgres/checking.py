"""Checking and repairing: every session is read, and what was made of it is compared with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from localsessions._codec import inner_id
from localsessions._postgres.connections import commit, execute
from localsessions._postgres.place import Place
from localsessions._postgres.reading import Reader
from localsessions._postgres.row import (
    COLUMNS,
    Said,
    Stored,
    columns_of,
    said_of,
    session_of,
    summary_of,
)
from localsessions._postgres.texts import TextRow, counted, grams_of, terms_of
from localsessions._postgres.version import text_rows
from localsessions._postgres.writing import Held, Writer
from localsessions.engine import Progress
from localsessions.errors import SessionNotFoundError, UnreadableSessionError
from localsessions.models import FORMAT, Finding, Session

__all__ = ["Checking"]

_IDS = "SELECT session_id FROM localsessions.sessions WHERE store = %s ORDER BY session_id"
_TEXTS = """
SELECT position, role, said, beside, size, words FROM localsessions.texts
WHERE no = %s ORDER BY position
"""
_SET = ", ".join(f"{one} = %s" for one in COLUMNS)
_RENEW = f"""
UPDATE localsessions.sessions SET texts = %s, words = %s, {_SET}
WHERE no = %s AND version = %s
"""
_PUT_TEXTS = """
INSERT INTO localsessions.texts (no, position, role, said, beside, size, words)
VALUES (%s, %s, %s, %s, %s, %s, %s)
"""
_PUT_TERMS = """
INSERT INTO localsessions.terms (store, term, parts) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING
"""


class Checking:
    """The care of one store."""

    def __init__(self, place: Place, reader: Reader, writer: Writer) -> None:
        self._place = place
        self._reader = reader
        self._writer = writer

    def findings(self, on_progress: Progress | None) -> Iterator[Finding]:
        """Read everything and yield what is wrong."""
        ids = [one for (one,) in self._place.rows(_IDS, self._place.store)]
        for done, session_id in enumerate(ids, start=1):
            try:
                yield from self._check(session_id)
            except SessionNotFoundError:
                continue  # deleted meanwhile
            if on_progress is not None:
                on_progress(done, len(ids))

    def _check(self, session_id: str) -> Iterator[Finding]:
        path = self._place.location(session_id)
        try:
            stored = self._reader.whole(session_id)
            session = session_of(stored, path)
        except UnreadableSessionError as error:
            repair = "restore the database from a backup, or delete the session"
            yield Finding("unreadable", path, str(error), repair, session_id)
            return
        if session.format != FORMAT:
            told = f"it is of format {session.format!r}"
            yield Finding("newer format", path, told, "upgrade localsessions", session_id)
        if inner_id(stored.data) != session_id:
            told = f"inside it is called {inner_id(stored.data)!r}"
            yield Finding("wrong inner id", path, told, "save() it again", session_id)
        if self._is_stale(stored, session):
            told = "what listings or the search say of it is not what it says"
            yield Finding("index", path, told, "make it again", session_id, automatic=True)

    def _is_stale(self, stored: Stored, session: Session) -> bool:
        said, texts = _made_of(self._place.store, session)
        summary = summary_of(session, said, len(session.messages), len(stored.data))
        if (summary, said) != (stored.summary, stored.said):
            return True
        rows = self._place.rows(_TEXTS, stored.no)
        return [TextRow(*row) for row in rows] != [texts[at] for at in sorted(texts)]

    # -- repairing -----------------------------------------------------------------------------

    def repair(self, finding: Finding) -> str:
        """Do the repair that a finding names, if it still holds; see ``Engine.repair``."""
        if not finding.automatic or finding.session_id is None:
            raise ValueError(f"this repair needs a person: {finding.repair}")
        session_id = finding.session_id

        def renew(held: Held) -> str:
            stored = self._reader.whole_in(held.connection, session_id)
            session = session_of(stored, self._place.location(session_id))
            if not self._is_stale(stored, session):
                return f"nothing to repair: {session_id!r} is as it should be"
            self._renew(held, stored, session)
            return f"made again what listings and the search say of {session_id!r}"

        return self._writer.held(session_id, renew)

    def renew_all(self, on_progress: Progress | None) -> None:
        """Make again what is derived of every session."""
        ids = [one for (one,) in self._place.rows(_IDS, self._place.store)]

        def renew(held: Held) -> None:
            stored = self._reader.whole_in(held.connection, held.session_id)
            session = session_of(stored, self._place.location(held.session_id))
            if self._is_stale(stored, session):
                self._renew(held, stored, session)

        for done, session_id in enumerate(ids, start=1):
            try:
                self._writer.held(session_id, renew)
            except (SessionNotFoundError, UnreadableSessionError):
                continue  # deleted meanwhile, or nothing can be made of it: verify() says so
            finally:
                if on_progress is not None:
                    on_progress(done, len(ids))

    def _renew(self, held: Held, stored: Stored, session: Session) -> None:
        """Make again what is derived of a session, and commit."""
        store, connection = self._place.store, held.connection
        said, texts = _made_of(store, session)
        summary = summary_of(session, said, len(session.messages), len(stored.data))
        columns = columns_of(stored.before, stored.after, stored.proven, summary, said)
        values = [*counted(texts), *columns, stored.no, stored.version]
        execute(connection, _RENEW, values)
        execute(connection, "DELETE FROM localsessions.texts WHERE no = %s", [stored.no])
        for row in texts.values():
            execute(connection, _PUT_TEXTS, [stored.no, *row])
        for term in terms_of(texts.values(), ()):
            execute(connection, _PUT_TERMS, [store, term, grams_of(store, term)])
        commit(connection)


def _made_of(store: int, session: Session) -> tuple[Said, Mapping[int, TextRow]]:
    """Return what is made of a session: which messages give its title, and its texts."""
    said = said_of(Said(), session.messages, 0) or Said()
    own = {"title": session.title, "tags": session.tags, "metadata": session.metadata}
    return said, text_rows(store, own, [*enumerate(session.messages)])


def totals(place: Place) -> Sequence[int]:
    """Return how many sessions, messages and bytes a store has, and what its trash holds."""
    query = """
    SELECT count(*), coalesce(sum(message_count), 0)::bigint, coalesce(sum(size_bytes), 0)::bigint
    FROM localsessions.{table} WHERE store = %s
    """
    (live,) = place.rows(query.format(table="sessions"), place.store)
    (gone,) = place.rows(query.format(table="trash"), place.store)
    return [*live, gone[0], gone[2]]
