"""All objects that packages pass to each other: the session, its summary, the results of verbs.

No package keeps its own state here, and nothing here uses a disk::

    session    Session: a session in memory, a copy of the stored session; titles and previews
      messages       flat list of JSON objects, each with a ``role``
      runs           records to which messages refer by ``run_id``
      agent_context  current agent and the switches between agents
    results    SessionSummary, Page, SearchHit, CleanupReport, ...: the results of verbs, frozen
    filters    which sessions a verb on many is about
    history    which messages are sent to a model again
    spoken     what a message says, and what was thought before it was said
    standing   the version on which a session in memory is based: for codecs and engines
    instants   aware datetimes in UTC, and their text form
    schema     the JSON Schema of the objects in a session; imported at use
"""

from localsessions.models.filters import Filters
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
    Deletion,
    Finding,
    Neighbour,
    Order,
    Page,
    SearchHit,
    SessionChange,
    SessionSummary,
    StoreStats,
    TrashedSession,
    Unreadable,
    activity_key,
)
from localsessions.models.session import (
    FORMAT,
    MADE_TITLE_LENGTH,
    Session,
    listed_source,
    made_id,
    made_title_of,
    place_of,
    preview_of,
)
from localsessions.models.spoken import message_text, reasoning_text

__all__ = [
    "FORMAT",
    "MADE_TITLE_LENGTH",
    "ChangeKind",
    "ChangeOrigin",
    "Checkpoint",
    "CleanupAction",
    "CleanupReport",
    "Deletion",
    "Filters",
    "Finding",
    "Message",
    "Neighbour",
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
    "activity_key",
    "expiry_of",
    "format_instant",
    "formatted_now",
    "listed_source",
    "made_id",
    "made_title_of",
    "message_text",
    "parse_instant",
    "place_of",
    "preview_of",
    "reasoning_text",
    "utc_now",
]
