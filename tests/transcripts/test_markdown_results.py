"""What a Markdown page shows of calls and results, and what it cuts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from markdown_it import MarkdownIt

from localsessions.models import Message, Session
from localsessions.transcripts import export

from .exported import session

if TYPE_CHECKING:
    from pydantic import JsonValue

PNG = "iVBORw0KGgo" + "eHh4" * 1000
CUT = f"{PNG[:80]}… ({len(PNG)} characters)"
IMAGE: JsonValue = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": PNG},
}
SHOWN_IMAGE = (
    '```json\n{\n  "type": "image",\n  "source": {\n    "type": "base64",\n'
    f'    "media_type": "image/png",\n    "data": "{CUT}"\n  }}\n}}\n```\n'
)


def page(*messages: Message) -> str:
    return export(session(*messages), "markdown").decode()


def result(content: JsonValue) -> str:
    """Return what a page shows of a tool's result, after its heading."""
    shown = page({"role": "tool", "tool_call_id": "c", "content": content})
    return shown.partition("\n\n## 1. Tool result\n\nResult of `c`:\n\n")[2]


def test_a_picture_alone_is_cut_as_in_a_prompt() -> None:
    assert result([IMAGE]) == SHOWN_IMAGE
    assert page({"role": "user", "content": [IMAGE]}).endswith(f"## 1. User\n\n{SHOWN_IMAGE}")


def test_a_picture_beside_texts_stays_in_its_place() -> None:
    parts: list[JsonValue] = [{"type": "text", "text": "one"}, "two", IMAGE, {"text": "three"}]
    assert result(parts) == f"```\none\ntwo\n```\n\n{SHOWN_IMAGE}\n```\nthree\n```\n"


def test_a_picture_deep_inside_a_result_is_shown_too() -> None:
    assert result([{"content": [{"text": "one"}, IMAGE]}]) == f"```\none\n```\n\n{SHOWN_IMAGE}"
    assert result({"output": "one"}) == "```\none\n```\n"


def test_a_picture_in_a_text_is_cut_and_the_text_stays() -> None:
    url = f"data:image/png;base64,{PNG}"
    cut = f"{url[:80]}… ({len(url)} characters)"
    assert result(f"see {url}!") == f"```\nsee {cut}!\n```\n"
    assert page({"role": "user", "content": f"see {url} <b>"}).endswith(f"\nsee {cut} \\<b>\n")


def test_a_long_text_of_a_person_is_never_cut() -> None:
    words = "what a person says, " * 500
    note: JsonValue = {"type": "note", "body": words}
    assert words in page({"role": "user", "content": [note]})
    assert words in result([note])


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("", "```\n\n```\n"),
        (None, "```\n\n```\n"),
        ([], "```\n[]\n```\n"),
        ([7, None, True], "```json\n7\n```\n\n```json\ntrue\n```\n"),
        ({"ok": False}, '```json\n{\n  "ok": false\n}\n```\n'),
        ([{"type": "text", "text": 7}], '```json\n{\n  "type": "text",\n  "text": 7\n}\n```\n'),
    ],
)
def test_a_result_of_any_shape_is_shown(content: JsonValue, shown: str) -> None:
    assert result(content) == shown


def test_a_call_that_stands_only_in_the_content_is_shown() -> None:
    part: JsonValue = {"type": "tool_use", "id": "c", "name": "ls", "input": {"path": "/"}}
    place: JsonValue = {"type": "tool_use", "id": "d"}
    shown = page({"role": "assistant", "content": [part, place]})
    assert shown.endswith('\n\nCalls `ls` (`c`):\n\n```json\n{\n  "path": "/"\n}\n```\n')


def test_calls_of_any_shape_are_shown() -> None:
    calls: list[JsonValue] = [
        {"name": "a`b", "arguments": {"n": 10**5000}},
        {"id": 7, "function": {"name": None, "arguments": "[" * 9999}},
    ]
    shown = page({"role": "assistant", "tool_calls": calls})
    assert "\n\nCalls `` a`b ``:\n\n```json\n{" in shown
    assert f"\n\nCalls `None` (`7`):\n\n```json\n{'[' * 9999}\n```\n" in shown


def test_a_thought_that_is_kept_twice_is_shown_once() -> None:
    part: JsonValue = {"type": "thinking", "thinking": "the numbat"}
    shown = page({"role": "assistant", "content": [part], "summary": [{"text": "the numbat"}]})
    assert shown.count("numbat") == 1


def test_no_field_of_a_session_or_message_makes_a_heading() -> None:
    forged = "x\n\n## 9. Assistant\n\n<!-- ` "
    messages: list[Message] = [
        {"role": forged, "name": forged, "content": "a", "tool_call_id": forged},
        {"role": "tool", "tool_call_id": forged, "content": "b"},
        {"role": "assistant", "tool_calls": [{"id": forged, "function": {"name": forged}}]},
    ]
    made = Session(session_id="s", title=forged, user_id=forged, messages=messages)
    made.source = {forged: forged, forged[0]: forged[-6:]}
    shown = export(made, "markdown").decode()
    tokens = MarkdownIt("commonmark").parse(shown)
    levels = [token.tag for token in tokens if token.type == "heading_open"]
    assert levels == ["h1", "h2", "h2", "h2"]
    inside = [child.type for token in tokens for child in token.children or []]
    assert not [kind for kind in [*inside, *(token.type for token in tokens)] if "html" in kind]
