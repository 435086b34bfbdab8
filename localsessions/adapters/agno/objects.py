"""agno's own objects, to and from the dicts that the other modules here use.

Only this module says what to do if agno is missing.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any, TypeAlias

from pydantic import JsonValue

from localsessions import Session
from localsessions.adapters.agno.runs import run_rows
from localsessions.adapters.agno.sessions import Parts, parts_of, session_row

try:
    from agno.db.base import AsyncBaseDb, BaseDb, SessionType
    from agno.db.utils import (
        CustomJSONEncoder,
        db_from_dict,
        deserialize_history_run,
        deserialize_run,
        deserialize_session,
        filter_context_runs,
        get_run_type,
    )
    from agno.models.message import Message
    from agno.run.agent import RunOutput
    from agno.run.base import RunStatus
    from agno.run.team import TeamRunOutput
    from agno.run.workflow import WorkflowRunOutput
    from agno.session import AgentSession, TeamSession, WorkflowSession
    from agno.utils.string import generate_id
except ImportError as error:
    raise ImportError(
        f'localsessions.adapters.agno needs agno 3 ({error}); pip install "agno>=3,<4"'
    ) from error

__all__ = [
    "BASE",
    "KNOWN",
    "TYPES",
    "AsyncBaseDb",
    "BaseDb",
    "RunStatus",
    "SessionType",
    "db_from_dict",
    "filter_context_runs",
    "generate_id",
    "plain",
    "row_of",
    "run_dict",
    "run_of",
    "session_of",
    "value_of",
]

Row: TypeAlias = dict[str, Any]

TYPES = {AgentSession: "agent", TeamSession: "team", WorkflowSession: "workflow"}
KNOWN = frozenset(Message.model_fields) | {
    one.name for kind in (RunOutput, TeamRunOutput, WorkflowRunOutput) for one in fields(kind)
}
"""The names of all fields of agno's runs and messages."""

BASE = "_localsessions_base"
"""The parts of agno's session object when it was returned: (session_id, parts)."""


def plain(value: Any) -> Any:
    """Return the JSON that agno's own databases would store: instants and ids as text."""
    return json.loads(json.dumps(value, cls=CustomJSONEncoder))


def run_dict(run: Any) -> dict[str, JsonValue]:
    """Return agno's run as JSON; a copy that belongs to the caller."""
    made: dict[str, JsonValue] = plain(run if isinstance(run, dict) else run.to_dict())
    return made


def row_of(session: Session, *, with_runs: bool = True) -> Row:
    """Return a session as agno's row; without runs, the field is None."""
    return {**session_row(session), "runs": run_rows(session) if with_runs else None}


def session_of(row: Row, session_type: SessionType | None) -> Any:
    """Return agno's object for a row; it remembers the parts that it is based on."""
    base: tuple[str, Parts] = (row["session_id"], parts_of(row))
    made = deserialize_session(session_type, row)
    vars(made)[BASE] = base
    return made


def run_of(row: Row) -> Any:
    """Return agno's object for the dict of a run."""
    # If no agent of agno's wrote the turn, it has no agent_id for get_run_type to use.
    made = deserialize_history_run(row) if "agent_id" in row else None
    return made or deserialize_run(get_run_type(row), row)


def value_of(given: Any) -> str | None:
    """Return the text of an enumeration of agno's, or the caller's own text."""
    value: str | None = getattr(given, "value", given)
    return value
