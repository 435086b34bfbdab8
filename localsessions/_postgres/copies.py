"""Copies: whole sessions byte for byte, with their checkpoints, for backups and for moving."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import psycopg

from localsessions._codec import decode
from localsessions._codec.names import folded
from localsessions._codec.summary import summarize_unreadable
from localsessions._postgres.changelog import packed_differences
from localsessions._postgres.connections import Connection, commit, execute
from localsessions._postgres.deleting import deletion_of, packed_place, packed_source
from localsessions._postgres.faults import Lost
from localsessions._postgres.place import Place
from localsessions._postgres.row import (
    COLUMNS,
    Said,
    Split,
    columns_of,
    joined,
    run_of,
    said_of,
    split,
    summary_of,
    unpack,
)
from localsessions._postgres.statements import LEAVE
from localsessions._postgres.texts import TextRow, counted
from localsessions._postgres.version import Version, text_rows
from localsessions._postgres.writing import Held, Writer
from localsessions.errors import ConflictError, SessionNotFoundError, UnreadableSessionError
from localsessions.models import Deletion, utc_now
from localsessions.models.copies import Arrival, SessionCopy, StoredBytes
from localsessions.models.standing import original_of

__all__ = ["Copies"]

_PARTS = """
SELECT x.session_id, x.no, x.version, x.before, x.after, x.told,
  ARRAY(SELECT body FROM localsessions.messages m WHERE m.no = x.no ORDER BY position),
  ARRAY(SELECT checkpoint_id FROM localsessions.checkpoints c WHERE c.no = x.no ORDER BY seq),
  ARRAY(SELECT data FROM localsessions.checkpoints c WHERE c.no = x.no ORDER BY seq)
"""
_LIVE = f"{_PARTS}, NULL FROM localsessions.sessions x WHERE x.store = %s AND x.session_id = %s"
_DELETED = f"{_PARTS}, x.deleted_at FROM localsessions.trash x WHERE x.deletion = %s"
_DELETED_THEN = (
    f"{_PARTS}, x.deleted_at FROM localsessions.trash x"
    " WHERE x.store = %s AND x.session_id = %s AND x.deleted_at = %s"
)
_IDS = "SELECT session_id FROM localsessions.sessions WHERE store = %s ORDER BY session_id"
_TRASH = "SELECT deletion FROM localsessions.trash WHERE store = %s ORDER BY deleted_at, deletion"
_CHECKPOINT = """
INSERT INTO localsessions.checkpoints (no, checkpoint_id, data) VALUES (%s, %s, %s)
"""
_PUT_DELETED = f"""
WITH noted AS (
  INSERT INTO localsessions.deletions (store, session_id, source, deleted_at)
  VALUES (%s, %s, %s, %s) RETURNING deletion
)
INSERT INTO localsessions.trash
  (store, session_id, folded, no, version, texts, words, {", ".join(COLUMNS)}, deletion, deleted_at)
SELECT %s, %s, %s, nextval(pg_get_serial_sequence('localsessions.sessions', 'no')), %s, %s, %s,
  {", ".join(["%s"] * len(COLUMNS))}, n.deletion, %s FROM noted n RETURNING no
"""
_MESSAGE = "INSERT INTO localsessions.messages (no, position, run, body) VALUES (%s, %s, %s, %s)"
_TEXT = """
INSERT INTO localsessions.texts (no, position, role, said, beside, size, words)
VALUES (%s, %s, %s, %s, %s, %s, %s)
"""
_PURGED = """
SELECT session_id, source, deleted_at, moved_to FROM localsessions.deletions d
WHERE store = %s AND NOT EXISTS (
  SELECT FROM localsessions.trash t WHERE t.deletion = d.deletion)
