"""Session <-> bytes: what goes in comes back equal or is refused, and every fault has a place."""

from __future__ import annotations

import dataclasses
import enum
import json
import random
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from math import inf, nan
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import JsonValue

from localsessions._codec import (
    MAX_DEPTH,
    decode,
    decode_value,
    encode,
    encode_document,
    encode_value,
    inner_id,
    is_unchanged,
    parse_json,
    rebase,
    session_file,
)
from localsessions._codec.summary import summarize, summarize_unreadable, summarized
from localsessions._local.version import Fingerprint
from localsessions.errors import (
    FormatVersionError,
    UnreadableSessionError,
    UnstorableValueError,
)
from localsessions.models import FORMAT, PlainUnreadable, Session, format_instant
from localsessions.models.standing import original_of, version_of

FOUND = Fingerprint(100, 1_735_634_700_000_000_000, 1_735_634_700_000_000_000, 7)
MODIFIED_AT = datetime(2024, 12, 31, 8, 45, tzinfo=UTC)
LAYOUT = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
STAMPS: dict[str, JsonValue] = {
    "updated_at": "2031-01-01T00:00:00.000Z",
    "last_activity": "2031-01-01T00:00:00.000Z",
    "revision": 99,
}
V1 = Path(__file__).parents[1] / "data" / "v1"
CANONICAL = ["whole", "minimal", "unknown", "numbers"]
KNOWN = set(Session.model_fields)

JSONObject: TypeAlias = dict[str, JsonValue]


def read(data: bytes | str, session_id: str = "s") -> Session:
    raw = data.encode() if isinstance(data, str) else data
    return decode(raw, session_id=session_id, modified_at=FOUND.modified_at)


def fault_of(data: bytes | str) -> UnreadableSessionError:
    with pytest.raises(UnreadableSessionError) as caught:
        read(data)
    return caught.value


def exact(value: object) -> object:
    """Return what compares equal only where type, digits, sign and order are the same."""
    if isinstance(value, dict):
        return "object", [(key, exact(item)) for key, item in value.items()]
    if isinstance(value, list):
        return "list", [exact(item) for item in value]
    return type(value), value.hex() if isinstance(value, float) else value


def standard_json(data: bytes) -> object:
    """Read with the standard library alone, its limit on digits lifted."""
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return json.loads(data)
    finally:
        sys.set_int_max_str_digits(limit)


# What JSON can carry


