"""Where programs keep their chats, on each system."""

from __future__ import annotations

from pathlib import Path

import pytest

from localsessions.transcripts import PROGRAMS, known_places

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
