"""Files made to cost time or memory: what they cost stays a small multiple of their size.

Each shape is read, listed, checked and searched by a child of its own, whose address space is
limited and whose largest resident size is looked at; and it is read at two sizes that lie far
apart, which tells a square from a line whatever the machine is doing. Files larger than the
limit, and files with holes in them, are refused before they are read.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from growth import exponent

from localsessions import SessionStore, UnreadableSessionError, UnstorableValueError
from localsessions._codec import MAX_DEPTH, MAX_DIGITS, decode, encode_value, parse_json
from localsessions._codec.salvage import salvage
from localsessions.models import utc_now
from proof.counting import sized, tried
from proof.nursery import unmeasured

MULTIPLE = 64
"""How many times the size of its file a session may take while it is read."""

# A check holds a session and reads it once more.
_OF_ALL = 2 * MULTIPLE
_SLACK = 96 * 1024 * 1024

Shape: TypeAlias = Callable[[int], bytes]


def listed(item: bytes) -> Shape:
    """Return the file whose state is a list of so many of an item that it has a size."""
    return lambda size: b'{"state":{"a":[' + (item + b",") * (size // (len(item) + 1)) + b"0]}}"


def keyed(before: bytes, after: bytes) -> Shape:
    """Return the file of a size that has nothing but keys."""
    return lambda size: (
        before + b",".join(b'"%07d":1' % key for key in range(size // 12)) + b"," + after
    )


def chat(size: int) -> bytes:
    message = b'{"role":"user","content":"' + b"what a chat is made of " * 30 + b'"},'
    return b'{"messages":[' + message * (size // len(message)) + b'{"role":"user"}]}'


SHAPES: dict[str, Shape] = {
    "an ordinary chat": chat,
    "empty lists": listed(b"[]"),
    "empty objects": listed(b"{}"),
    "objects of one key": listed(b'{"":[]}'),
    "lists as deep as they may be": listed(b"[" * (MAX_DEPTH - 3) + b"]" * (MAX_DEPTH - 3)),
    "lists too deep": lambda size: b'{"state":' + b"[" * size,
    "objects too deep": lambda size: b'{"a":' * (size // 5),
    "one digit each": listed(b"1"),
    "integers that orjson refuses": lambda size: listed(b"12345")(size)[:-3] + b"9" * 20 + b"]}}",
    "integers as long as they may be": listed(b"9" * MAX_DIGITS),
    "one integer as long as the file": lambda size: b'{"ttl":' + b"9" * size + b"}",
    "one integer below nothing": lambda size: b'{"ttl":-' + b"9" * size + b"}",
    "one fraction as long as the file": lambda size: b'{"ttl":0.' + b"3" * size + b"}",
    "one exponent as long as the file": lambda size: b'{"ttl":1e' + b"9" * size + b"}",
    "short texts": listed(b'"ab"'),
    "escapes": lambda size: b'{"title":"' + b"\\u0416" * (size // 6) + b'"}',
    "halves of pairs": lambda size: b'{"title":"' + b"\\ud800" * (size // 6) + b'"}',
    "escaped quotes": lambda size: b'{"title":"' + b'\\"' * (size // 2) + b'"}',
    "one wide sign in a long text": lambda size: (
        b'{"title":"' + b"a" * size + "😀".encode() + b'"}'
    ),
    "keys": keyed(b'{"state":{', b'"":1}}'),
    "keys of the top level": keyed(b"{", b'"":1}'),
    "one key again and again": lambda size: b'{"state":{' + b'"a":1,' * (size // 6) + b'"a":1}}',
    "messages": lambda size: b'{"messages":[' + b'{"role":""},' * (size // 12) + b'{"role":""}]}',
    "messages, torn": lambda size: b'{"messages":[' + b'{"role":""},' * (size // 12),
    "keys, torn": keyed(b"{", b""),
    "colons": lambda size: b"{" + b":" * size,
    "quotes": lambda size: b'{"a":[' + b'"' * size,
    "backslashes": lambda size: b'{"a":["' + b"\\" * size,
    "blanks": lambda size: b" " * size + b"{",
    "newlines": lambda size: b'{"a":\n' + b"\n" * size,
    "almost conflicts": lambda size: b"<<<<<<\n" * (size // 7),
    "zeros": lambda size: b"\0" * size,
    "bytes of no text": lambda size: b'{"title":"' + b"\xff" * size,
}


def cost(folder: str) -> dict[str, int]:
    """Do all that reads the session ``s`` of a folder; return the most memory that it took.

    Runs in a child, whose address space ends where a promise would be broken by far.
    """
    import resource

    size = os.path.getsize(f"{folder}/s.json")
    with SessionStore(f"{folder}/warm") as warm:
        warm.create("warm")
        warm.append("warm", {"role": "user", "content": "hello"})
        warm.search("hello"), warm.list(), warm.verify()
    before = _memory("VmHWM")
    most = _memory("VmSize") + _SLACK + 2 * _OF_ALL * size
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    with SessionStore(folder) as store:
        with contextlib.suppress(UnreadableSessionError):
            store.get("s")
        reading = _memory("VmHWM") - before
        store.list(fresh=True)
        list(store.verify())
        store.search("hello")
    return {"reading": reading, "all": _memory("VmHWM") - before}


def _memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


needs_memory_limits = pytest.mark.needs("memory limits")
SMALL = ["lists as deep as they may be", "objects of one key", "integers that orjson refuses"]


def measured(name: str, size: int, folder: Path) -> dict[str, int]:
    folder.mkdir()
    (folder / "s.json").write_bytes(SHAPES[name](size))
    program = "import sys, json; from proof.test_hostile_bounds import cost;"
    program += "print(json.dumps(cost(sys.argv[1])))"
    run = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        capture_output=True,
        text=True,
        timeout=250,
        env=unmeasured() | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert run.returncode == 0, run.stderr
    found: dict[str, int] = json.loads(run.stdout)
    return found


@needs_memory_limits
@pytest.mark.parametrize("name", SMALL)
def test_reading_takes_no_more_memory_than_a_multiple_of_the_file(name: str, folder: Path) -> None:
    size = 500_000
    took = measured(name, size, folder)
    assert took["reading"] <= MULTIPLE * size + 8 * 1024 * 1024
    assert took["all"] <= _OF_ALL * size + 16 * 1024 * 1024


@needs_memory_limits
@pytest.mark.proof
@pytest.mark.parametrize("name", SHAPES)
def test_no_shape_takes_more_memory_than_a_multiple_of_the_file(name: str, folder: Path) -> None:
    size = 600_000
    took = measured(name, size, folder)
    assert took["reading"] <= MULTIPLE * size + 8 * 1024 * 1024
    assert took["all"] <= _OF_ALL * size + 16 * 1024 * 1024
    if name == "an ordinary chat":
        assert took["reading"] <= 8 * size + 8 * 1024 * 1024
    tried("hostile input", "shapes of files measured for memory", 1)


def read(data: bytes) -> object:
    try:
        return parse_json(data)
    except json.JSONDecodeError as fault:
        return fault.pos


@pytest.mark.untraced
@pytest.mark.parametrize("name", SHAPES)
def test_time_grows_with_the_size_and_not_with_its_square(name: str) -> None:
    for act in (read, salvage):
        assert exponent(act, SHAPES[name], sized(30_000, 60_000)) < 1.5, act
    tried("hostile input", "shapes of files measured for time, read and salvaged", 1)


# -- integers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1, -1])
def test_an_integer_of_too_many_digits_is_refused_by_reading_and_by_writing_alike(
    sign: int,
) -> None:
    longest, longer = sign * (10**MAX_DIGITS - 1), sign * 10**MAX_DIGITS
    assert parse_json(encode_value({"a": [0, longest]})) == {"a": [0, longest]}
    with pytest.raises(UnstorableValueError, match=f"a\\[1\\].*more than {MAX_DIGITS} digits"):
        encode_value({"a": [0, longer]})
    text = f'{{"a": [0,\n  {"-" if sign < 0 else ""}1{"0" * MAX_DIGITS}]}}'
    with pytest.raises(json.JSONDecodeError, match=f"an integer of {MAX_DIGITS + 1} digits") as it:
        parse_json(text.encode())
    assert (it.value.lineno, it.value.colno) == (2, 3)


def test_digits_are_read_whatever_the_interpreter_allows() -> None:
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        value = {"a": [10**digits + 7 for digits in (638, 639, 640, 641, 3999, 4000)]}
        assert parse_json(encode_value(value)) == value  # type: ignore[arg-type]
    finally:
        sys.set_int_max_str_digits(limit)


def test_a_session_whose_number_is_a_million_digits_hides_no_other(
    folder: Path, store: SessionStore
) -> None:
    store.create("well")
    (folder / "s.json").write_text('{"title": "t",\n "ttl": ' + "9" * 1_000_000 + "}")
    by_id = {one.session_id: one.unreadable for one in store.list(fresh=True).items}
    assert by_id["well"] is None
    found = by_id["s"]
    assert found is not None
    assert (found.line, found.column) == (2, 9)
    assert "1000000 digits" in found.reason


def test_what_is_long_in_a_file_is_short_in_its_fault() -> None:
    key = b'"' + b"k" * 100_000 + b'": 1'
    time = b'{"created_at": "' + b"9" * 100_000 + b'"}'
    for data in (b"{" + key + b"," + key + b"}", b"[1e" + b"9" * 100_000 + b"]", time):
        with pytest.raises(UnreadableSessionError) as fault:
            decode(data, session_id="s", modified_at=utc_now())
        assert len(fault.value.reason) < 300


# -- files that are not read ---------------------------------------------------------------------


@needs_memory_limits
def test_files_of_any_size_are_refused_before_they_are_read(folder: Path) -> None:
    with SessionStore(folder) as store:
        store.create("well")
        sizes = [(1 << 28) + 1, 1 << 30, 1 << 40]
        for size in sizes:
            with (folder / f"of-{size}.json").open("wb") as file:
                file.truncate(size)
        before = _memory("VmHWM")
        for size in sizes:
            with pytest.raises(UnreadableSessionError, match="more than the limit"):
                store.load(f"of-{size}")
        assert len(store.list(fresh=True).items) == 4
        assert len(store.verify()) >= 3
        assert _memory("VmHWM") - before < 64 * 1024 * 1024
    tried("hostile input", "files beyond the limit refused unread", len(sizes))


@needs_memory_limits
@pytest.mark.proof
@pytest.mark.parametrize("name", ["lists too deep", "zeros"])
def test_a_file_just_below_the_limit_is_refused_within_its_multiple(
    name: str, folder: Path
) -> None:
    size = (1 << 28) - 64
    took = measured(name, size, folder)
    assert took["reading"] <= 8 * size
    assert took["all"] <= 24 * size
    tried("hostile input", "files just below the limit of 256 MiB", 1)
