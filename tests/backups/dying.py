"""What a process does that is killed at one of its calls; run in a child of a nursery."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localsessions import SessionStore, _system
from localsessions.backups import check_backup, restore_backup
from localsessions.moving import move

__all__ = ["die_moving", "die_restoring"]

_CALLS = ("rename", "unlink", "make_folder", "sync", "sync_folder", "open_file", "lstat")


def die_restoring(path: str, folder: str, at: int, told: str) -> None:
    """Restore a backup; be killed at a call, or write how many there were."""
    with SessionStore(folder) as target, open(path, "rb") as file:
        backup = check_backup(file)
        calls = _counted(at)
        restore_backup(target, backup, merge=True)
    Path(told).write_text(str(len(calls)), "utf-8")


def die_moving(one: str, two: str, at: int, told: str) -> None:
    """Move two sessions; be killed at a call, or write how many there were."""
    with SessionStore(two) as target, SessionStore(one) as source:
        calls = _counted(at)
        move(source, target, ["a", "b"])
    Path(told).write_text(str(len(calls)), "utf-8")


def _counted(at: int) -> list[str]:
    calls: list[str] = []

    def counted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def act(*arguments: Any, **options: Any) -> Any:
            calls.append(name)
            if len(calls) == at:
                os.kill(os.getpid(), 9)
            return call(*arguments, **options)

        return act

    for name in _CALLS:
        setattr(_system, name, counted(name, getattr(_system, name)))
    return calls
