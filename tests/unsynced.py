"""Writes that reach the kernel and not the disk: for tests that do not ask what a power cut leaves.

A test sees what the kernel has, synced or not; a sync costs a millisecond on a quick disk and a
fifth of a second on one that is busy. Here the calls return at once. Tests whose subject is the
disk are marked ``synced``; child processes sync as ever, and so does all that ``make proof`` runs.
"""

from __future__ import annotations

import functools
import os
import sqlite3
from typing import Any

import pytest

__all__ = ["synced", "unsynced"]

_OFF = "PRAGMA synchronous = OFF"
_REAL = {name: getattr(os, name) for name in ("fsync", "fdatasync") if hasattr(os, name)}
_REAL_CONNECT = sqlite3.connect


def _sync(fd: int) -> None:
    os.fstat(fd)  # what is no open file is refused, as by the real one


class _Connection(sqlite3.Connection):
    """One whose checkpoints do not wait for the disk."""

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        if sql.startswith("PRAGMA synchronous"):
            return super().execute(_OFF)
        if sql.startswith("PRAGMA journal_mode"):
            super().execute(_OFF)  # to change it is a write, which comes first
        return super().execute(sql, *arguments)


def unsynced(patch: pytest.MonkeyPatch) -> None:
    """Let nothing in this process wait for the disk, until the patch is undone."""
    for name in _REAL:
        patch.setattr(os, name, _sync)
    connect = functools.partial(_REAL_CONNECT, factory=_Connection)
    patch.setattr(sqlite3, "connect", connect)


def synced(patch: pytest.MonkeyPatch) -> None:
    """Sync as ever, until the patch is undone."""
    for name, real in _REAL.items():
        patch.setattr(os, name, real)
    patch.setattr(sqlite3, "connect", _REAL_CONNECT)
