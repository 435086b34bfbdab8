"""All objects that packages pass to each other: the session, its summary, the results of verbs.

No package keeps its own state here, and nothing here uses a disk. What has a model, and so needs
pydantic, is imported at its first use: a listing needs none::

    session    Session: a session in memory, a copy of the stored session
      messages       flat list of JSON objects, each with a ``role``
      runs           records to which messages refer by ``run_id``
      agent_context  current agent and the switches between agents
    plain      the same line of a listing without a model; pages, orders, made titles and previews
    copies     SessionCopy: a stored session byte for byte, with its checkpoints
    results    SessionSummary, Page, SearchHit, CleanupReport, ...: the results of verbs, frozen
    defaults   what a new session begins with
    filters    which sessions a verb on many is about
    history    which messages are sent to a model again
    spoken     what a message says, and what was thought before it was said
    standing   the version on which a session in memory is based: for codecs and engines
    instants   aware datetimes in UTC, and their text form; ``instant_field`` is one in a model
    file_fields  the fields of a session file by name
    ids        new ids
    schema     the JSON Schema of the objects in a session; imported at use
"""

from importlib import import_module
from typing import TYPE_CHECKING

from localsessions.models.file_fields import FORMAT
from localsessions.models.ids import made_id
from localsessions.models.instants import (
    expiry_of,
    format_instant,
    formatted_now,
    parse_instant,
    utc_now,
)
from localsessions.models.plain import (
    MADE_TITLE_LENGTH,
    Group,
    Grouping,
    Order,
    Page,
    PlainSummary,
    PlainUnreadable,
    activity_key,
    activity_of,
    listed_source,
    made_title_of,
    preview_of,
)
from localsessions.models.spoken import message_text, reasoning_text

if TYPE_CHECKING:
    from localsessions.models.copies import Arrival, SessionCopy, StoredBytes
    from localsessions.models.defaults import Defaults
    from localsessions.models.filters import Filters
    from localsessions.models.history import Message, Turn, Window
    from localsessions.models.pairing import Unfinished
    from localsessions.models.results import (
        ChangeKind,
        ChangeOrigin,
        Checkpoint,
        CleanupAction,
        CleanupReport,
        Deletion,
        Finding,
        Neighbour,
        SearchHit,
        SessionChange,
        SessionRun,
        SessionSummary,
        StoreStats,
        TouchedMessage,
        TrashedSession,
        Unreadable,
    )
    from localsessions.models.session import Session, place_of

__all__ = [
    "FORMAT",
    "MADE_TITLE_LENGTH",
    "Arrival",
    "ChangeKind",
    "ChangeOrigin",
    "Checkpoint",
    "CleanupAction",
    "CleanupReport",
    "Defaults",
    "Deletion",
    "Filters",
    "Finding",
    "Group",
    "Grouping",
    "Message",
    "Neighbour",
    "Order",
    "Page",
    "PlainSummary",
    "PlainUnreadable",
    "SearchHit",
    "Session",
    "SessionChange",
    "SessionCopy",
    "SessionRun",
    "SessionSummary",
    "StoreStats",
    "StoredBytes",
    "TouchedMessage",
    "TrashedSession",
    "Turn",
    "Unfinished",
    "Unreadable",
    "Window",
    "activity_key",
    "activity_of",
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

_AT_USE = {
    **dict.fromkeys(("Arrival", "SessionCopy", "StoredBytes"), "copies"),
    "Defaults": "defaults",
    "Filters": "filters",
    **dict.fromkeys(("Message", "Turn", "Window"), "history"),
    "Unfinished": "pairing",
    **dict.fromkeys(("Session", "place_of"), "session"),
    **dict.fromkeys(("ChangeKind", "ChangeOrigin", "Checkpoint", "CleanupAction"), "results"),
    **dict.fromkeys(("CleanupReport", "Deletion", "Finding", "Neighbour", "SearchHit"), "results"),
    **dict.fromkeys(("SessionChange", "SessionRun", "SessionSummary", "StoreStats"), "results"),
    **dict.fromkeys(("TouchedMessage", "TrashedSession", "Unreadable"), "results"),
}


if not TYPE_CHECKING:  # a type checker knows the names above and refuses all others

    def __getattr__(name: str) -> object:
        """Import a name at its first use; see PEP 562."""
        if name not in _AT_USE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = import_module(f"localsessions.models.{_AT_USE[name]}")
        value = globals()[name] = getattr(module, name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
