"""Folding, questions, what may be meant by a word, and snippets."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from localsessions._rules.finder import Finder
from localsessions._rules.question import (
    Term,
    is_near,
    is_typo,
    is_wordlike,
    read_question,
)
from localsessions._rules.words import BLANKS, fold, indexable, traced

# Scripts, marks, surrogates, separators: what makes folding hard.
letters = st.text(
    st.sampled_from(
        "abCß ñn\u0303é…\n\tфЁйи\u0306中文字カｶﾞﾞがか한글ทีﬁ½①İi\u0307ſø\xad\u200b"
        '\ud800\U00020000😀.-_:"'
    )
    | st.characters(exclude_characters="\x1d\x1e\x1f"),  # they part the sections of a text
    max_size=60,
)


def finder(text: str, *vocabulary: str) -> Finder:
    question = read_question(text)
    return Finder(question, question.near(vocabulary))


def quoted(word: str) -> Finder:
    return finder('"' + word.replace('"', " ") + '"')


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("", "  "),
        ("Foo_Bar.py", " foo bar py "),
        ("Straße ﬁn", " strasse fin "),
        ("Cafe\u0301 CAFÉ", " cafe cafe "),
        ("Łódź Øre ıI Ǿ", " lodz ore ii o "),
        ("Ёлка и мой", " елка и мой "),
        ("ｶﾞ", fold("ガ")),
        ("か が", " か が "),
        ("中文a", " 中 文 a "),
        ("ที่", " ท ี ่ "),
        ("trace\u200bback soft\xadhyphen", " traceback softhyphen "),
        ("नमस्ते", " नमस्ते "),
    ],
)
def test_folding(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(letters)
def test_folding_does_not_mind_unicode_forms_nor_being_doubled(text: str) -> None:
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))
    assert fold(text + " " + text) == fold(text) + fold(text)[1:] or fold(text) == "  "


@example("\u13a0 \uab70")  # these letters fold to capitals
@given(letters)
def test_what_is_indexed_has_the_same_words(text: str) -> None:
    """The index splits at what is ASCII and no letter, and folds ASCII letters."""
    signs = (one.lower() if one.isascii() else one for one in indexable(text))
    assert "".join(one if one > "\x7f" or one.isalnum() else " " for one in signs).split() == (
        fold(text).split()
    )


def test_each_blank_separates_words_as_it_would_by_itself() -> None:
    blanks = [chr(code) for code in range(0x110000) if re.fullmatch(BLANKS, chr(code))]
    assert len(blanks) > 2_000
    for blank in blanks:
        assert traced(f"a{blank}b")[0] == fold(f"a{blank}b") == " a b "
        assert traced(f"a{blank}\u0301b")[0] == fold(f"a{blank}\u0301b")


@given(letters, letters, letters)
def test_whatever_stands_in_a_text_is_found_in_it(before: str, word: str, after: str) -> None:
    assume(fold(word.replace('"', " ")).strip())
    text = f"{before} {word} {after}"
    query = quoted(word)
    assert query.occurs_in(text)
    assert query.places(text)[1]


@given(letters, st.integers(0, 59), st.integers(1, 8))
def test_highlights_cover_what_was_searched(text: str, start: int, length: int) -> None:
    assume(fold(text).strip())
    word = text[start % len(text) :][:length].replace('"', " ")
    assume(fold(word).strip())
    question = read_question(f'"{word}"')
    query = Finder(question)
    assume(query.occurs_in(text))

    snippet, highlights = query.snippet(text)

    assert highlights
    ends = 0
    for start, end in highlights:
        assert ends <= start < end <= len(snippet)
        ends = end
        shown = fold(snippet[start:end])
        assert fold(word) in shown
    assert "\n" not in snippet


@given(letters, st.integers(0, 400))
def test_a_hit_far_inside_a_long_text_is_shown(word: str, distance: int) -> None:
    word = word[:20].strip().replace('"', " ")
    assume(fold(word).strip())
    query = quoted(word)
    filler = "¶ " * (distance * 100)
    snippet, highlights = query.snippet(f"{filler}{word} {filler}")
    assert highlights
    assert len(snippet) < 400
    assert query.occurs_in(" ".join(snippet[start:end] for start, end in highlights))


# -- questions -----------------------------------------------------------------------------------


def term(*words: str, exact: bool = False, otherwise: tuple[str, ...] = ()) -> tuple[Term, ...]:
    return (Term(words, exact, otherwise),)


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("one two", [term("one"), term("two")]),
        ('"one two" three', [term("one", "two", exact=True), term("three")]),
        ("one one", [term("one")]),
        ('"one two', [term("one", "two", exact=True)]),
        ("foo_bar", [term("foo", "bar", otherwise=("foobar",))]),
        ("fooBar HTTPServer2", [
            term("foobar", otherwise=("foo", "bar")),
            term("httpserver2", otherwise=("http", "server", "2")),
        ]),
        ('"" x', [term("x")]),
        ("one OR two three", [(*term("one"), *term("two")), term("three")]),
        ("a OR b OR c", [(*term("a"), *term("b"), *term("c"))]),
        ("OR one", [term("or"), term("one")]),
        ("one OR", [term("one"), term("or")]),
        ("one AND two", [term("one"), term("two")]),
        ("https://x.org/a?b", [term("https", "x", "org", "a", "b")]),
        ("std::vector", [term("std", "vector")]),
        ("after:noon", [term("after", "noon")]),
        ("数据库", [term("数", "据", "库")]),
        ("--force -", [term("force")]),
    ],
)  # fmt: skip
def test_questions_are_words_and_phrases(text: str, groups: list[tuple[Term, ...]]) -> None:
    assert list(read_question(text).groups) == groups


def test_words_may_be_left_out_and_fields_asked_for() -> None:
    question = read_question('fix -flaky -"old way" agent:Codex tag:"two words" tag:x role:user')
    assert question.groups == (term("fix"),)
    assert question.without == (*term("flaky"), *term("old", "way", exact=True))
    assert question.fields == {"agent": ("Codex",), "tag": ("two words", "x"), "role": ("user",)}
    assert question.is_role("user")
    assert question.is_role("USER")
    assert not question.is_role("assistant")
    assert not question.is_role(None)


@pytest.mark.parametrize(
    ("text", "day"),
    [("2026", (2026, 1, 1)), ("2026-02", (2026, 2, 1)), ("2026-2-3", (2026, 2, 3))],
)
def test_times_are_days_months_and_years(text: str, day: tuple[int, int, int]) -> None:
    question = read_question(f"after:{text} x before:2027")
    assert (question.since, question.until) == (
        datetime(*day, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
    )


def test_of_two_times_the_narrower_one_counts() -> None:
    question = read_question("after:2027 after:2025 before:2030 before:2029 x")
    assert (question.since, question.until) == (
        datetime(2027, 1, 1, tzinfo=UTC),
        datetime(2029, 1, 1, tzinfo=UTC),
    )


def test_a_day_that_is_none_is_a_word() -> None:
    assert read_question("after:2026-13").groups == (term("after", "2026", "13"),)


@given(letters)
def test_any_text_is_a_question_and_its_words_are_folded(text: str) -> None:
    question = read_question(text)
    words = [word for group in question.groups for one in group for word in one.words]
    words += [word for one in question.without for word in one.words]
    assert all(word and word.split() == [word] and fold(word) == f" {word} " for word in words)
    question.near(words)


@pytest.mark.parametrize(
    "text",
    [
        " ".join(f"w{number}" for number in range(5000)),
        " OR ".join(f"w{number}" for number in range(5000)),
        " ".join(f"-w{number}" for number in range(5000)),
        '"' + " ".join(f"w{number}" for number in range(5000)) + '"',
        " ".join(f"agent:w{number}" for number in range(5000)),
        "数" * 5000,
    ],
)
def test_of_a_long_text_the_first_hundred_words_count(text: str) -> None:
    question = read_question(text)
    words = [word for group in question.groups for one in group for word in one.words]
    words += [word for one in question.without for word in one.words]
    assert len(words) <= 100
    assert all(len(asked) <= 100 for asked in question.fields.values())
    assert read_question("x" * 100_000).varying == set()


# -- what may be meant ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "other", "near"),
    [
        ("session", "sessionstore", True),
        ("store", "sessionstore", True),
        ("fails", "failing", True),
        ("failing", "failed", True),
        ("anchovy", "anchovies", True),
        ("explore", "exploring", True),
        ("ошибка", "ошибки", True),
        ("файлами", "файл", True),
        ("fails", "failure", False),
        ("test", "text", False),
        ("form", "fort", False),
        ("contest", "continue", False),
        ("py", "pytest", True),
        ("py", "numpy", False),
    ],
)
def test_parts_and_other_forms_of_a_word_are_near(word: str, other: str, near: bool) -> None:
    assert is_near(word, other) is near


@pytest.mark.parametrize(
    ("word", "other", "typo"),
    [
        ("andoid", "android", True),
        ("androoid", "android", True),
        ("anbroid", "android", True),
        ("adnroid", "android", True),
        ("androdi", "android", True),
        ("android", "android", False),
        ("anodid", "android", False),
        ("abcd", "abce", False),
        ("anrdoid", "android", True),
        ("sendrobust", "send robust", True),
        ("ошипка", "ошибка", True),
    ],
)
def test_one_letter_may_be_wrong(word: str, other: str, typo: bool) -> None:
    assert is_typo(word, other) is typo


def test_a_letter_is_wrong_only_where_nothing_else_is_like_it() -> None:
    question = read_question("andoid android")
    assert question.near(["android", "androids"]) == {
        "andoid": ("android",),
        "android": ("androids",),
    }
    assert read_question('"andoid"').near(["android"]) == {}


@pytest.mark.parametrize(
    ("word", "wordlike"),
    [
        ("parser", True),
        ("utf8", True),
        ("20261130", False),
        ("d41d8cd98f00b204", False),
        ("ab", False),
        ("x" * 33, False),
        ("数", False),
    ],
)
def test_parts_are_searched_of_words_and_not_of_hashes(word: str, wordlike: bool) -> None:
    assert is_wordlike(word) is wordlike


# -- snippets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "snippet", "highlights"),
    [
        ("a parser", "a parser", ((2, 8),)),
        ("x" * 100 + " parser", "…" + "x" * 39 + " parser", ((41, 47),)),
        ("parser" + " y" * 100, "parser" + " y" * 47 + "…", ((0, 6),)),
        ("nothing", "nothing", ()),
    ],
)
def test_snippets(text: str, snippet: str, highlights: tuple[tuple[int, int], ...]) -> None:
    assert finder("parser").snippet(text) == (snippet, highlights)


@pytest.mark.parametrize("place", [*range(1940, 2020), *range(3940, 4020)])
def test_a_word_that_is_cut_where_a_long_text_is_parted_is_no_hit(place: int) -> None:
    text = ("¶ " * 3000)[:place] + " sparserings " + "¶ " * 3000 + "a parser"
    snippet, highlights = finder("parser").snippet(text)
    assert [snippet[start:end] for start, end in highlights] == ["parser"]
    assert snippet.endswith("a parser")


def test_a_snippet_marks_the_part_of_a_word_and_the_whole_other_form() -> None:
    assert finder("parse", "sparser", "parsing").snippet("a sparser is parsing") == (
        "a sparser is parsing",
        ((3, 8), (13, 20)),
    )