def one_character_a_pair(text: str) -> str:
    """Join surrogates that stand as a pair: JSON cannot tell them from the character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


characters = st.characters() | st.characters(categories=["Cs"]) | st.sampled_from('"\\\n\x7f\u2028')
texts = st.text(characters, max_size=12).map(one_character_a_pair)
numbers = (
    st.integers()
    | st.integers(1 << 63, 1 << 65)
    | st.integers(-(1 << 65), -(1 << 63))
    | st.integers(4290, 5000).map(lambda digits: 10**digits - 7)
    | st.floats(allow_nan=False, allow_infinity=False)
)
keys = texts | st.sampled_from(["", " ", "role", "last_activity", "updated_at", "a.b", "__class__"])
values: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
objects: st.SearchStrategy[JSONObject] = st.dictionaries(keys, values, max_size=4)
unknown_fields = st.dictionaries(keys.filter(lambda key: key not in KNOWN), values, max_size=3)


def session_of(
    content: JsonValue, state: JSONObject, metadata: JSONObject, extra: JSONObject
) -> Session:
    session = Session(session_id="s", state=state, metadata=metadata)
    session.messages = [{"role": "user", "content": content}, {**state, "role": "tool"}]
    session.extra.update(extra)
    return session


@given(values, objects, objects, unknown_fields)
def test_any_json_value_comes_back_equal(
    content: JsonValue, state: JSONObject, metadata: JSONObject, extra: JSONObject
) -> None:
    session = session_of(content, state, metadata, extra)
    again = read(encode(session))
    assert exact(again.messages) == exact(session.messages)
    assert exact(again.state) == exact(state)
    assert exact(again.metadata) == exact(metadata)
    assert exact(again.extra) == exact(extra)


@given(values, objects, objects, unknown_fields)
def test_the_standard_library_reads_the_same_out_of_the_file(
    content: JsonValue, state: JSONObject, metadata: JSONObject, extra: JSONObject
) -> None:
    session = session_of(content, state, metadata, extra)
    document = standard_json(encode(session))
    assert isinstance(document, dict)
    assert exact(document["messages"]) == exact(session.messages)
    assert exact(document.get("state", {})) == exact(state)
    assert exact(document.get("metadata", {})) == exact(metadata)
    assert exact({key: document[key] for key in document if key not in KNOWN}) == exact(extra)


@given(values)
@example(10**5000)
@example([-(2**64), "\ud800", "\udc00\ud800", "\\\udfff"])
@example({"\ud800": {}, "": [], "b": [[]]})
def test_the_layout_is_that_of_orjson_and_of_every_json_tool(value: JsonValue) -> None:
    data = encode_value(value)
    assert exact(parse_json(data)) == exact(value)
    try:
        expected = orjson.dumps(value, option=LAYOUT)
    except TypeError:
        return  # see the next test
    assert data == expected


integers_and_texts: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


@given(integers_and_texts)
def test_what_orjson_cannot_write_has_the_same_layout(value: JsonValue) -> None:
    # But for floats, whose digits they choose differently, the standard library agrees.
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    assert encode_value(value) == text.encode(errors="backslashreplace")


@given(objects)
def test_a_file_written_by_anything_that_writes_json_is_read_exactly(state: JSONObject) -> None:
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        text = json.dumps({"state": state}, indent=random.Random(0).choice([None, 0, 7]))
    finally:
        sys.set_int_max_str_digits(limit)
    assert exact(read(text).state) == exact(state)


@pytest.mark.parametrize("digits", [4299, 4300, 4301, 20_000])
@pytest.mark.parametrize("sign", [1, -1])
def test_an_integer_of_any_size_is_stored(digits: int, sign: int) -> None:
    number = sign * (10**digits - 1)
    assert parse_json(encode_value({"n": number})) == {"n": number}


def test_encoding_changes_nothing_in_the_session() -> None:
    session = read((V1 / "whole.json").read_bytes())
    before = session.model_copy(deep=True)
    encode(session, STAMPS)
    assert session == before


# What cannot be stored


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Text(str):
    __slots__ = ()


@dataclasses.dataclass
class Point:
    x: int = 1


UNSTORABLE: dict[str, tuple[object, str]] = {
    "NaN": (nan, "JSON has no nan; store None or a text"),
    "infinity": (inf, "JSON has no inf"),
    "negative infinity": (-inf, "JSON has no -inf"),
    "bytes": (b"x", "bytes is no type of JSON; store a text, base64 perhaps"),
    "bytearray": (bytearray(b"x"), "bytearray is no type of JSON; store a text"),
    "set": ({1}, "set is no type of JSON; store a list"),
    "tuple": ((1, 2), "tuple is no type of JSON; store a list"),
    "datetime": (datetime(2026, 1, 2, tzinfo=UTC), "store its isoformat()"),
    "date": (date(2026, 1, 2), "date is no type of JSON"),
    "UUID": (UUID(int=1), "UUID is no type of JSON; store what it is made of"),
    "Decimal": (Decimal(1), "Decimal is no type of JSON"),
    "dataclass": (Point(), "Point is no type of JSON"),
    "text enum": (Colour.RED, "Colour is no type of JSON"),
    "number enum": (Level.LOW, "Level is no type of JSON"),
    "subclass of str": (Text("x"), "Text is no type of JSON"),
    "subclass of dict": (OrderedDict(a=1), "OrderedDict is no type of JSON"),
    "fragment": (orjson.Fragment(b"{}"), "Fragment is no type of JSON"),
    "object": (object(), "object is no type of JSON"),
    "pair in halves": ("\ud83d\ude00", "surrogate pair in two halves"),
}
PLACES: dict[str, Callable[[Session, object], str]] = {}


def place(put: Callable[[Session, object], str]) -> Callable[[Session, object], str]:
    PLACES[put.__name__.removeprefix("in_").replace("_", " ")] = put
    return put


@place
def in_a_message(session: Session, value: object) -> str:
    session.messages.append({"role": "user", "content": {"usage": [0, value]}})  # type: ignore[list-item]
    return "messages[0].content.usage[1]"


@place
def in_the_state(session: Session, value: object) -> str:
    session.state["a key"] = {"b": value}  # type: ignore[dict-item]
    return "state['a key'].b"


@place
def in_an_unknown_field(session: Session, value: object) -> str:
    session.extra["x-mine"] = value  # type: ignore[assignment]
    return "['x-mine']"


@place
def beside_what_orjson_cannot_write(session: Session, value: object) -> str:
    session.metadata.update({"big": 1 << 70, "half": "\ud800", "bad": value})  # type: ignore[dict-item]
    return "metadata.bad"


@pytest.mark.parametrize("put", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("name", UNSTORABLE)
def test_what_json_would_lose_is_refused_with_its_place(
    name: str, put: Callable[[Session, object], str]
) -> None:
    value, reason = UNSTORABLE[name]
    session = Session(session_id="s")
    where = put(session, value)
    with pytest.raises(UnstorableValueError) as caught:
        encode(session)
    assert (caught.value.where, caught.value.session_id) == (where, "s")
    assert reason in caught.value.reason


@pytest.mark.parametrize("key", [1, 1.5, None, True, (1,), Colour.RED, Text("x"), b"x"])
@pytest.mark.parametrize("beside", [0, 1 << 70])
def test_a_key_that_is_no_text_is_refused_with_its_place(key: object, beside: int) -> None:
    session = Session(session_id="s", state={"a": [beside, {key: 1}]})
    with pytest.raises(UnstorableValueError, match="a key must be a text") as caught:
        encode(session)
    assert caught.value.where == f"state.a[1][{key!r}]"


def test_a_key_with_a_surrogate_pair_in_halves_is_refused() -> None:
    session = Session(session_id="s", state={"\ud83d\ude00": 1})
    with pytest.raises(UnstorableValueError, match="two halves") as caught:
        encode(session)
    assert caught.value.where == r"state['\ud83d\ude00']"


def nested(containers: int, innermost: JsonValue = "x", *, in_objects: bool = False) -> JsonValue:
    value = innermost
    for _ in range(containers):
        value = {"k": value} if in_objects else [value]
    return value


# How an innermost value changes the way: through orjson, or beside it.
INNERMOST: dict[str, JsonValue] = {
    "text": "x",
    "empty list": [],
    "empty object": {},
    "big integer": 1 << 70,
    "lone surrogate": "\ud800",
    "list of a big integer": [1 << 70],
}


def depth_of(value: JsonValue) -> int:
    if not isinstance(value, dict | list):
        return 0
    items = list(value.values()) if isinstance(value, dict) else value
    return 1 + max(map(depth_of, items), default=0)


@pytest.mark.parametrize("in_objects", [True, False], ids=["objects", "lists"])
@pytest.mark.parametrize("name", INNERMOST)
def test_the_limit_of_depth_is_the_same_for_writing_and_reading(
    name: str, in_objects: bool
) -> None:
    innermost = INNERMOST[name]
    around = MAX_DEPTH - depth_of(innermost)
    deepest = nested(around, innermost, in_objects=in_objects)
    assert exact(parse_json(encode_value(deepest))) == exact(deepest)

    too_deep = nested(around + 1, innermost, in_objects=in_objects)
    with pytest.raises(UnstorableValueError, match="deeper than 200 levels"):
        encode_value(too_deep)
    for indent in (None, 2):
        text = json.dumps(too_deep, indent=indent) + "\n"
        with pytest.raises(json.JSONDecodeError, match="deeper than 200 levels") as caught:
            parse_json(text.encode())
        opened = -1
        for _ in range(MAX_DEPTH + 1):
            opened = min(
                at for at in (text.find("[", opened + 1), text.find("{", opened + 1)) if at >= 0
            )
        assert caught.value.pos == opened


def test_the_document_itself_counts_as_a_level() -> None:
    session = Session(session_id="s", state={"a": nested(MAX_DEPTH - 2)})
    assert read(encode(session)).state == session.state
    session.state = {"a": nested(MAX_DEPTH - 1)}
    with pytest.raises(UnstorableValueError) as caught:
        encode(session)
    assert caught.value.where.startswith("state.a[0][0][0]")


def test_what_contains_itself_is_refused() -> None:
    session = Session(session_id="s")
    session.state["again"] = session.state
    with pytest.raises(UnstorableValueError, match=r"^state\.again\.again"):
        encode(session)


@pytest.mark.untraced
def test_a_long_key_costs_once_and_not_for_each_value_below_it() -> None:
    def seconds(key: str, count: int) -> float:
        items: list[JsonValue] = [1] * count
        items.append(1 << 99)  # orjson refuses it, so each value is looked at
        begun = time.process_time()
        encode_value({key: items})
        return time.process_time() - begun

    key, count = "k" * 2_000_000, 5_000
    both = min(seconds(key, count) for _ in range(5))
    apart = min(seconds(key, 1) + seconds("k", count) for _ in range(5))
    assert both < 3 * apart


def test_a_file_too_large_to_be_read_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_file, "MAX_FILE_BYTES", 1000)
    session = Session(session_id="s", state={"a": "x" * 1000})
    with pytest.raises(UnstorableValueError, match="bytes, the limit is 1000") as caught:
        encode(session)
    assert caught.value.where == ""


@pytest.mark.parametrize(
    ("spoil", "where"),
    [
        (lambda session: session.messages.append({"content": "x"}), "messages[0].role"),
        (lambda session: session.messages.append("x"), "messages[0]"),
        (lambda session: session.runs.append({"status": "x"}), "runs[0].run_id"),
        (lambda session: session.tags.append(5), "tags[0]"),
        (lambda session: session.agent_context.update(switches=5), "agent_context.switches"),
        (lambda session: session.extra.update(title=5), "extra.title"),
        (lambda session: session.extra.update(session_id="other"), "extra.session_id"),
    ],
)
def test_what_would_make_the_file_unreadable_is_refused_though_it_was_put_in_unseen(
    spoil: Callable[[Session], None], where: str
) -> None:
    session = Session(session_id="s")
    spoil(session)
    with pytest.raises(UnstorableValueError) as caught:
        encode(session)
    assert (caught.value.where, caught.value.session_id) == (where, "s")


def test_a_session_of_a_newer_format_is_read_but_not_written() -> None:
    session = read('{"format": "localsessions/2", "title": "later", "new": 1}')
    assert (session.title, session.extra) == ("later", {"new": 1})
    with pytest.raises(FormatVersionError) as caught:
        encode(session)
    assert (caught.value.found, caught.value.supported) == ("localsessions/2", "localsessions/1")


# Golden files


@pytest.mark.parametrize("name", CANONICAL)
def test_a_golden_file_is_written_again_byte_by_byte(name: str) -> None:
    data = (V1 / f"{name}.json").read_bytes()
    session = read(data, _inner(data))
    assert encode(session) == data
    original = original_of(session)
    assert original is not None
    assert original.canonical


def _inner(data: bytes) -> str:
    document = standard_json(data)
    assert isinstance(document, dict)
    return str(document["session_id"])


def test_the_whole_example_is_what_the_format_says() -> None:
    session = read((V1 / "whole.json").read_bytes(), "session_1735634700000")
    assert session.title == "Show the files"
    assert [message["role"] for message in session.messages] == ["user", "assistant"]
    assert session.messages[1]["content"] == "Два файла: a.txt и b.txt."
    assert session.runs[0]["metrics"] == {"input_tokens": 21, "output_tokens": 9}
    assert session.current_agent == "coder"
    assert session.metadata == {"tier": "premium"}
    assert (session.ttl, session.revision, session.extra) == (3600, 8, {})
    assert session.expires_at == datetime(2025, 12, 31, 9, 44, 4, tzinfo=UTC)


def test_the_golden_numbers_are_exact() -> None:
    session = read((V1 / "numbers.json").read_bytes(), "numbers")
    (message,) = session.messages
    assert message["content"] == "half a pair: \ud83d and the other: \udc00"
    assert message["\udfff"] == [2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 3**10000]
    assert exact(session.state["negative zero"]) == exact(-0.0)
    assert exact(session.state["whole"]) == exact(1.0)
    assert session.state["tiny"] == 5e-324


def test_a_file_written_by_hand_is_a_session() -> None:
    session = read((V1 / "handwritten.json").read_bytes(), "by hand")
    assert session.session_id == "by hand"
    assert session.format == "localsessions/1"
    assert session.created_at == datetime(2025, 12, 31, 8, 40, tzinfo=UTC)
    assert [message["content"] for message in session.messages] == ["café", "😀"]
    assert (session.tags, session.ttl) == (["idea"], 1000.0)
    assert session.extra == {"note": "anything else is kept"}
    assert (session.last_activity, session.updated_at) == (MODIFIED_AT, MODIFIED_AT)
    original = original_of(session)
    assert original is not None
    assert not original.canonical
    # Written once, it is in the layout; what the person spelled stays as it was spelled.
    written = encode(session)
    assert b'"created_at": "2025-12-31 11:40+03:00"' in written
    assert encode(read(written, "by hand")) == written


# Unknown fields


def test_an_unknown_field_stays_in_its_place() -> None:
    session = read((V1 / "unknown.json").read_bytes(), "unknown")
    original = original_of(session)
    before = list(original.keys if original else ())
    session.title = "new"
    session.tags = ["new"]
    session.extra["added"] = 1
    after = list(json.loads(encode(session)))
    assert [key for key in after if key not in ("title", "tags", "added")] == before
    assert after[-1] == "added"


def test_an_unknown_field_that_was_removed_is_gone() -> None:
    session = read((V1 / "unknown.json").read_bytes(), "unknown")
    del session.extra["workspace"]
    assert "workspace" not in json.loads(encode(session))


def test_an_unknown_field_stays_though_the_field_before_it_became_empty() -> None:
    session = read('{"title": "t", "mine": 1, "tags": ["a"], "yours": 2, "status": "x"}')
    session.title = None
    session.tags = []
    written = list(json.loads(encode(session)))
    assert written.index("format") < written.index("mine") < written.index("messages")
    assert written.index("messages") < written.index("yours") < written.index("status")


# What is absent


def test_an_empty_object_is_a_session_of_the_files_own_time() -> None:
    session = read("{}")
    assert session == session.model_copy()
    assert (session.created_at, session.last_activity) == (MODIFIED_AT, MODIFIED_AT)
    assert (session.status, session.revision, session.messages) == ("active", 0, [])


def test_absent_times_are_those_of_the_first_and_the_last_message() -> None:
    session = read(
        '{"messages": [{"role": "user", "created_at": "2025-01-01T00:00:00Z"},'
        ' {"role": "user"}, {"role": "user", "created_at": "2025-01-02T00:00:00Z"}]}'
    )
    assert session.created_at == datetime(2025, 1, 1, tzinfo=UTC)
    assert session.last_activity == session.updated_at == datetime(2025, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize("spoken", ['"today"', "5", "null", '"0001-01-01T00:00:00+10:00"'])
def test_a_message_may_call_anything_its_time(spoken: str) -> None:
    session = read(f'{{"messages": [{{"role": "user", "created_at": {spoken}}}]}}')
    assert session.created_at == MODIFIED_AT


def test_a_session_without_last_activity_was_active_when_it_was_updated() -> None:
    session = read('{"updated_at": "2025-01-02T00:00:00Z"}')
    assert session.last_activity == session.updated_at == datetime(2025, 1, 2, tzinfo=UTC)


def test_null_says_what_absence_says() -> None:
    nothing = ", ".join(f'"{name}": null' for name in Session.model_fields)
    assert read(f"{{{nothing}}}").model_dump() == read("{}").model_dump()


def test_the_name_of_the_file_counts_and_what_it_says_can_be_asked() -> None:
    session = read('{"session_id": "copied"}', "copy of it")
    assert session.session_id == "copy of it"
    assert inner_id(b'{"session_id": "copied"}') == "copied"
    assert inner_id(b"{}") is None
    assert inner_id(b"[]") is None


# Unchanged and changed


ODD_TIMES = [
    "2025-12-31T08:40:00.000Z",
    "2025-12-31T08:40:00Z",
    "2025-12-31 08:40",
    "2025-12-31T11:40:00.123456+03:00",
    "2025-12-31T08:40:00.123456789Z",
    "20251231T084000",
    "2025-12-31",
]
layouts: st.SearchStrategy[dict[str, object]] = st.sampled_from(
    [
        {"indent": 2, "ensure_ascii": False},
        {"indent": 2},
        {"indent": 4},
        {"indent": "\t"},
        {},
        {"separators": (",", ":")},
        {"sort_keys": True},
    ]
)
optional_fields: st.SearchStrategy[JSONObject] = st.fixed_dictionaries(
    {},
    optional={
        "session_id": st.sampled_from(["s", "other"]),
        "created_at": st.sampled_from(ODD_TIMES),
        "last_activity": st.sampled_from(ODD_TIMES),
        "updated_at": st.sampled_from(ODD_TIMES),
        "expires_at": st.sampled_from(ODD_TIMES),
        "title": st.sampled_from(["t", "", None]),
        "messages": st.lists(objects.map(lambda message: {**message, "role": "user"}), max_size=2),
        "state": objects,
        "tags": st.lists(st.text(max_size=3), max_size=2),
        "pinned": st.booleans(),
        "ttl": st.sampled_from([0, 1.5, 60, 1e3, None]),
        "revision": st.integers(0, 1 << 70),
        "x-unknown": values,
        "y-unknown": objects,
    },
)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Return a session file that anybody may have written, in any order and layout."""
    fields = draw(optional_fields)
    order = draw(st.permutations(list(fields)))
    layout = draw(layouts)
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        text = json.dumps({key: fields[key] for key in order}, **layout)  # type: ignore[arg-type]
    finally:
        sys.set_int_max_str_digits(limit)
    return text.encode(errors="backslashreplace") + draw(st.sampled_from([b"", b"\n", b"\r\n"]))


