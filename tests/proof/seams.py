"""A caller that stops itself in the middle of a verb, at a seam between two steps of a write."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from localsessions import Session, SessionStore, _system
from localsessions._local.files.locks import StripedLocks
from localsessions._local.reconciling import Reconciler
from proof.verbs import save

__all__ = ["SEAMS", "VERBS", "stop_at", "time_a_sync"]

RECORDING = ["record_many", "record_turn", "record_removal", "record_removals", "record_return"]
SEAMS: dict[str, list[tuple[object, str]]] = {
    "before its lock is compared": [(StripedLocks, "check")],
    "before the rename": [(_system, "rename")],
    "before the row": [(Reconciler, name) for name in RECORDING],
    "before unlocking": [(Reconciler, name) for name in RECORDING],
}
VERBS: dict[str, Callable[[SessionStore], object]] = {
    "create": lambda store: store.create("s", title="new"),
    "save": save,
    "rename": lambda store: store.rename("s", "new"),
    "delete": lambda store: store.delete("s"),
    "create_many": lambda store: store.create_many([Session(session_id="s", title="new")]),
    "save_many": lambda store: save_many(store),  # noqa: PLW0108  (defined below)
    "delete_many": lambda store: store.delete_many(["s"]),
    "restore": lambda store: store.restore("s"),
}


def save_many(store: SessionStore) -> None:
    session = store.load("s")
    session.title = "new"
    store.save_many([session])


def stop_at(folder: str, verb: str, seam: str, ending: str) -> None:
    """Perform a verb, stopped at a seam until somebody lets it go on; write down how it ended."""
    with SessionStore(folder) as store, contextlib.ExitStack() as patched:
        for owner, name in SEAMS[seam]:
            stopping = _stopping(getattr(owner, name), after=seam == "before unlocking")
            patched.enter_context(mock.patch.object(owner, name, stopping))
        try:
            VERBS[verb](store)
        except OSError as error:
            ended = f"{type(error).__name__} {error.errno}"
        except ExceptionGroup as group:
            (refusal,) = (one for one in group.exceptions if isinstance(one, OSError))
            ended = f"{type(refusal).__name__} {refusal.errno}"
        else:
            ended = "done"
    Path(ending).write_text(ended, "utf-8")


def _stopping(step: Callable[..., object], *, after: bool) -> Callable[..., object]:
    def stop(*arguments: Any, **options: Any) -> object:
        if str(arguments[-1]).endswith(".gitignore"):  # of a folder that is made on the way
            return step(*arguments, **options)
        if after:
            result = step(*arguments, **options)
            os.kill(os.getpid(), signal.SIGSTOP)
            return result
        os.kill(os.getpid(), signal.SIGSTOP)
        return step(*arguments, **options)

    return stop


def time_a_sync(path: str) -> None:
    """Write down how many seconds an fsync takes here."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    begin = time.monotonic()
    os.fsync(fd)
    took = time.monotonic() - begin
    os.write(fd, str(took).encode())
