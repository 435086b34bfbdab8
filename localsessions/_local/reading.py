"""Reading a session, and deciding that a file is none: all reads of sessions happen here.

While an editor writes a file in place, it is torn for a moment. A caller that reads the session
waits for it a little; a listing, or a search for changes, distinguishes a young file from a file
at rest.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from localsessions._codec import decode
from localsessions._local.files import FileRead, SessionFolder
from localsessions._local.index import IndexRow, SessionIndex, row_of, row_unreadable
from localsessions._local.version import Version
from localsessions.errors import SessionNotFoundError, UnreadableSessionError
from localsessions.models.standing import original_of, stand

if TYPE_CHECKING:
    from localsessions.models import Session

__all__ = ["PAUSE", "Reader", "decoded", "is_young"]

# Seconds for which a torn file is read again.
_PATIENCE = 0.2
PAUSE = 0.01
"""Seconds between two checks of a file that a program is about to write."""

# An unreadable or missing file is reported only after this time; before it, a program may be saving
# the file.
_YOUNG_NS = 40_000_000
# For a smaller file, a new proof takes less time than a question to the index.
_WORTH_ASKING_BYTES = 128 * 1024


def decoded(read: FileRead, session_id: str, path: str, *, proven: bool = False) -> Session:
    """Return the session that was read, based on this version of the file.

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
        """Return the session in the file; wait a moment for a file that is being written.

        Raises:
            SessionNotFoundError: There is no such file.
            UnreadableSessionError: It is no session, and does not become a session in a moment.
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
        """Return whether a store has proven or written exactly this version, see ``Original``."""
        is_worth_it = len(read.data) >= _WORTH_ASKING_BYTES
        return is_worth_it and self._index.is_proven(session_id, read.fingerprint)

    def last_good(self, session_id: str) -> Session | None:
        """Return the copy of the last good version; it is based on no file."""
        data, fingerprint = self._folder.kept.read(session_id), self._folder.fingerprint(session_id)
        if data is None or fingerprint is None:
            return None
        try:  # a copy without timestamps gets those of the broken file
            session = decode(data, session_id=session_id, modified_at=fingerprint.modified_at)
        except UnreadableSessionError:
            return None  # a power cut tore the copy
        stand(session, None, None)
        return session

    # -- for listings ------------------------------------------------------------------------

    def row(self, session_id: str) -> IndexRow | None:
        """Return the row of a file as it is now; None when the file is gone."""
        try:
            read = self._folder.read(session_id)
        except SessionNotFoundError:
            return None
        except UnreadableSessionError as error:
            fingerprint = self._folder.fingerprint(session_id)
            if fingerprint is None:
                return None
            # Not settled: another user, a larger limit or a second try may read the same version.
            return row_unreadable(error, session_id, fingerprint, settled=False)
        return row_of(*read, session_id, self._folder.path(session_id))

    def row_unchecked(self, session_id: str, path: str) -> IndexRow | None:
        """Return the row of a file that is read only once; None where ``row`` has to be called.

        It is of one whole version only if the fingerprint is the same afterwards: the caller
        checks.
        """
        read = self._folder.read_unchecked(path)
        return None if read is None else row_of(*read, session_id, path)

    def row_by_path(self, session_id: str, *, at_rest: bool = False) -> IndexRow | None:
        """Return the row of a file that its path does not change while it is read; else None.

        Some file systems (networks, overlays) say other things of an open file than of its path.
        Then the row has what the path says, and is not settled: each sweep reads the file again.
        With ``at_rest`` it is read as ``row_at_rest`` reads it.
        """
        seen = self._folder.fingerprint(session_id)
        row = self.row_at_rest(session_id) if at_rest else self.row(session_id)
        if row is None or seen is None or self._folder.fingerprint(session_id) != seen:
            return None
        return row if row.fingerprint == seen else row._replace(fingerprint=seen, settled=False)

    def row_at_rest(self, session_id: str) -> IndexRow | None:
        """Return the row of a file; None when it is gone, or is being written or recorded."""
        if self._folder.is_locked(session_id):
            return None
        row = self.row(session_id)
        if row is None or row.summary.unreadable is None:
            return row
        return None if is_young(row.fingerprint.ctime_ns) else row


def is_young(since_ns: int) -> bool:
    """Return whether a file changed so recently that a program may still be saving it."""
    return 0 <= time.time_ns() - since_ns < _YOUNG_NS
