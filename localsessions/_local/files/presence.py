"""Presence: a lock file for each store that is at work, so that others see when it has gone.

The system lets the lock go when the process ends, however it ends. The file is removed when the
work is done; what a killed process left is removed by whoever finds it.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from localsessions._local.files.lock_file import LockFile
from localsessions._local.files.locks import named_error
from localsessions.models.ids import random_hex

__all__ = ["Presence"]

_NAME = re.compile(r"[0-9a-f]{32}")
_TRIES = 10


class Presence:
    """Who is at work in one folder.

    Args:
        folder: The folder of the lock files, created when first needed.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._guard = threading.Lock()
        self._count = 0
        self._name = ""
        self._file: LockFile | None = None

    @contextmanager
    def shown(self) -> Iterator[str]:
        """Be present while the block runs; blocks may overlap, and all have the same name."""
        name = self._come()
        try:
            yield name
        finally:
            self._go(name)

    def _come(self) -> str:
        if self._pid != os.getpid():  # a forked child is not who its parent is
            self._reset()
        with self._guard:
            if self._file is None:
                self._sweep()
                self._name, self._file = self._locked()
            self._count += 1
            return self._name

    def _locked(self) -> tuple[str, LockFile]:
        for _ in range(_TRIES):
            name = random_hex(16)
            file = LockFile(self._path(name))
            try:
                if file.try_once():  # else it was swept in the moment in which it was made
                    return name, file
            except OSError as error:
                raise named_error(error, file.path) from error
        raise OSError(f"{self._folder}: no lock could be taken there")

    def _go(self, name: str) -> None:
        if self._pid != os.getpid():
            return
        with self._guard:
            if name == self._name and self._file is not None:
                self._count -= 1
                if not self._count:
                    self._end()

    def close(self) -> None:
        """Be present no longer, whatever runs. Idempotent."""
        if self._pid == os.getpid():
            with self._guard:
                self._end()

    def _end(self) -> None:
        file, self._file, self._name, self._count = self._file, None, "", 0
        if file is not None:
            self._remove(file)

    def is_present(self, name: str) -> bool:
        """Tell whether a store is present; True also where that cannot be found out."""
        if not _NAME.fullmatch(name) or not os.path.lexists(self._path(name)):
            return False
        if name == self._name and self._pid == os.getpid():
            return True
        file = LockFile(self._path(name))
        try:
            is_left = file.try_once()
        except OSError:  # a folder that cannot be written
            return True
        if is_left:
            self._remove(file)
        return not is_left

    def _sweep(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self._folder):
                self.is_present(name)

    def _remove(self, file: LockFile) -> None:
        # Before it is let go: else another process could lock what is about to be removed. Windows
        # removes no open file; there the name stays, free, until the next sweep.
        with contextlib.suppress(OSError):
            os.unlink(file.path)
        try:
            file.let_go()
        # Ctrl-C may come before it is let go: a writer that ended would look as if it were at work,
        # and its run would never be told as interrupted. To let go twice does no harm.
        except BaseException:
            file.let_go()
            raise

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)
