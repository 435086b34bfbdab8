"""Database: the session files beside a path, and the SQLite file at that path."""

from __future__ import annotations

import atexit
import logging
import os
import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from localsessions import (
    ConflictError,
    SessionError,
    SessionExistsError,
    SessionNotFoundError,
    SessionStore,
)
from localsessions.adapters.codelab.rows import is_context_only
from localsessions.adapters.codelab.tables import Tables, summaries_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from localsessions import Message, Session, SessionSummary

__all__ = ["Database", "RegularCleanup", "get_db", "reset_db", "serve"]

_log = logging.getLogger("localsessions.codelab")

_DEFAULT_URL = "sqlite:///data/agent_runtime.db"
_URL = re.compile(r"sqlite(?:\+pysqlite)?:///([^?]+)(?:\?.*)?")
_HOUR = 3600.0


class Database:
    """The sessions of an agent runtime, in ``<path>.sessions`` beside the path of the URL.

    The path itself is an SQLite file with the tables ``sessions`` and ``agent_contexts``. This
    class writes it after each of its changes, for programs that read it. When the database is
    opened, it takes over what the former service left there; that also stays in the tables.

    Args:
        db_url: ``sqlite:///relative/path`` or ``sqlite:////absolute/path``. Folders are created.

    Attributes:
        store: The store of the session files, with all its verbs. Changes that are made there
            reach the tables when the database is opened again.

    Raises:
        ValueError: The URL does not name an SQLite file.
        OSError: The folder or the file cannot be written.
    """

    def __init__(self, db_url: str = _DEFAULT_URL) -> None:
        self.db_url = db_url
        self.path = _path_of(db_url)
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        self.store = SessionStore(f"{self.path}.sessions")
        self._tables = Tables(self.path, self.store)
        self._cleanups: list[RegularCleanup] = []
        try:
            self._tables.sync()
        # After an error or Ctrl-C nobody has the object to close, and its files would stay open.
        except BaseException:
            self.close()
            raise
        _log.info("Database initialized with URL: %s", db_url)

    def __repr__(self) -> str:
        return f"Database({self.db_url!r})"

    def close(self) -> None:
        """End regular cleanups and close the files. Idempotent."""
        for cleanup in self._cleanups:
            cleanup.close()
        self._tables.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- for the managers --------------------------------------------------------------------

    def summaries(self) -> Iterator[SessionSummary]:
        """Yield every session, the last active first, broken ones included."""
        return summaries_of(self.store)

    def get(self, session_id: str) -> Session | None:
        """Return a session as its file is now; None also if the text cannot be a session's id.

        Raises:
            UnreadableSessionError: The file exists but is not a session.
        """
        return self.store.get(session_id) if self.is_possible(session_id) else None

    def add(self, session: Session) -> bool:
        """Store a new session; False if there is a session with that id.

        Raises:
            ValueError: No file name can be made of the id, or it differs from the id of another
                session only by letter case.
        """
        try:
            self.store.save(session)
        except ConflictError:
            return False
        except SessionExistsError as error:
            raise ValueError(str(error)) from error
        self._tables.write(session.session_id)
        return True

    @contextmanager
    def edit(self, session_id: str, *, is_activity: bool = True) -> Iterator[Session]:
        """Read, change and write a session in one step, and then its rows.

        Raises:
            ValueError: There is no such session.
        """
        with _known(session_id), self.store.edit(session_id, is_activity=is_activity) as session:
            yield session
        self._tables.write(session_id)

    def append(self, session_id: str, *messages: Message) -> None:
        """Add messages, durably.

        Raises:
            ValueError: There is no such session, or a message has no role.
        """
        with _known(session_id):
            self.store.append(session_id, *messages)
        self._tables.write(session_id)

    def switch_agent(self, session_id: str, agent: str, reason: str) -> bool:
        """Make another agent the current agent; False if it is current already.

        Raises:
            ValueError: There is no such session.
        """
        with _known(session_id):
            is_switched = self.store.switch_agent(session_id, agent, reason)
        self._tables.write(session_id)
        return is_switched

    def delete(self, session_id: str) -> bool:
        """Move a session to the trash, with its context; False if it does not exist."""
        if not self.is_possible(session_id) or not self.store.delete(session_id):
            return False
        self._tables.write(session_id)
        return True

    def is_possible(self, session_id: str) -> bool:
        """Tell whether a file name can be made of that id."""
        try:
            self.store.path(session_id)
        except ValueError:
            return False
        return True

    # -- cleaning up -------------------------------------------------------------------------

    def cleanup_old_sessions(self, max_age_hours: float = 24) -> int:
        """Move sessions that were last active longer ago to the trash, with their contexts.

        Pinned and unreadable sessions stay. Every open manager, here and in other processes, sees
        it at once.

        Returns:
            How many sessions; contexts without a session are cleaned up, but not counted.

        Raises:
            ValueError: The age is negative.
        """
        contexts = {one.session_id for one in self.summaries() if is_context_only(one)}
        report = self.store.cleanup(max_age=max_age_hours * _HOUR)
        deleted = {action.session_id for action in report.deleted}
        self._tables.write(*deleted)
        count = len(deleted - contexts)
        _log.info("Cleaned up %d old sessions and %d contexts", count, len(deleted) - count)
        return count

    def cleanup_regularly(
        self, max_age_hours: float = 24, *, every: float = _HOUR
    ) -> RegularCleanup:
        """Clean up now, and then at regular intervals, in a thread, until closed.

        Closing the result or the database ends it. The library does this only if asked. A cleanup
        that fails is logged; the next cleanup still runs.

        Args:
            max_age_hours: As in ``cleanup_old_sessions``.
            every: Seconds from the end of a cleanup to the beginning of the next.

        Raises:
            ValueError: An argument is out of its range.
        """
        if not max_age_hours >= 0 or not every > 0:
            raise ValueError(
                f"max_age_hours must be 0 or more and every more than 0 seconds, "
                f"not {max_age_hours!r} and {every!r}"
            )
        cleanup = RegularCleanup(self, max_age_hours, every)
        self._cleanups.append(cleanup)
        return cleanup


