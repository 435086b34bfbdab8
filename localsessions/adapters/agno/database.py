"""AgnoDb: agno's ``BaseDb`` over a SessionStore.

Sessions and runs go to session files. Every other method of ``BaseDb`` (memories, knowledge,
metrics, evals, traces, ...) goes to the database in ``others``, or is refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal, Self, TypeAlias

from localsessions import (
    ConflictError,
    Session,
    SessionNotFoundError,
    SessionStore,
)
from localsessions.adapters.agno.listing import (
    components,
    paged,
    readable_sessions,
    sorted_rows,
)
from localsessions.adapters.agno.objects import (
    BASE,
    KNOWN,
    TYPES,
    BaseDb,
    RunStatus,
    SessionType,
    db_from_dict,
    filter_context_runs,
    generate_id,
    plain,
    row_of,
    run_dict,
    run_of,
    session_of,
    value_of,
)
from localsessions.adapters.agno.remainder import elsewhere, with_every_method_of
from localsessions.adapters.agno.runs import delete_runs, put_run, run_rows
from localsessions.adapters.agno.sessions import lay_over, made_session, parts_of, session_row
from localsessions.adapters.document.opening import Given, hold
from localsessions.addresses import is_address, named_store

__all__ = ["AgnoDb"]

Row: TypeAlias = dict[str, Any]

# A program that ignores our locks may write between our read and our write, this often in a row.
_PATIENCE = 20
_GOING_ON = ("PENDING", "RUNNING")
# A subfolder whose name cannot be that of a folder of the store itself.
_TABLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}")


@with_every_method_of(BaseDb, elsewhere)
class AgnoDb(BaseDb):
    """A database for agno's ``Agent(db=...)`` that keeps each session in a readable file.

    It also serves teams and workflows, for ``run``, streaming and ``arun``. Every promise of the
    store holds: whole files, durable writes, and no writer overwrites another unseen. Session files
    that other programs made are sessions with history; what an agent writes is an ordinary session
    file. Deleted sessions go to the trash.

    Two things differ from agno's own databases. Writing or deleting another user's session raises
    ``NotOwnerError`` and is not silently ignored; agno's ``Agent`` logs it as a warning, like every
    error of a write to its database. A session without a user stays everybody's. Two processes
    that change the same session lose none of each other's runs, and none of each other's changes
    to different keys of state and metadata.

    Args:
        store: A store, or the path of its folder; then this object opens and closes the store.
        session_table: The name of a set of sessions. "sessions" is the folder itself, another
            name a subfolder.
        others: Another database of agno's, for everything that is neither session nor run; without
            it, such calls raise ``NotImplementedError``.
        id: agno's id of this database; by default made from the folder.

    Raises:
        ImportError: agno is missing, or is not version 3.
        ValueError: ``session_table`` is not a plain name.
    """

    def __init__(
        self,
        store: SessionStore | str | os.PathLike[str],
        session_table: str | None = "sessions",
        *,
        others: BaseDb | None = None,
        id: str | None = None,  # noqa: A002  # agno's name
    ) -> None:
        table = session_table or "sessions"
        if not _TABLE.fullmatch(table):
            raise ValueError(
                "session_table must be a plain name of letters, digits, _ and -, "
                f"not {session_table!r}"
            )
        folder = store.save_dir if isinstance(store, SessionStore) else store
        text = os.fspath(folder)
        self._folder = text if is_address(text) else os.path.abspath(text)
        self.store, self._close = hold(self, _table(store, self._folder, table))
        if is_address(self._folder):
            self._folder = self.store.save_dir  # without its password
        super().__init__(session_table=table, id=id or generate_id(self.store.save_dir))
        self.others = others

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"AgnoDb({self.store.save_dir!r})"

    def close(self) -> None:
        """Close the store if this object opened it. Idempotent."""
        self._close()

    def to_dict(self) -> Row:
        """Return what ``from_dict`` needs."""
        others = {"others": self.others.to_dict()} if self.others else {}
        made = {**super().to_dict(), "type": "localsessions", "save_dir": self._folder}
        return {**made, **others}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Open the folder that ``to_dict`` returned; agno rebuilds ``others`` itself."""
        others = db_from_dict(data["others"]) if data.get("others") else None
        return cls(data["save_dir"], data.get("session_table"), others=others, id=data.get("id"))

    def table_exists(self, table_name: str) -> bool:
        """Tell whether the table holds sessions or runs: a folder needs no creation."""
        return table_name in (self.session_table_name, self.runs_table_name)

    # -- sessions ----------------------------------------------------------------------------

    def get_session(
        self,
        session_id: str,
        session_type: SessionType | None = None,
        user_id: str | None = None,
        deserialize: bool | None = True,
        runs_limit: int | None = None,
    ) -> Any:
        """Return a session with its runs; None if absent, or if it is another user's.

        Raises:
            UnreadableSessionError: The file exists but is not a session. agno then fails the run
                and does not create a new session over it.
        """
        session = self.store.get(session_id, user_id=user_id)
        if session is None:
            return None
        row = row_of(session)
        if runs_limit is not None:
            context = filter_context_runs(row["runs"])
            row["runs"] = context[max(len(context) - runs_limit, 0) :]
        return session_of(row, session_type) if deserialize else row

    def get_sessions(
        self,
        session_type: SessionType | None = None,
        user_id: str | None = None,
        component_id: str | None = None,
        session_name: str | None = None,
        start_timestamp: int | None = None,
        end_timestamp: int | None = None,
        limit: int | None = None,
        page: int | None = None,
        sort_by: str | None = None,
        sort_order: str | None = None,
        deserialize: bool | None = True,
        include_runs: bool = True,
    ) -> list[Any] | tuple[list[Row], int]:
        """Return the sessions that fit, the oldest first unless ``sort_by`` says otherwise.

        Reads every session file of the user: agno asks for fields that no index has. Unreadable
        files are left out, each with a warning in the log.
        """
        kind = value_of(session_type)
        wanted = (session_name or "").lower()
        rows = [
            row
            for session in readable_sessions(self.store, user_id)
            if (row := row_of(session, with_runs=include_runs))
            and (kind is None or row["session_type"] == kind)
            and (component_id is None or component_id in components(row, kind))
            and wanted in (row["session_data"].get("session_name") or "").lower()
            and (start_timestamp is None or row["created_at"] >= start_timestamp)
            and (end_timestamp is None or row["created_at"] <= end_timestamp)
        ]
        shown = paged(sorted_rows(rows, sort_by, sort_order), limit, page)
        if deserialize:
            return [session_of(row, session_type) for row in shown]
        return shown, len(rows)

    def upsert_session(self, session: Any, deserialize: bool | None = True) -> Any:
        """Store the session without its runs, over what other writers stored meanwhile.

        A session that does not exist is created, with the runs that it carries.

        Raises:
            NotOwnerError: It is another user's; nothing was written.
            UnstorableValueError: A value is not JSON (for example NaN); nothing was written.
        """
        row = plain(session.to_dict(include_runs=False))
        row["session_type"] = TYPES[type(session)]
        mine = parts_of(row)
        session_id, base = getattr(session, BASE, (None, {}))
        if session_id != session.session_id:
            base = {}

        def change(stored: Session, is_new: bool) -> None:
            lay_over(stored, mine, {} if is_new else base)
            for run in (session.runs or []) if is_new else []:
                put_run(stored, run_dict(run))

        stored = self._change(session.session_id, row, change)
        vars(session)[BASE] = (session.session_id, mine)
        made: Row = dict(session_row(stored))
        if not deserialize:
            return {**made, "runs": [run_dict(run) for run in session.runs or []]}
        handed = session_of(made, None)
        handed.runs = session.runs
        return handed

    def upsert_sessions(
        self,
        sessions: Sequence[Any],
        deserialize: bool | None = True,
        preserve_updated_at: bool = False,  # noqa: ARG002  # the store's own time, always
    ) -> list[Any]:
        """Store each session; ``updated_at`` is always the time of the write."""
        return [self.upsert_session(one, deserialize) for one in sessions if one is not None]

    def rename_session(
        self,
        session_id: str,
        session_type: SessionType | None,
        session_name: str,
        user_id: str | None = None,
        deserialize: bool | None = True,
    ) -> Any:
        """Set the title; None if there is no such session of that type.

        Raises:
            NotOwnerError: It is another user's.
        """
        kind = value_of(session_type)
        try:
            with self.store.edit(session_id, is_activity=False, user_id=user_id) as session:
                if kind not in (None, row_of(session, with_runs=False)["session_type"]):
                    return None
                session.title = session_name
        except SessionNotFoundError:
            return None
        row = row_of(session)
        return session_of(row, session_type) if deserialize else row

    def delete_session(self, session_id: str, user_id: str | None = None) -> bool:
        """Move the session to the trash; False if it does not exist.

        Raises:
            NotOwnerError: It is another user's.
        """
        return self.store.delete(session_id, user_id=user_id)

    def delete_sessions(self, session_ids: Sequence[str], user_id: str | None = None) -> None:
        """Move the sessions to the trash; stop at the first that raises, see above."""
        for session_id in session_ids:
            self.store.delete(session_id, user_id=user_id)

    def reassign_session_owner(
        self, session_id: str, *, previous_user_id: str, user_id: str | None
    ) -> bool:
        """Give the session to another user, or to everybody, if it is ``previous_user_id``'s.

        Returns:
            False, with nothing changed, if it is not that user's, does not exist, or has a run
            that is still going on.
        """
        try:
            with self.store.edit(session_id, is_activity=False) as session:
                is_idle = all(run.get("status") not in _GOING_ON for run in session.runs)
                if session.user_id != previous_user_id or not is_idle:
                    return False
                session.user_id = user_id
        except SessionNotFoundError:
            return False
        return True

    # -- runs --------------------------------------------------------------------------------

    def upsert_run(
        self,
        run: Any,
        session_id: str,
        user_id: str | None = None,
        run_index: int | None = None,  # noqa: ARG002  # runs stand in the order of their storing
    ) -> None:
        """Store a run with its messages: replace the run with its id, or add it at the end.

        Other runs stay as they are. If the session does not exist, it is created.

        Raises:
            NotOwnerError: The session is another user's; nothing was written.
            UnstorableValueError: A value is not JSON (for example NaN); nothing was written.
            ValueError: The run has no ``run_id``.
        """
        given = run_dict(run)
        owner = {"session_id": session_id, "user_id": user_id}
        self._change(session_id, owner, lambda stored, _: put_run(stored, given, KNOWN))

    def get_run(self, run_id: str, deserialize: bool | None = True) -> Any:
        """Return a run by its id alone, or None.

        Searches the session files, those last active first.
        """
        for session in readable_sessions(self.store, None):
            for row in run_rows(session):
                if row["run_id"] == run_id:
                    return run_of(row) if deserialize else row
        return None

    def get_runs(
        self,
        session_id: str | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        team_id: str | None = None,
        workflow_id: str | None = None,
        status: RunStatus | str | None = None,
        limit: int | None = None,
        page: int | None = None,
        sort_by: str | None = None,
        sort_order: str | None = None,
        deserialize: bool | None = True,
    ) -> list[Any] | tuple[list[Row], int]:
        """Return the runs that fit: in order, or session by session if there are several."""
        one = None if session_id is None else self.store.get(session_id, user_id=user_id)
        sessions = (
            readable_sessions(self.store, user_id) if session_id is None else [one] if one else []
        )
        wanted = {"agent_id": agent_id, "team_id": team_id, "workflow_id": workflow_id}
        wanted = {**wanted, "status": value_of(status)}
        rows = [
            row
            for session in sessions
            for row in run_rows(session)
            if all(value is None or row.get(name) == value for name, value in wanted.items())
        ]
        shown = paged(sorted_rows(rows, sort_by, sort_order) if sort_by else rows, limit, page)
        return [run_of(row) for row in shown] if deserialize else (shown, len(rows))

    def delete_run(self, run_id: str) -> bool:
        """Remove a run with its messages for good; return whether it was there."""
        return self._delete_runs([run_id])

    def delete_runs(self, run_ids: Sequence[str]) -> None:
        """Remove runs with their messages for good."""
        self._delete_runs(run_ids)

    def _delete_runs(self, run_ids: Collection[str]) -> bool:
        found = False
        for session in readable_sessions(self.store, None):
            if any(run["run_id"] in run_ids for run in session.runs):
                with self.store.edit(session.session_id) as stored:
                    found = delete_runs(stored, run_ids) or found
        return found

    def cancel_pending_run(
        self,
        run_id: str,
        *,
        session_id: str,
        reason: str,
        user_id: str | None = None,
        expected_status: Literal["PENDING", "RUNNING"] = "PENDING",
    ) -> bool:
        """Set a run to CANCELLED if it still has the expected status; tell whether it had.

        Raises:
            NotOwnerError: The session is another user's.
        """
        try:
            with self.store.edit(session_id, user_id=user_id) as session:
                for run in session.runs:
                    if run["run_id"] == run_id and run.get("status") == expected_status:
                        run["status"] = "CANCELLED"
                        if not run.get("content") and "same_as" not in run:
                            run["content"] = reason
                        return True
        except SessionNotFoundError:
            return False
        return False

    # -- writing -----------------------------------------------------------------------------

    def _change(
        self, session_id: str, row: Mapping[str, Any], change: Callable[[Session, bool], None]
    ) -> Session:
        """Change a session inside its lock, or create it; ``change`` learns which."""
        for patience in range(_PATIENCE, -1, -1):
            try:
                return self._changed_or_made(session_id, row, change)
            except ConflictError:  # another program just wrote or created the file
                if not patience:
                    raise
        raise AssertionError

    def _changed_or_made(
        self, session_id: str, row: Mapping[str, Any], change: Callable[[Session, bool], None]
    ) -> Session:
        try:
            with self.store.edit(session_id, user_id=row.get("user_id")) as session:
                change(session, False)
            return session
        except SessionNotFoundError:
            made = made_session(row)
            change(made, True)
            return self.store.save(made)


def _table(store: Given, folder: str, table: str) -> Given:
    """Return the store of a table, or where it is."""
    if table == "sessions":
        return store if isinstance(store, SessionStore) else folder
    return named_store(folder, table) if is_address(folder) else os.path.join(folder, table)
