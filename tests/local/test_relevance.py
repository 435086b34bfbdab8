"""Questions on the shipped transcripts: the right chat is among the first three.

Sixty were written, and committed, before the ranking was made, and fifteen after it, all by
somebody who had not seen it; see their files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localsessions import SessionStore
from localsessions.transcripts import import_paths

HERE = Path(__file__).resolve().parents[1]
FIRST, LATER = "relevance.json", "relevance-later.json"


@pytest.fixture(scope="module")
def chats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SessionStore]:
    """All transcripts that are shipped as examples, in a store."""
    folder = tmp_path_factory.mktemp("chats")
    with SessionStore(folder / "sessions", durability="fast") as store:
        import_paths(store, [HERE.parent / "examples" / "transcripts"])
        yield store


@pytest.mark.parametrize(("name", "count", "least"), [(FIRST, 60, 55), (LATER, 15, 12)])
def test_of_the_questions_most_have_the_chat_among_the_first_three(
    name: str, count: int, least: int, chats: SessionStore
) -> None:
    questions: list[dict[str, Any]] = json.loads((HERE / "data" / name).read_text())["questions"]
    missed = []
    for question in questions:
        found = [hit.session.session_id for hit in chats.search(question["query"], limit=3)]
        if not {*found} & {*question["sessions"]}:
            missed.append(question["query"])
    assert len(questions) == count
    assert len(missed) <= count - least, missed