ORDER BY deleted_at, deletion
"""
_WAS_MOVED = """
FROM localsessions.deletions WHERE store = %s AND session_id = %s AND moved_to IS NOT NULL
"""
_MOVED = f"SELECT deletion {_WAS_MOVED} LIMIT 1"
_FORGET_MOVED = f"DELETE {_WAS_MOVED}"
_ARE_THERE = """
SELECT session_id FROM localsessions.sessions WHERE store = %s AND session_id = ANY (%s::text[])
"""
_REMEMBER = """
INSERT INTO localsessions.deletions (store, session_id, source, deleted_at, moved_to)
VALUES (%s, %s, %s, %s, %s)
"""


class _Found(NamedTuple):
    """What is there of a session."""

    no: int
    version: UUID
    source: bytes
    copy: SessionCopy


class Copies:
    """The copies of one store."""

    def __init__(self, place: Place, writer: Writer) -> None:
        self._place = place
        self._writer = writer

    # -- giving --------------------------------------------------------------------------------

    def all(self) -> Iterator[SessionCopy | UnreadableSessionError]:
        """Yield each session, and each deleted one; see ``Engine.copies``."""
        given: set[str] = set()
        yield from self._live(given)
        for (deletion,) in self._place.rows(_TRASH, self._place.store):
            yield from (_found(row).copy for row in self._place.rows(_DELETED, deletion))
        yield from self._live(given)  # what was restored meanwhile

    def _live(self, given: set[str]) -> Iterator[SessionCopy]:
        for (session_id,) in self._place.rows(_IDS, self._place.store):
            if session_id not in given:
                given.add(session_id)
                rows = self._place.rows(_LIVE, self._place.store, session_id)
                yield from (_found(row).copy for row in rows)

    def purged(self) -> Sequence[Deletion]:
        """Return each deletion of a session that is not in the trash any more."""
        return [deletion_of(*row) for row in self._place.rows(_PURGED, self._place.store)]

    def remember(self, deletions: Sequence[Deletion]) -> None:
        """Remember deletions of sessions that are not in the trash, each once."""
        store = self._place.store

        def remember(connection: Connection) -> None:
            execute(connection, "SELECT pg_advisory_xact_lock(%s)", [self._place.key("\0gone")])
            rows = execute(connection, _PURGED, [store]).fetchall()
            known = {_key_of(deletion_of(*row)) for row in rows}
            asked = [store, [one.session_id for one in deletions]]
            there = {name for (name,) in execute(connection, _ARE_THERE, asked).fetchall()}
            wanted = {_key_of(one): one for one in deletions if not _is_back(one, there)}
            for one in [wanted[key] for key in wanted if key not in known]:
                execute(connection, _REMEMBER, [store, *_row_of(one)])

        if deletions:
            self._place.connections.done(remember)

    # -- taking --------------------------------------------------------------------------------

    def bring(self, copy: SessionCopy, *, dry_run: bool) -> Arrival:
        """Store a copy where it came from, if nothing else is there; see ``Engine.bring``."""
        return self._writer.held(copy.session_id, lambda held: self._bring(held, copy, dry_run))

    def _bring(self, held: Held, copy: SessionCopy, dry_run: bool) -> Arrival:
        found = self._there(held, copy)
        wanted = {name[9:]: one.data for name, one in sorted(copy.checkpoints.items())}
        there = {} if found is None else _checkpoints(found.copy)
        content = None if found is None else found.copy.content
        twin = self._writer.twin_in(held.connection, held.session_id)
        is_taken = copy.deleted_at is None and twin not in (None, copy.session_id)
        is_other = (
            content is not None and copy.content is not None and (content.data != copy.content.data)
        )
        if (
            is_taken
            or is_other
            or any(there.get(one, wanted[one]) != wanted[one] for one in wanted)
        ):
            return "other"
        lacking = {name: data for name, data in wanted.items() if name not in there}
        if found is None and copy.content is None:
            return "other"  # checkpoints hang on a session, and there is none
        self._refuse_large(copy, found, lacking)
        is_same = found is not None and not lacking
        if not dry_run:
            self._take(held, copy, found, lacking)
        return "same" if is_same else "new"

    def _refuse_large(
        self, copy: SessionCopy, found: _Found | None, lacking: Mapping[str, bytes]
    ) -> None:
        """Refuse a copy of which a part is too large to be read again."""
        for data in lacking.values():
            self._place.refuse_large(copy.session_id, len(data))
        if found is None and copy.content is not None:
            self._place.refuse_large(copy.session_id, len(copy.content.data))

    def _take(
        self, held: Held, copy: SessionCopy, found: _Found | None, lacking: Mapping[str, bytes]
    ) -> None:
        """Store what is lacking; what is there now was not moved away."""
        is_back = copy.content is not None and copy.deleted_at is None
        if is_back and self._was_moved(held):
            execute(held.connection, _FORGET_MOVED, [self._place.store, held.session_id])
        elif found is not None and not lacking:
            return  # there is nothing to write: that needs no server that can be written
        self._keep(held, copy, found, lacking)

    def _was_moved(self, held: Held) -> bool:
        values = [self._place.store, held.session_id]
        return bool(execute(held.connection, _MOVED, values).fetchall())

    def _there(self, held: Held, copy: SessionCopy) -> _Found | None:
        values = [self._place.store, copy.session_id]
        query = _LIVE
        if copy.deleted_at is not None:
            query, values = _DELETED_THEN, [*values, copy.deleted_at]
        rows = execute(held.connection, query, values).fetchall()
        return _found(rows[0]) if rows else None

    def _keep(
        self, held: Held, copy: SessionCopy, found: _Found | None, lacking: Mapping[str, bytes]
    ) -> None:
        """Store what is lacking, and commit."""
        connection, act = held.connection, uuid4()
        execute(connection, "SELECT set_config('synchronous_commit', 'on', true)")
        with self._writer.committing.settling(held.session_id, act):
            no = found.no if found else self._put(held, copy, act)
            for name, data in lacking.items():
                key = name.encode("utf-8", "surrogatepass")
                execute(connection, _CHECKPOINT, [no, key, data])
            commit(connection)

    def _put(self, held: Held, copy: SessionCopy, act: UUID) -> int:
        """Store the content of a copy, live or deleted; return the number of its rows."""
        assert copy.content is not None  # noqa: S101  (the caller has looked)
        version = _version_of(self._place.store, copy.session_id, copy.content.data, act)
        if copy.deleted_at is None:
            return self._put_live(held, version)
        before, after, *_ = version.columns
        assert isinstance(before, bytes)  # noqa: S101  (columns_of makes them)
        assert isinstance(after, bytes)  # noqa: S101
        named = [self._place.store, copy.session_id]
        noted = [*named, packed_place(before, after), copy.deleted_at]
        kept = [*named, folded(copy.session_id), act, *version.grown, *version.columns]
        rows = execute(held.connection, _PUT_DELETED, [*noted, *kept, copy.deleted_at]).fetchall()
        no = int(rows[0][0])
        for position, run, body in zip(
            version.positions, version.runs, version.bodies, strict=True
        ):
            execute(held.connection, _MESSAGE, [no, position, run, body])
        for text in version.texts:
            execute(held.connection, _TEXT, [no, *text])
        self._writer.committing.learn(held.connection, [version])
        return no

    def _put_live(self, held: Held, version: Version) -> int:
        if not self._writer.committing.write(held.connection, version, 0).fetchall():
            raise Lost  # somebody who takes no lock was faster: look again
        self._writer.committing.learn(held.connection, [version])
        values = [self._place.store, version.session_id]
        query = "SELECT no FROM localsessions.sessions WHERE store = %s AND session_id = %s"
        return int(execute(held.connection, query, values).fetchall()[0][0])

    # -- leaving -------------------------------------------------------------------------------

    @contextmanager
    def leaving(self, session_id: str, *, moved_to: str) -> Iterator[SessionCopy]:
        """Pass a copy to the block, and remove the session after it; see ``Engine.leaving``."""
        place = self._place
        with place.holding.hold(session_id, place.key(session_id)), ExitStack() as last:

            def begin() -> tuple[Held, _Found]:
                with ExitStack() as stack:
                    connection = stack.enter_context(place.connections.one())
                    held = stack.enter_context(self._writer.locked(connection, session_id))
                    found = self._found_in(held)
                    last.push(stack.pop_all())
                    return held, found

            held, found = place.connections.tried(begin, session_id)
            yield found.copy
            try:
                self._leave(held, found, moved_to)
            except (Lost, psycopg.Error) as error:
                if isinstance(error, psycopg.Error):
                    place.connections.refuse_hopeless(error, session_id)
                self._writer.again(session_id, lambda now: self._leave(now, found, moved_to))

    def _found_in(self, held: Held) -> _Found:
        values = [self._place.store, held.session_id]
        rows = execute(held.connection, _LIVE, values).fetchall()
        if not rows:
            raise SessionNotFoundError(held.session_id, path=self._place.shown)
        return _found(rows[0])

    def _leave(self, held: Held, found: _Found, moved_to: str) -> None:
        """Remove a version of a session for good, and commit."""
        rows = execute(
            held.connection,
            "SELECT told FROM localsessions.sessions WHERE no = %s AND version = %s",
            [found.no, found.version],
        ).fetchall()
        act = uuid4()
        if not rows:
            path = self._place.location(held.session_id)
            raise ConflictError(held.session_id, path=path)
        changed = packed_differences(unpack(rows[0][0])[0], None)
        logged = self._writer.committing.logged(0, held.session_id, "deleted", act, changed)
        with self._writer.committing.settling(held.session_id, act):
            values = [found.no, found.version, found.source, _packed(moved_to), *logged]
            execute(held.connection, LEAVE, values).fetchall()
            commit(held.connection)


def _found(row: Sequence[Any]) -> _Found:
    session_id, no, version, before, after, told, bodies, names, saved, deleted_at = row
    at = unpack(told)[0].updated_at
    checkpoints = {
        f"{number:08}-{name.decode('utf-8', 'surrogatepass')}": StoredBytes(data, at)
        for number, (name, data) in enumerate(zip(names, saved, strict=True), start=1)
    }
    content = StoredBytes(joined(before, bodies, after), at)
    copy = SessionCopy(session_id, content, checkpoints, deleted_at)
    return _Found(no, version, packed_place(before, after), copy)


def _is_back(deletion: Deletion, there: Collection[str]) -> bool:
    return deletion.moved_to is not None and deletion.session_id in there


def _key_of(deletion: Deletion) -> str:
    """Return the same text for deletions that are equal."""
    where, when = deletion.moved_to, deletion.deleted_at.isoformat()
    told = [deletion.session_id, deletion.source, when, where]
    return json.dumps(told, sort_keys=True, default=dict)


def _row_of(deletion: Deletion) -> list[object]:
    where = None if deletion.moved_to is None else _packed(deletion.moved_to)
    return [deletion.session_id, packed_source(deletion.source), deletion.deleted_at, where]


def _packed(moved_to: str) -> bytes:
    return moved_to.encode("utf-8", "surrogatepass")  # the name of a folder may be of any bytes


def _checkpoints(copy: SessionCopy) -> dict[str, bytes]:
    return {name[9:]: one.data for name, one in copy.checkpoints.items()}


def _version_of(store: int, session_id: str, data: bytes, act: UUID) -> Version:
    """Return bytes as the rows of a new session, whatever they say."""
    said, texts, parts = Said(), dict[int, TextRow](), Split(data, (), b"")
    runs: list[bytes | None] = []
    proven = False
    try:
        session = decode(data, session_id=session_id, modified_at=utc_now())
    except UnreadableSessionError as error:
        summary = summarize_unreadable(error, session_id, utc_now(), len(data))
    else:
        original = original_of(session)
        said = said_of(Said(), session.messages, 0) or Said()
        summary = summary_of(session, said, len(session.messages), len(data))
        own = {"title": session.title, "tags": session.tags, "metadata": session.metadata}
        texts = text_rows(store, own, [*enumerate(session.messages)])
        if original is not None and original.canonical:
            parts, proven = split(data, original.keys), original.proven
            runs = [run_of(message) for message in session.messages]
    return Version(
        session_id=session_id,
        act=act,
        former=None,
        kind="created",
        summary=summary,
        columns=columns_of(parts.before, parts.after, proven, summary, said),
        positions=[*range(len(parts.bodies))],
        runs=runs[: len(parts.bodies)],
        bodies=[*parts.bodies],
        texts=[*texts.values()],
        gone=[],
        grown=counted(texts),
        changed=packed_differences(None, summary),
    )
