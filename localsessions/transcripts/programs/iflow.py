"""iFlow CLI: ``~/.iflow/projects/<project>/session-<uuid>.jsonl``.

The records are those of Claude Code. The content of a result is Gemini's: ``{callId,
responseParts: {functionResponse: {id, name, response: {output}}}, resultDisplay}``, or only the
``functionResponse``. Its output becomes the content of the message, and the rest stays beside it.
A turn that streams is written several times; a later record may repeat the last call of an
earlier one. Described in the ``docs`` of https://github.com/bbingz/engram.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import Object, as_list, as_object, without
from localsessions.transcripts.programs.claude import read_records
from localsessions.transcripts.programs.claude_records import is_of_iflow
from localsessions.transcripts.transcript import Format, Reading

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.transcripts.source import Source

__all__ = ["IFLOW_JSONL"]


def _recognises(source: Source) -> bool:
    return is_of_iflow(record.value for record in source.records)


def _read(source: Source) -> Reading:
    return read_records(source, [_with_plain_results(record.value) for record in source.records])


def _with_plain_results(record: Object) -> Object:
    spoken = as_object(record.get("message"))
    content = spoken.get("content")
    if not isinstance(content, list):
        return record
    return record | {"message": spoken | {"content": [_plain(part) for part in as_list(content)]}}


def _plain(part: JsonValue) -> JsonValue:
    result = as_object(as_object(part).get("content"))
    call = as_object((as_object(result.get("responseParts")) or result).get("functionResponse"))
    response = as_object(call.get("response"))
    output = response.get("output")
    if not isinstance(output, str):
        return part
    kept = without(call, "response")
    if len(response) > 1:
        kept["response"] = without(response, "output")
    rest = without(result, "responseParts", "functionResponse")
    return as_object(part) | {"content": output, "functionResponse": kept} | rest


IFLOW_JSONL = Format("iflow-jsonl", "iflow", _recognises, _read)
