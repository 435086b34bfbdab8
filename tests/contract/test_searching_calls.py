"""Searching what a message holds beside what was said: arguments of calls, and reasoning."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from localsessions import Message, SearchHit, SessionStore

if TYPE_CHECKING:
    from pydantic import JsonValue

SAID = "I write the parser."
WRITE: dict[str, JsonValue] = {
    "file_path": "/w/quokka_parser.py",
    "content": "def wombat():\n    pass  # 数据库 4711",
}


def put(store: SessionStore, message: Message) -> None:
    store.create("s")
    store.append("s", message)


def called(arguments: JsonValue, name: str = "Write") -> Message:
    function: JsonValue = {"name": name, "arguments": arguments}
    calls: list[JsonValue] = [{"id": "c", "type": "function", "function": function}]
    return {"role": "assistant", "content": SAID, "tool_calls": calls}


def hit(store: SessionStore, words: str) -> SearchHit | None:
    found = store.search(words)
    return found[0] if found else None


def snippet(store: SessionStore, words: str) -> str | None:
    found = hit(store, words)
    return found.snippet if found else None


@pytest.mark.parametrize(
    "words", ["quokka_parser", "wombat", "数据库", "4711", "pass", '"def wombat"']
)
def test_arguments_of_a_call_are_found_and_called_so(store: SessionStore, words: str) -> None:
    put(store, called(json.dumps(WRITE)))
    found = hit(store, words)
    assert found is not None
    assert (found.position, found.role) == (0, "assistant")
    assert found.snippet.startswith("argument of Write: ")
    assert [found.snippet[start:end] for start, end in found.highlights] == [words.strip('"')]


@pytest.mark.parametrize(
    "message",
    [
        called({"path": "wombat"}),
        {"role": "assistant", "tool_calls": [{"name": "Write", "args": {"path": "wombat"}}]},
        {"role": "assistant", "function_call": {"name": "Write", "arguments": '["wombat"]'}},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "name": "Write", "input": {"path": ["wombat"]}}],
        },
        {
            "role": "assistant",
            "content": [{"functionCall": {"name": "Write", "args": {"path": "wombat"}}}],
        },
    ],
)
def test_calls_of_every_shape_are_found(store: SessionStore, message: Message) -> None:
    put(store, message)
    assert snippet(store, "wombat") == "argument of Write: wombat"


def test_what_was_said_goes_before_an_argument(store: SessionStore) -> None:
    put(store, called(json.dumps(WRITE)))
    assert snippet(store, "parser") == SAID
    assert snippet(store, "parser wombat quokka") == (
        "argument of Write: /w/quokka_parser.py def wombat():     pass  # 数据库 4711"
    )


def test_words_of_text_and_arguments_count_together(store: SessionStore) -> None:
    put(store, called(json.dumps(WRITE)))
    assert snippet(store, "write wombat") == SAID
    assert snippet(store, '"the parser"') == SAID
    assert snippet(store, '"the parser write"') is None  # nobody said that


def test_the_name_of_a_tool_is_found(store: SessionStore) -> None:
    put(store, called("{}", name="str_replace_editor"))
    assert snippet(store, "replace_editor") == "call of str_replace_editor"


def test_names_of_parameters_are_not_found_and_other_keys_are(store: SessionStore) -> None:
    put(store, called({"file_path": 1, "answers": {"Which colour?": "red", "src/main.py": None}}))
    assert snippet(store, "file_path") is None
    assert snippet(store, "answers") is None
    assert snippet(store, "colour") == "argument of Write: 1 Which colour? red src/main.py"
    assert snippet(store, "main.py") == "argument of Write: 1 Which colour? red src/main.py"


@pytest.mark.parametrize("torn", ['{"path": "wombat', "wombat", "[" * 5000 + '"wombat"'])
def test_arguments_that_are_no_json_are_found_as_they_are(store: SessionStore, torn: str) -> None:
    put(store, called(torn))
    found = snippet(store, "wombat")
    assert found is not None
    assert found.startswith("argument of Write: ")


def test_arguments_nested_deeper_than_python_calls_are_found(store: SessionStore) -> None:
    put(store, called("[" * 900 + '"wombat"' + "]" * 900))
    assert snippet(store, "wombat") == "argument of Write: wombat"


def test_odd_numbers_and_calls_stop_no_search(store: SessionStore) -> None:
    calls: list[JsonValue] = [7, {}, {"function": 3}, {"function": {"arguments": [10**5000, True]}}]
    put(store, {"role": "assistant", "content": "wombat", "tool_calls": calls})
    assert snippet(store, "wombat") == "wombat"


@pytest.mark.parametrize(
    "reasoning",
    [
        {"content": [{"type": "thinking", "thinking": "the numbat"}]},
        {"content": "x", "summary": [{"type": "summary_text", "text": "the numbat"}]},
        {"content": "x", "reasoning_content": "the numbat"},
        {"content": "x", "reasoning": "the numbat"},
    ],
)
def test_reasoning_is_found_and_called_so(store: SessionStore, reasoning: Message) -> None:
    put(store, {"role": "assistant", **reasoning})
    assert snippet(store, "numbat") == "reasoning: the numbat"


def test_a_thought_with_a_subject_is_found_by_both(store: SessionStore) -> None:
    thoughts: list[JsonValue] = [{"subject": "Plan", "description": "look"}, {"description": 7}]
    put(store, {"role": "assistant", "thoughts": thoughts})
    assert snippet(store, "plan look 7") == "reasoning: Plan look 7"


def test_a_thought_that_is_kept_twice_is_one(store: SessionStore) -> None:
    put(
        store,
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "the numbat"}, "I go."],
            "summary": [{"text": "the numbat"}],
        },
    )
    assert snippet(store, "numbat") == "reasoning: the numbat"
    assert snippet(store, '"numbat the"') is None
    assert snippet(store, "go") == "I go."


def test_marks_of_the_index_in_a_message_are_spaces(store: SessionStore) -> None:
    put(store, {"role": "user", "content": "a\x1ewombat\x1fb\x1dnumbat"})
    assert snippet(store, "wombat") == "a wombat b numbat"
    assert snippet(store, "numbat") == "a wombat b numbat"
