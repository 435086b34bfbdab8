"""Spares: previous versions of session files, brought up to date in place instead of rewritten.

A session that is added to has two files of nearly the same content: the published file and, under
a private name, its previous version, the spare. To publish the next version, the end of the spare
is rewritten and synced, and the spare is renamed over the published file, which becomes the next
spare. So only the end is ever written, and a reader of the published name finds a whole version at
every instant.

A reader that opened a file before it was replaced must never see it change. Linux grants a write
lease only while the file is not open or mapped anywhere else, and makes each later open wait while
the lease lasts (fcntl(2), "Leases"). Without leases there are no spares.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections import Counter

from localsessions import _system
from localsessions._local.files import durable
from localsessions._local.files.publishing import FileWritten, Publisher, later
from localsessions._local.recent import Recent
from localsessions._local.version import Fingerprint, Spare, Tail

__all__ = ["SPARE_SUFFIX", "Spares"]

SPARE_SUFFIX = ".spare"
_CAN_LEASE = sys.platform == "linux"
# Errors of leases and hard links that mean "not on this file system".
_UNSUPPORTED = (errno.EINVAL, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


class Spares:
    """The spares of one store: those that this object made, and those that the index names.

    Args:
        publisher: The publisher of the store. A rename over a published file is made durable
            whatever the store promises. Otherwise a power cut could bring the previous file
            back under the published name, and the next write would go into that file.

    Attributes:
        ends_written: Session files of which only the end was written.
        refusals: How often a file was written whole although something was only added, by reason.
    """

    def __init__(self, publisher: Publisher) -> None:
        self.ends_written = 0
        self.refusals: Counter[str] = Counter()
        self._publisher = publisher
        self._own: Recent[str] = Recent()
        self._refused: set[str] = set()

    # -- writing the end only ----------------------------------------------------------------

    def write_end(
        self, session_id: str, path: str, end: bytes, former: Fingerprint, tail: Tail
    ) -> FileWritten | None:
        """Replace the session's file by a version that differs from ``tail.at`` on; hold the lock.

        Only the end is written, into the previous version, which is then published.

        Args:
            session_id: The session of the file.
            path: The path of the file.
            end: The bytes of the new file from ``tail.spare.common`` on.
            former: The fingerprint of the file now; the new modification time is later.
            tail: Where the end begins.

        Returns:
            None where that is not possible: nothing was changed, and the spare was removed.

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
        except BaseException:  # Ctrl-C too: a spare that is half written is useless
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
        """Like ``write_end``, but takes the content of the whole file.

        It does not try a spare again that was just refused: the index still names that spare,
        although it is gone.
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
            # The owner of the spare closed and removed it; the published file is unchanged.
            raise _Refused("the spare is gone") from error
        if self._own.get(session_id) == spare.name:
            self._own.pop(session_id)  # it has the session's own name now
        return self._with_spare(session_id, written, kept, former, at)

    def _refuse_changed(self, kept: str, former: Fingerprint) -> None:
        """Make sure that the file to be replaced is the version to which the end was added."""
        if self._publisher.found_at(self._publisher.in_tmp(kept), former) is None:
            raise _Refused("the file was changed")

    # -- keeping the previous version --------------------------------------------------------

    def write_whole(
        self, session_id: str, path: str, data: bytes, former: Fingerprint, at: int
    ) -> FileWritten:
        """Replace the session's file by ``data`` and keep the previous version as a spare.

        Args:
            session_id: The session of the file.
            path: The path of the file.
            data: The whole new content.
            former: The fingerprint of the file now.
            at: Where ``data`` begins to differ from that file.

        Raises:
            Overtaken: The file no longer has the fingerprint ``former``; nothing was changed.
            OSError: Nothing was changed.
        """
        self.drop_own(session_id)
        kept = self._keep(session_id, path)
        try:
            is_kept = kept is not None
            written = self._publisher.replace(session_id, path, data, former, is_durable=is_kept)
        except BaseException:  # Ctrl-C too: remove the private name, then re-raise
            if kept is not None:
                self._discard(kept)
            raise
        return written if kept is None else self._with_spare(session_id, written, kept, former, at)

    def _keep(self, session_id: str, path: str) -> str | None:
        """Add a private name to the published file, so that it is kept when it is replaced.

        It is a hard link, which copies nothing (link(2)).
        """
        if not _CAN_LEASE:
            return None
        kept = self._publisher.temp_path(session_id, SPARE_SUFFIX)
        try:
            os.link(path, kept, follow_symlinks=False)
        except OSError:
            return None  # this file system has no hard links, or the file has the most it can have
        return os.path.basename(kept)

    def _with_spare(
        self, session_id: str, written: FileWritten, kept: str, former: Fingerprint, common: int
    ) -> FileWritten:
        """Make a spare of the version that was just replaced, if it has not changed."""
        # The disk did not confirm: a power cut may bring the previous version back, so it must not
        # change.
        if written.doubt:
            self._discard(kept)
            return written
        now = self._publisher.found_at(self._publisher.in_tmp(kept), former)
        for name in self._own.keep(session_id, kept, former.size_bytes):
            self._discard(name)
        if now is None:
            self._discard(kept)
            return written
        return written._replace(spare=Spare(kept, common, now))

    # -- dropping ----------------------------------------------------------------------------

    def drop(self, spare: Spare) -> None:
        """Remove a spare that is no longer used; its session's lock must be held."""
        self._discard(spare.name)

    def drop_own(self, session_id: str) -> None:
        """Remove the spare of a session, if this object made it; the lock must be held."""
        if (name := self._own.pop(session_id)) is not None:
            self._discard(name)

    def drop_all(self) -> None:
        """Remove the spares that this object made; the sessions lose nothing."""
        for session_id in self._own.ids():
            self.drop_own(session_id)

    def _discard(self, name: str) -> None:
        durable.discard(self._publisher.in_tmp(name))


