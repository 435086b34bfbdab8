"""Spares: former versions of session files, brought up to date in place instead of written anew.

A session that is added to has two files of nearly the same content: the published one, and under
a private name the version before it. To publish the next, the end of the private one is written
anew, synced, and renamed over the published one, which becomes the spare in its turn. So only the
end is ever written, and whoever reads the published name finds a whole version at every instant.

Whoever opened a file before it was replaced must never see it change. Linux grants a write lease
only while nobody else has the file open or mapped, and holds off whoever comes while it lasts
(fcntl(2), "Leases"). Where there are no leases there are no spares.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections import Counter

from localsessions._local.files import durable
from localsessions._local.files.publishing import FileWritten, Publisher, later
from localsessions._local.version import Fingerprint, Spare, Tail

__all__ = ["SPARE_SUFFIX", "Spares"]

SPARE_SUFFIX = ".spare"
_MOST = 32
_CAN_LEASE = sys.platform == "linux"
# Errors that mean "not on this file system", of leases and of hard links.
_UNSUPPORTED = (errno.EINVAL, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


class Spares:
    """The spares of one store: those that this object made, and those that the index names.

    Args:
        publisher: Of the store. A name that took the place of another is made durable whatever
            the store promises: after a power cut the one before may else be back, and the next
            end be written to it.

    Attributes:
        ends_written: Session files of which only the end was written.
        refusals: Why others were written whole although something was only added, counted.
    """

    def __init__(self, publisher: Publisher) -> None:
        self.ends_written = 0
        self.refusals: Counter[str] = Counter()
        self._publisher = publisher
        self._own: dict[str, str] = {}
        self._refused: set[str] = set()

    # -- writing the end only ----------------------------------------------------------------

    def write_end(
        self, session_id: str, path: str, end: bytes, former: Fingerprint, tail: Tail
    ) -> FileWritten | None:
        """Replace the session's file by one that differs from ``tail.at`` on; hold the lock.

        Only the end is written, to the version before, which then is published.

        Args:
            session_id: Whose file.
            path: Where it is.
            end: Of the new file, from ``tail.spare.common`` on.
            former: What is there now; the new modification time is later than its.
            tail: Where the end begins.

        Returns:
            None where that cannot be done: nothing was changed, and there is no spare any more.

        Raises:
            OSError: Nothing was changed.
            UnstorableValueError: It would be too large to be read again.
        """
        spare = tail.spare
        if spare is None:
            self.refusals["no version before"] += 1
            return None
        self._publisher.refuse_large(session_id, spare.common + len(end))
        try:
            written = self._publish_end(session_id, path, end, former, tail.at, spare)
        except _Refused as refused:
            self._refuse(spare, str(refused))
            return None
        except BaseException:  # Ctrl-C too: half a spare is of no use
            self.drop(spare)
            raise
        self.ends_written += 1
        return written

    def _refuse(self, spare: Spare, reason: str) -> None:
        self.drop(spare)
        self.refusals[reason] += 1
        self._refused.add(spare.name)

    def write_end_of(
        self, session_id: str, path: str, data: bytes, former: Fingerprint, tail: Tail
    ) -> FileWritten | None:
        """Do as ``write_end`` with the end of what the whole file shall hold.

        Not once more where it was refused just now: the index still names a spare that is gone.
        """
        name = tail.spare.name if tail.spare else ""
        try:
            if name in self._refused:
                return None
            end = data[tail.spare.common :] if tail.spare else b""
            return self.write_end(session_id, path, end, former, tail)
        finally:
            self._refused.discard(name)  # the row that names it is replaced now

    def _publish_end(
        self, session_id: str, path: str, end: bytes, former: Fingerprint, at: int, spare: Spare
    ) -> FileWritten:
        temp = self._publisher.in_tmp(spare.name)
        new = _brought_up_to_date(temp, spare, end, mtime_ns=later(former))
        kept = self._keep(session_id, path)
        if kept is None:
            raise _Refused("no hard links here")
        try:
            self._refuse_changed(kept, former)
            written = self._publisher.publish(session_id, temp, path, new, is_durable=True)
        except BaseException as error:  # Ctrl-C too
            self._discard(kept)
            if not isinstance(error, FileNotFoundError):
                raise
            # Whoever made it dropped it as he closed; what is published is what it was.
            raise _Refused("the spare is gone") from error
        if self._own.get(session_id) == spare.name:
            del self._own[session_id]  # it has the session's own name now
        return self._with_spare(session_id, written, kept, former, at)

    def _refuse_changed(self, kept: str, former: Fingerprint) -> None:
        """Make sure that what is about to be replaced is what the end was added to."""
        if self._publisher.found_at(self._publisher.in_tmp(kept), former) is None:
            raise _Refused("the file was changed")

    # -- keeping the version before ----------------------------------------------------------

    def write_whole(
        self, session_id: str, path: str, data: bytes, former: Fingerprint, at: int
    ) -> FileWritten:
        """Replace the session's file by ``data`` and keep the version before as a spare.

        Args:
            session_id: Whose file.
            path: Where it is.
            data: The whole new content.
            former: What is there now.
            at: Where ``data`` begins to differ from that.

        Raises:
            Overtaken: ``former`` is not there any more; nothing was changed.
            OSError: Nothing was changed.
        """
        self.drop_own(session_id)
        kept = self._keep(session_id, path)
        try:
            is_kept = kept is not None
            written = self._publisher.replace(session_id, path, data, former, is_durable=is_kept)
        except BaseException:  # Ctrl-C too: no file of ours stays; the error goes on its way
            if kept is not None:
                self._discard(kept)
            raise
        return written if kept is None else self._with_spare(session_id, written, kept, former, at)

    def _keep(self, session_id: str, path: str) -> str | None:
        """Give the published file a private name too, so that it stays when it is replaced."""
        if not _CAN_LEASE:
            return None
        kept = self._publisher.temp_path(session_id, SPARE_SUFFIX)
        try:
            os.link(path, kept, follow_symlinks=False)
        except OSError:
            return None  # this file system has no hard links, or no more of them
        return os.path.basename(kept)

    def _with_spare(
        self, session_id: str, written: FileWritten, kept: str, former: Fingerprint, common: int
    ) -> FileWritten:
        """Make a spare of the version that was just replaced, if it is what it was."""
        # What the disk did not confirm may come back after a power cut: it must stay as it is.
        if written.doubt:
            self._discard(kept)
            return written
        now = self._publisher.found_at(self._publisher.in_tmp(kept), former)
        self.drop_own(session_id)
        self._own[session_id] = kept
        if len(self._own) > _MOST:
            self.drop_own(list(self._own)[0])  # noqa: RUF015  (other threads change it)
        if now is None:
            self._discard(kept)
            return written
        return written._replace(spare=Spare(kept, common, now))

    # -- dropping ----------------------------------------------------------------------------

    def drop(self, spare: Spare) -> None:
        """Remove a spare that is of no more use; its session's lock must be held."""
        self._discard(spare.name)

    def drop_own(self, session_id: str) -> None:
        """Remove the spare of a session, if this object made one; the lock must be held."""
        if (name := self._own.pop(session_id, None)) is not None:
            self._discard(name)

    def drop_all(self) -> None:
        """Remove the spares that this object made; the sessions lose nothing."""
        for session_id in list(self._own):
            self.drop_own(session_id)

    def _discard(self, name: str) -> None:
        durable.discard(self._publisher.in_tmp(name))


