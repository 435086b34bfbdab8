"""Folding, queries and snippets."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from localsessions._rules.words import Phrases, fold

# Scripts, marks, surrogates, separators: what makes folding hard.
letters = st.text(
    st.sampled_from('abCß ñn\u0303é…\n\tфЁ中文字カｶﾞﾞがか한글ﬁ½①İi\u0307ſ\ud800\U00020000😀.-_"')
    | st.characters(),
    max_size=60,
)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("", "  "),
        ("Foo_Bar.py", " foo bar py "),
        ("Straße ﬁn", " strasse fin "),
        ("Cafe\u0301", " café "),
        ("ｶﾞ", fold("ガ")),
        ("中a", " 中\ue000\ue000a "),
    ],
)
def test_folding(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(letters)
def test_folding_does_not_mind_unicode_forms_nor_being_doubled(text: str) -> None:
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))
    assert fold(text + " " + text) == fold(text) + fold(text)[1:] or fold(text) == "  "


@given(letters, letters, letters)
def test_whatever_stands_in_a_text_is_found_in_it(before: str, word: str, after: str) -> None:
    assume(fold(word).strip())
    text = f"{before} {word} {after}"
    query = Phrases('"' + word.replace('"', " ") + '"')
    assert query.occurs_in(text)
    assert query.places(text)[1]


@given(letters.filter(lambda text: fold(text).strip()), st.integers(0, 59), st.integers(1, 8))
def test_highlights_cover_what_was_searched(text: str, start: int, length: int) -> None:
    word = text[start % len(text) :][:length]
    assume(fold(word).strip())
    query = Phrases(word)
    assume(query.occurs_in(text))

    snippet, highlights = query.snippet(text)

    assert highlights
    ends = 0
    for start, end in highlights:
        assert ends <= start < end <= len(snippet)
        ends = end
        shown = fold(snippet[start:end]).strip()
        assert any(phrase in shown for phrase in query.phrases)
    assert "\n" not in snippet


@given(letters, st.integers(0, 400))
def test_a_hit_far_inside_a_long_text_is_shown(word: str, distance: int) -> None:
    word = word[:20].strip()
    assume(fold(word).strip())
    query = Phrases('"' + word.replace('"', " ") + '"')
    filler = "¶ " * (distance * 100)
    snippet, highlights = query.snippet(f"{filler}{word} {filler}")
    assert highlights
    assert len(snippet) < 400
    assert query.occurs_in(" ".join(snippet[start:end] for start, end in highlights))


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("one two", ["one", "two"]),
        ('"one two" three', ["one two", "three"]),
        ("one one", ["one"]),
        ('"one two', ["one", "two"]),
        ("foo_bar", ["foo bar"]),
        ('"" x', ["x"]),
    ],
)
def test_queries_are_words_and_phrases(text: str, phrases: list[str]) -> None:
    assert Phrases(text).phrases == phrases


@given(letters)
def test_a_query_is_never_more_than_quoted_words(text: str) -> None:
    try:
        query = Phrases(text)
    except ValueError:
        assert fold(text).strip() == ""
        return
    assert all(set(phrase).isdisjoint('"*()^:+') for phrase in query.phrases)


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
    assert Phrases("parser").snippet(text) == (snippet, highlights)