class _Refused(Exception):  # noqa: N818  (no error: the file is written whole instead)
    """The spare cannot be used; the reason is counted."""


def _brought_up_to_date(path: str, spare: Spare, end: bytes, *, mtime_ns: int) -> Fingerprint:
    """Rewrite the end of a spare, from where it begins to differ from the published file.

    Raises:
        _Refused: The spare is open elsewhere, was changed, or has another name. Nothing was
            written.
        OSError: It holds neither the old nor the new version, and can no longer be used.
    """
    try:
        fd = _system.open_file(path, _system.EDITING)
    except OSError as error:
        raise _Refused("the spare is gone") from error
    with durable.closing(fd, path):
        _lease(fd)
        try:
            status = _system.fstat(fd)
            if durable.fingerprint_of(status) != spare.fingerprint:
                raise _Refused("the spare was changed")
            # A backup made of hard links shares this file: it must not change.
            if status.st_nlink != 1:
                raise _Refused("the file has other names")
            durable.write_end(fd, end, at=spare.common, mtime_ns=mtime_ns)
        finally:
            # Closing alone does not end the lease while a forked child has the file open.
            _let_go(fd)
        return durable.fingerprint_of(_system.fstat(fd))


def _lease(fd: int) -> None:
    """Take a write lease: the file is open nowhere else, and each later open waits.

    Raises:
        _Refused: It is open or mapped elsewhere, or the file system has no leases.
    """
    import fcntl

    try:
        # When the file is opened elsewhere, the kernel sends this process a signal: by default
        # SIGIO, which kills it. SIGURG is ignored. Unlocking resets the signal, so it is set each
        # time.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except OSError as error:
        # EAGAIN: the file is open elsewhere (fcntl(2)).
        if error.errno == errno.EAGAIN:
            raise _Refused("somebody reads the version before") from None
        # EACCES: a lease needs the owner of the file, or CAP_LEASE (fcntl(2)).
        if error.errno in (*_UNSUPPORTED, errno.EACCES, errno.EPERM):
            raise _Refused("no leases here") from None
        raise


def _let_go(fd: int) -> None:
    import fcntl

    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
