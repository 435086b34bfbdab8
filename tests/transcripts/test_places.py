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
    "kilo": ".config/Code/User/globalStorage/kilocode.kilo-code/tasks",
    "cursor": ".config/Cursor/User/workspaceStorage/w/state.vscdb",
    "opencode": ".local/share/opencode/opencode.db",
}
EXTENSIONS = [
    ("cline", "saoudrizwan.claude-dev"),
    ("cline", "saoudrizwan.cline-nightly"),
    ("roo", "rooveterinaryinc.roo-cline"),
    ("roo", "rooveterinaryinc.roo-code-nightly"),
    ("kilo", "kilocode.kilo-code"),
]
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


@pytest.mark.parametrize("editor", ["Code", "Code - Insiders", "VSCodium", "Cursor"])
@pytest.mark.parametrize("system", CONFIG)
def test_what_editors_made_of_vs_code_keep_is_found_on_each_system(
    system: str, editor: str, tmp_path: Path
) -> None:
    user = f"{CONFIG[system]}/{editor}/User"
    expected = [
        ("copilot-chat", make(tmp_path, f"{user}/workspaceStorage/1a2b/chatSessions")),
        ("copilot-chat", make(tmp_path, f"{user}/globalStorage/emptyWindowChatSessions")),
    ]
    expected += [
        (program, make(tmp_path, f"{user}/globalStorage/{extension}/tasks"))
        for program, extension in EXTENSIONS
    ]
    assert found(tmp_path, system) == expected


@pytest.mark.parametrize("server", [".vscode-server", ".vscode-server-insiders", ".cursor-server"])
def test_what_an_extension_keeps_where_its_editor_is_on_another_machine_is_found(
    server: str, tmp_path: Path
) -> None:
    expected = [
        (program, make(tmp_path, f"{server}/data/User/globalStorage/{extension}/tasks"))
        for program, extension in EXTENSIONS
    ]
    assert found(tmp_path) == expected


@pytest.mark.parametrize(
    ("program", "place"),
    [
        ("cline", ".cline/data/tasks"),
        ("roo", ".vscode-mock/global-storage/tasks"),
        ("kilo", ".kilocode/cli/global/tasks"),
    ],
)
@pytest.mark.parametrize("system", CONFIG)
def test_what_the_command_line_of_an_extension_keeps_is_found_on_each_system(
    program: str, place: str, system: str, tmp_path: Path
) -> None:
    path = make(tmp_path, place)
    assert found(tmp_path, system) == [(program, path)]


def test_of_two_variables_that_move_a_folder_the_nearer_one_counts(tmp_path: Path) -> None:
    path, _ = make(tmp_path, "data/tasks"), make(tmp_path, "cline/data/tasks")
    variables = {"CLINE_DATA_DIR": tmp_path / "data", "CLINE_DIR": tmp_path / "cline"}
    moved = {name: str(to) for name, to in variables.items()}
    assert found(tmp_path, **moved) == [("cline", path)]


@pytest.mark.parametrize(
    ("variable", "rest", "program", "system"),
    [
        ("CLAUDE_CONFIG_DIR", "projects", "claude-code", "linux"),
        ("COPILOT_HOME", "session-state", "copilot-cli", "linux"),
        ("CLINE_DIR", "data/tasks", "cline", "win32"),
        ("CLINE_DIR", "data/sessions", "cline", "darwin"),
        ("CLINE_DATA_DIR", "tasks", "cline", "linux"),
        ("CLINE_DATA_DIR", "sessions", "cline", "linux"),
        ("CLINE_SESSION_DATA_DIR", "", "cline", "linux"),
        ("CODEX_HOME", "sessions", "codex", "darwin"),
        ("XDG_CONFIG_HOME", CURSOR, "cursor", "linux"),
        ("XDG_DATA_HOME", "opencode/storage", "opencode", "linux"),
        ("APPDATA", CURSOR, "cursor", "win32"),
    ],
)
def test_a_folder_that_a_variable_names_is_taken(
    variable: str, rest: str, program: str, system: str, tmp_path: Path
) -> None:
    path = make(tmp_path, f"moved/{rest}".rstrip("/"))
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
