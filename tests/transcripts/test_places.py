"""Where programs keep their chats, on each system."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from localsessions.transcripts import PROGRAMS, FileState, Place, file_state, known_places

CURSOR = "Cursor/User/workspaceStorage/1a2b/state.vscdb"
LINUX = {
    "claude-code": ".claude/projects",
    "codex": ".codex/archived_sessions",
    "gemini-cli": ".gemini/tmp/a1/chats",
    "copilot-chat": ".config/Code/User/workspaceStorage/w/chatSessions",
    "copilot-cli": ".copilot/session-state",
    "cline": ".cline/data/sessions",
    "roo": ".config/Code/User/globalStorage/rooveterinaryinc.roo-cline/tasks",
    "cursor": ".config/Cursor/User/workspaceStorage/w/state.vscdb",
    "opencode": ".local/share/opencode/opencode.db",
}
CONFIG = {"win32": "AppData/Roaming", "darwin": "Library/Application Support", "linux": ".config"}


def make(home: Path, path: str) -> str:
    (home / path).mkdir(parents=True)
    return str(home / path)


def found(home: Path, system: str = "linux", **environment: str) -> list[tuple[str, str]]:
    places = known_places(environment=environment, home=str(home), system=system)
    return [(place.program, place.path) for place in places]


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_program_is_found_where_it_keeps_its_chats(program: str, tmp_path: Path) -> None:
    assert found(tmp_path) == []
    path = make(tmp_path, LINUX[program])
    assert found(tmp_path) == [(program, path)]


@pytest.mark.parametrize("system", CONFIG)
def test_programs_with_a_window_are_found_on_each_system(system: str, tmp_path: Path) -> None:
    path = make(tmp_path, f"{CONFIG[system]}/{CURSOR}")
    assert found(tmp_path, system) == [("cursor", path)]


@pytest.mark.parametrize(
    ("variable", "rest", "program", "system"),
    [
        ("CLAUDE_CONFIG_DIR", "projects", "claude-code", "linux"),
        ("COPILOT_HOME", "session-state", "copilot-cli", "linux"),
        ("CODEX_HOME", "sessions", "codex", "darwin"),
        ("XDG_CONFIG_HOME", CURSOR, "cursor", "linux"),
        ("XDG_DATA_HOME", "opencode/storage", "opencode", "linux"),
        ("APPDATA", CURSOR, "cursor", "win32"),
    ],
)
def test_a_folder_that_a_variable_names_is_taken(
    variable: str, rest: str, program: str, system: str, tmp_path: Path
) -> None:
    path = make(tmp_path, f"moved/{rest}")
    assert found(tmp_path, system, **{variable: str(tmp_path / "moved")}) == [(program, path)]


def test_a_home_folder_with_characters_of_patterns_is_taken_as_it_is(tmp_path: Path) -> None:
    home = tmp_path / "a[b]"
    path = make(home, LINUX["gemini-cli"])
    assert found(home) == [("gemini-cli", path)]


def test_what_is_new_in_a_database_changes_its_state_before_it_is_in_the_file(
    tmp_path: Path,
) -> None:
    path = tmp_path / "state.vscdb"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE t (a)")
        before, size_bytes = file_state(str(path)), path.stat().st_size
        db.execute("INSERT INTO t VALUES (1)")
        assert path.stat().st_size == size_bytes
        assert file_state(str(path)) != before


def test_the_state_of_a_file_in_an_archive_is_that_of_the_archive(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    path.write_bytes(b"PK")
    assert file_state(f"{path}!conversations.json") == file_state(str(path)) is not None
    assert file_state(str(tmp_path / "gone!a.json")) is None


def test_a_change_of_a_file_means_all_where_sessions_span_files() -> None:
    now = {"/p/session/a": FileState(1, 1), "/p/part/b": FileState(2, 2)}
    grown = now | {"/p/part/b": FileState(3, 3)}
    assert Place("x", "/p").changed(now, grown) == ["/p/part/b"]
    assert Place("x", "/p", spans=True).changed(now, grown) == ["/p"]
    assert Place("x", "/p", spans=True).changed(now, now) == []
