"""Sixty questions on the shipped transcripts: the right chat is among the first three.

The questions were written, and committed, before the ranking was made; see their file.
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
QUESTIONS: list[dict[str, Any]] = json.loads((HERE / "data" / "relevance.json").read_text())[
    "questions"
]


@pytest.fixture(scope="module")
def chats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SessionStore]:
    """All transcripts that are shipped as examples, in a store."""
    folder = tmp_path_factory.mktemp("chats")
    with SessionStore(folder / "sessions", durability="fast") as store:
        import_paths(store, [HERE.parent / "examples" / "transcripts"])
        yield store


def test_of_sixty_questions_at_least_55_have_the_chat_among_the_first_three(
    chats: SessionStore,
) -> None:
    missed = []
    for question in QUESTIONS:
        found = [hit.session.session_id for hit in chats.search(question["query"], limit=3)]
        if not {*found} & {*question["sessions"]}:
            missed.append(question["query"])
    assert len(QUESTIONS) == 60
    assert len(missed) <= 5, missed
