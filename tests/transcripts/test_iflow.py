"""What iFlow's transcripts become: the records are those of Claude Code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from localsessions.transcripts import FORMATS, read_transcript
from localsessions.transcripts.source import Source, read_sources

from .records import claude_record, written_lines

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import JsonValue

    from localsessions.transcripts import TranscriptFile

    from .records import Object


def read(tmp_path: Path, content: JsonValue, *, session_id: str = "s1") -> TranscriptFile:
    record = claude_record("user", "u1", content, sessionId=session_id)
    return read_transcript(written_lines(tmp_path / "session.jsonl", record))


def test_iflow_is_named_for_what_it_is(tmp_path: Path) -> None:
    session_id = "session-5de701fc-7454-4858-a249-95cac4fd3b51"
    found = read(tmp_path, "hi", session_id=session_id)
    (session,) = found.sessions
    assert (found.report.format, session.agent_id) == ("iflow-jsonl", "iflow")
    assert (session.session_id, session.source["program"]) == (session_id, "iflow")
    (source,) = read_sources(str(tmp_path / "session.jsonl"))
    assert isinstance(source, Source)
    assert [form.name for form in FORMATS if form.recognises(source)] == ["iflow-jsonl"]


def test_claude_code_is_not_named_iflow(tmp_path: Path) -> None:
    found = read(tmp_path, "hi", session_id="5de701fc-7454-4858-a249-95cac4fd3b51")
    assert found.report.format == "claude-jsonl"


@pytest.mark.parametrize("is_wrapped", [True, False])
def test_result_has_its_output_as_content(tmp_path: Path, is_wrapped: bool) -> None:
    call: Object = {"functionResponse": {"name": "read_file", "response": {"output": "text"}}}
    wrapped: Object = {"callId": "t1", "responseParts": call, "resultDisplay": "Read 1 line"}
    content = wrapped if is_wrapped else call
    found = read(tmp_path, [{"type": "tool_result", "tool_use_id": "t1", "content": content}])
    (message,) = found.sessions[0].messages
    assert found.report.format == "iflow-jsonl"
    assert (message["role"], message["tool_call_id"]) == ("tool", "t1")
    assert (message["content"], message["functionResponse"]) == ("text", {"name": "read_file"})
    assert message.get("resultDisplay") == ("Read 1 line" if is_wrapped else None)


def test_file_with_a_result_of_iflow_is_of_no_other_format(tmp_path: Path) -> None:
    content: Object = {"functionResponse": {"name": "x", "response": {"output": "y"}}}
    read(tmp_path, [{"type": "tool_result", "tool_use_id": "t1", "content": content}])
    path = tmp_path / "session.jsonl"
    result = path.read_text(encoding="utf-8")
    read(tmp_path, "hi")
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{result}\n", encoding="utf-8")
    (source,) = read_sources(str(path))
    assert isinstance(source, Source)
    assert [form.name for form in FORMATS if form.recognises(source)] == ["iflow-jsonl"]


def test_result_of_another_shape_stays_whole(tmp_path: Path) -> None:
    content: Object = {"functionResponse": {"name": "x", "response": {"error": "no"}}}
    found = read(tmp_path, [{"type": "tool_result", "tool_use_id": "t1", "content": content}])
    (message,) = found.sessions[0].messages
    assert message["content"] == content