@given(files())
def test_a_session_in_which_nothing_changed_is_unchanged(data: bytes) -> None:
    session = read(data)
    stamps = {**STAMPS, "revision": session.revision + 1}
    assert is_unchanged(session, encode(session, stamps), stamps, original_of(session))


CHANGES: list[Callable[[Session], object]] = [
    lambda session: setattr(session, "title", "another"),
    lambda session: session.messages.append({"role": "user", "content": "more"}),
    lambda session: session.messages.insert(0, {"role": "user"}),
    lambda session: session.state.update({"another": {"deep": [1]}}),
    lambda session: session.extra.update({"another": None}),
    lambda session: setattr(session, "tags", [*session.tags, "another"]),
    lambda session: setattr(session, "pinned", not session.pinned),
    lambda session: setattr(session, "status", "another"),
    lambda session: setattr(session, "ttl", 12345),
    lambda session: setattr(session, "expires_at", datetime(2033, 1, 1, tzinfo=UTC)),
    lambda session: setattr(session, "created_at", datetime(2033, 1, 1, tzinfo=UTC)),
]


@given(files(), st.sampled_from(CHANGES))
def test_a_session_in_which_anything_changed_is_changed(
    data: bytes, change: Callable[[Session], object]
) -> None:
    session = read(data)
    change(session)
    assert not is_unchanged(session, encode(session, STAMPS), STAMPS, original_of(session))


