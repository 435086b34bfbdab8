"""The process whose calls fail: forked from a warm one, with a store open, waiting to be attacked.

Started by ``injecting``, never by hand. The warm process has done every verb once, so that no
import and no first use is among the calls that are counted. It and its children talk over sockets
only: ``sendto`` and ``recvfrom`` are never made to fail, so a child whose every ``write`` fails
can still say how it ended.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from localsessions import (
    DurabilityUnknownError,
    Page,
    SessionChange,
    SessionError,
    SessionStore,
    SessionSummary,
)
from localsessions._local.files import reading
from proof.perform import BEGIN, END
from proof.verbs import VERBS, prepared, sound

__all__ = ["OPEN", "READS", "Ended"]

Ended: TypeAlias = dict[str, Any]
"""How an act ended: ``said`` is "done", or the class of the error; see ``_ended``."""

OPEN = "SessionStore"
"""The name of the act that opens the folder; all others are done by a store that is open."""

READS: dict[str, Callable[[SessionStore], object]] = {
    "load": lambda store: store.load("s").messages,
    "tail": lambda store: store.tail("s", 1),
    "list": lambda store: _listed(store.list()),
    "list, fresh": lambda store: _listed(store.list(fresh=True)),
    "count": lambda store: store.count(),
    "search": lambda store: [hit.session.session_id for hit in store.search("dull page")],
    "resolve": lambda store: store.resolve("old"),
    "trash": lambda store: [one.session_id for one in store.trash()],
    "changes": lambda store: _told(store.changes(_since)),
    "changes, fresh": lambda store: _told(store.changes(_since, fresh=True)),
    "checkpoints": lambda store: len(store.checkpoints("s")),
    "load_checkpoint": lambda store: store.load_checkpoint("s").data,
    # What the index had not seen yet is another thing when it was made anew.
    "verify": lambda store: [
        (one.kind, one.session_id) for one in store.verify() if one.kind != "index"
    ],
    "stats": lambda store: (store.stats().sessions, store.stats().trashed),
}
"""The verbs that only read, each with what must be the same whatever failed before."""


_since = 0


def _listed(page: Page[SessionSummary]) -> list[tuple[str, str, bool]]:
    return sorted((one.session_id, one.title, bool(one.unreadable)) for one in page.items)


def _told(changes: Iterator[SessionChange]) -> list[tuple[str, str]]:
    return sorted((one.session_id, one.kind) for one in changes)


def _act(name: str, store: SessionStore) -> object:
    return (READS.get(name) or VERBS[name].act)(store)


def _ended(act: Callable[[], object]) -> Ended:
    """Return how an act ended; an error that is none of the documented ones is ``raw``."""
    try:
        answer = act()
    except KeyboardInterrupt:
        return {"said": "KeyboardInterrupt"}
    except (OSError, SessionError) as error:
        return _told_of(error)
    except ExceptionGroup as group:
        every = [_told_of(error) for error in group.exceptions]
        return {
            "said": "raw" if any(one["said"] == "raw" for one in every) else "ExceptionGroup",
            "text": f"{group}: {[one['text'] for one in every]}",
            "visible": any(one["visible"] for one in every),
            "names": all(one["names"] for one in every),
        }
    except Exception:  # whatever it is, the attack has found something
        return {"said": "raw", "text": traceback.format_exc()}
    return {"said": "done", "answer": json.loads(json.dumps(answer, default=lambda _: "object"))}


def _told_of(error: Exception) -> Ended:
    named = getattr(error, "session_id", None) or getattr(error, "path", None)
    is_known = isinstance(error, OSError | SessionError)
    return {
        "said": type(error).__name__ if is_known else "raw",
        "text": str(error),
        "visible": isinstance(error, DurabilityUnknownError),
        "names": named or getattr(error, "filename", None),
    }


def _say(here: socket.socket, ended: object) -> None:
    here.sendall(json.dumps(ended).encode() + b"\n")


def _attacked(save_dir: str, name: str, since: int, here: socket.socket) -> None:
    """Open the store, say so, act when told to; then do what else is asked."""
    global _since  # noqa: PLW0603  (of this one child, which does nothing else)
    _since = since
    opened = [] if name == OPEN else [SessionStore(save_dir)]

    def act() -> object:
        if name == OPEN:
            while opened:
                opened.pop().close()
            opened.append(SessionStore(save_dir))
            return None
        return _act(name, opened[0])

    before = _descriptors()
    orders: dict[str, Callable[[], object]] = {
        "again": act,
        "count": lambda: [before, _descriptors()],
        "repair": lambda: VERBS["repair"].act(opened[0]),
        "told": lambda: _told(opened[0].changes(since, fresh=True)),
        "sound": lambda: sound(opened[0]) if opened else None,
    }
    _say(here, "ready")
    here.recv(16)
    os.access(BEGIN, os.F_OK)
    ended = _ended(act)
    os.access(END, os.F_OK)
    _say(here, ended)
    while order := here.recv(16):
        _say(here, _ended(orders[order.decode().strip()]))
    for store in opened:
        store.close()


def _descriptors() -> list[str]:
    """Return what is open, but for the databases, which are opened when first used."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:
            continue  # the listing's own
        if ".sqlite3" not in target:
            found.append(target)
    return sorted(found)


def _warm_up() -> None:
    scratch = Path(tempfile.mkdtemp())
    for number, name in enumerate(VERBS):
        prepared(name, scratch / str(number))
    with SessionStore(scratch / "3") as store:
        for read in READS.values():
            _ended(functools.partial(read, store))
    shutil.rmtree(scratch)


def main(control: socket.socket) -> None:
    """Fork a child for each order that comes, with the socket that comes with it."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # Each file is as one that was written just now: all is read again and compared, every time,
    # and the N-th call is the same one in every attempt.
    reading._is_settled = lambda fingerprint: False
    _warm_up()
    control.sendall(b"warm\n")
    while True:
        order, fds, _, _ = socket.recv_fds(control, 65536, 1)
        if not order:
            return
        here = socket.socket(fileno=fds[0])
        pid = os.fork()
        if pid == 0:
            control.close()
            code = 1
            try:
                save_dir, name, since = json.loads(order)
                _attacked(save_dir, name, since, here)
                code = 0
            finally:
                os._exit(code)
        here.close()
        control.sendall(f"{pid}\n".encode())


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
