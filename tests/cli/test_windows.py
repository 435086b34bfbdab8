"""The command line on Windows: where it keeps sessions, what a code page lacks, odd names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cli.conftest import Cli


REPORT = "\u043e\u0442\u0447\u0451\u0442"


def test_sessions_are_in_the_local_data_of_the_user(cli: Cli) -> None:
    shown = cli.process("path", env={"LOCALSESSIONS_DIR": ""}).stdout.decode().strip()
    assert Path(shown).parts[-3:] == ("AppData", "Local", "localsessions")


@pytest.mark.parametrize(
    ("page", "title", "shown"),
    [
        ("cp1252", "caf\xe9 \u65e5\u672c", b"caf\xe9 \\u65e5\\u672c"),
        (
            "cp866",
            "\u043e\u0442\u0447\u0451\u0442 \u2603",
            "\u043e\u0442\u0447\u0451\u0442 ".encode("cp866") + b"\\u2603",
        ),
        ("utf-8", "\u65e5\u672c", "\u65e5\u672c".encode()),
    ],
)
def test_in_a_pipe_what_a_code_page_lacks_is_escaped(
    cli: Cli, page: str, title: str, shown: bytes
) -> None:
    cli.add("s", title=title)
    done = cli.process("list", env={"PYTHONIOENCODING": page, "PYTHONUTF8": "0"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert shown in done.stdout


def test_json_in_a_pipe_is_the_same_on_every_code_page(cli: Cli) -> None:
    cli.add("s", title="\u65e5\u672c")
    outputs = {
        cli.process("list", "--json", env={"PYTHONIOENCODING": page, "PYTHONUTF8": "0"}).stdout
        for page in ("cp1252", "cp437", "utf-8")
    }
    assert len(outputs) == 1


def test_a_session_is_not_exported_to_a_stream_of_another_file(cli: Cli, tmp_path: Path) -> None:
    cli.add("s")
    (tmp_path / "other").write_bytes(b"mine")
    result = cli("export", "s", "--output", str(tmp_path / "other:b"))
    assert result.exit_code == 1
    assert "other:b: on Windows a name with ':' is a stream of another file" in result.stderr
    assert os.listdir(tmp_path).count("other") == 1
    assert (tmp_path / "other").read_bytes() == b"mine"


def test_a_drive_is_no_stream(cli: Cli, tmp_path: Path) -> None:
    cli.add("s")
    assert cli("export", "s", "--output", str(tmp_path / "s.md")).exit_code == 0
    assert (tmp_path / "s.md").exists()