def test_a_last_activity_that_was_set_is_a_change() -> None:
    session = read((V1 / "whole.json").read_bytes(), "session_1735634700000")
    stamps = {name: STAMPS[name] for name in ("updated_at", "revision")}
    assert is_unchanged(session, encode(session, stamps), stamps, original_of(session))
    session.last_activity = datetime(2026, 1, 1, tzinfo=UTC)
    assert not is_unchanged(session, encode(session, stamps), stamps, original_of(session))


def test_an_unknown_field_at_the_end_that_changed_is_a_change() -> None:
    session = read((V1 / "unknown.json").read_bytes(), "unknown")
    session.extra["zz"] = 0.0
    assert not is_unchanged(session, encode(session, STAMPS), STAMPS, original_of(session))


def test_a_session_that_was_never_stored_is_changed() -> None:
    session = Session(session_id="s")
    assert not is_unchanged(session, encode(session, STAMPS), STAMPS, original_of(session))


@given(files())
def test_a_session_stands_on_what_was_written_of_it(data: bytes) -> None:
    session = read(data)
    session.title = "new"
    stamps = {**STAMPS, "revision": 5}
    written, document = encode_document(session, stamps)
    rebase(session, written, stamps, document, "version")
    assert version_of(session) == "version"
    assert (session.revision, format_instant(session.updated_at)) == (5, STAMPS["updated_at"])
    assert encode(session) == written
    assert is_unchanged(session, encode(session, STAMPS), STAMPS, original_of(session))


