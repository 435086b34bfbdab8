"""Session: a session in memory, and the values that its fields accept.

Messages and runs stay plain JSON objects. So keys from other programs keep their values and places,
and loading costs no more than parsing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue, PlainValidator, PrivateAttr

from localsessions.models import history as histories
from localsessions.models.file_fields import FORMAT
from localsessions.models.history import Message, Turn
from localsessions.models.instant_field import Instant
from localsessions.models.instants import utc_now
from localsessions.models.pairing import Unfinished
from localsessions.models.plain import made_title_of, preview_of
from localsessions.models.statuses import SKIPPED_STATUSES
from localsessions.models.wrong_type import wrong_type

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic_core import CoreSchema

__all__ = ["Session", "place_of"]


class _Shape:
    """The JSON Schema of a field's values; the values are checked without making models.

    The schema models are imported when a caller asks for the schema: most programs never do.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        from pydantic import TypeAdapter

        from localsessions.models import schema

        return handler(TypeAdapter(getattr(schema, self._name)).core_schema)


def _objects_with(key: str) -> PlainValidator:
    """Check a list of JSON objects that each have a text under ``key``, without copying it."""
    read = itemgetter(key)

    def check(value: object) -> list[dict[str, JsonValue]]:
        if not isinstance(value, list):
            raise wrong_type("must be a list of objects")
        with contextlib.suppress(KeyError):  # first all items at once, in C; then each item
            if set(map(type, value)) == {dict} and set(map(type, map(read, value))) == {str}:
                return value
        for position, item in enumerate(value):
            if not isinstance(item, dict):
                raise wrong_type("must be an object", position)
            if not isinstance(item.get(key), str):
                raise wrong_type("must be a text", position, key)
        return value

    return PlainValidator(check)


def _agent_context(value: object) -> dict[str, JsonValue]:
    context = _object(value)
    if not isinstance(context.get("current_agent"), str | None):
        raise wrong_type("must be a text", "current_agent")
    switches = context.get("switches", [])
    if not isinstance(switches, list) or not all(isinstance(item, dict) for item in switches):
        raise wrong_type("must be a list of objects", "switches")
    return context


def _object(value: object) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        raise wrong_type("must be an object")
    return value


def _seconds(value: object) -> int | float | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise wrong_type("must be a number of seconds")
    return value


JSONObject: TypeAlias = Annotated[
    dict[str, JsonValue], PlainValidator(_object, json_schema_input_type=dict[str, Any])
]


def _as_files_are(schema: dict[str, Any]) -> None:
    """Change the JSON Schema to what reading accepts: no field is required, any field is allowed.

    The file name gives the id, and unknown fields are kept. The model itself is stricter, against
    misspelt names in calls.
    """
    schema["additionalProperties"] = True
    del schema["required"]


