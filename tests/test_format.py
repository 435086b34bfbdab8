"""The file format without a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from localsessions import Session, SessionStore, UnreadableSessionError
from localsessions.format import (
    decode,
    encode,
    inner_id,
    original_bytes,
    original_keys,
    revised,
    summarize,
)


def test_what_a_store_wrote_is_decoded_and_encoded_again(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        made = store.create("s", title="T")
        data = store.raw("s")
    session = decode(data, "s")
    assert session.title == "T"
    assert encode(session) == data == original_bytes(session) == original_bytes(made)
    assert original_keys(session)[:2] == ("format", "session_id")
    assert inner_id(data) == "s"
    assert summarize(session, len(data)).size_bytes == len(data)


def test_what_is_no_session_is_refused_with_its_place() -> None:
    with pytest.raises(UnreadableSessionError) as caught:
        decode(b'{"messages": [', "s")
    assert (caught.value.line, caught.value.column) == (1, 15)


def test_an_edited_text_is_saved_over_what_it_was_made_of_and_nothing_else(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        store.create("s", title="old")
        opened = store.load("s")
        text = store.raw("s").replace(b'"old"', b'"new"').replace(b"{", b'{"mine": 1,', 1)
        store.save(revised(opened, text))
        assert store.load("s").title == "new"
        assert original_keys(store.load("s"))[0] == "mine"


def test_a_session_that_was_never_read_has_no_text_to_revise() -> None:
    new = Session(session_id="s")
    assert (original_bytes(new), original_keys(new)) == (None, ())
    with pytest.raises(ValueError, match="was never read"):
        revised(new, b"{}")