def test_a_time_keeps_its_spelling_until_it_changes() -> None:
    session = read('{"created_at": "2025-12-31T11:40+03:00"}')
    assert b'"created_at": "2025-12-31T11:40+03:00"' in encode(session)
    session.created_at = datetime(2025, 12, 31, 8, 41, tzinfo=UTC)
    assert b'"created_at": "2025-12-31T08:41:00.000Z"' in encode(session)


# Duplicate keys


class Writer:
    """Writes JSON in a layout of its own, one key of one object twice, and remembers where."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._objects = 0
        self._doubled = -1
        self.text = ""
        self.duplicate_at = -1

    def write(self, value: JsonValue, doubled: int) -> None:
        self._doubled = doubled
        self._value(value)

    def _space(self) -> None:
        self.text += self._random.choice(["", " ", "\n", "\n  ", "\t", "\r\n"])

    def _value(self, value: JsonValue) -> None:
        self._space()
        if isinstance(value, dict):
            self._object(value)
        elif isinstance(value, list):
            self.text += "["
            for number, item in enumerate(value):
                self.text += "," if number else ""
                self._value(item)
            self.text += "]"
        else:
            self.text += json.dumps(value, ensure_ascii=self._random.random() < 0.5)
        self._space()

    def _object(self, value: JSONObject) -> None:
        is_doubled = self._objects == self._doubled
        self._objects += 1
        names = list(value)
        again = -1
        if is_doubled:
            again = self._random.randint(1, len(names))
            names.insert(again, self._random.choice(names[:again]))
        self.text += "{"
        for number, name in enumerate(names):
            self.text += "," if number else ""
            self._space()
            if number == again:
                self.duplicate_at = len(self.text)
            self.text += json.dumps(name, ensure_ascii=self._random.random() < 0.5)
            self._space()
            self.text += ":"
            self._value(value[name])
        self.text += "}"


def objects_with_keys(value: JsonValue) -> Iterator[bool]:
    """Yield for each object, in the order of the text, whether it has a key to say twice."""
    if isinstance(value, dict):
        yield bool(value)
        for item in value.values():
            yield from objects_with_keys(item)
    elif isinstance(value, list):
        for item in value:
            yield from objects_with_keys(item)


words = st.text(max_size=5)
plain_values: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=15,
)


@given(st.dictionaries(words, plain_values, min_size=1, max_size=4), st.data())
def test_a_key_said_twice_is_found_wherever_it_stands(
    document: JSONObject, data: st.DataObject
) -> None:
    candidates = [at for at, has_keys in enumerate(objects_with_keys(document)) if has_keys]
    writer = Writer(data.draw(st.integers(0, 1 << 32)))
    writer.write(document, data.draw(st.sampled_from(candidates)))
    with pytest.raises(json.JSONDecodeError, match="duplicate key") as caught:
        parse_json(writer.text.encode())
    assert caught.value.pos == writer.duplicate_at
    fault = fault_of(writer.text)
    before = writer.text[: writer.duplicate_at]
    assert fault.line == before.count("\n") + 1
    assert fault.column == len(before) - before.rfind("\n")


@given(st.dictionaries(words, plain_values, max_size=4), st.integers(0, 1 << 32))
def test_no_duplicate_is_seen_where_there_is_none(document: JSONObject, seed: int) -> None:
    writer = Writer(seed)
    writer.write(document, -1)
    assert exact(parse_json(writer.text.encode())) == exact(document)


# What cannot be read

WHOLE = (V1 / "whole.json").read_bytes()
MINIMAL = (V1 / "minimal.json").read_bytes()

UNREADABLE: dict[str, tuple[bytes, str, int, int]] = {
    "empty": (b"", "the file is empty", 1, 1),
    "spaces": (b" \n\t\r\n ", "the file is empty", 1, 1),
    "all NUL": (b"\0" * 4096, "NUL bytes", 1, 1),
    "NUL tail": (MINIMAL[:40] + b"\0" * 100, "NUL bytes, as after a crash", 3, 8),
    "NUL after the end": (MINIMAL + b"\0", "NUL bytes", 11, 1),
    "a word": (b"hello", "Expecting value", 1, 1),
    "YAML": (b"title: x\n", "Expecting value", 1, 1),
    "two documents": (b"{}\n{}\n", "Extra data", 2, 1),
    "JSON lines": (b'{"role": "user"}\n{"role": "user"}\n', "Extra data", 2, 1),
    "torn in a text": (b'{\n  "title": "Show the fi', "ends in the middle", 2, 24),
    "torn after a key": (b'{\n  "title":', "ends in the middle", 2, 11),
    "torn after a comma": (b'{\n  "title": "x",\n', "ends in the middle", 3, 1),
    "torn in an escape": (b'{"title": "\\', "ends in the middle", 1, 13),
    "torn in a letter": ('{"title": "é'.encode()[:-1], "is not UTF-8", 1, 12),
    # Python 3.13 points at the comma, those before at what follows it.
    "trailing comma": (
        b'{\n  "tags": [],\n}',
        "Illegal trailing comma|property name",
        *((2, 13) if sys.version_info >= (3, 13) else (3, 1)),
    ),
    "comment": (b'{\n  // mine\n  "a": 1\n}', "property name", 2, 3),
    "single quotes": (b"{'a': 1}", "property name", 1, 2),
    "raw newline in a text": (b'{"a": "x\ny"}', "Invalid control character", 1, 9),
    "list": (b"[]", "JSON, but not an object", 1, 1),
    "text": (b'"session"', "JSON, but not an object", 1, 1),
    "number": (b"5", "JSON, but not an object", 1, 1),
    "null": (b"null\n", "JSON, but not an object", 1, 1),
    "NaN": (b'{"state": {\n "a": NaN}}', "NaN is not JSON", 2, 7),
    "Infinity": (b'{"a": Infinity}', "Infinity is not JSON", 1, 7),
    "-Infinity": (b'{"a": [1, -Infinity]}', "-Infinity is not JSON", 1, 11),
    "too large a number": (b'{"a": 1,\n"b": 1e400}', "no float can hold 1e400", 2, 6),
    "too small a number": (b'{"b": [-1.5E+999]}', "no float can hold -1.5E+999", 1, 8),
    "leading zero": (b'{"a": 01}', "delimiter", 1, 8),
    "duplicate key": (b'{"a": 1,\n "\\u0061": 2}', "duplicate key 'a'", 2, 2),
    "too deep": (b'{"a":' + b"[" * 201 + b"]" * 201 + b"}", "deeper than 200 levels", 1, 205),
    "much too deep": (b'{"a":' + b"[" * 100_000, "deeper than 200 levels", 1, 205),
    "conflict": (
        b'{\n<<<<<<< HEAD\n  "title": "a"\n=======\n  "title": "b"\n>>>>>>> other\n}\n',
        "merge conflict markers",
        2,
        1,
    ),
    "conflict with CRLF": (b'{\r\n=======\r\n  "title": "b"\r\n}', "merge conflict markers", 2, 1),
    "conflict of diff3": (b'{"a": 1,\n||||||| 1234\n"b": 2}', "merge conflict markers", 2, 1),
    "end of a conflict": (b'{\n>>>>>>> other\n  "title": "b"\n}', "merge conflict markers", 2, 1),
    "byte order mark": (b"\xef\xbb\xbf{}", "byte order mark", 1, 1),
    "UTF-16 LE with mark": ("{}".encode("utf-16"), "UTF-16; save it as UTF-8", 1, 1),
    "UTF-16 BE with mark": (b"\xfe\xff" + "{}".encode("utf-16-be"), "UTF-16", 1, 1),
    "UTF-16 LE": ('{\n"title": "é"}'.encode("utf-16-le"), "UTF-16", 1, 1),
    "UTF-16 BE": ('{\n"title": "é"}'.encode("utf-16-be"), "UTF-16", 1, 1),
    "latin-1": ('{\n  "title": "café"\n}'.encode("latin-1"), "is not UTF-8", 2, 16),
    "raw surrogate": (b'{"a": "\xed\xa0\x80"}', "is not UTF-8", 1, 8),
    "compressed": (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", "NUL", 1, 4),
    "garbage": (bytes(range(1, 256)) * 4000, "is not UTF-8", 2, 118),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_is_no_session_says_why_and_where(name: str) -> None:
    data, reason, line, column = UNREADABLE[name]
    with pytest.raises(UnreadableSessionError) as caught:
        decode(data, session_id="s", modified_at=FOUND.modified_at, path="/d/s.json")
    error = caught.value
    assert any(part in error.reason for part in reason.split("|"))
    assert (error.session_id, error.path) == ("s", "/d/s.json")
    assert (error.line, error.column) == (line, column)


@pytest.mark.parametrize("size", range(len(MINIMAL) - 1))
def test_a_file_torn_at_any_byte_is_unreadable(size: int) -> None:
    assert fault_of(MINIMAL[:size]).line is not None


def test_a_file_without_its_last_newline_is_whole() -> None:
    assert read(MINIMAL[:-1]).model_dump() == read(MINIMAL).model_dump()


@pytest.mark.parametrize(
    ("field", "value", "where"),
    [
        ("format", "5", "format"),
        ("format", '"other/1"', "format"),
        ("title", "5", "title"),
        ("user_id", "{}", "user_id"),
        ("agent_id", "[]", "agent_id"),
        ("forked_from", '"s"', "forked_from"),
        ("created_at", "1735634700", "created_at"),
        ("created_at", '"yesterday"', "created_at"),
        ("last_activity", '"0001-01-01T00:00:00+05:00"', "last_activity"),
        ("updated_at", "true", "updated_at"),
        ("expires_at", '"9999-12-31T23:59:59-01:00"', "expires_at"),
        ("messages", "{}", "messages"),
        ("messages", '"hi"', "messages"),
        ("runs", "5", "runs"),
        ("agent_context", "[]", "agent_context"),
        ("modules", "[]", "modules"),
        ("state", "5", "state"),
        ("metadata", '"x"', "metadata"),
        ("tags", '"idea"', "tags"),
        ("pinned", "1", "pinned"),
        ("status", 'null, "status2": 5, "revision": -1', "revision"),
        ("ttl", '"60"', "ttl"),
        ("ttl", "true", "ttl"),
        ("revision", "-1", "revision"),
        ("revision", "1.0", "revision"),
        ("revision", '"1"', "revision"),
    ],
)
def test_a_field_of_the_wrong_type_is_named_with_its_place(
    field: str, value: str, where: str
) -> None:
    text = f'{{\n  "unknown": [1, {{"{where}": 0}}],\n\t"{field}": {value}\n}}\n'
    error = fault_of(text)
    assert error.reason.startswith(f"{where}: ")
    line = text.splitlines()[2]
    assert error.line == 3
    assert error.column == line.index(f'"{where}": ') + len(f'"{where}": ') + 1


@pytest.mark.parametrize(
    ("text", "reason", "line", "column"),
    [
        ('{"messages": [\n {"role": "user"},\n  7]}', "messages[1]: must be an object", 3, 3),
        (
            '{"messages": [\n {"role": "user"},\n  {"content": []}]}',
            "messages[1].role: must be a text",
            3,
            3,
        ),
        (
            '{"messages": [{"a": [{"role": 1}],\n "role": null}]}',
            "messages[0].role: must be a text",
            2,
            10,
        ),
        ('{"runs": [{"run_id": 5}]}', "runs[0].run_id: must be a text", 1, 22),
        ('{"tags": ["a",\n"b", 5]}', "tags[2]: Input should be a valid string", 2, 6),
        (
            '{"agent_context": {"x": 1, "current_agent": 5}}',
            "agent_context.current_agent: must be a text",
            1,
            45,
        ),
        (
            '{"agent_context": {"switches": [5]}}',
            "agent_context.switches: must be a list of objects",
            1,
            32,
        ),
    ],
)
def test_a_wrong_part_of_a_field_is_named_with_its_place(
    text: str, reason: str, line: int, column: int
) -> None:
    error = fault_of(text)
    assert error.reason.startswith(reason)
    assert (error.line, error.column) == (line, column)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Return a session file after a few cuts, flips and insertions."""
    data = bytearray(draw(st.sampled_from([WHOLE, MINIMAL, (V1 / "unknown.json").read_bytes()])))
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(data)))
        end = draw(st.integers(begin, min(len(data), begin + 40)))
        data[begin:end] = draw(
            st.binary(max_size=3) | st.sampled_from([b'"', b"{", b"]", b"5", b"null", b"\\u", b","])
        )
    return bytes(data)


