"""Adding to a session, and reading its end, without reading the earlier messages.

Only the two ends of the file are needed: the fields before the messages and the fields behind
them. The index says where the messages end. It is believed only for a file that a store wrote, by
a fingerprint that no other write can have. The same holds for what a store remembers of a file
that it wrote itself: it does not read again what it has just written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from localsessions._codec import (
    MAX_FILE_BYTES,
    added,
    decode_ends,
    first_message,
    last_messages_begin,
    messages_begin,
    messages_end,
    place_of_message,
    places_of_messages,
    without_messages,
)
from localsessions._local.files import FileWritten, read_ends
from localsessions._local.index import IndexRow, row_grown
from localsessions._local.recent import Recent
from localsessions._local.reconciling import Reconciler
from localsessions._local.version import (
    Fingerprint,
    Tail,
    Version,
    block_start,
    blocks_of,
    digest_with,
    from_block,
)
from localsessions._rules.drafts import Draft
from localsessions._rules.touched import Touched
from localsessions.models import Message, Session
from localsessions.models.standing import Original, original_of, stand, version_of

__all__ = ["Growth", "OpenEnd"]

_HEAD_BYTES = 16 * 1024
_HEAD_GROWS = 8
_END_BYTES = 16 * 1024
_MOST_BYTES = 1 << 20  # a longer end is not remembered
_BYTES_A_RUN = 100

Places: TypeAlias = dict[str, int]
"""The position in a file of the first message of each run, by ``run_id``."""


class OpenEnd(NamedTuple):
    """A session to be added to, inside its lock.

    Attributes:
        session: The session without its earlier messages; messages put into it are added.
        row: The row of its file, as it is or must be in the index.
        before: The bytes of the file before its messages.
        end: The bytes of the file from ``start`` on.
        start: The beginning of a block of the hash, at or before the end of the last message.
        blocks: The hashes of the blocks from ``start`` on.
        at: Where the messages of ``session`` begin; if it has none, where the file's last
            message ends.
        places: The places of the runs of the file; None where they are not known.
        taken: The messages that ``session`` was read with.
    """

    session: Session
    row: IndexRow
    before: bytes
    end: bytes
    start: int
    blocks: list[int]
    at: int
    places: Places | None = None
    taken: tuple[Message, ...] = ()


class Grown(NamedTuple):
    """What was added to a file.

    Attributes:
        written: What the write left.
        row: The row of the new version.
        ends: The ends of the new version; None where the next one is written whole.
        touched: The messages that were added or changed.
    """

    written: FileWritten
    row: IndexRow
    ends: OpenEnd | None
    touched: Touched


class Growth:
    """The sessions of one folder that are added to."""

    def __init__(self, reconciler: Reconciler) -> None:
        self._folder = reconciler.folder
        self._index = reconciler.index
        self._remembered: Recent[OpenEnd] = Recent()
        self._places: Recent[tuple[Fingerprint, Places]] = Recent()

    def begin(
        self, session_id: str, run_id: str | None = None, message_id: str | None = None
    ) -> OpenEnd | None:
        """Return the ends of a session; None where it has to be loaded whole.

        Args:
            session_id: The id of the session.
            run_id: A run whose messages the session must contain, from the first message on; None
                where none are needed.
            message_id: A message of this run. If it is near the end, the session need not contain
                those before it.
        """
        found = self._folder.fingerprint(
            session_id
        )  # first: it raises for an id that no file can have
        open_end = self._remembered.pop(session_id)
        if open_end is None or open_end.row.fingerprint != found:
            open_end = self._read(session_id, found)
        known, places = self._places.pop(session_id) or (None, None)
        if open_end is not None and open_end.places is None and known == found:
            open_end = open_end._replace(places=places)
        if open_end is None or run_id is None:
            return open_end
        if message_id is not None and (reached := self._with_message(open_end, run_id, message_id)):
            return reached
        return self._with_run(open_end, run_id)

    def _read(self, session_id: str, found: Fingerprint | None) -> OpenEnd | None:
        """Return the ends of a session; the index says where to find them."""
        row = self._index.row_at(session_id, found)
        if row is None or not row.settled or row.tail is None or row.tail.spare is None:
            return None
        start = block_start(min(row.tail.at, row.tail.spare.common))
        return self._read_from(row, row.tail.at, start)

    def _read_from(self, row: IndexRow, at: int, start: int) -> OpenEnd | None:
        """Return the ends of a session with the messages after ``at``, the end of a message."""
        session_id = row.summary.session_id
        ends = read_ends(self._folder.path(session_id), row.fingerprint, _HEAD_BYTES, start)
        if ends is None:
            return None
        head, end = ends
        found = self._decoded(row, head, end[at - start :].removeprefix(b","))
        if found is None:
            return None
        session, before = found
        stand(session, original_of(session), Version(row.fingerprint, settled=True))
        blocks, taken = blocks_of(end, start), tuple(session.messages)
        return OpenEnd(session, row, before, end, start, blocks, at, None, taken)

    def _decoded(self, row: IndexRow, head: bytes, end: bytes) -> tuple[Session, bytes] | None:
        """Decode the ends of a file; read more of the head until it reaches the messages.

        The head of an imported session is long: ``source`` names each message.
        """
        session_id = row.summary.session_id
        while True:
            found = decode_ends(
                head, end, session_id=session_id, modified_at=row.fingerprint.modified_at
            )
            if found is not None or row.tail is None or len(head) >= row.tail.at:
                return found
            ends = read_ends(
                self._folder.path(session_id),
                row.fingerprint,
                len(head) * _HEAD_GROWS,
                row.fingerprint.size_bytes,
            )
            if ends is None:
                return None
            head = ends[0]

    def _with_run(self, open_end: OpenEnd, run_id: str) -> OpenEnd | None:
        """Return the ends with all messages of a run; None where it has to be loaded whole."""
        row, places = open_end.row, open_end.places
        if places is None:
            self.keep(open_end)
            return None
        place = places.get(run_id)
        if place is None or row.tail is None or row.tail.spare is None:
            return open_end
        if place == first_message(open_end.before):
            return None  # the run begins with the first message: no message can be left out
        start = block_start(min(place, row.tail.spare.common))
        reached = self._read_from(row, place, start)
        return None if reached is None else reached._replace(places=places)

    def _with_message(self, open_end: OpenEnd, run_id: str, message_id: str) -> OpenEnd | None:
        """Return the ends with the messages from a message on; None where it is not near the end.

        So the earlier messages of its run, and where they are, need not be known.
        """
        row, reach = open_end.row, _END_BYTES
        if row.tail is None or row.tail.spare is None:
            return None
        while reach < min(row.tail.at, _MOST_BYTES):
            start = row.tail.at - reach
            ends = read_ends(self._folder.path(row.summary.session_id), row.fingerprint, 0, start)
            if ends is None:
                return None
            place = place_of_message(ends[1][:reach], run_id, message_id)
            if place is not None:
                begin = block_start(min(start + place, row.tail.spare.common))
                reached = self._read_from(row, start + place, begin)
                return None if reached is None else reached._replace(places=open_end.places)
            reach *= 4
        return None

    def keep(self, open_end: OpenEnd) -> None:
        """Remember the ends of a file, inside its lock; ``open_end`` must be as in the file."""
        if open_end.taken or len(open_end.end) > _MOST_BYTES:
            if open_end.places is not None:
                row = open_end.row
                self._keep_places(row.summary.session_id, row.fingerprint, open_end.places)
            return
        size_bytes = len(open_end.before) + len(open_end.end)
        self._remembered.keep(open_end.row.summary.session_id, open_end, size_bytes)

    def _keep_places(self, session_id: str, fingerprint: Fingerprint, places: Places) -> None:
        self._places.keep(session_id, (fingerprint, places), _BYTES_A_RUN * len(places))

    def drop_spares(self, session_ids: Sequence[str]) -> None:
        """Remove the spares of sessions, inside their locks: the next write is not a turn."""
        for session_id in session_ids:  # the row may not name it: another store wrote the file
            self._folder.spares.drop_own(session_id)
        for spare in self._index.spares(session_ids) if session_ids else ():
            self._folder.spares.drop(spare)

    def learn(self, session: Session) -> None:
        """Remember where the runs begin in a session that was just written whole."""
        original, version = original_of(session), version_of(session)
        if original is None or not original.canonical or not isinstance(version, Version):
            return
        places: Places = {}
        end = messages_end(original.data, original.keys)
        start = messages_begin(original.data)
        found = places_of_messages(original.data[:end], start) if end else []
        for message, place in zip(session.messages, found, strict=True):
            _note(places, message, place)
        self._keep_places(session.session_id, version.fingerprint, places)

    def publish(self, open_end: OpenEnd, draft: Draft) -> Grown | None:
        """Write what was added to a session; the caller records it and keeps the new ends.

        None where the file has to be written whole; nothing was changed.

        Raises:
            OSError: Nothing was changed.
        """
        row, at, start = open_end.row, open_end.at, open_end.start
        rest, spoken = added(draft.data, open_end.before), _spoken(open_end)
        if row.tail is None or row.tail.spare is None or rest is None or spoken is None:
            return None
        end = open_end.end[: at - start] + rest
        if start + len(end) > MAX_FILE_BYTES:
            return None
        spare = row.tail.spare._replace(common=min(row.tail.spare.common, at))
        session_id, lacking = row.summary.session_id, end[spare.common - start :]
        written = self._folder.spares.write_end(
            session_id, self._folder.path(session_id), lacking, row.fingerprint, Tail(at, spare)
        )
        if written is None:
            return None
        touched = draft.touched(row.summary.message_count - len(open_end.taken))
        original = draft.is_written(Version(written.fingerprint, settled=True))
        blocks = blocks_of(end, start)
        now = _row_of(open_end, original, rest, blocks, spoken, written)
        ends = self._ends(open_end, now, original, rest, end, blocks)
        return Grown(written, now, ends, touched)

    def _ends(
        self,
        open_end: OpenEnd,
        row: IndexRow,
        original: Original,
        rest: bytes,
        end: bytes,
        blocks: list[int],
    ) -> OpenEnd | None:
        """Return the ends of what was just written, for the next turn."""
        session, tail = open_end.session, row.tail
        if tail is None or tail.spare is None:
            return None
        if (places := open_end.places) is not None:
            _renew(places, open_end, rest[: tail.at - open_end.at])
        start = block_start(tail.spare.common)
        left = end[start - open_end.start :]
        kept = from_block(blocks, open_end.start, start)
        bare = without_messages(open_end.before, end[tail.at - open_end.start :])
        session.messages = []
        stand(session, original._replace(data=bare), Version(row.fingerprint, settled=True))
        return OpenEnd(session, row, open_end.before, left, start, kept, tail.at, places)

    def tail(self, session_id: str, count: int) -> Session | None:
        """Return a session with its last messages; None where it has to be read whole."""
        found = self._folder.fingerprint(
            session_id
        )  # first: it raises for an id that no file can have
        row = self._index.row_at(session_id, found)
        if row is None or not row.settled or row.tail is None:
            return None
        reach = _END_BYTES
        while reach < row.tail.at:
            start = row.tail.at - reach
            ends = read_ends(self._folder.path(session_id), row.fingerprint, _HEAD_BYTES, start)
            if ends is None:
                return None
            cut = last_messages_begin(ends[1][:reach], count)
            if cut is not None:
                decoded = self._decoded(row, ends[0], ends[1][cut:])
                return None if decoded is None else decoded[0]
            reach *= 4
        return None


def _note(places: Places, message: Message, place: int) -> None:
    if isinstance(run_id := message.get("run_id"), str):
        places.setdefault(run_id, place)


def _renew(places: Places, open_end: OpenEnd, written: bytes) -> None:
    """Replace the places of the messages that were taken by those of the written messages."""
    for message in open_end.taken:
        run_id = message.get("run_id")
        if isinstance(run_id, str) and places.get(run_id, -1) >= open_end.at:
            del places[run_id]
    found = places_of_messages(written)
    for message, place in zip(open_end.session.messages, found, strict=True):
        _note(places, message, open_end.at + place)


def _spoken(open_end: OpenEnd) -> tuple[str, str] | None:
    """Return title and preview of a session that was added to; None where they are not known.

    They may come from a message that is replaced now, or from a message before it.
    """
    session, former = open_end.session, open_end.row.summary
    title, preview = session.title or former.title or session.made_title, session.preview
    if open_end.taken:
        was = session.model_copy(update={"messages": list(open_end.taken)})
        is_made = former.title and not session.title and was.made_title == former.title
        if is_made and session.made_title != former.title:
            return None
        if was.preview and not preview:
            return None
    return title, preview or former.preview


def _row_of(
    open_end: OpenEnd,
    original: Original,
    rest: bytes,
    blocks: list[int],
    spoken: tuple[str, str],
    written: FileWritten,
) -> IndexRow:
    """Return the row of a session after the end of its file was written."""
    session, row = open_end.session, open_end.row
    end = messages_end(rest, original.keys)
    proven = row.tail is not None and row.tail.proven and original.proven
    return row_grown(
        row,
        session,
        spoken,
        message_count=row.summary.message_count - len(open_end.taken) + len(session.messages),
        size_bytes=open_end.at + len(rest),
        fingerprint=written.fingerprint,
        digest=digest_with(row.digest, open_end.blocks, blocks),
        tail=None if end is None else Tail(open_end.at + end, written.spare, proven),
    )
