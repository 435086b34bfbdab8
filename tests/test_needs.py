"""Tests are left out by what they need, each need has a reason, and the document lists them."""

from __future__ import annotations

import re
from pathlib import Path

import needs
import pytest
from needs import NEEDS, Need

PAGE = Path(__file__).resolve().parent.parent / "docs" / "testing.md"


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that has no wings, and has feet."""
    monkeypatch.setitem(NEEDS, "wings", Need("nobody here can fly", lambda: False))
    monkeypatch.setitem(NEEDS, "feet", Need("nobody here can walk", lambda: True))


@pytest.mark.usefixtures("lacking")
def test_what_is_lacking_is_named_with_its_reason() -> None:
    assert needs.needed([]) is None
    assert needs.needed(["feet"]) is None
    assert needs.needed(["feet", "wings"]) == "needs wings: nobody here can fly"


@pytest.mark.usefixtures("lacking")
def test_what_was_left_out_is_counted_by_need() -> None:
    reason = "needs wings: nobody here can fly"
    assert list(needs.told([reason, "something else", "needs Mars: it is far", reason])) == [
        "    2 left out, need wings: nobody here can fly"
    ]


def test_a_need_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(KeyError, match="wigns"):
        needs.needed(["wigns"])


def test_the_document_lists_every_need_with_its_reason() -> None:
    found = re.findall(r"^\| ([a-z ]+) \| \d+ \| (.+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    written = {name: reason for name, reason in found if name in NEEDS}
    assert written == {name: need.reason.replace("|", r"\|") for name, need in NEEDS.items()}