def assert_read_or_unreadable(data: bytes) -> None:
    try:
        session = read(data)
    except UnreadableSessionError as error:
        fault = error
    else:
        if session.format == FORMAT:
            assert is_unchanged(session, encode(session, STAMPS), STAMPS, original_of(session))
        else:
            with pytest.raises(FormatVersionError):
                encode(session, STAMPS)
        return
    assert fault.reason
    assert fault.line in range(1, data.count(b"\n") + 2)
    assert fault.column is not None
    assert fault.column >= 1


@pytest.mark.parametrize("form", ["localsessions/01", "localsessions/", "localsessions/-1", "1"])
def test_what_is_no_number_of_a_format_is_no_session(form: str) -> None:
    with pytest.raises(UnreadableSessionError, match="format"):
        read(f'{{"format": "{form}"}}')


@given(st.binary() | st.text().map(str.encode))
@example(b'{"format": "localsessions/11"}')
@example(b'{"created_at": "0001-01-01T00:00:00+23:59"}')
@example(b'{"created_at": "\\ud800"}')
@example(b"[" * 5000)
@example(b'{"a":' * 5000)
def test_arbitrary_bytes_are_unreadable_or_a_session(data: bytes) -> None:
    assert_read_or_unreadable(data)


@given(damaged())
def test_a_damaged_file_is_unreadable_or_a_session(data: bytes) -> None:
    assert_read_or_unreadable(data)


