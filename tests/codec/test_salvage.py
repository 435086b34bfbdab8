"""Salvage keeps what is whole at the beginning of a torn file, and makes nothing up."""

from __future__ import annotations

import json
from typing import NamedTuple

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from localsessions import Session
from localsessions._codec import encode, parse_json
from localsessions._codec.salvage import salvage

HI: JsonValue = {"role": "user", "content": "hi"}
MESSAGES = '{"messages": [' + json.dumps(HI) + ", "


class Case(NamedTuple):
    data: bytes | str
    kept: JsonValue = None  # None: nothing is


CASES: dict[str, Case] = {
    "nothing": Case(""),
    "blank": Case(" \n"),
    "only a brace": Case("{"),
    "an empty object, torn after it": Case("{}\0\0", {}),
    "half a key": Case('{"tit'),
    "a key without value": Case('{"title":'),
    "half a value": Case('{"title": "par'),
    "one field": Case('{"title": "t"', {"title": "t"}),
    "one field and a comma": Case('{"title": "t",', {"title": "t"}),
    "one field and half a key": Case('{"title": "t", "sta', {"title": "t"}),
    "one field and a key": Case('{"title": "t", "state"', {"title": "t"}),
    "one field and a colon": Case('{"title": "t", "state":', {"title": "t"}),
    "half a field behind a whole one": Case('{"title": "t", "state": {"a": 1', {"title": "t"}),
    "a whole field behind it": Case(
        '{"title": "t", "state": {"a": [1]}', {"title": "t", "state": {"a": [1]}}
    ),
    "a number that may go on": Case('{"title": "t", "revision": 12', {"title": "t"}),
    "a number that ends": Case('{"title": "t", "revision": 12\n', {"title": "t", "revision": 12}),
    "a number before zeros": Case('{"title": "t", "revision": 12\0\0', {"title": "t"}),
    "half a number": Case('{"title": "t", "ttl": 1e', {"title": "t"}),
    "half a word": Case('{"title": "t", "pinned": tru', {"title": "t"}),
    "a whole word": Case('{"pinned": true', {"pinned": True}),
    "null": Case('{"title": null', {"title": None}),
    "no message yet": Case('{"messages": ['),
    "no message yet, a field before": Case('{"title": "t", "messages": [', {"title": "t"}),
    "half the first message": Case('{"title": "t", "messages": [{"role": "us', {"title": "t"}),
    "no message at all": Case('{"messages": []', {"messages": []}),
    "one message": Case(MESSAGES[:-2], {"messages": [HI]}),
    "one message and a comma": Case(MESSAGES, {"messages": [HI]}),
    "half the second message": Case(MESSAGES + '{"role": "assistant"', {"messages": [HI]}),
    "an inner brace is no end of a message": Case(
        MESSAGES + '{"role": "tool", "content": {"a": {}}', {"messages": [HI]}
    ),
    "a brace and a quote inside of a string": Case(
        MESSAGES + r'{"role": "user", "content": "}]} \"}, \\"', {"messages": [HI]}
    ),
    "messages, then half a field": Case(
        MESSAGES[:-2] + '], "runs": [{"run_id": "r"}, ', {"messages": [HI]}
    ),
    "messages, then a whole field": Case(
        MESSAGES[:-2] + '], "runs": [{"run_id": "r"}], "st',
        {"messages": [HI], "runs": [{"run_id": "r"}]},
    ),
    "messages of something else": Case(
        '{"title": "t", "state": {"messages": [{"role": "user"}, ', {"title": "t"}
    ),
    "a field named messages by its value": Case(
        '{"title": "messages", "runs": [{"run_id": "r"}, ', {"title": "messages"}
    ),
    "only the last bracket is missing": Case(
        MESSAGES[:-2] + '], "status": "active"\n', {"messages": [HI], "status": "active"}
    ),
    "compact": Case(
        '{"title":"t","messages":[{"role":"user"},{"ro',
        {"title": "t", "messages": [{"role": "user"}]},
    ),
    "one token a line": Case(
        '{\n"title"\n:\n"t"\n,\n"messages"\n:\n[\n{\n"role"\n:\n"user"\n}\n,\n{\n"role"',
        {"title": "t", "messages": [{"role": "user"}]},
    ),
    "tabs and CRLF": Case(
        '{\r\n\t"title": "t",\r\n\t"messages": [\r\n\t\t{"role": "user"},\r\n\t\t{"ro',
        {"title": "t", "messages": [{"role": "user"}]},
    ),
    # The cut inside of a character
    "half of two bytes": Case('{"title": "t", "user_id": "ж'.encode()[:-1], {"title": "t"}),
    "one of three bytes": Case('{"title": "t", "user_id": "中'.encode()[:-2], {"title": "t"}),
    "two of three bytes": Case('{"title": "t", "user_id": "中'.encode()[:-1], {"title": "t"}),
    "three of four bytes": Case('{"title": "t", "user_id": "😀'.encode()[:-1], {"title": "t"}),
    "half a character before zeros": Case(
        '{"title": "t", "user_id": "ж'.encode()[:-1] + b"\0\0", {"title": "t"}
    ),
    "after a backslash": Case('{"title": "t", "user_id": "a\\', {"title": "t"}),
    "after a backslash and u": Case('{"title": "t", "user_id": "a\\u', {"title": "t"}),
    "inside of an escape": Case('{"title": "t", "user_id": "a\\u04', {"title": "t"}),
    "between two halves of a pair": Case('{"title": "t", "user_id": "\\ud83d', {"title": "t"}),
    "inside of the second half": Case('{"title": "t", "user_id": "\\ud83d\\ude', {"title": "t"}),
    "escapes before the cut": Case(
        '{"title": "\\ud83d\\ude00\\n", "user', {"title": "\N{GRINNING FACE}\n"}
    ),
    # What follows instead of the rest
    "zeros after a whole document": Case('{"title": "t"}\n' + "\0" * 512, {"title": "t"}),
    "zeros in a message": Case(MESSAGES + '{"role": "us' + "\0" * 512, {"messages": [HI]}),
    "a hole of zeros": Case(MESSAGES + '{"ro' + "\0" * 512 + 'le": "user"}]}', {"messages": [HI]}),
    "the end of a longer version": Case('{"title": "t"}\n  "revision": 3\n}\n', {"title": "t"}),
    "another document": Case('{"title": "t"}{"title": "u"}', {"title": "t"}),
    "bytes of anything": Case(b'{"title": "t"}\n\xff\xfe\x80', {"title": "t"}),
    # No torn end: a person repairs it without losing what follows
    "a comma too few": Case('{"messages": [{"role": "user"} {"role": "user"}]}'),
    "a comma too few, and torn": Case('{"messages": [{"role": "user"} {"role": "user"}, {'),
    "a comma too many": Case('{"title": "t",\n}'),
    "a quote too few": Case('{"title": "t", "status": "active,\n"runs": []}'),
    "a bracket too few": Case('{"messages": [{"role": "user", {"role": "user"}], "state": {}}'),
    "a bracket too few, and torn": Case('{"title": "t", "state": {"a": [1}, "b": 2'),
    "bytes of anything in the middle": Case(b'{"title": "t", "state": "caf\xe9", "runs": []}'),
    "a raw newline in a string": Case('{"title": "t", "status": "two\nlines"'),
    "conflict markers": Case('{"title": "t",\n<<<<<<< HEAD\n"status": "a"\n=======\n'),
    "conflict markers behind it": Case('{"title": "t"}\n<<<<<<< HEAD\n'),
    "a key twice": Case('{"title": "t", "title": "u", "sta'),
    "NaN": Case('{"ttl": NaN, "sta'),
    "too deep": Case('{"state": ' + "[" * 500 + "]" * 500 + ', "runs'),
    "a list": Case('[{"role": "user"}, {"ro'),
    "a whole list, then zeros": Case('["a", {}]\0\0'),
    "a text": Case('"session'),
    "a whole text, then another": Case('"session" "two"'),
    "no JSON": Case("title: yaml\n"),
    "a bracket too early": Case("}"),
    "UTF-16": Case('{"title": "t", "sta'.encode("utf-16")),
    "a byte order mark": Case("\ufeff" + '{"title": "t", "sta'),
    "zeros only": Case(b"\0" * 4096),
    "binary": Case(bytes(range(256))),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_is_whole_is_kept(case: Case) -> None:
    data = case.data.encode() if isinstance(case.data, str) else case.data
    kept = salvage(data)
    if case.kept is None:
        assert kept is None
    else:
        assert kept is not None
        assert parse_json(kept) == case.kept


def exact(value: object) -> object:
    """Return what compares equal only where type, digits, sign and order are the same."""
    if isinstance(value, dict):
        return "object", [(key, exact(item)) for key, item in value.items()]
    if isinstance(value, list):
        return "list", [exact(item) for item in value]
    return type(value), value.hex() if isinstance(value, float) else value


texts = st.text(st.characters(codec="utf-8") | st.sampled_from('"\\{}[],:\n/'), max_size=6)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
values: st.SearchStrategy[JsonValue] = st.recursive(
    scalars.filter(lambda value: value not in (float("inf"), float("-inf"))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
objects = st.dictionaries(texts, values, max_size=2)
messages = st.lists(
    st.builds(lambda rest, content: {**rest, "role": "user", "content": content}, objects, values),
    max_size=4,
)


def cuts(data: bytes) -> list[tuple[int, int, int]]:
    """Return (offset, whole fields, whole messages) for each place where one more is whole.

    Goes by lines, not by tokens: a JSON string holds no raw newline, so in our layout the
    indentation tells the level. A field counts from the byte behind its value on.
    """
    found: list[tuple[int, int, int]] = []
    fields = message_count = offset = 0
    key = b""
    for line in data.split(b"\n"):
        end = offset + len(line)
        bare = end - line.endswith(b",")
        if line[:3] == b'  "':
            key = line.partition(b":")[0]
        if line.startswith(b"    }") and key == b'  "messages"':
            message_count += 1
            found.append((bare, fields, message_count))
        is_end = line[:3] in (b"  }", b"  ]") or (
            line[:3] == b'  "' and not line.endswith((b"{", b"["))
        )
        if is_end:
            fields += 1
            # Of a number nobody knows that it ends before something follows.
            is_number = line[:3] == b'  "' and line[: bare - offset][-1:].isdigit()
            found.append((bare + is_number, fields, message_count))
        offset = end + 1
    return found


@pytest.mark.untraced
@settings(max_examples=20)
@given(messages, objects, st.none() | texts, st.booleans())
def test_at_every_byte_the_whole_messages_and_fields_are_kept_and_nothing_else(
    said: list[dict[str, JsonValue]], state: dict[str, JsonValue], title: str | None, pinned: bool
) -> None:
    session = Session(session_id="s", title=title, state=state, pinned=pinned, metadata={"k": 1})
    session.messages = said
    session.extra["later"] = [state, 1.5]
    session.extra["last"] = 12345
    data = encode(session)
    document = parse_json(data)
    assert isinstance(document, dict)
    places = cuts(data)
    assert places[-1][1:] == (len(document), len(said))
    for cut in range(len(data) + 1):
        past = [place for place in places if place[0] <= cut]
        kept = salvage(data[:cut])
        if not past:
            assert kept is None
            continue
        _, fields, message_count = past[-1]
        expected = dict(list(document.items())[:fields])
        if message_count and "messages" not in expected:
            expected["messages"] = list(said[:message_count])
        assert kept is not None
        assert exact(parse_json(kept)) == exact(expected)


@pytest.mark.untraced
@settings(max_examples=20)
@given(messages, objects, st.sampled_from([None, 0, 1, "\t"]), st.booleans())
def test_in_any_layout_messages_are_the_first_ones_unchanged(
    said: list[dict[str, JsonValue]],
    state: dict[str, JsonValue],
    indent: str | int | None,
    ascii_only: bool,
) -> None:
    document: dict[str, JsonValue] = {"title": "t", "messages": [*said], "state": state, "n": 1}
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    data = text.encode("utf-8", "surrogatepass")
    before = 0
    for cut in range(len(data) + 1):
        kept = salvage(data[:cut])
        found = parse_json(kept) if kept is not None else {}
        assert isinstance(found, dict)
        messages = found.get("messages", [])
        assert isinstance(messages, list)
        assert exact(messages) == exact(said[: len(messages)])
        assert before <= len(messages)
        assert all(exact(found[key]) == exact(document[key]) for key in found if key != "messages")
        before = len(messages)
    assert before == len(said)


LARGE: dict[str, JsonValue] = {
    "words": ["word " * 200] * 10_000,
    "numbers": [*range(200_000)],
    "brackets": [[]] * 300_000,
    "escapes": '"\\' * 500_000,
}


@pytest.mark.untraced
@pytest.mark.parametrize("large", LARGE)
def test_a_large_file_is_looked_at_once(large: str) -> None:
    """What goes over the text again and again would not end before the time that a test has."""
    said: list[JsonValue] = [{"role": "tool", "content": LARGE[large]}, HI, HI]
    data = orjson.dumps({"title": "t", "messages": said})
    kept = salvage(data[:-5])
    assert kept is not None
    assert parse_json(kept) == {"title": "t", "messages": said[:2]}
    torn_inside = salvage(
        data[: data.index(b"]" if large == "brackets" else b'{"role":"user"') - 9]
    )
    assert torn_inside is not None
    assert parse_json(torn_inside) == {"title": "t"}
