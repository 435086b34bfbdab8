"""JSONSession: the states of modules in ``modules`` of the session files of a store.

What stands in the memories of modules is said in ``messages``; see ``memories``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import warnings
import weakref
from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple

from localsessions import (
    ConflictError,
    Session,
    SessionNotFoundError,
    SessionStore,
    UnreadableSessionError,
)
from localsessions.adapters.agentscope.memories import has_memory, put, restored
from localsessions.adapters.agentscope.modules import (
    Snapshot,
    Snapshots,
    State,
    Stateful,
    json_copy,
    refuse_what_is_no_module,
    states_in,
)
from localsessions.adapters.agentscope.plain_files import (
    plain_states_of,
    read_plain_states,
    take_over,
)
from localsessions.adapters.agentscope.seen import Seen, Sights
from localsessions.adapters.agentscope.session_base import SessionBase
from localsessions.adapters.document import finished
from localsessions.addresses import refuse_address
from localsessions.format import file_stem

__all__ = ["JSONSession"]

logger = logging.getLogger(__name__)

# A program that ignores our locks may write between two tries; so many times in a row is unlikely.
_TRIES = 10

_sights = Sights()
"""Of all objects: a module may be loaded by one and saved by another."""


class _Found(NamedTuple):
    """What a load finds: states as modules take them, and what each module has seen then."""

    session: Session
    states: dict[str, State]
    seen: dict[str, Seen]


class JSONSession(SessionBase):
    """Keeps the states of modules in ``<save_dir>/<session_id>.json``, under their names.

    The file is an ordinary session of ``SessionStore(save_dir)``, which lists, searches, deletes
    and cleans it. A file that agentscope wrote is loaded as it is; a save converts it to a session.

    What stands in agents' memories is said in the ``messages`` of the session, for everybody. What
    others say there, in other frameworks or with the store's verbs, is put into the memories when
    they are loaded; what an agent of agentscope says reaches only the memories that were told it,
    as always. An edit of a message reaches the agents that are loaded after it.

    The work is done in worker threads. Any number of tasks, threads and processes may save the same
    session at once. Modules of different names are all kept. For the same name, the later call of
    this object wins. If two objects save the same module, the last write wins.

    Args:
        session_id: Deprecated, not used.
        save_dir: The folder, relative to the working directory of each call; a save creates it.
        strict: Whether to raise if a module to be loaded was never saved. False leaves it as it is
            and logs a warning, so that an agent added later can be loaded with others.
        durability: As for ``SessionStore``, and so is the next.
        lock_timeout: Seconds to wait for other writers of the session.
    """

    def __init__(
        self,
        session_id: str | None = None,
        save_dir: str | os.PathLike[str] = ".",
        *,
        strict: bool = False,
        durability: Literal["full", "fast"] = "full",
        lock_timeout: float = 10.0,
    ) -> None:
        if session_id is not None:
            warnings.warn(
                f"session_id={session_id!r} of JSONSession is deprecated and not used, and goes "
                "with localsessions 1.0: give it to save_session_state and load_session_state "
                "(a folder is save_dir=)",
                DeprecationWarning,
                stacklevel=2,
            )
        if durability not in ("full", "fast"):
            raise ValueError(f'durability must be "full" or "fast", not {durability!r}')
        if not lock_timeout >= 0:
            raise ValueError(f"lock_timeout must be 0 or more seconds, not {lock_timeout!r}")
        refuse_address(os.fspath(save_dir), "give a folder, or keep the states with SessionStore")
        self.save_dir = os.fspath(save_dir)
        self._strict = strict
        self._durability = durability
        self._lock_timeout = lock_timeout
        self._snapshots = Snapshots()
        self._opening = threading.Lock()
        self._opened: SessionStore | None = None
        self._close = weakref.finalize(self, _nothing_to_close)

    async def save_session_state(
        self, /, session_id: str, **state_modules_mapping: Stateful
    ) -> None:
        """Save the state of each module, durably; modules that are not named stay in the file.

        The states are those at the time of the call, whatever the modules do meanwhile. A
        cancelled save is finished first.

        Raises:
            ValueError: ``session_id`` cannot be the name of a file.
            TypeError: An argument is not a module.
            UnstorableValueError: A state is not JSON. Nothing was written; so for the following:
            UnreadableSessionError: The file exists but is not a session; it stays as it is.
            LockTimeoutError: Another writer held the lock for all of ``lock_timeout``.
        """
        path = self._get_save_path(session_id)
        snapshot = self._snapshots.take(session_id, state_modules_mapping)
        place = _place(path)
        seen = {name: _sights.of(one, place) for name, one in state_modules_mapping.items()}

        def write() -> None:
            for name, now in self._write(snapshot, seen).items():
                _sights.note(state_modules_mapping[name], now)

        try:
            await finished(write)
        finally:
            self._snapshots.drop(snapshot)
        logger.info("saved session %r to %s", session_id, path)

    async def load_session_state(
        self,
        /,
        session_id: str,
        allow_not_exist: bool = True,
        **state_modules_mapping: Stateful,
    ) -> None:
        """Put the saved states back into the modules, in place. Writes no file.

        A module that was never saved stays as it is, with a warning in the log; if it has a memory,
        it is told what others have said in the session instead. With ``strict`` the call raises
        before it loads any module. If a module refuses its state, the modules before it are already
        loaded.

        Raises:
            ValueError: There is no such session and ``allow_not_exist`` is False, or ``session_id``
                cannot be the name of a file, or a module is missing and this object is strict.
            TypeError: An argument is not a module.
            UnreadableSessionError: The file exists but is not a session; nothing was loaded.
        """
        refuse_what_is_no_module(state_modules_mapping)
        path = self._get_save_path(session_id)
        found = await asyncio.to_thread(self._read, session_id, state_modules_mapping.keys())
        if found is None:
            if not allow_not_exist:
                raise ValueError(f"there is no session {session_id!r} in {path}; save it first")
            logger.info("there is no session %r in %s: nothing is loaded", session_id, path)
            return
        missing = {
            name: module
            for name, module in state_modules_mapping.items()
            if name not in found.states
        }
        for name, state in self._states_to_tell(session_id, path, missing).items():
            found.states[name], found.seen[name] = await asyncio.to_thread(
                restored, found.session, state, _place(path), is_new=True
            )
        for name, module in state_modules_mapping.items():
            if name in found.states:
                module.load_state_dict(found.states[name])
                _sights.note(module, found.seen[name])
        logger.info("loaded session %r from %s", session_id, path)

    def close(self) -> None:
        """Close the index of the folder. Idempotent; a later save or load opens it again.

        It writes nothing to the sessions. An object that is garbage-collected closes it too.
        """
        with self._opening:
            self._opened = None
            self._close()

    def _get_save_path(self, session_id: str) -> str:
        """Return the session's file, ``<save_dir>/<session_id>.json``. Creates nothing.

        Characters that some system does not allow in a file name are percent-encoded, unless
        another program has created a file with the plain name.

        Raises:
            ValueError: ``session_id`` cannot be the name of a file.
        """
        try:
            stem = file_stem(session_id)
        except TypeError as error:
            raise ValueError(str(error)) from error
        path = os.path.join(self.save_dir, f"{stem}.json")
        as_it_is = os.path.join(self.save_dir, f"{session_id}.json")
        is_there = stem != session_id and not os.path.lexists(path) and os.path.lexists(as_it_is)
        return as_it_is if is_there else path

    # -- in the worker thread ----------------------------------------------------------------

    def _store(self) -> SessionStore:
        """Return the store of the folder; the first call opens it."""
        folder = os.path.abspath(self.save_dir)
        with self._opening:
            opened = self._opened
            if opened is None or opened.save_dir != folder:
                self._close()
                opened = self._opened = SessionStore(
                    folder, durability=self._durability, lock_timeout=self._lock_timeout
                )
                self._close = weakref.finalize(self, opened.close)
            return opened

    def _write(self, snapshot: Snapshot, seen: Mapping[str, Seen]) -> dict[str, Seen]:
        now: dict[str, Seen] = {}
        with self._snapshots.writing(snapshot) as states:
            store = self._store()
            for tries_left in reversed(range(_TRIES)):
                try:
                    now = _merge(store, snapshot.session_id, states, seen)
                    break
                except ConflictError:  # what the other program wrote is kept, and read again
                    if not tries_left:
                        raise
        return now

    def _read(self, session_id: str, names: Collection[str]) -> _Found | None:
        # Opening a store creates its folder, and a load must create nothing.
        path = self._get_save_path(session_id)
        if not os.path.lexists(path):
            return None
        store = self._store()
        try:
            session, states = _session_and_states(store, session_id)
        except SessionNotFoundError:
            return None
        found = _Found(session, {}, {})
        for name in states.keys() & names:
            found.states[name], found.seen[name] = restored(session, states[name], _place(path))
        return found

    def _states_to_tell(
        self, session_id: str, path: str, missing: Mapping[str, Stateful]
    ) -> dict[str, State]:
        """Return the present states of those modules that have a memory.

        Raises:
            ValueError: This object is strict, and a module is missing.
        """
        if missing and self._strict:
            raise ValueError(
                f"session {session_id!r} in {path} has no state of module {min(missing)!r}; save "
                "it first, or load without strict"
            )
        present = states_in(
            {name: json_copy(module.state_dict()) for name, module in missing.items()}
        )
        states = {name: state for name, state in present.items() if has_memory(state)}
        for name in sorted(missing.keys() - states.keys()):
            logger.warning(
                "session %r in %s has no state of module %r, which stays as it is",
                session_id,
                path,
                name,
            )
        return states


def _nothing_to_close() -> None:
    """Do nothing: no store is open yet."""


def _place(path: str) -> str:
    """Return what tells a session's file from others, wherever a program works."""
    return os.path.abspath(path)