@given(st.dictionaries(st.sampled_from(sorted(KNOWN)), values))
def test_fields_of_any_value_are_unreadable_or_a_session(document: JSONObject) -> None:
    assert_read_or_unreadable(encode_value(document))


def test_a_caller_without_room_for_calls_gets_the_value_or_a_recursion_error() -> None:
    value = nested(150, 1 << 70)
    data = encode_value(value)
    outcomes = set()

    def at_depth(calls: int) -> None:
        if calls:
            return at_depth(calls - 1)
        assert parse_json(data) == value
        outcomes.add("value")
        return None

    for calls in range(0, sys.getrecursionlimit(), 10):
        try:
            at_depth(calls)
        except RecursionError:
            outcomes.add("no room")
    assert outcomes == {"value", "no room"}


def test_a_value_that_is_no_session_is_read_exactly_or_is_unreadable() -> None:
    value: JsonValue = {"n": 1 << 80, "list": [None, "\ud800"]}
    assert decode_value(encode_value(value), session_id="s", path="/d/c.json") == value
    with pytest.raises(UnreadableSessionError, match="duplicate key") as caught:
        decode_value(b'{"a": 1, "a": 2}', session_id="s", path="/d/c.json")
    assert (caught.value.path, caught.value.column) == ("/d/c.json", 10)


