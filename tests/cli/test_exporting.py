"""``import`` and ``export``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Cli

TRANSCRIPTS = Path(__file__).parents[2] / "examples" / "transcripts"
CLAUDE = str(TRANSCRIPTS / "claude" / "ccviewer-1af7fc5e.jsonl")


def test_export_prints_markdown(cli: Cli) -> None:
    cli.add("s", "text", title="T")
    assert cli("export", "s").stdout.startswith("# T\n")
    assert cli("export", "s", "-o", "-").stdout.startswith("# T\n")


def test_export_of_json_is_the_file_to_the_byte(cli: Cli) -> None:
    cli.add("s", "Привет \x1b \ud800")
    result = cli.process("export", "s", "--format", "json")
    assert result.stdout == (cli.folder / "s.json").read_bytes()


@pytest.mark.parametrize(
    ("name", "options", "beginning"),
    [
        ("a.md", [], "# T"),
        ("a.json", [], "{\n"),
        ("a.jsonl", [], '{"messages"'),
        ("a.txt", [], "# T"),
        ("a.md", ["--format", "jsonl"], '{"messages"'),
    ],
)
def test_the_format_of_a_file_is_what_its_name_ends_with(
    cli: Cli, tmp_path: Path, name: str, options: list[str], beginning: str
) -> None:
    cli.add("s", "text", title="T")
    path = tmp_path / name
    result = cli("export", "s", "-o", str(path), *options)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"wrote {path}\n")
    assert path.read_text().startswith(beginning)


def test_a_file_that_is_there_is_overwritten_only_by_force(cli: Cli, tmp_path: Path) -> None:
    cli.add("s", "text")
    path = tmp_path / "a.md"
    path.write_text("mine")
    result = cli("export", "s", "-o", str(path))
    assert result.exit_code == 4
    assert "--force overwrites it" in result.stderr
    assert path.read_text() == "mine"
    assert cli("export", "s", "-o", str(path), "--force").exit_code == 0
    assert "text" in path.read_text()
    assert sorted(os.listdir(tmp_path)) == ["a.md", "sessions"]


@pytest.mark.needs("links")
def test_force_writes_through_a_link_and_into_a_device(cli: Cli, tmp_path: Path) -> None:
    cli.add("s", "text")
    target, link = tmp_path / "target.md", tmp_path / "link.md"
    target.write_text("old")
    link.symlink_to(target)
    cli("export", "s", "-o", str(link), "--force")
    assert link.is_symlink()
    assert "text" in target.read_text()
    assert cli("export", "s", "-o", os.devnull, "--force").exit_code == 0
    assert Path(os.devnull).is_char_device()


@pytest.mark.parametrize(
    ("name", "code", "told"),
    [
        ("missing/a.md", 3, "the folder {folder}/missing is not there; make it, or name another"),
        ("sessions", 6, "{denied}: {folder}/sessions; "),
    ],
)
def test_a_file_that_cannot_be_written_says_so_with_its_path(
    cli: Cli, tmp_path: Path, name: str, code: int, told: str
) -> None:
    cli.add("s", "text")
    result = cli("export", "s", "--force", "-o", str(tmp_path / name))
    # Windows refuses to open a folder as a file.
    denied = "this is a folder, and no file" if os.name == "posix" else "you have no permission"
    wanted = told.format(folder=tmp_path, denied=denied).replace("/", os.sep)
    assert result.exit_code == code
    assert result.stderr.startswith(f"error: {wanted}")
    assert ".tmp" not in result.stderr


# many sessions


@pytest.fixture
def three(cli: Cli) -> Cli:
    for name in ("a", "b", "c d"):
        cli.add(name, f"text of {name}")
    with cli.store() as store:
        store.tag("a", "work")
        store.tag("c d", "work")
    return cli


@pytest.mark.parametrize(("kind", "suffix"), [("markdown", ".md"), ("json", ".json")])
def test_many_sessions_are_files_of_a_folder(
    three: Cli, tmp_path: Path, kind: str, suffix: str
) -> None:
    folder = tmp_path / "chats"
    result = three("export", "--tag", "work", "--format", kind, "-o", str(folder))
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.endswith(f"wrote 2 sessions to {folder}\n")
    assert sorted(path.name for path in folder.iterdir()) == [f"a{suffix}", f"c d{suffix}"]
    assert "text of c d" in (folder / f"c d{suffix}").read_text()
    again = three("export", "--tag", "work", "--format", kind, "-o", str(folder))
    assert again.exit_code == 4
    assert "is there already, and 1 more; nothing was written; --force" in again.stderr
    assert three("export", "--all", "--format", kind, "-o", str(folder), "-f").exit_code == 0
    assert len(list(folder.iterdir())) == 3


def test_many_sessions_are_lines_of_chat_completions(three: Cli, tmp_path: Path) -> None:
    printed = three("export", "--all", "--format", "jsonl")
    assert len([json.loads(line) for line in printed.stdout.splitlines()]) == 3
    target = tmp_path / "all.jsonl"
    assert three("export", "--all", "-o", str(target)).exit_code == 0
    assert target.read_bytes() == printed.stdout_bytes


def test_a_session_that_cannot_be_read_is_said_and_the_others_are_written(
    three: Cli, tmp_path: Path
) -> None:
    three.write("torn", "{")
    result = three("export", "--all", "-o", str(tmp_path / "chats"))
    assert result.exit_code == 5
    assert "left out: " in result.stderr
    assert "torn.json" in result.stderr
    assert result.stderr.endswith(f"wrote 3 sessions to {tmp_path / 'chats'}\n")
    assert three("export", "--all", "--readable", "-o", str(tmp_path / "two")).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "say which sessions: a SESSION or more, a filter (--project FOLDER), or '-'"),
        (["a", "--all"], "--all is about all sessions: name none"),
        (["a", "--tag", "work"], "name some SESSIONs, or give a filter, but not both"),
        (["--all"], "many sessions need -o FOLDER, or --format jsonl"),
        (["--all", "--preview"], "--preview shows one SESSION"),
    ],
)
def test_what_does_not_go_together_is_refused(three: Cli, arguments: list[str], why: str) -> None:
    result = three("export", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert why in result.stderr


def test_all_means_archived_ones_too(three: Cli, tmp_path: Path) -> None:
    with three.store() as store:
        store.archive("a")
    assert len(three("export", "--all", "--format", "jsonl").stdout.splitlines()) == 3
    filtered = three("export", "--tag", "work", "--format", "jsonl").stdout
    assert len(filtered.splitlines()) == 1
    (tmp_path / "file").write_text("")
    result = three("export", "--all", "-o", str(tmp_path / "file"))
    assert (result.exit_code, result.stdout) == (4, "")


def test_a_line_that_is_completed_says_nothing_about_times(cli: Cli) -> None:
    cli.add("s")
    done = cli.process(
        env={
            "_LOCALSESSIONS_COMPLETE": "bash_complete",
            "COMP_WORDS": "localsessions list --since yesterday --ag",
            "COMP_CWORD": "4",
        }
    )
    assert (done.stdout, done.stderr) == (b"plain,--agent\n", b"")