def _session_and_states(
    store: SessionStore, session_id: str
) -> tuple[Session, Mapping[str, State]]:
    """Return a session and its states; of a file of agentscope's, the session is empty."""
    try:
        session = store.load(session_id)
    except UnreadableSessionError:
        if (states := read_plain_states(store, session_id)) is None:
            raise
        return Session(session_id=session_id), states
    if (states := plain_states_of(session)) is not None:
        return Session(session_id=session_id), states
    return session, states_in(session.modules)


def _merge(
    store: SessionStore, session_id: str, states: Mapping[str, State], seen: Mapping[str, Seen]
) -> dict[str, Seen]:
    """Put states into the session's file; create the file if it is absent.

    Returns:
        What the modules have seen now.

    Raises:
        ConflictError: Another writer was faster; try again.
    """
    try:
        with store.edit(session_id) as session:
            if plain_states_of(session) is None:
                return put(session, states, seen)
    except SessionNotFoundError:
        session = Session(session_id=session_id)
        now = put(session, states, seen)
        store.save(session)  # whole at once
        return now
    except UnreadableSessionError:
        if (taken := take_over(store, session_id, states, seen)) is None:
            raise
        return taken
    if (taken := take_over(store, session_id, states, seen)) is None:
        raise ConflictError(session_id, path=store.path(session_id))
    return taken
