"""The time grows with the text, also where a text was made to be slow.

Each text repeats what a pattern begins with, so that it is tried again and again, each time on all
that follows. Trials that read all of the rest would make the time grow with the square.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial

import pytest
from growth import exponent
from pydantic import JsonValue

from localsessions import Session
from localsessions.redaction import PATTERNS, redact

from .tokens import LETTERS, PEM

SIZE, LARGEST = 10_000, 40_000
"""Characters of the smaller text."""
SECRET = f"api_key={LETTERS[:40]}"


def _filled(unit: str, size: int) -> str:
    return (unit * (size // len(unit) + 1))[:size]


ANCHORS = sorted({anchor for pattern in PATTERNS for anchor in pattern.anchors})
SLOW_TEXTS: dict[str, Callable[[int], str]] = {
    **{f"{anchor!r} repeated": partial(_filled, anchor) for anchor in ANCHORS},
    "anchors in a run": lambda size: _filled("-".join(ANCHORS), size),
    "tokens that begin in a token": lambda size: _filled("sk-proj-_glpat-", size),
    "tokens of few letters, which are none": partial(_filled, "sk-proj-"),
    "secrets that begin alike": lambda size: "\n".join(
        f"api_key={LETTERS[:30]}{'a1' * (number % 200)}" for number in range(size // 250)
    ),
    "secrets that begin alike, in a run": lambda size: (
        "".join(f"api_key={LETTERS[: 20 + number]}\n" for number in range(40))
        + _filled(f"{LETTERS[:18]}-", size)
    ),
    "tokens that are seen one after another": lambda size: _filled(
        f"Basic YWxpY2U6czNzYW1lLTBwZW4+ghp_{LETTERS[:36]} ", size
    ),
    "keys of JSON that become one": lambda size: json.dumps(
        {f"ghp_{LETTERS[:30]}{number:06}": number for number in range(size // 50)}
    ),
    "headers of JWT": lambda size: _filled("eyJhbGciOiJIUzI1NiJ9.", size),
    "headers of JWT in a part": lambda size: _filled("-eyJhbGciOiJIUzI1NiJ9_", size),
    "headers of JWT before a long part": lambda size: (
        _filled("-eyJhbGciOiJIUzI1NiJ9", 900) + "." + "a" * size
    ),
    "keys without an end": lambda size: _filled("-----BEGIN PRIVATE KEY-----\n", size),
    "a long key without an end": lambda size: PEM[:32] + "\n" + "A" * size,
    "lines of a key": lambda size: PEM[:32] + _filled("\n" + LETTERS[:64], size),
    "names of keys": lambda size: _filled("BEGIN A A A A PRIVATE KEY-----BEGIN ", size),
    "dashes": lambda size: "-" * size,
    "logins": lambda size: _filled("a://a:a", size),
    "a long password": lambda size: "a://a:" + "a" * size,
    "names of secrets": lambda size: _filled("token=", size),
    "spaces after a name": lambda size: _filled("token" + " " * 20, size),
    "types after a name": lambda size: _filled("token: " + "a" * 30, size),
    "a long value": lambda size: "token=" + "a1B" * (size // 3),
    "backslashes": lambda size: "token=" + "\\" * size,
    "escapes": lambda size: _filled("\\nghp_", size),
    "one secret again and again": lambda size: _filled(f"api_key={LETTERS[:40]}\n", size),
    "many secrets": lambda size: "\n".join(
        f"api_key={LETTERS[:30]}{number:08}" for number in range(size // 50)
    ),
    "stand-ins": lambda size: _filled("[REDACTED:jwt]", size),
    "beginnings of stand-ins": lambda size: _filled("[REDACTED:", size),
    "JSON of secrets": lambda size: json.dumps([f"api_key={LETTERS[:40]}\n"] * (size // 50)),
    "JSON in one text": lambda size: json.dumps([f"api_key={LETTERS[:40]}\n\\" * (size // 50)]),
    "needless escapes": lambda size: json.dumps(
        {"said": f"\uff1aapi_key={LETTERS[:40]} 1.5\n" * (size // 60)}
    ),
    "needless escapes, nested": lambda size: json.dumps(
        {
            "in": json.dumps(
                {"in": json.dumps({"said": f"\uff1aghp_{LETTERS[:36]} " * (size // 60)})}
            )
        }
    ),
    "names before a quote of any level": partial(_filled, "token" + "\\" * 130),
    "lists under names": partial(_filled, '"tokens": ["'),
    "a list under a name that does not end": lambda size: (
        '"tokens": [' + _filled(f'"{LETTERS[:40]}", ', size)
    ),
    "keys under a name": lambda size: '"tokens": {' + _filled('"token": 1, "b": ', size),
    "breaks under a name": lambda size: '"tokens": [' + _filled("\\" * 128 + "n", size),
    "numbers in lines of JSON, nested": lambda size: json.dumps(
        [json.dumps(["\n".join([json.dumps([SECRET, {SECRET: 1}])] * (size // 80))])]
    ),
    "a key over lines of JSON": lambda size: (
        f'["{PEM[:31]}"]\n' + _filled(f'["{LETTERS[:64]}"]\n', size) + f'["{PEM[-29:]}"]'
    ),
    "brackets": lambda size: "token=" + "[" * size,
}


@pytest.mark.parametrize("name", SLOW_TEXTS)
def test_the_time_grows_with_the_text(name: str) -> None:
    assert (
        exponent(redact, lambda size: saying(SLOW_TEXTS[name](size)), SIZE, largest=LARGEST) < 1.5
    )


def saying(text: str) -> Session:
    # JSON is read as such; what is not is no picture and no id.
    said = text if text.startswith(("{", "[")) else f"see {text}"
    return Session(session_id="s", state={"said": said})


def test_no_repeat_of_the_table_goes_back_without_a_bound() -> None:
    """Every repeat has a bound or is possessive."""
    unbounded = re.compile(r"(?<!\\)(?:[*+](?![+])|\{\d+,\}(?!\+))")
    for pattern in PATTERNS:
        text = re.sub(r"\[(?:[^\]\\]|\\.)*\]", "C", pattern.expression.pattern)
        text = re.sub(r"\\.", "E", text).replace("?+", "").replace("*+", "").replace("++", "")
        text = re.sub(r"\{\d+,\d*\}\+", "", text)
        assert unbounded.findall(text) == [], pattern.expression.pattern


MANY: dict[str, Callable[[int], JsonValue]] = {
    "objects": lambda count: [{"token": f"t{number}"} for number in range(count)],
    "items under a name": lambda count: {"tokens": [LETTERS[:40]] * count},
    "values under a name": lambda count: {"tokens": dict.fromkeys(map(str, range(count)), SECRET)},
    "beginnings of a key": lambda count: [PEM[:31]] * count,
    "lines of a key": lambda count: [PEM[:31], *[LETTERS[:64]] * count],
    "tokens beside each other": lambda count: (
        [f"{PEM[:31]} Basic YWxpY2U6czNzYW1lLTBwZW4+"] * count
    ),
}


@pytest.mark.parametrize("name", MANY)
def test_many_small_texts_take_as_long_as_they_are_many(name: str) -> None:
    def many(count: int) -> Session:
        return Session(session_id="s", state={"said": MANY[name](count)})

    assert exponent(redact, many, 500) < 1.5