class _Refused(Exception):  # noqa: N818  (no error: the file is written whole instead)
    """The spare cannot be used; the reason is counted."""


def _brought_up_to_date(path: str, spare: Spare, end: bytes, *, mtime_ns: int) -> Fingerprint:
    """Let a spare end with ``end`` from where it still holds what the published file holds.

    Raises:
        _Refused: Somebody has it open, changed it, or gave it another name. It is as it was.
        OSError: It is neither the old nor the new version, and no longer of use.
    """
    try:
        fd = os.open(path, durable.EDITING)
    except OSError as error:
        raise _Refused("the spare is gone") from error
    with durable.closing(fd, path):
        _lease(fd)
        try:
            status = os.fstat(fd)
            if durable.fingerprint_of(status) != spare.fingerprint:
                raise _Refused("the spare was changed")
            if status.st_nlink != 1:
                raise _Refused("the file has other names")
            durable.write_end(fd, end, at=spare.common, mtime_ns=mtime_ns)
        finally:
            # Closing would do, but for a child forked meanwhile, which has the file open, too.
            _let_go(fd)
        return durable.fingerprint_of(os.fstat(fd))


def _lease(fd: int) -> None:
    """Take a write lease: nobody else has the file open now, and who opens it waits.

    Raises:
        _Refused: Somebody has it open or mapped, or the file system has no leases.
    """
    import fcntl

    try:
        # Whoever opens the file makes the kernel send a signal, by default SIGIO, which kills;
        # SIGURG is ignored. Unlocking resets it, so it is set each time.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            raise _Refused("somebody reads the version before") from None
        if error.errno in (*_UNSUPPORTED, errno.EACCES, errno.EPERM):
            raise _Refused("no leases here") from None
        raise


def _let_go(fd: int) -> None:
    import fcntl

    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
