"""SharedSync: threads that want the same folder synced at the same time share one sync."""

from __future__ import annotations

import os
import threading

from localsessions import _system
from localsessions._local.turnstile import waiting

__all__ = ["SharedSync"]


class _Round:
    """One sync, for all who came before it began; the error is theirs, too."""

    def __init__(self) -> None:
        self.is_over = False
        self.error: OSError | None = None


class SharedSync:
    """Syncs one folder.

    While a sync goes on, whoever comes waits for the next one: the present one may have begun
    before he renamed his file. All who wait then share it.

    Args:
        folder: The folder.

    Attributes:
        syncs: How often the folder was synced.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.syncs = 0
        self._begin()

    def _begin(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._owner: int | None = None
        self._next = _Round()
        self._pid = os.getpid()  # last: another thread of a forked child then finds all the others

    def sync(self) -> None:
        """Return when all names in the folder that were there before the call are on the disk.

        Raises:
            OSError: The disk did not confirm it.
        """
        if self._pid != os.getpid():
            self._begin()  # in the parent, another thread may have been syncing at the fork
        if self._owner == threading.get_ident():
            _system.sync_folder(self.folder)  # a handler of a signal that came during a sync
            return
        mine = self._next
        with waiting(), self._one_at_a_time:
            if not mine.is_over:
                self._next = _Round()
                self._sync(mine)
        if (error := mine.error) is not None:
            raise type(error)(error.errno, error.strerror, error.filename)

    def _sync(self, mine: _Round) -> None:
        self._owner = threading.get_ident()
        try:
            _system.sync_folder(self.folder)
        except OSError as error:
            mine.error = error
        finally:
            self._owner = None
        # Not after Ctrl-C: whoever waits then syncs the folder himself.
        mine.is_over = True
        self.syncs += 1