# Lines of a listing


def test_a_summary_says_what_the_session_says() -> None:
    session = read(WHOLE, "session_1735634700000")
    summary = summarize(session, len(WHOLE))
    assert dataclasses.asdict(summary) == {
        "session_id": "session_1735634700000",
        "title": "Show the files",
        "user_id": "user_123",
        "agent_id": "coder",
        "current_agent": "coder",
        "status": "active",
        "pinned": False,
        "tags": (),
        "created_at": session.created_at,
        "last_activity": session.last_activity,
        "updated_at": session.updated_at,
        "expires_at": session.expires_at,
        "message_count": 2,
        "size_bytes": len(WHOLE),
        "revision": 8,
        "preview": "Два файла: a.txt и b.txt.",
        "program": None,
        "project": None,
        "branch": None,
        "parent": None,
        "undated": False,
        "unreadable": None,
    }


@pytest.mark.parametrize(
    "source",
    [
        {"program": "codex", "project": "/w", "parent": {"session_id": "p", "more": 1}},
        {"program": 1, "project": None, "parent": "p", "undated": True},
        {"undated": "2026-01-01T00:00:00.000Z"},
        {"undated": "2026-01-02T00:00:00.000Z"},
    ],
)
def test_a_summary_says_where_the_session_came_from_however_it_is_made(source: Any) -> None:
    active = datetime(2026, 1, 1, tzinfo=UTC)
    data = encode(Session(session_id="s", source=source, last_activity=active))
    made = summarize(decode(data, session_id="s", modified_at=MODIFIED_AT, path="s"), len(data))
    found = summarized(data, "s", MODIFIED_AT)
    assert found is not None
    assert found.summary == made
    assert made.undated is (source.get("undated") == "2026-01-01T00:00:00.000Z")
    parent = source.get("parent")
    assert made.parent == (parent["session_id"] if isinstance(parent, dict) else None)


def test_a_summary_without_a_title_has_one_made_of_the_first_user_message() -> None:
    session = read('{"messages": [{"role": "user", "content": "Show the files"}]}')
    assert summarize(session, 1).title == "Show the files"


def test_an_unreadable_file_has_a_summary_too() -> None:
    summary = summarize_unreadable(fault_of(b"{torn"), "s", MODIFIED_AT, 100)
    assert (summary.session_id, summary.status, summary.size_bytes) == ("s", "unreadable", 100)
    assert summary.last_activity == MODIFIED_AT
    assert summary.unreadable == PlainUnreadable(
        reason="Expecting property name enclosed in double quotes", line=1, column=2
    )