class RegularCleanup:
    """A thread that cleans up regularly; ``Database.cleanup_regularly`` makes it."""

    def __init__(self, database: Database, max_age_hours: float, every: float) -> None:
        self._database = database
        self._max_age_hours = max_age_hours
        self._every = every
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="localsessions-cleanup", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._is_over.is_set():
            try:
                self._database.cleanup_old_sessions(self._max_age_hours)
            except (SessionError, OSError):
                _log.exception("a regular cleanup failed; the next one comes in %g s", self._every)
            self._is_over.wait(self._every)

    def close(self) -> None:
        """Stop, after a running cleanup has ended. Idempotent."""
        self._is_over.set()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@contextmanager
def _known(session_id: str) -> Iterator[None]:
    try:
        yield
    except SessionNotFoundError as error:
        raise ValueError(f"Session {session_id} not found") from error


def _path_of(db_url: str) -> str:
    if db_url.startswith("postgres"):  # it may hold a password, which no error repeats
        raise ValueError(
            f"db_url must name an SQLite file, as in {_DEFAULT_URL!r}: sessions are files beside "
            "it; for sessions on a server use SessionStore(address)"
        )
    found = _URL.fullmatch(db_url)
    if found is None or found[1].startswith(("file:", ":memory:")):
        raise ValueError(
            f"db_url must name an SQLite file, as in {_DEFAULT_URL!r}, not {db_url!r}: sessions "
            "are files beside it"
        )
    return os.path.abspath(found[1])


# -- the database of the process -----------------------------------------------------------------

_lock = threading.Lock()
_databases: list[Database] = []


def get_db() -> Database:
    """Return the database of the process, ``data/agent_runtime.db`` of the working directory.

    The first call opens it. ``reset_db`` or the end of the process closes it.
    """
    with _lock:
        if not _databases:
            _databases.append(Database())
            atexit.register(reset_db)
        return _databases[0]


def reset_db() -> None:
    """Close the database of the process, so that ``get_db`` opens it again. Idempotent."""
    with _lock:
        while _databases:
            _databases.pop().close()
        atexit.unregister(reset_db)


def serve(db: Database | None = None, host: str = "127.0.0.1", port: int = 8001) -> None:
    """Answer HTTP requests about a database's sessions until Ctrl-C; see ``localsessions.server``.

    Args:
        db: None takes the database of the process.
        host: An address of this machine.
        port: 0 takes a free port.

    Raises:
        ImportError: The extra ``server`` is not installed.
        ValueError: The host is not this machine.
        OSError: The port is in use.
    """
    from localsessions.server import PREFIX, ReadyService
    from localsessions.server import serve as serve_store

    database = get_db() if db is None else db

    def say(ready: ReadyService) -> None:
        _log.info("serving %s at %s", database.store.save_dir, ready.url + PREFIX)

    serve_store(database.store, host, port, on_ready=say)
