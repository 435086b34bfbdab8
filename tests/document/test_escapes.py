from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given

from document.values import VALUES, exactly
from localsessions.adapters.document import Typed, escaped, unescaped
from localsessions.format import encode_value, parse_json


@given(VALUES)
def test_every_value_comes_back_from_json_equal(value: Any) -> None:
    stored = parse_json(encode_value(escaped(value)))
    assert exactly(unescaped(stored)) == exactly(value)


@given(VALUES, VALUES)
def test_different_values_are_escaped_differently(one: Any, other: Any) -> None:
    if exactly(one) != exactly(other):
        assert exactly(escaped(one)) != exactly(escaped(other))


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (b"A", {"$bytes": "QQ=="}),
        (math.inf, {"$float": "Infinity"}),
        (-math.inf, {"$float": "-Infinity"}),
        (Typed("msgpack", b"A"), {"$typed": "msgpack", "base64": "QQ=="}),
        ({"$bytes": "QQ=="}, {"$$bytes": "QQ=="}),
        ({"$$bytes": "QQ=="}, {"$$$bytes": "QQ=="}),
        ({"$typed": 1, "base64": 2}, {"$$typed": 1, "base64": 2}),
        ({"$ref": "#/$defs/x"}, {"$ref": "#/$defs/x"}),
        ([{"a": b""}], [{"a": {"$bytes": ""}}]),
    ],
)
def test_an_escape_object_is_as_the_format_says(value: Any, stored: Any) -> None:
    assert escaped(value) == stored
    assert unescaped(stored) == value


def test_not_a_number_is_a_float_again() -> None:
    assert escaped(math.nan) == {"$float": "NaN"}
    assert math.isnan(unescaped({"$float": "NaN"}))


@pytest.mark.parametrize(
    "value",
    [
        {"$bytes": "no base64"},
        {"$bytes": "QR=="},  # no encoder writes these bits
        {"$bytes": "QQ==", "more": 1},
        {"$bytes": 5},
        {"$float": "1.5"},
        {"$typed": "x"},
        {"$typed": "x", "base64": None},
        {"$typed": "x", "base64": "QQ==", "more": 1},
    ],
)
def test_what_a_person_wrote_and_is_no_escape_object_stays(value: Any) -> None:
    assert unescaped(value) == value


def test_a_framework_packs_and_unpacks_its_own_kinds() -> None:
    def pack(value: Any) -> Typed | None:
        return Typed("set", json.dumps(sorted(value)).encode()) if isinstance(value, set) else None

    def unpack(typed: Typed) -> Any:
        return set(json.loads(typed.data))

    stored = escaped({"tags": {1, 2}}, pack)
    assert stored == {"tags": {"$typed": "set", "base64": "WzEsIDJd"}}
    assert unescaped(stored, unpack) == {"tags": {1, 2}}


def test_what_nobody_can_pack_is_left_for_the_store_to_refuse() -> None:
    kept = object()
    assert escaped([kept, (1, 2)]) == [kept, (1, 2)]
