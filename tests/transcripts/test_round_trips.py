"""What is exported can be imported: the same session, or each message of JSON Lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localsessions.models import Session
from localsessions.transcripts import ExportKind, TranscriptFile, export, read_transcript

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import JsonValue

    Again = Callable[[Session, ExportKind], TranscriptFile]

TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
IDS = st.sampled_from(["c", "d", "e"])
KINDS = st.sampled_from(
    ["text", "thinking", "tool_use", "tool_result", "image", "image_url", "file", "refusal", "odd"]
)
PARTS = st.builds(
    lambda kind, call_id, fields, content: {
        **fields,
        "type": kind,
        "id": call_id,
        "tool_use_id": call_id,
        "content": content,
    },
    KINDS,
    IDS,
    st.dictionaries(st.sampled_from(["text", "thinking", "image_url", "input", "source"]), VALUES),
    VALUES,
)
CONTENTS = VALUES | st.lists(PARTS, max_size=3)
CALLS = st.lists(
    st.fixed_dictionaries({"id": IDS, "function": VALUES}, optional={"custom": VALUES}) | VALUES,
    max_size=3,
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "tool", "system", "exit"])},
        optional={
            "id": IDS,
            "content": CONTENTS,
            "name": VALUES,
            "tool_calls": CALLS | VALUES,
            "tool_call_id": IDS | VALUES,
            "thoughts": VALUES,
            "summary": VALUES,
            "toolCalls": VALUES,
            "function_call": VALUES,
        },
    ),
    max_size=6,
)
SESSIONS = st.builds(
    lambda messages, state, metadata, tags, title: Session(
        session_id="s", messages=messages, state=state, metadata=metadata, tags=tags, title=title
    ),
    MESSAGES,
    st.dictionaries(TEXTS, VALUES, max_size=3),
    st.dictionaries(TEXTS, VALUES, max_size=3),
    st.lists(TEXTS, max_size=2),
    TEXTS,
)


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Again:
    """Export a session and read what was written."""
    path = tmp_path_factory.mktemp("exported") / "out"

    def read(session: Session, kind: ExportKind) -> TranscriptFile:
        path.write_bytes(export(session, kind))
        return read_transcript(path)

    return read


@given(session=SESSIONS)
def test_an_exported_session_file_is_the_session_again(session: Session, again: Again) -> None:
    (read,) = again(session, "json").sessions
    assert export(read, "json") == export(session, "json")


@given(session=SESSIONS)
def test_exported_json_lines_keep_each_message(session: Session, again: Again) -> None:
    exported = json.loads(export(session, "jsonl"))["messages"]
    found = again(session, "jsonl")
    assert found.report.messages == len(exported)
    spoken = [one for one in session.messages if one["role"] != "tool"]
    assert len([one for one in exported if one["role"] != "tool"]) == len(spoken)
    if exported:
        (read,) = found.sessions
        assert json.loads(export(read, "jsonl"))["messages"] == exported


@given(session=SESSIONS)
def test_every_session_can_be_read_by_a_person(session: Session) -> None:
    page = export(session, "markdown").decode()
    assert page.count("\n## ") >= len(session.messages)
