"""Everything that crosses a wall between two rooms: the session, its summary, what verbs return.

No room's own state lives here, and nothing here touches a disk::

    session    Session: one session in memory, a copy of what is stored; titles and previews
      messages       flat list of JSON objects, each with a ``role``
      runs           records that messages point to by ``run_id``
      agent_context  current agent and the switches between agents
    results    SessionSummary, Page, SearchHit, CleanupReport, ...: what verbs return, frozen
    history    which messages go to a model again
    standing   what a session in memory stands on: for codecs and engines
    instants   aware datetimes in UTC, and how they are written
    schema     what the JSON Schema says of the objects in a session; imported at use
"""

from localsessions.models.history import Message, Turn
from localsessions.models.instants import (
    expiry_of,
    format_instant,
    formatted_now,
    parse_instant,
    utc_now,
)
from localsessions.models.results import (
    ChangeKind,
    ChangeOrigin,
    Checkpoint,
    CleanupAction,
    CleanupReport,
    Finding,
    Order,
    Page,
    SearchHit,
    SessionChange,
    SessionSummary,
    StoreStats,
    TrashedSession,
    Unreadable,
)
from localsessions.models.session import (
    FORMAT,
    MADE_TITLE_LENGTH,
    Session,
    made_id,
    made_title_of,
    message_text,
    preview_of,
)

__all__ = [
    "FORMAT",
    "MADE_TITLE_LENGTH",
    "ChangeKind",
    "ChangeOrigin",
    "Checkpoint",
    "CleanupAction",
    "CleanupReport",
    "Finding",
    "Message",
    "Order",
    "Page",
    "SearchHit",
    "Session",
    "SessionChange",
    "SessionSummary",
    "StoreStats",
    "TrashedSession",
    "Turn",
    "Unreadable",
    "expiry_of",
    "format_instant",
    "formatted_now",
    "made_id",
    "made_title_of",
    "message_text",
    "parse_instant",
    "preview_of",
    "utc_now",
]