class Session(BaseModel):
    """A session: a copy of its file, to be read, changed and passed to ``save``.

    Nothing is stored until a verb of the store stores it. Fields that this version does not know
    are kept in ``extra``, and keep their places in the file.
    """

    model_config = ConfigDict(
        extra="forbid",
        validate_assignment=True,
        title="Session",
        defer_build=True,
        json_schema_extra=_as_files_are,
    )

    format: str = Field(FORMAT, pattern=r"^localsessions/(0|[1-9][0-9]*)$")
    session_id: str
    title: str | None = None
    user_id: str | None = None
    agent_id: str | None = None
    forked_from: JSONObject = Field(default_factory=dict)
    source: Annotated[dict[str, JsonValue], PlainValidator(_object), _Shape("SourceFields")] = (
        Field(default_factory=dict)
    )
    created_at: Instant = Field(default_factory=utc_now)
    messages: Annotated[list[Message], _objects_with("role"), _Shape("Messages")] = Field(
        default_factory=list
    )
    runs: Annotated[list[dict[str, JsonValue]], _objects_with("run_id"), _Shape("Runs")] = Field(
        default_factory=list
    )
    agent_context: Annotated[
        dict[str, JsonValue],
        PlainValidator(_agent_context),
        _Shape("AgentContextFields"),
    ] = Field(default_factory=dict)
    modules: JSONObject = Field(default_factory=dict)
    state: JSONObject = Field(default_factory=dict)
    metadata: JSONObject = Field(default_factory=dict)
    tags: list[str] = Field(default_factory=list)
    pinned: bool = Field(default=False, strict=True)
    status: str = "active"
    ttl: Annotated[
        int | float | None, PlainValidator(_seconds, json_schema_input_type=int | float | None)
    ] = None
    expires_at: Instant | None = None
    last_activity: Instant = Field(default_factory=utc_now)
    updated_at: Instant = Field(default_factory=utc_now)
    revision: int = Field(default=0, ge=0, strict=True)

    _extra: dict[str, JsonValue] = PrivateAttr(default_factory=dict)
    # See ``standing``.
    _original: Any = PrivateAttr(default=None)
    _version: Any = PrivateAttr(default=None)

    @property
    def extra(self) -> dict[str, JsonValue]:
        """Top-level fields of the file that this version does not know."""
        # Not an attribute of the model: pydantic would take 1.5 microseconds for each access.
        extra: dict[str, JsonValue] = (self.__pydantic_private__ or {})["_extra"]
        return extra

    def __eq__(self, other: object) -> bool:
        """Tell whether both say the same, whatever stored version each is based on."""
        if type(self) is not type(other) or not isinstance(other, Session):
            return NotImplemented
        return self.__dict__ == other.__dict__ and self.extra == other.extra

    # As of every mutable value.
    __hash__ = None  # type: ignore[assignment]

    @property
    def current_agent(self) -> str | None:
        """The agent that is active now; None before the first switch."""
        agent = self.agent_context.get("current_agent")
        return agent if isinstance(agent, str) else None

    @property
    def made_title(self) -> str:
        """A title made from the first text of a user; empty if there is none."""
        return made_title_of(self.messages)

    @property
    def preview(self) -> str:
        """The beginning of the last message that has a text."""
        return preview_of(self.messages)

    def turns(self) -> list[Turn]:
        """Return the session as turns, in the order of their first messages; nothing is copied.

        Messages with the same ``run_id`` are a turn. Messages without a ``run_id``, written by hand
        or by a program without runs, are turns too: each user message begins a turn.
        """
        return histories.turns(self.messages, self.runs)

    def history(
        self,
        last_runs: int | None = histories.DEFAULT_RUNS,
        last_messages: int | None = None,
        *,
        skip_roles: Collection[str] = (),
        skip_statuses: Collection[str] = SKIPPED_STATUSES,
        unfinished: Unfinished = "keep",
        max_tokens: int | None = None,
        count_tokens: Callable[[Message], int] | None = None,
    ) -> list[Message]:
        """Return the last messages, to remind a model of them; the session does not change.

        It leaves out system messages, messages that are already tagged ``from_history``, runs with
        a ``parent_run_id`` (runs of a team's members) and runs with a skipped status. It also
        leaves out a tool result at the beginning whose call is outside the window, so that no model
        is sent a result without its call. So the history may be shorter than the window.

        Args:
            last_runs: How many turns, counted from the last; see ``turns``. A turn without a
                message to send does not count. None takes all turns. The default is 3 or, if
                ``last_messages`` is given, all turns.
            last_messages: How many messages at most, counted from the last, inside those turns.
            skip_roles: Roles to leave out besides "system" and "developer". Results of tools have
                the role "tool", also in Anthropic's and Gemini's shapes.
            skip_statuses: Statuses of runs to leave out; letter case does not matter. The call
                ``history(None, skip_roles={"tool"}, skip_statuses=())`` returns the chat as the
                people in it saw it.
            unfinished: What is done with runs that were interrupted or still go on, and with
                calls that have no result. "keep": they are as they are stored. "answer": each
                call is answered, in its shape, by a result that says that it was interrupted.
                "leave_out": neither these runs nor these calls are in the history.
            max_tokens: How many tokens the history may take: the last turns that fit, each
                whole. The last turn is always in it. None does not restrict.
            count_tokens: Tells how many tokens a message takes; ``max_tokens`` needs it.

        Returns:
            Copies of the messages, with all their fields, each marked ``from_history``.

        Raises:
            ValueError: A number is negative, or ``count_tokens`` is missing.
        """
        window = histories.Window(
            last_runs,
            last_messages,
            skip_roles,
            skip_statuses,
            unfinished,
            max_tokens,
            count_tokens,
        )
        return histories.history(self.messages, self.runs, window)

    def context(
        self,
        user_input: object,
        system_message: str | None = None,
        *,
        add_history_to_context: bool = False,
        last_runs: int | None = histories.DEFAULT_RUNS,
        last_messages: int | None = None,
        unfinished: Unfinished = "answer",
    ) -> list[Message]:
        """Return the messages to send to a model; the session does not change.

        The system message comes first and only once, even if the session stores others; then the
        history; the user's input comes last. ``SessionStore.context`` reads only what it needs,
        and leaves out the keys that the store adds to a message.

        Args:
            user_input: A text, a list of content parts, or a whole message with its ``role``.
                None adds nothing.
            system_message: None and an empty text give no system message.
            add_history_to_context: Whether to put ``history`` between the two.
            last_runs: As in ``history``.
            last_messages: As in ``history``.
            unfinished: As in ``history``. By default, calls without results are answered: a
                model's interface refuses them.

        Raises:
            ValueError: A number is negative, or an input that is an object has no ``role``.
        """
        past: list[Message] = []
        if add_history_to_context:
            past = self.history(last_runs, last_messages, unfinished=unfinished)
        return histories.context(user_input, system_message, past)


def place_of(source: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return the part of ``Session.source`` that says where a session came from."""
    return {key: source[key] for key in _PLACE if key in source}


_PLACE = ("program", "session_id", "file", "element", "begins")
