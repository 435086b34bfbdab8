"""LastGood: what the copies of good versions say of a session whose file is broken.

Where the copies are and how many there are is the matter of ``_files``; here is which version of
a file is worth one, and what can be read of it.
"""

from __future__ import annotations

from localsessions import _codec
from localsessions._local.files import SessionFolder
from localsessions._local.index import Filter, SessionIndex
from localsessions._local.version import digest_of
from localsessions.errors import SessionNotFoundError, UnreadableSessionError
from localsessions.models import Session

__all__ = ["LastGood"]


class LastGood:
    """The last good versions of the sessions of one store.

    Args:
        folder: Of the store, and so is the next.
        index: See there.
    """

    def __init__(self, folder: SessionFolder, index: SessionIndex) -> None:
        self._folder = folder
        self._index = index

    def newest(self, count: int) -> list[str]:
        """Return the sessions that were active last: those that are likely to be edited."""
        rows = self._index.page(Filter(), "-last_activity", count, None)
        return [row.summary.session_id for row in rows]

    def keep(self, session_id: str) -> None:
        """Keep a copy of a session's file as it is now, if it is good and not kept yet."""
        row, kept = self._index.get(session_id), self._folder.kept
        if row is None:
            kept.drop(session_id)
            return
        # One that is too young to be told from a later version is copied again; so be it.
        if row.summary.unreadable or kept.kept_ns(session_id) > row.fingerprint.ctime_ns:
            return
        try:
            read = self._folder.read(session_id)
        except (SessionNotFoundError, UnreadableSessionError):
            return  # changed since: whoever tells of it comes here again
        if digest_of(read.data) == row.digest:
            kept.keep(session_id, read.data)

    def load(self, session_id: str) -> Session | None:
        """Return the last good version of a session that is kept; it stands on no file."""
        data, fingerprint = self._folder.kept.read(session_id), self._folder.fingerprint(session_id)
        if data is None or fingerprint is None:
            return None
        try:  # what has no times of its own gets those of the broken file
            session = _codec.decode(data, session_id=session_id, fingerprint=fingerprint)
        except UnreadableSessionError:
            return None  # a copy that a power cut tore
        session._base = None
        return session
