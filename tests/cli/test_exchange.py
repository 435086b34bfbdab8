"""``import`` and ``export``."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from localsessions.transcripts import FileReport, FormatTotals

if TYPE_CHECKING:
    from .conftest import Cli

TRANSCRIPTS = Path(__file__).parents[2] / "examples" / "transcripts"
CLAUDE = str(TRANSCRIPTS / "claude" / "ccviewer-1af7fc5e.jsonl")


def chat(path: Path, *texts: str) -> str:
    messages = [{"role": "user", "content": text} for text in texts]
    path.write_text(json.dumps({"messages": messages}))
    return str(path)


def test_import_makes_the_folder_and_shows_a_row_for_each_format(cli: Cli) -> None:
    result = cli("import", CLAUDE, str(TRANSCRIPTS / "gemini"))
    assert result.exit_code == 0
    header, *rows = (line.split() for line in result.stdout.splitlines())
    assert header[:4] == ["FORMAT", "FILES", "SESSIONS", "IMPORTED"]
    assert [row[0] for row in rows] == [*sorted(row[0] for row in rows[:-1]), "total"]
    assert len(cli.json("list")["items"]) == int(rows[-1][2])


def test_importing_again_changes_nothing(cli: Cli) -> None:
    cli("import", CLAUDE)
    before = cli("list", "--json").stdout
    document = cli.json("import", CLAUDE)
    assert document["total"]["imported"] == 0
    assert document["total"]["unchanged"] == 1
    assert cli("list", "--json").stdout == before


def test_import_as_json_has_files_and_totals(cli: Cli, tmp_path: Path) -> None:
    document = cli.json("import", chat(tmp_path / "a.json", "text"))
    assert list(document) == ["files", "totals", "total"]
    assert list(document["files"][0]) == list(FileReport.__dataclass_fields__)
    assert list(document["total"]) == list(FormatTotals.__dataclass_fields__)


def test_files_of_a_folder_that_are_no_transcripts_are_named_with_the_reason(
    cli: Cli, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    chat(folder / "a.json", "text")
    (folder / "README.md").write_text("# Nothing")
    result = cli("import", str(folder))
    assert result.exit_code == 0
    assert result.stderr.startswith(f"skipped {folder / 'README.md'}: neither JSON nor JSON Lines")


def test_a_named_file_that_is_no_transcript_ends_with_1_and_the_others_are_imported(
    cli: Cli, tmp_path: Path
) -> None:
    bad = tmp_path / "notes.txt"
    bad.write_text("# Nothing")
    result = cli("import", str(bad), chat(tmp_path / "a.json", "text"))
    assert result.exit_code == 1
    assert len(cli.json("list")["items"]) == 1


def test_nothing_but_skipped_files_makes_no_table(cli: Cli, tmp_path: Path) -> None:
    bad = tmp_path / "notes.txt"
    bad.write_text("# Nothing")
    assert cli("import", str(bad)).stdout == ""


def test_left_out_lines_are_named(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    line = '{"messages": [{"role": "user", "content": "text"}]}\n'
    path.write_text(line + '{"torn\n' + line)
    result = cli("import", str(path))
    assert f"left out {path}, line 2: " in result.stderr


def test_a_refused_session_is_named_and_ends_with_1(cli: Cli, tmp_path: Path) -> None:
    path = chat(tmp_path / "a.json", "text")
    (file,) = cli.json("import", path)["files"]
    (cli.folder / f"{file['session_ids'][0]}.json").write_text("{")
    result = cli("import", path)
    assert result.exit_code == 1
    assert f"refused {path}: session '{file['session_ids'][0]}': " in result.stderr


def test_a_path_that_is_not_there_ends_with_3_before_anything_is_done(
    cli: Cli, tmp_path: Path
) -> None:
    result = cli("import", chat(tmp_path / "a.json", "text"), "nowhere")
    assert (result.exit_code, result.stderr) == (
        3,
        "error: there is no such file or folder: nowhere\n",
    )
    assert not cli.folder.exists()


# export


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
    assert result.exit_code == 1
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
    ("name", "number"),
    [
        ("missing/a.md", errno.ENOENT),
        ("sessions", errno.EISDIR if os.name == "posix" else errno.EACCES),
    ],
)
def test_a_file_that_cannot_be_written_ends_with_1_and_its_path(
    cli: Cli, tmp_path: Path, name: str, number: int
) -> None:
    cli.add("s", "text")
    result = cli("export", "s", "--force", "-o", str(tmp_path / name))
    assert result.exit_code == 1
    assert result.stderr.startswith(
        f"error: {os.strerror(number)}: {tmp_path / name.split('/', maxsplit=1)[0]}"
    )
