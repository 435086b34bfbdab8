from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from document.values import JSON, KEYS
from localsessions.adapters.document import speech_of

HI = [{"type": "text", "text": "Hi"}]
CAT = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}}


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("Hi", HI),
        (["Hi"], HI),
        (None, []),
        ([{"type": "text", "text": "Hi"}], HI),
        ([{"type": "input_text", "text": "Hi"}], HI),
        ([{"type": "output_text", "text": "Hi", "annotations": []}], HI),
        ([{"type": "refusal", "refusal": "Hi"}], HI),
        ([{"text": "Hi"}], HI),
        ([{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "Hi"}], HI),
        ([{"thought": True, "text": "Hm"}, {"text": "Hi"}], HI),
        ([CAT], [CAT]),
        ([{"type": "input_image", "image_url": "data:image/png;base64,QQ=="}], [CAT]),
        (
            [
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": "QQ=="},
                }
            ],
            [CAT],
        ),
        ([{"inlineData": {"mimeType": "image/png", "data": "QQ=="}}], [CAT]),
        (
            [{"type": "file", "file": {"file_id": "1"}}],
            [{"type": "file", "file": {"file_id": "1"}}],
        ),
    ],
)
def test_what_is_said_is_in_the_words_of_chat_completions(content: Any, parts: Any) -> None:
    assert speech_of({"role": "user", "content": content}).parts == parts


@pytest.mark.parametrize(
    "message",
    [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
            ],
        },
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}}],
        },
        {
            "role": "assistant",
            "type": "function_call",
            "call_id": "c1",
            "name": "f",
            "arguments": '{"a": 1}',
        },
        {"role": "model", "parts": [{"functionCall": {"id": "c1", "name": "f", "args": {"a": 1}}}]},
        {
            "role": "assistant",
            "content": [{"function_call": {"id": "c1", "name": "f", "args": {"a": 1}}}],
        },
    ],
)
def test_a_call_is_a_call_in_all_three_shapes(message: Any) -> None:
    said = speech_of(message)
    assert said.role == "assistant"
    assert said.calls == [("c1", "f", '{"a": 1}')]
    assert said.parts == []


@pytest.mark.parametrize(
    "message",
    [
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        {"role": "tool", "type": "function_call_output", "call_id": "c1", "output": "sunny"},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "sunny"}],
        },
        {
            "role": "tool",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "c1",
                    "content": [{"type": "text", "text": "sunny"}],
                }
            ],
        },
    ],
)
def test_a_result_is_a_result_in_all_shapes(message: Any) -> None:
    said = speech_of(message)
    assert [(one.call_id, one.text) for one in said.results] == [("c1", "sunny")]
    assert said.parts == []


def test_a_result_of_gemini_is_its_json() -> None:
    part: Any = {"functionResponse": {"id": "c1", "name": "f", "response": {"sky": "blue"}}}
    said = speech_of({"role": "user", "parts": [part]})
    assert [(one.call_id, one.text) for one in said.results] == [("c1", '{"sky": "blue"}')]


def test_thoughts_are_beside_what_is_said() -> None:
    said = speech_of(
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "Hi"}],
        }
    )
    assert (said.thoughts, said.text) == ("Hm", "Hi")


@pytest.mark.parametrize("role", ["event", "info", ""])
def test_what_is_no_chat_says_nothing(role: str) -> None:
    assert speech_of({"role": role, "content": "Hi"}) == ("", [], "", [], [])


MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool", "model", "event"])},
    optional={
        "content": JSON,
        "parts": JSON,
        "tool_calls": JSON,
        "tool_call_id": JSON,
        "name": JSON,
    },
)
PARTS = st.sampled_from(["text", "tool_use", "tool_result", "image", "thinking", "file"])
ODD = st.lists(st.dictionaries(KEYS, JSON | PARTS, max_size=4), max_size=3)


@given(MESSAGES | st.fixed_dictionaries({"role": st.just("assistant"), "content": ODD}))
def test_no_message_raises(message: Any) -> None:
    speech_of(message)
