"""The command line with an address: what is there is found, and its password is never shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from localsessions import SessionStore
from localsessions.cli.picker import opening
from localsessions.cli.program import program

PASSWORD = "not-to-be-seen"


@pytest.fixture
def place(address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address of a store with a session, with a password that the server ignores."""
    place = f"{address}&password={PASSWORD}"
    with SessionStore(place) as store:
        store.create(session_id="there", title="Kept on a server")
    monkeypatch.setenv("LOCALSESSIONS_DIR", place)
    return place


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two sessions, one of which has the id of the other store's."""
    with SessionStore(tmp_path / "folder") as store:
        store.create(session_id="here", title="Kept in a folder")
        store.create(session_id="there", title="Another of that id")
    return tmp_path / "folder"


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(program, arguments, catch_exceptions=False)
    assert PASSWORD not in result.output
    return result


def test_sessions_move_to_an_address(place: str, folder: Path) -> None:
    dry = run("--dir", str(folder), "mv", "here", "there", "--to", place, "--dry-run")
    assert "would move 1 session to postgresql://" in dry.output
    assert "another session of that id" in dry.output
    moved = run("--dir", str(folder), "mv", "here", "--to", place)
    assert moved.exit_code == 0
    assert "moved 1 session to postgresql://" in moved.output
    with SessionStore(place) as store:
        assert store.load("here").title == "Kept in a folder"
    lines = [one.read_text() for one in (folder / ".trash").glob("purged-*")]
    assert len(lines) == 1
    assert PASSWORD not in lines[0]


def test_a_dry_run_of_a_restore_knows_what_an_address_has(
    place: str, folder: Path, tmp_path: Path
) -> None:
    archive = str(tmp_path / "backup.tar.gz")
    assert run("--dir", str(folder), "backup", archive).exit_code == 0
    shown = run("restore-backup", archive, "--merge", "--dry-run").output
    assert "there" in shown
    with SessionStore(place) as store:
        assert store.count() == 1


def test_the_picker_lists_what_an_address_has(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str | None] = []

    def shown(_folder: str, _asked: Any, listed: Any) -> None:
        titles.extend(row.summary.title for row in listed.rows)

    monkeypatch.setattr(opening, "is_possible", lambda: True)
    monkeypatch.setattr(opening, "_run", shown)
    run()
    assert titles == ["Kept on a server"]


def test_the_picker_says_that_an_address_has_nothing(
    place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with SessionStore(place) as store:
        store.delete("there")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(opening, "is_possible", lambda: True)
    assert "there are no sessions at postgresql://" in run().output
