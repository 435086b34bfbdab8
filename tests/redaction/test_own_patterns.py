"""A person's own patterns: how they are written, and which are refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from growth import exponent

from localsessions.redaction import PATTERNS, parse_patterns, read_patterns
from localsessions.redaction.searching import OVERLAP, WINDOW

if TYPE_CHECKING:
    from .conftest import Left


def test_a_file_has_a_name_and_a_regex_a_line(tmp_path: Path, left: Left) -> None:
    path = tmp_path / "patterns.txt"
    path.write_text("# mine\n\nticket = ACME-[0-9]+\n  street=(?i)elm street \nticket = X=Y\n")
    own = read_patterns(path)
    assert [pattern.kind for pattern in own] == ["ticket", "street", "ticket"]
    shown = "[REDACTED:ticket] in [REDACTED:street], [REDACTED:ticket]"
    assert left("ACME-12 in Elm Street, X=Y", own) == shown


def test_a_group_named_secret_is_all_that_is_replaced(left: Left) -> None:
    own = parse_patterns([r"pin = pin: (?P<secret>\d+)!|code"])
    assert left("pin: 1234! code", own) == "pin: [REDACTED:pin]! code"


def test_a_line_of_the_text_is_what_a_pattern_sees(left: Left) -> None:
    own = parse_patterns([r"line = ^name:\s+.*$"])
    assert left("a\nname: b c\nd", own) == "a\n[REDACTED:line]\nd"


def test_a_pattern_sees_no_other_line(left: Left) -> None:
    own = parse_patterns([r"begin = \Afoo", r"after = (?<=a\n)b", r"end = x\Z"])
    text = "foo\nfoo a\nb x\nb"
    assert left([text, "foo"], own) == [
        "[REDACTED:begin]\n[REDACTED:begin] a\nb [REDACTED:end]\nb",
        "[REDACTED:begin]",
    ]


def test_a_space_after_a_backslash_belongs_to_the_regex(left: Left) -> None:
    assert left("ab c", parse_patterns(["own = b\\  \n"])) == "a[REDACTED:own]c"


def test_lines_are_those_of_an_editor(tmp_path: Path) -> None:
    path = tmp_path / "patterns.txt"
    path.write_bytes("# a \u2028 b \x0b\r\na = b\\\r\n".encode())
    with pytest.raises(ValueError, match="line 2: the regex is wrong: bad escape"):
        read_patterns(path)


def test_own_patterns_are_added_to_the_others(left: Left) -> None:
    own = parse_patterns(["host = db[.]internal"])
    text = "redis://:s3same@db.internal"
    shown = "redis://:[REDACTED:url-password]@[REDACTED:host]"
    assert left(text, (*PATTERNS, *own)) == shown


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("no sign of it", "write name = regex"),
        ("name =", "write name = regex"),
        ("Name = a", "the name 'Name' is more than lower-case letters, digits and '-', 40 at most"),
        ("a = (b", "the regex is wrong: missing ), unterminated subpattern at position 0"),
        ("a = b{99999999999999}", "the regex is wrong: the repetition number is too large"),
        ("a = b*", "the regex matches the empty text"),
        ("a = (?x) b", "the flag x is not supported: write the regex without spaces and remarks"),
        ("a = b(?ix:c)", "the flag x is not supported: write the regex without spaces and remarks"),
        ("a = b\\", "the regex is wrong: bad escape (end of pattern) at position 1"),
        ("a =  ", "write name = regex"),
    ],
)
def test_a_wrong_line_is_named_with_the_reason(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "patterns.txt"
    path.write_text(f"# mine\n{line}\n")
    with pytest.raises(ValueError, match="line 2") as caught:
        read_patterns(path)
    assert str(caught.value) == f"{path}, line 2: {reason}"


def test_a_file_that_is_not_utf_8_is_named_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "patterns.txt"
    path.write_bytes(b"a = b\nc = \xff\n")
    with pytest.raises(ValueError, match="line 2: it is not UTF-8"):
        read_patterns(path)


# -- what could take for ever ---------------------------------------------------------------------

SLOW = [
    "(a+)+b",
    "(?:a*)*b",
    "(?:a|a)+b",
    "(?:a|b|ab)*c",
    "((a+))+b",
    "(?:(?:a+)b)+c",
    "(?:a+b?){2,}c",
    "(?:a?){30}b",
    "(?:a+){9}b",
    "([a-z]+)*[)]",
    r"(\w+\s?)*$!",
    "(?P<secret>a+)*b",
    "(?i:a+)+b",
    "[]()]+(?:[^]]+)+b",
    "(?:a{2,3})+b",
    "(?:(?:a?){8}){8}b",
    "(?:(?:a?){2}){5}b",
    "(?:a?a?a?){3}b",
    "(?:(?:a|b){3}){3}c",
]

FINE = [
    "a+b+c",
    "(?:ab)+",
    "(?:a++)+b",
    "(?:(?>a+)b)+c",
    "(?>a|b)+c",
    "(?:a+)++b",
    r"(?:\d{1,3}\.){3}\d{1,3}",
    r"(?:\w+\.){8}x",
    "[(+)*]+x",
    r"\(a+\)+",
    "(?=a+)b",
    "(?:a{2})+b",
    "a{,}+b",
    "(?#(a+)b",
    "(?:foo|bar) baz",
    "(?i)abc",
    "(?:a|b){2}c",
    "(?:a+){8}b",
    "(?:(?:a+b){2}c){4}d",
    "(?:a+b+c+d+e+f+g+h+i+)?j",
    r"\(?fax: [0-9]+",
    r"\(?ext: [0-9]",
    "[(?x)]a",
]


@pytest.mark.parametrize("regex", SLOW)
def test_a_regex_that_could_take_for_ever_is_refused(regex: str) -> None:
    with pytest.raises(ValueError, match=re.escape("line 1: a repeat inside a repeat")):
        parse_patterns([f"a = {regex}"])


@pytest.mark.parametrize("regex", FINE)
def test_a_regex_that_cannot_is_taken(regex: str) -> None:
    assert [pattern.kind for pattern in parse_patterns([f"a = {regex}"])] == ["a"]


def test_a_pattern_sees_a_part_of_a_long_line_at_once(left: Left) -> None:
    own = parse_patterns(["a = a+!"])

    def search(text: str) -> None:
        assert left(text, own) == text

    # Without parts, the time would grow with the square of the text.
    assert exponent(search, lambda size: "a " + "a" * size, WINDOW) < 1.5


@pytest.mark.parametrize("before", [0, WINDOW - 5, WINDOW - OVERLAP, WINDOW - OVERLAP - 1])
@pytest.mark.parametrize("size", [8, OVERLAP, 3 * WINDOW])
def test_a_secret_over_the_edge_of_a_part_goes_as_a_whole(
    left: Left, before: int, size: int
) -> None:
    own = parse_patterns(["long = <[0-9]+"])
    text = "." * before + "<" + "7" * size + "." * WINDOW
    assert left(text, own) == "." * before + "[REDACTED:long]" + "." * WINDOW


def test_the_edge_of_a_part_is_no_end_of_a_line(left: Left) -> None:
    own = parse_patterns([r"end = x$|\bword\b"])
    text = "x" * (3 * WINDOW) + "word" * WINDOW
    assert left(text, own) == text
