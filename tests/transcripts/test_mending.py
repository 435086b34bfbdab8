"""What ``mended`` takes, and that its time grows with the bytes, also of those made to be slow.

Each shape is mended at two sizes that lie far apart. Shapes with a long text before what repeats
show what looks back at all of the bytes for each value.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeAlias

import pytest
from growth import exponent, seconds

from localsessions.format import MAX_DEPTH, encode_value
from localsessions.transcripts.mending import mended

Shape: TypeAlias = Callable[[int], bytes]

LARGEST = 1 << 18
"""Bytes. What takes no time at this size is not looked at in a larger one."""


def repeated(unit: bytes, *, before: bytes = b"", after: bytes = b"") -> Shape:
    return lambda size: before + unit * (size // len(unit)) + after


def listed(item: bytes) -> Shape:
    """Return the list of so many of an item that it has a size; NaN lets it be mended."""
    return repeated(item + b",", before=b"[NaN,", after=b"0]")


def quoted(part: bytes) -> Shape:
    return repeated(part, before=b'{"n":NaN,"a":"', after=b'"}')


def after_a_long_text(unit: bytes) -> Shape:
    """Return a value that is nearly all of the bytes, then some of a unit."""
    return lambda size: b'"' + b"x" * size + b'"' + unit * (size // 1000)


def before_blanks(unit: bytes) -> Shape:
    return lambda size: unit * (size // 1000) + b" " * size


def keyed(last: bytes) -> Shape:
    """Return an object with many keys, some of them for the last time."""
    return lambda size: (
        b"{" + b"".join(b'"%07d":1,' % key for key in range(size // 12)) + last + b"}"
    )


def below_a_long_key(item: bytes) -> Shape:
    return lambda size: b'{"' + b"k" * size + b'":[' + b"1," * (size // 200) + item + b"]}"


SHAPES: dict[str, Shape] = {
    "plain values": repeated(b'{"a":1}'),
    "values with NULs between": repeated(b'{"a":1}\0'),
    "values with marks between": repeated(b'{"a":1}\xef\xbb\xbf'),
    "values with newlines between": after_a_long_text(b'\n{"a":1}'),
    "raw control characters": after_a_long_text(b'{"a":"\x01"}'),
    "raw tabs": after_a_long_text(b'{"a":"\t"}'),
    "raw control characters in a text": quoted(b"\x01"),
    "values torn by NULs": after_a_long_text(b"{}[\0"),
    "values torn in a text by NULs": after_a_long_text(b'{}{"a":"\0'),
    "values torn in a text by blanks": after_a_long_text(b'{}{"a":"' + b" " * 20 + b"\0"),
    "values torn by NULs, then blanks": before_blanks(b"{}[\0"),
    "torn objects": repeated(b'{"a":{"b":1}'),
    "torn lists": repeated(b'{"a":[{"b":1},{'),
    "keys, one twice": keyed(b'"0000000":2'),
    "keys, each twice": lambda size: keyed(keyed(b'"":1')(size // 2)[1:-1])(size // 2),
    "one key again and again": repeated(b'"a":1,', before=b"{", after=b'"a":2}'),
    "keys twice in objects": listed(b'{"a":1,"a":{"a":1,"a":2}}'),
    "keys twice, nested": listed(b'{"a":1,"a":' * 40 + b"1" + b"}" * 40),
    "a key twice for large values": lambda size: (
        b'{"a":%b,"a":%b}' % ((b"[" + b"1," * (size // 4) + b"1]",) * 2)
    ),
    "NaN": listed(b"NaN"),
    "NaN as values": after_a_long_text(b"NaN "),
    "Infinity": listed(b"-Infinity"),
    "floats out of reach": listed(b"1e999"),
    "wrong bytes": quoted(b"\xff"),
    "wrong bytes in values": repeated(b'{"a":"\xff"}'),
    "characters cut in half": quoted(b"\xe4\xb8"),
    "NUL bytes": repeated(b"\0", before=b"{}", after=b"{}"),
    "NUL bytes in a text": quoted(b"\0"),
    "an open quote": repeated(b"x", before=b'{"a":"'),
    "quotes": repeated(b'"'),
    "open brackets": repeated(b"["),
    "open braces": repeated(b"{"),
    "open objects": repeated(b'{"a":'),
    "open names": repeated(b'{"'),
    "closing brackets": repeated(b"]"),
    "items of a list": repeated(b'{"a":1},'),
    "values as deep as they may be": repeated(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH),
    "values too deep": repeated(b"[" * 250 + b"]" * 250),
    "a value too deep below a long key": below_a_long_key(b"[" * 250 + b"]" * 250),
    "a long integer below a long key": below_a_long_key(b"9" * 30 + b",NaN"),
    "half of a pair below a long key": below_a_long_key(b'"\\ud800",NaN'),
    "escapes": quoted(b"\\u0416"),
    "escaped quotes": quoted(b'\\"'),
    "backslashes": quoted(b"\\"),
    "halves of pairs": quoted(b"\\ud800"),
    "halves of pairs in texts": listed(b'"\\ud800"'),
    "halves of pairs in values": repeated(b'{"a":"\\ud800"}'),
    "digits": repeated(b"9", before=b'{"a":', after=b"}"),
    "digits of a fraction": repeated(b"3", before=b'{"n":NaN,"a":0.', after=b"}"),
    "digits of an exponent": repeated(b"9", before=b'{"a":1e', after=b"}"),
    "long integers": listed(b"9" * 641),
    "blanks": repeated(b" ", before=b"{}", after=b"x"),
    "blanks at a torn end": repeated(b" ", before=b'{"a":1'),
    "almost conflicts": quoted(b"<<<<<<\n"),
}

FIRST_SIZE = {"keys, one twice": 32_000}
"""Where a square is small beside what is linear, it shows in no less than so many bytes."""


@pytest.mark.untraced
@pytest.mark.parametrize("name", SHAPES)
def test_the_time_grows_with_the_bytes(name: str) -> None:
    power = exponent(mended, SHAPES[name], FIRST_SIZE.get(name, 1_000), largest=LARGEST)
    assert power < 1.5


@pytest.mark.untraced
def test_values_without_a_fault_cost_a_small_multiple_of_scanning_them() -> None:
    data = b'{"a":1}' * 5_000

    def scan(data: bytes) -> None:
        text, at, decoder = data.decode(), 0, json.JSONDecoder()
        while at < len(text):
            _, at = decoder.raw_decode(text, at)

    scanning, mending = (min(seconds(act, data) for _ in range(4)) for act in (scan, mended))
    assert mending < 9 * scanning  # a reader made for each value takes 15 times


@pytest.mark.parametrize("depth", [MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1])
def test_value_is_taken_as_deep_as_it_can_be_stored(depth: int) -> None:
    found = mended(b"[" * depth + b"]" * depth)
    assert len(found.values) == (depth <= MAX_DEPTH)
    assert [fault.taken for fault in found.faults] == [False] * (depth > MAX_DEPTH)


@pytest.mark.parametrize("depth", range(30, 80))
def test_value_that_keys_twice_nest_deeper_is_taken_only_if_it_can_be_stored(depth: int) -> None:
    found = mended(b'{"":' * depth + b"[]" + b',"":1}' * depth)
    assert len(found.values) == (3 * depth + 1 <= MAX_DEPTH)
    for value in found.values:
        encode_value(value)


def test_each_key_that_stands_twice_keeps_what_it_was_in_its_order() -> None:
    found = mended(b'{"b":1,"a":1,"c":0,"a":2,"b":2,"a":3}')
    assert found.values == [{"duplicate_keys": {"b": [1], "a": [1, 2]}, "b": 2, "a": 3, "c": 0}]
    reasons = [fault.reason for fault in found.faults]
    assert reasons == ["the key 'b' stands 2 times", "the key 'a' stands 3 times"]


def test_fault_in_a_later_value_and_line_has_its_place() -> None:
    found = mended(b'{"a":1}\n{"a":"\x01"}\n{"a":NaN}\n{"a":1\n')
    assert [fault.position for fault in found.faults] == [14, 23, 35]
