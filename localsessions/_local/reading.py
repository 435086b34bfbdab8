"""Reading a session, and deciding that a file is none: whatever is read of a session is read here.

A file that an editor is writing in place is torn for a moment. Whoever asks for the session waits
a little for it; whoever lists it, or looks for changes, tells a file that is young from one that
is at rest.
"""

from __future__ import annotations

import time

from localsessions._codec import decode
from localsessions._local.files import FileRead, SessionFolder
from localsessions._local.index import IndexRow, SessionIndex, row_of, row_unreadable
from localsessions._local.version import Version
from localsessions.errors import SessionNotFoundError, UnreadableSessionError
from localsessions.models import Session
from localsessions.models.standing import original_of, stand

__all__ = ["PAUSE", "Reader", "decoded", "is_young"]

# A torn file is looked at again for this long.
_PATIENCE = 0.2
PAUSE = 0.01
"""Seconds between two looks at a file that somebody is about to write."""

# So long after it became so an unreadable or missing file is news; before, somebody is saving it.
_YOUNG_NS = 40_000_000
# Of a smaller file it is proven again in less time than asking the index takes.
_WORTH_ASKING_BYTES = 128 * 1024


def decoded(read: FileRead, session_id: str, path: str, *, proven: bool = False) -> Session:
    """Return the session that was read, standing on the version of the file.

    Raises:
        UnreadableSessionError: The file is no session.
    """
    session = decode(
        read.data,
        session_id=session_id,
        modified_at=read.fingerprint.modified_at,
        path=path,
        proven=proven,
    )
    stand(session, original_of(session), Version(read.fingerprint, read.settled))
    return session


class Reader:
    """Reads the sessions of one folder."""

    def __init__(self, folder: SessionFolder, index: SessionIndex) -> None:
        self._folder = folder
        self._index = index

    def session(self, session_id: str) -> Session:
        """Return what the file says now, with patience for one that is being written.

        Raises:
            SessionNotFoundError: There is none.
            UnreadableSessionError: It is no session, and does not become one in a moment.
        """
        path = self._folder.path(session_id)
        deadline = time.monotonic() + _PATIENCE
        while True:
            read = self._folder.read(session_id)
            try:
                return decoded(read, session_id, path, proven=self._is_proven(session_id, read))
            except UnreadableSessionError:
                if read.settled or time.monotonic() > deadline:
                    raise
                time.sleep(PAUSE)

    def _is_proven(self, session_id: str, read: FileRead) -> bool:
        """Tell whether a store has proven or written this very version, see ``Original``."""
        is_worth_it = len(read.data) >= _WORTH_ASKING_BYTES
        return is_worth_it and self._index.is_proven(session_id, read.fingerprint)

    def last_good(self, session_id: str) -> Session | None:
        """Return the last good version that is kept; it stands on no file."""
        data, fingerprint = self._folder.kept.read(session_id), self._folder.fingerprint(session_id)
        if data is None or fingerprint is None:
            return None
        try:  # what has no times of its own gets those of the broken file
            session = decode(data, session_id=session_id, modified_at=fingerprint.modified_at)
        except UnreadableSessionError:
            return None  # a copy that a power cut tore
        stand(session, None, None)
        return session

    # -- for listings ------------------------------------------------------------------------

    def row(self, session_id: str) -> IndexRow | None:
        """Return the row of a file, as it is; None when it is gone."""
        try:
            read = self._folder.read(session_id)
        except SessionNotFoundError:
            return None
        except UnreadableSessionError as error:
            fingerprint = self._folder.fingerprint(session_id)
            if fingerprint is None:
                return None
            # Another user, a larger limit or a second try may read it, its fingerprint unmoved.
            return row_unreadable(error, session_id, fingerprint, settled=False)
        return row_of(*read, session_id, self._folder.path(session_id))

    def row_unchecked(self, session_id: str, path: str) -> IndexRow | None:
        """Return the row of a file that is read once only; None where ``row`` has to be asked.

        It is of one whole version only if the fingerprint is the same afterwards: the caller looks.
        """
        read = self._folder.read_unchecked(path)
        return None if read is None else row_of(*read, session_id, path)

    def row_at_rest(self, session_id: str) -> IndexRow | None:
        """Return the row of a file, unless somebody is writing it or about to record it."""
        if self._folder.is_locked(session_id):
            return None
        row = self.row(session_id)
        if row is None or row.summary.unreadable is None:
            return row
        return None if is_young(row.fingerprint.ctime_ns) else row


def is_young(since_ns: int) -> bool:
    """Tell whether something happened to a file so lately that somebody may be saving it."""
    return 0 <= time.time_ns() - since_ns < _YOUNG_NS
