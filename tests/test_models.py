"""What crosses a wall between two rooms: what a session refuses, derives and says of itself."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import JsonValue, ValidationError
from pydantic_core import PydanticUndefined

from localsessions.models import (
    CleanupAction,
    CleanupReport,
    Message,
    Page,
    PlainSummary,
    PlainUnreadable,
    Session,
    SessionSummary,
    Unreadable,
    format_instant,
    made_id,
    message_text,
    parse_instant,
    reasoning_text,
    utc_now,
)
from localsessions.models.file_fields import SESSION_FIELDS
from localsessions.models.results import checked

GOLDEN = sorted((Path(__file__).parent / "data" / "v1").glob("*.json"))
NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


# Instants


@pytest.mark.needs("time zones")
@given(st.datetimes(timezones=st.timezones() | st.just(UTC)))
def test_an_instant_comes_back_from_its_text(instant: datetime) -> None:
    try:
        utc = instant.astimezone(UTC)
    except OverflowError:
        return  # its year in UTC is not of 1 to 9999
    again = parse_instant(format_instant(instant))
    assert (again, again.tzinfo) == (utc, UTC)


def test_an_instant_is_written_in_milliseconds_unless_they_would_lose_something() -> None:
    assert format_instant(NOW) == "2026-01-02T03:04:05.678Z"
    assert format_instant(NOW.replace(microsecond=678901)) == "2026-01-02T03:04:05.678901Z"
    assert format_instant(NOW.replace(microsecond=0)) == "2026-01-02T03:04:05.000Z"


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00"),
        ("2026-01-02 03:04:05", "2026-01-02T03:04:05+00:00"),
        ("2026-01-02T03:04:05+05:30", "2026-01-01T21:34:05+00:00"),
        ("20260102T030405.5Z", "2026-01-02T03:04:05.500000+00:00"),
        ("2026-01-02", "2026-01-02T00:00:00+00:00"),
    ],
)
def test_iso_8601_is_read_in_each_of_its_spellings(text: str, utc: str) -> None:
    assert parse_instant(text).isoformat() == utc


@pytest.mark.parametrize(
    "text", ["", "yesterday", "1735634700000", "0001-01-01T00:00+23:59", "9999-12-31T23:59-01:00"]
)
def test_a_text_that_is_no_instant_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"isoformat|month|1 to 9999"):
        parse_instant(text)


def test_now_is_aware_and_loses_nothing_in_a_file() -> None:
    now = utc_now()
    assert parse_instant(format_instant(now)) == now
    assert now.microsecond % 1000 == 0


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (datetime(2026, 1, 2), "must be an aware datetime"),  # noqa: DTZ001
        (1735634700, "must be an ISO 8601 text or an aware datetime"),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=1))), "years 1 to 9999"),
    ],
)
def test_a_session_refuses_a_time_that_is_no_instant(value: object, problem: str) -> None:
    session = Session(session_id="s")
    with pytest.raises(ValidationError, match=problem):
        session.created_at = value  # type: ignore[assignment]


def test_times_of_a_session_are_utc_whatever_they_were_given_in() -> None:
    session = Session(session_id="s", created_at=NOW.astimezone(timezone(timedelta(hours=9))))
    assert (session.created_at, session.created_at.tzinfo) == (NOW, UTC)


# What a session refuses


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("title", 5, "string"),
        ("format", "something/1", "pattern"),
        ("messages", {}, "must be a list of objects"),
        ("messages", ["hi"], r"\[0\] must be an object"),
        ("messages", [{"role": "user"}, {"content": "hi"}], r"\[1\].role must be a text"),
        ("messages", [{"role": None}], r"\[0\].role must be a text"),
        ("runs", [{"status": "done"}], r"\[0\].run_id must be a text"),
        ("agent_context", [], "must be an object"),
        ("agent_context", {"current_agent": 5}, ".current_agent must be a text"),
        ("agent_context", {"switches": {}}, ".switches must be a list of objects"),
        ("agent_context", {"switches": ["coder"]}, ".switches must be a list of objects"),
        ("modules", None, "must be an object"),
        ("state", [], "must be an object"),
        ("metadata", "x", "must be an object"),
        ("tags", "idea", "list"),
        ("tags", [5], "string"),
        ("pinned", 1, "boolean"),
        ("pinned", "yes", "boolean"),
        ("ttl", True, "must be a number of seconds"),
        ("ttl", "60", "must be a number of seconds"),
        ("revision", -1, "greater than or equal to 0"),
        ("revision", 1.0, "integer"),
        ("nickname", "x", "not permitted|no field|Object has no attribute"),
    ],
)
def test_a_session_refuses_at_once_what_its_file_could_not_say(
    field: str, value: object, problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem):
        Session.model_validate({"session_id": "s", field: value})
    session = Session(session_id="s")
    with pytest.raises((ValidationError, ValueError), match=problem):
        setattr(session, field, value)


def test_a_session_keeps_the_very_lists_and_objects_that_it_was_given() -> None:
    messages: list[Message] = [{"role": "user", "content": "hi"}]
    state: dict[str, JsonValue] = {"a": [1]}
    session = Session(session_id="s", messages=messages, state=state)
    assert session.messages is messages
    assert session.state is state


# What a session says of itself


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("plain", "plain"),
        (None, ""),
        (5, ""),
        ([{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}, "b"], "a\nb"),
        ([{"type": "thinking", "thinking": "hm"}], ""),
        ([{"type": "tool_result", "content": [{"type": "text", "text": "ok"}]}], "ok"),
        ({"output": "out"}, "out"),
        ([{"type": "refusal", "refusal": "no"}], "no"),
        ({"text": "", "content": "second"}, "second"),
        ({"type": "tool_use", "input": {"command": "ls"}}, ""),
    ],
)
def test_the_text_of_a_message_is_what_it_says(content: JsonValue, text: str) -> None:
    assert message_text({"role": "user", "content": content}) == text


@pytest.mark.parametrize(
    ("message", "said", "thought"),
    [
        ({"content": "yes"}, "yes", ""),
        ({"content": [{"type": "thinking", "thinking": "hm"}, {"text": "yes"}]}, "yes", "hm"),
        ({"content": [{"type": "thinking", "thinking": "hm"}]}, "", "hm"),
        ({"content": [{"type": "reasoning", "text": "hm"}, "yes"]}, "yes", "hm"),
        ({"content": [{"type": "redacted_thinking", "data": "AAAA"}, "yes"]}, "yes", ""),
        ({"content": [{"text": "hm", "thought": True}, {"text": "yes"}]}, "yes", "hm"),
        ({"content": {"type": "thinking", "thinking": "hm"}}, "", "hm"),
        ({"content": "yes", "reasoning_content": "hm"}, "yes", "hm"),
        ({"content": "yes", "reasoning": [{"type": "thinking", "thinking": "hm"}]}, "yes", "hm"),
        ({"content": "yes", "summary": [{"type": "summary_text", "text": "hm"}]}, "yes", "hm"),
        ({"content": "yes", "thoughts": [{"subject": "A", "description": "b"}]}, "yes", "A\nb"),
        (
            {
                "content": [{"type": "thinking", "thinking": "hm"}],
                "reasoning": "hm",
                "thoughts": "c",
            },
            "",
            "hm\nc",
        ),
        ({"content": [{"type": "tool_result", "content": [{"text": "ok"}]}]}, "ok", ""),
    ],
)
def test_what_is_said_and_what_is_thought_are_apart(
    message: dict[str, JsonValue], said: str, thought: str
) -> None:
    assert (message_text(message), reasoning_text(message)) == (said, thought)


def test_titles_and_previews_are_made_of_what_was_said() -> None:
    thinking: JsonValue = {"type": "thinking", "thinking": "first a plan"}
    session = Session(session_id="s")
    session.messages = [
        {"role": "user", "content": [thinking]},
        {"role": "user", "content": [thinking, {"type": "text", "text": "Show the files"}]},
        {"role": "assistant", "content": [thinking, {"type": "text", "text": "Here"}]},
        {"role": "assistant", "content": [thinking]},
    ]
    assert (session.made_title, session.preview) == ("Show the files", "Here")


def test_a_title_is_made_of_the_first_words_that_a_user_said() -> None:
    session = Session(session_id="s")
    assert session.made_title == ""
    session.messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "image_url"}]},
        {"role": "user", "content": "  Show\n the   files "},
        {"role": "user", "content": "later"},
    ]
    assert session.made_title == "Show the files"


def test_a_preview_is_the_last_message_that_says_anything() -> None:
    session = Session(session_id="s")
    assert session.preview == ""
    session.messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "x" * 81},
        {"role": "assistant", "tool_calls": []},
    ]
    assert session.preview == "x" * 79 + "…"


def test_a_text_of_eighty_letters_is_a_title_as_it_stands() -> None:
    session = Session(session_id="s", messages=[{"role": "user", "content": "x" * 80}])
    assert session.made_title == "x" * 80


def test_the_current_agent_is_none_before_the_first_switch() -> None:
    session = Session(session_id="s")
    assert session.current_agent is None
    session.agent_context = {"current_agent": "coder"}
    assert session.current_agent == "coder"


# The JSON Schema


def schema() -> dict[str, object]:
    made = Session.model_json_schema()
    Draft202012Validator.check_schema(made)
    return made


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_the_json_schema_accepts_every_golden_file(path: Path) -> None:
    document = json.loads(path.read_text(encoding="utf-8"), parse_int=len)
    assert list(Draft202012Validator(schema()).iter_errors(document)) == []


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ([], "$"),
        ({"title": 5}, "$.title"),
        ({"format": "localsessions"}, "$.format"),
        ({"messages": {}}, "$.messages"),
        ({"messages": [{"content": "no role"}]}, "$.messages[0]"),
        ({"messages": [{"role": 5}]}, "$.messages[0].role"),
        ({"runs": [{}]}, "$.runs[0]"),
        ({"agent_context": {"switches": [{"from": "a"}]}}, "$.agent_context.switches"),
        ({"agent_context": {"current_agent": 5}}, "$.agent_context.current_agent"),
        ({"state": []}, "$.state"),
        ({"tags": [5]}, "$.tags[0]"),
        ({"pinned": "yes"}, "$.pinned"),
        ({"ttl": "60"}, "$.ttl"),
        ({"created_at": 5}, "$.created_at"),
        ({"revision": -1}, "$.revision"),
    ],
)
def test_the_json_schema_refuses_what_is_no_session_at_its_place(
    document: JsonValue, place: str
) -> None:
    found = {error.json_path for error in Draft202012Validator(schema()).iter_errors(document)}
    assert place in found


# Small values


def test_a_page_is_a_sequence_of_its_items() -> None:
    page = Page(("a", "b"), "next")
    assert (list(page), len(page), page.next_cursor) == (["a", "b"], 2, "next")


def test_a_cleanup_report_parts_what_went_from_what_stayed() -> None:
    gone = CleanupAction("old", True, "last active long ago", NOW)
    kept = CleanupAction("pinned", False, "it is pinned", NOW)
    report = CleanupReport(NOW, False, (gone, kept))
    assert (report.deleted, report.kept) == ((gone,), (kept,))


def test_a_summary_is_frozen() -> None:
    summary = SessionSummary(session_id="s", created_at=NOW, last_activity=NOW, updated_at=NOW)
    with pytest.raises(ValidationError, match="frozen"):
        summary.title = "x"  # type: ignore[misc]


# A line of a listing without a model


def test_a_plain_summary_has_the_fields_and_the_defaults_of_the_model() -> None:
    for plain, model in ((PlainSummary, SessionSummary), (PlainUnreadable, Unreadable)):
        kept = {one.name: one.default for one in dataclasses.fields(plain)}
        told = {name: one.default for name, one in model.model_fields.items()}
        assert list(kept) == list(told)
        assert [one for one in kept.values() if one is not dataclasses.MISSING] == [
            one for one in told.values() if one is not PydanticUndefined
        ]


@pytest.mark.parametrize("fault", [None, PlainUnreadable("torn", 3, 4)])
def test_the_model_of_a_plain_summary_says_the_same(fault: PlainUnreadable | None) -> None:
    times: dict[str, Any] = {"created_at": NOW, "last_activity": NOW, "updated_at": NOW}
    plain = PlainSummary(session_id="s", tags=("a",), unreadable=fault, **times)
    made = checked(plain)
    assert made == SessionSummary.model_validate(dataclasses.asdict(plain))
    assert SessionSummary.model_validate_json(made.model_dump_json()) == made
    assert made.model_fields_set == set(SessionSummary.model_fields)
    assert made is checked(plain)
    assert dataclasses.replace(plain) == plain


def test_the_fields_of_a_file_are_those_of_a_session() -> None:
    assert tuple(Session.model_fields) == SESSION_FIELDS


def test_an_id_is_random_and_sorts_by_time() -> None:
    first, second = made_id("sess"), made_id("sess")
    assert first != second
    assert first[:13] <= second[:13]
    assert len(first) == len("sess_") + 24
