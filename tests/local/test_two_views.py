"""A file system that says other things of an open file than of its path: networks, overlays, Wine.

Everything is right there; only reading is not saved.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import calls
import pytest

from localsessions import ConflictError, SessionStore, SessionSummary

FIELDS = ("st_mode", "st_ino", "st_dev", "st_nlink", "st_size", "st_mtime_ns", "st_ctime_ns")


@pytest.fixture(params=["st_ctime_ns", "st_mtime_ns", "st_ino"], autouse=True)
def other_by_the_handle(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``fstat`` say something else than ``lstat``, always the same."""
    real = calls.real("fstat")

    def fstat(fd: int) -> Any:
        found = {name: getattr(real(fd), name) for name in FIELDS}
        return SimpleNamespace(**{**found, request.param: found[request.param] - 10_000})

    calls.put_in_place_of(monkeypatch, "fstat", fstat)


def listed(store: SessionStore) -> dict[str, tuple[str, int]]:
    return {one.session_id: told(one) for one in store.list(fresh=True).items}


def told(one: SessionSummary) -> tuple[str, int]:
    return one.title, one.message_count


def retitle(path: str, title: str) -> None:
    """Replace a session's file, as another program does."""
    document = json.loads(Path(path).read_bytes())
    Path(path + ".new").write_text(json.dumps({**document, "title": title}), "utf-8")
    Path(path + ".new").replace(path)


def test_every_version_is_listed_whoever_wrote_it(folder: Path) -> None:
    with SessionStore(folder) as one, SessionStore(folder) as other:
        one.create("s", title="made")
        assert listed(other) == {"s": ("made", 0)}
        other.append("s", {"role": "user", "content": "parser"})
        assert listed(one) == {"s": ("made", 1)}
        retitle(one.path("s"), "by another program")
        assert listed(one) == listed(other) == {"s": ("by another program", 1)}
        assert [hit.session.session_id for hit in one.search("parser")] == ["s"]
        assert one.verify() == []


def test_many_files_that_no_store_has_seen_are_listed(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(300):
        document = {"format": "localsessions/1", "session_id": f"s{number}", "title": "found"}
        (folder / f"s{number}.json").write_text(json.dumps(document), "utf-8")
    with SessionStore(folder) as store:
        assert store.count() == 300
        assert {one.title for one in store.list(limit=300).items} == {"found"}


def test_every_verb_writes_and_none_overwrites_another_program(folder: Path) -> None:
    with SessionStore(folder) as store:
        session = store.create("s", title="made")
        session.title = "saved"
        store.save(session)
        with store.edit("s") as edited:
            edited.tags = ["edited"]
        assert store.delete("s")
        assert store.restore("s").tags == ["edited"]
        session = store.load("s")
        retitle(store.path("s"), "by another program")
        session.title = "lost?"
        with pytest.raises(ConflictError):
            store.save(session)
        assert store.load("s").title == "by another program"


def test_what_another_program_did_is_told_once(folder: Path) -> None:
    with SessionStore(folder) as store:
        store.create("s", title="made")
        since = store.last_change()
        retitle(store.path("s"), "by another program")
        listed(store)
        listed(store)
        assert [(one.kind, one.origin) for one in store.changes(since)] == [
            ("modified", "external")
        ]
