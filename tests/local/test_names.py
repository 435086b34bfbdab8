"""Session id <-> file name: one to one, and a name that every system can hold."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from localsessions._codec.names import file_stem, folded, session_id_of
from localsessions._local.files.locks import stripe_of

DEVICES = [
    *("con", "prn", "aux", "nul", "conin$", "conout$"),
    *(f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"),
]
NAME_MAX = 255
LONGEST_AROUND = len("20261231T235959000000Z-" + ".checkpoints")

# Texts that are close to what the rules are about.
pieces = st.sampled_from([*'<>:"|?*%', ".", " ", "%41", "%2e", "CON", "nul", "é", "e\u0301", "会"])
ids = st.lists(st.text(max_size=8) | pieces, max_size=8).map("".join)
escapes = st.sampled_from(["%25", "%3A", "%2E", "%CC%81", "%41", "%3a"])
stems = st.lists(st.text("abé会-", max_size=4) | escapes, max_size=3).map("".join)


def stem_or_none(session_id: str) -> str | None:
    try:
        return file_stem(session_id)
    except ValueError:
        return None


@given(ids)
@example("%2E")
@example("a%")
@example("CON%")
@example("aux.:")
@example("e\u0301%")
def test_the_id_comes_back_from_its_stem(session_id: str) -> None:
    stem = stem_or_none(session_id)
    assume(stem is not None)
    assert stem is not None
    assert session_id_of(stem) == session_id


@given(st.lists(ids, min_size=2, max_size=20, unique=True))
def test_two_ids_never_share_a_stem(session_ids: list[str]) -> None:
    stems = [stem for session_id in session_ids if (stem := stem_or_none(session_id)) is not None]
    assert len(stems) == len(set(stems))


@given(stems)
def test_a_stem_that_means_an_id_is_the_stem_of_that_id(stem: str) -> None:
    session_id = session_id_of(stem)
    assume(session_id is not None)
    assert session_id is not None
    assert file_stem(session_id) == stem


@given(ids)
def test_every_system_can_hold_the_file_and_what_is_named_after_it(session_id: str) -> None:
    stem = stem_or_none(session_id)
    assume(stem is not None)
    assert stem is not None
    assert not set(stem) & set('<>:"/\\|?*\0')
    assert not stem.startswith(".")
    assert not stem.endswith((".", " "))
    assert stem.split(".")[0].rstrip().lower() not in DEVICES
    assert unicodedata.is_normalized("NFC", stem)
    assert len(stem.encode()) + LONGEST_AROUND <= NAME_MAX


@pytest.mark.parametrize(
    ("session_id", "stem"),
    [
        ("s", "s"),
        ("session_1735634700000", "session_1735634700000"),
        ("a" * 200, "a" * 200),
        ("user@example.org", "user@example.org"),
        ("my session 2", "my session 2"),
        ("v1.2.3", "v1.2.3"),
        ("Разговор", "Разговор"),
        ("会話-セッション", "会話-セッション"),
        ("대화", "대화"),
        ("👩‍💻", "👩‍💻"),
        ("café", "café"),
        ("cafe\u0301", "cafe%CC%81"),
        ("é e\u0301", "%C3%A9 e%CC%81"),
        ("a:b", "a%3Ab"),
        ('<>:"|?*', "%3C%3E%3A%22%7C%3F%2A"),
        ("100%", "100%25"),
        ("%41", "%2541"),
        (".hidden", "%2Ehidden"),
        ("..hidden", "%2E.hidden"),
        ("...", "%2E.%2E"),
        ("ends.", "ends%2E"),
        ("ends ", "ends%20"),
        (" begins", " begins"),
        (" ", "%20"),
        ("nul", "%6Eul"),
        ("NUL.txt", "%4EUL.txt"),
        ("nul .txt", "%6Eul .txt"),
        ("COM¹", "%43OM¹"),
        ("con.", "con%2E"),
        ("con ", "con%20"),
        (" con", " con"),
        ("conin$", "%63onin$"),
        ("com10", "com10"),
        ("console", "console"),
        ("lpt1x", "lpt1x"),
        ("x.nul", "x.nul"),
    ],
)
def test_an_id_is_its_own_file_name_where_it_can_be(session_id: str, stem: str) -> None:
    assert file_stem(session_id) == stem
    assert session_id_of(stem) == session_id


@pytest.mark.parametrize("device", [*DEVICES, *(device.upper() for device in DEVICES)])
@pytest.mark.parametrize("rest", ["", ".txt", " .a.b"])
def test_a_windows_device_is_no_file_name(device: str, rest: str) -> None:
    stem = file_stem(device + rest)
    assert stem.startswith(f"%{ord(device[0]):02X}")
    assert session_id_of(stem) == device + rest


@pytest.mark.parametrize(
    ("session_id", "problem"),
    [
        ("", "is no name of a file"),
        (".", "is no name of a file"),
        ("..", "is no name of a file"),
        ("a/b", "holds '/'"),
        ("../../etc/passwd", "holds '/'"),
        ("a\\b", r"holds '\\'"),
        ("a\0b", r"holds '\x00'"),
        ("a\nb", r"holds '\n'"),
        ("plain\n", r"holds '\n'"),
        ("a\x7fb", r"holds '\x7f'"),
        ("a\x85b", r"holds '\x85'"),
        ("a\ud800b", "half a surrogate pair"),
        ("a" * 201, "of 201 bytes is longer than 200"),
        ("é" * 100 + "a", "of 201 bytes is longer than 200"),
        ("%" * 100, "a file name of 300 bytes, the limit is 220"),
    ],
)
def test_an_id_that_no_file_can_have_is_refused_by_name(session_id: str, problem: str) -> None:
    with pytest.raises(ValueError, match="session_id") as caught:
        file_stem(session_id)
    assert problem in str(caught.value)


def test_two_hundred_bytes_are_an_id_and_one_more_is_none() -> None:
    assert file_stem("é" * 100) == "é" * 100
    with pytest.raises(ValueError, match="201 bytes"):
        file_stem("é" * 100 + "a")


@pytest.mark.parametrize("wrong", [None, 5, b"bytes"])
def test_an_id_that_is_no_text_is_a_type_error(wrong: object) -> None:
    with pytest.raises(TypeError, match="session_id must be a str, not"):
        file_stem(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "stem",
    [
        "",
        ".",
        ".hidden",
        "ends ",
        "nul",
        "a:b",
        "%41",
        "%4a",
        "a%3a",
        "%",
        "%FF",
        "%2F",
        "%00",
        "cafe\u0301",
        "caf%C3%A9",
        "a\udcffb",
        "a" * 201,
    ],
)
def test_a_file_that_we_would_name_otherwise_is_no_session(stem: str) -> None:
    assert session_id_of(stem) is None


@given(st.text())
def test_unicode_forms_of_one_text_share_what_is_folded(text: str) -> None:
    forms = {folded(unicodedata.normalize(form, text)) for form in ("NFC", "NFD")}
    assert forms == {folded(text)}


@pytest.mark.parametrize(
    ("one", "other"),
    [("Session", "sESSION"), ("ÉCOLE", "e\u0301cole"), ("РАЗГОВОР", "разговор"), ("Σ", "ς")],
)
def test_ids_that_differ_by_case_only_share_what_is_folded_and_their_lock(
    one: str, other: str
) -> None:
    assert one != other
    assert folded(one) == folded(other)
    assert stripe_of(one) == stripe_of(other)


@given(st.text(st.characters(codec="ascii")))
def test_letter_case_of_ascii_never_matters_to_what_is_folded(text: str) -> None:
    assert folded(text.swapcase()) == folded(text)


def test_different_words_are_folded_differently() -> None:
    assert len({folded(word) for word in ("a", "b", "ab", "a b", "á", "1", "")}) == 7
