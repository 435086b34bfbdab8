"""The table of verbs names every verb that writes, and each does what it is there for."""

from __future__ import annotations

from pathlib import Path

import pytest

from localsessions import SessionStore
from proof.verbs import VERBS, prepared, said

# Verbs that write nothing but the index, which every one of them may make anew.
READERS = {
    "get", "load", "tail", "list", "count", "search", "resolve", "trash", "last_change", "changes",
    "watch", "checkpoints", "load_checkpoint", "verify", "stats", "path", "close", "save_dir",
    "raw", "engine", "deletions", "short_ids", "history", "context",
    "runs", "groups",
}  # fmt: skip


# What backups and moving ask of an engine.
ACTS = {"bring", "leave"}


def test_every_verb_that_writes_is_attacked() -> None:
    verbs = {name for name in vars(SessionStore) if not name.startswith("_")}
    attacked = {name.replace(",", " ").split()[0] for name in VERBS} - {"open"}
    assert attacked - ACTS == verbs - READERS


@pytest.mark.parametrize("name", VERBS)
def test_what_a_verb_may_leave_are_different_states(name: str, folder: Path) -> None:
    allowed = prepared(name, folder)
    if name not in ("open", "reindex"):
        assert [state for state in allowed if allowed.count(state) > 1] == []
    assert said(folder) == allowed[0]
