from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from localsessions import SessionExistsError, SessionStore
from localsessions.adapters.document import session_id_for, standing_id
from localsessions.format import folded, is_session_id

ANY = st.text(max_size=8) | st.text("aAbB@~/\\.", max_size=5) | st.text("ſsSéÉ\u0301e", max_size=3)
HOSTILE = [
    *("", ".", "..", "a/b", "a\\b", "a\0b", "CON", "NUL.txt", "x" * 300, "я" * 200, "tenant/user"),
    *("telegram:1:2", "a b ", "\ud83d", "\ud83d\ude00", "😀", "ﬃ", "ß", "ss", "a@b", "~", "%41"),
]
HOSTILE_IDS = st.sampled_from(HOSTILE)


@given(st.lists(ANY | HOSTILE_IDS, min_size=1, max_size=4))
def test_the_store_accepts_every_id(parts: list[str]) -> None:
    assert is_session_id(session_id_for(*parts))


@given(st.integers(1, 3).flatmap(lambda n: st.tuples(*[st.lists(ANY, min_size=n, max_size=n)] * 2)))
@example((["Chat"], ["chat"]))
@example((["a@b", "c"], ["a", "b@c"]))
@example((["", "a"], ["a", ""]))
@example((["\ud83d\ude00"], ["😀"]))
@example((["é"], ["e\u0301"]))
def test_two_keys_never_have_ids_that_a_store_takes_for_one(
    keys: tuple[list[str], list[str]],
) -> None:
    one, other = keys
    if one != other:
        assert folded(session_id_for(*one)) != folded(session_id_for(*other))


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("alice",), "alice"),
        (("alice@example.com",), "alice@example.com"),
        (("чат 1",), "чат 1"),
        (("session-1", "-home-user-project"), "session-1@-home-user-project"),
        (("s1", "alice", "weather"), "s1@alice@weather"),
    ],
)
def test_a_plain_key_is_readable(parts: tuple[str, ...], expected: str) -> None:
    assert session_id_for(*parts) == expected


@pytest.mark.parametrize("key", ["Chat-1", "tenant/user", "x" * 300])
def test_another_key_begins_as_it_is_written_and_ends_with_a_hash(key: str) -> None:
    begins, _, ends = session_id_for(key).partition("~")
    assert begins == key.replace("/", "_")[:120]
    assert len(ends) == 26


def test_hostile_keys_are_kept_beside_each_other(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        for key in HOSTILE:
            store.create(
                session_id_for(key), metadata={"key": key.encode("utf-16", "surrogatepass").hex()}
            )
        assert store.count() == len(HOSTILE)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SessionStore]:
    with SessionStore(tmp_path) as opened:
        yield opened


def test_a_session_with_capital_letters_goes_on_under_its_id(store: SessionStore) -> None:
    store.create("ses_7aBc")
    assert standing_id(store, "ses_7aBc") == "ses_7aBc"
    assert standing_id(store, "ses_7AbC") == session_id_for("ses_7AbC") != "ses_7AbC"


def test_a_broken_session_goes_on_under_its_id(store: SessionStore) -> None:
    Path(store.path("ses_7aBc")).write_text("no JSON")
    assert standing_id(store, "ses_7aBc") == "ses_7aBc"


def test_twins_by_letter_case_are_two_sessions(store: SessionStore) -> None:
    for key in ("chat", "Chat", "CHAT"):
        store.create(standing_id(store, key), title=key)
    assert {one.title for one in store.list()} == {"chat", "Chat", "CHAT"}
    with pytest.raises(SessionExistsError):
        store.create("Chat")


def test_a_key_of_several_parts_goes_on_with_the_session_of_its_first(store: SessionStore) -> None:
    store.create("relay", user_id="alice")
    assert standing_id(store, "relay", "project") == "relay"
    assert standing_id(store, "relay", "bob", "app", user_id="bob") == "relay@bob@app"
    store.create("relay@project")
    assert standing_id(store, "relay", "project") == "relay@project"


def test_a_session_of_its_own_is_the_one_of_a_key(store: SessionStore) -> None:
    store.create(session_id_for("Chat"))
    store.create("Chat")
    assert standing_id(store, "Chat") == session_id_for("Chat")
