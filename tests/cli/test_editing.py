"""``edit``, with small programs as the editor."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from click.testing import Result

    from .conftest import Cli


@pytest.fixture(autouse=True)
def temp_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def edit(cli: Cli, tmp_path: Path, script: str, *arguments: str) -> Result:
    """Edit with a Python program: ``path`` is the file, ``text`` what it holds."""
    program = tmp_path / "an editor.py"
    program.write_text(
        "import json, os, pathlib, signal, subprocess, sys\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "text = path.read_text(encoding='utf-8')\n" + script,
        encoding="utf-8",
    )
    join = shlex.join if os.name == "posix" else subprocess.list2cmdline
    editor = join([sys.executable, str(program)])
    return cli("edit", *(arguments or ("s",)), env={"EDITOR": editor, "PYTHONUTF8": "1"})


def document(cli: Cli) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((cli.folder / "s.json").read_bytes())
    return read


def kept(result: Result, temp_folder: Path) -> Path:
    line = next(line for line in result.stderr.splitlines() if "your text is kept in " in line)
    path = Path(line.partition("your text is kept in ")[2])
    assert path.is_relative_to(temp_folder)
    return path


def test_what_was_typed_is_stored(cli: Cli, tmp_path: Path, temp_folder: Path) -> None:
    cli.add("s", "one", title="Old")
    result = edit(cli, tmp_path, "path.write_text(text.replace('Old', 'Новое'))")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "stored s\n")
    assert (document(cli)["title"], document(cli)["revision"]) == ("Новое", 3)
    assert os.listdir(temp_folder) == []


def seen_by_the_editor(cli: Cli, tmp_path: Path, what: str) -> str:
    cli.add("s")
    seen = tmp_path / "seen"
    edit(cli, tmp_path, f"pathlib.Path({str(seen)!r}).write_text({what})")
    return seen.read_text()


def test_the_file_given_to_the_editor_is_named_json(cli: Cli, tmp_path: Path) -> None:
    assert seen_by_the_editor(cli, tmp_path, "path.name") == "s.json"


@pytest.mark.needs("modes")
def test_the_file_given_to_the_editor_is_private(cli: Cli, tmp_path: Path) -> None:
    assert seen_by_the_editor(cli, tmp_path, "oct(path.parent.stat().st_mode & 0o777)") == "0o700"


def test_nothing_changed_is_nothing_written(cli: Cli, tmp_path: Path, temp_folder: Path) -> None:
    cli.add("s", "one")
    before = (cli.folder / "s.json").stat()
    result = edit(cli, tmp_path, "path.write_bytes(text.encode())")
    assert (result.exit_code, result.stderr) == (0, "nothing was changed, nothing was written\n")
    assert (cli.folder / "s.json").stat() == before
    assert os.listdir(temp_folder) == []


def test_another_layout_is_nothing_written(cli: Cli, tmp_path: Path) -> None:
    cli.add("s", "one")
    before = (cli.folder / "s.json").stat()
    result = edit(cli, tmp_path, "path.write_text(json.dumps(json.loads(text)))")
    assert (result.exit_code, result.stderr) == (
        0,
        "nothing was changed but the layout, nothing was written\n",
    )
    assert (cli.folder / "s.json").stat() == before


def test_unknown_fields_are_added_where_the_person_put_them_and_removed(
    cli: Cli, tmp_path: Path
) -> None:
    cli.write("s", '{"session_id": "s", "gone": 1, "messages": [], "kept": 2}')
    result = edit(
        cli,
        tmp_path,
        """path.write_text(text.replace('"gone": 1', '"title": "T", "mine": [3]'))""",
    )
    assert result.exit_code == 0
    keys = list(document(cli))
    assert "gone" not in keys
    assert keys[keys.index("title") + 1] == "mine"
    assert keys[keys.index("messages") + 1] == "kept"


def test_a_field_that_was_removed_is_gone(cli: Cli, tmp_path: Path) -> None:
    cli.add("s", "one", title="T", user_id="ann")
    edit(
        cli,
        tmp_path,
        "made = json.loads(text)\ndel made['user_id']\npath.write_text(json.dumps(made))",
    )
    assert "user_id" not in document(cli)


def test_a_time_that_the_person_sets_is_stored(cli: Cli, tmp_path: Path) -> None:
    cli.add("s", "one")
    edit(
        cli,
        tmp_path,
        "made = json.loads(text)\n"
        "made['last_activity'] = made['created_at'] = '2020-01-31T12:00:00+02:00'\n"
        "path.write_text(json.dumps(made))",
    )
    assert document(cli)["last_activity"] == "2020-01-31T10:00:00.000Z"
    assert document(cli)["created_at"] == "2020-01-31T10:00:00.000Z"


def test_the_id_stays_and_the_person_is_told(cli: Cli, tmp_path: Path) -> None:
    cli.add("s", title="Old")
    result = edit(
        cli, tmp_path, """path.write_text(text.replace('"s"', '"t"').replace('Old', 'New'))"""
    )
    assert result.exit_code == 0
    assert "the session_id stays 's'" in result.stderr
    assert (document(cli)["session_id"], document(cli)["title"]) == ("s", "New")


def test_what_somebody_else_stored_meanwhile_is_not_overwritten(
    cli: Cli, tmp_path: Path, temp_folder: Path
) -> None:
    cli.add("s", "one", title="Old")
    result = edit(
        cli,
        tmp_path,
        "subprocess.run([sys.executable, '-m', 'localsessions', 'append', 's', '--role', 'user',"
        " 'theirs'], check=True)\n"
        "path.write_text(text.replace('Old', 'Mine'))",
    )
    assert result.exit_code == 4
    assert "was changed by someone else" in result.stderr
    assert '"title": "Mine"' in kept(result, temp_folder).read_text()
    assert [message["content"] for message in document(cli)["messages"]] == ["one", "theirs"]
    assert document(cli)["title"] == "Old"


def test_a_session_deleted_meanwhile_stays_deleted(
    cli: Cli, tmp_path: Path, temp_folder: Path
) -> None:
    cli.add("s", title="Old")
    path = str(cli.folder / "s.json")
    result = edit(
        cli, tmp_path, f"os.unlink({path!r})\npath.write_text(text.replace('Old', 'Mine'))"
    )
    assert result.exit_code == 4
    assert kept(result, temp_folder).exists()
    assert not (cli.folder / "s.json").exists()


def test_a_text_that_cannot_be_read_is_kept_and_not_stored(
    cli: Cli, tmp_path: Path, temp_folder: Path
) -> None:
    cli.add("s", "one")
    before = document(cli)
    result = edit(cli, tmp_path, "path.write_text('{\\n  \"title\": \\n}')")
    assert result.exit_code == 5
    assert "cannot be read at line 3, column 1: Expecting value" in result.stderr
    assert kept(result, temp_folder).read_text() == '{\n  "title": \n}'
    assert document(cli) == before


def test_an_editor_that_fails_stores_nothing_and_keeps_the_text(
    cli: Cli, tmp_path: Path, temp_folder: Path
) -> None:
    cli.add("s", title="Old")
    result = edit(cli, tmp_path, "path.write_text(text.replace('Old', 'Mine'))\nsys.exit(3)")
    assert result.exit_code == 6
    assert "ended with 3" in result.stderr
    assert "Mine" in kept(result, temp_folder).read_text()
    assert document(cli)["title"] == "Old"


@pytest.mark.parametrize(("script", "code"), [("sys.exit(3)", 6), ("path.unlink()", 3)])
def test_an_editor_that_leaves_nothing_leaves_no_file_behind(
    cli: Cli, tmp_path: Path, temp_folder: Path, script: str, code: int
) -> None:
    cli.add("s")
    result = edit(cli, tmp_path, script)
    assert result.exit_code == code
    assert os.listdir(temp_folder) == []


@pytest.mark.needs("signals")
def test_ctrl_c_in_the_editor_is_the_editors_own(cli: Cli, tmp_path: Path) -> None:
    cli.add("s", title="Old")
    result = edit(
        cli,
        tmp_path,
        "os.kill(os.getppid(), signal.SIGINT)\npath.write_text(text.replace('Old', 'New'))",
    )
    assert result.exit_code == 0
    assert document(cli)["title"] == "New"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("editor", "code", "message"),
    [("/nowhere/ed --wait", 6, "cannot be started: "), ("'ed", 2, "is no command")],
)
def test_an_editor_that_cannot_be_started_is_named(
    cli: Cli, editor: str, code: int, message: str
) -> None:
    cli.add("s")
    result = cli("edit", "s", env={"EDITOR": editor})
    assert result.exit_code == code
    assert message in result.stderr


def test_visual_goes_before_editor(cli: Cli) -> None:
    cli.add("s")
    editors = {"VISUAL": f"{sys.executable} -c pass", "EDITOR": f"{sys.executable} -c exit(1)"}
    assert cli("edit", "s", env=editors).exit_code == 0


def test_the_path_of_an_editor_may_stand_in_quotes(cli: Cli) -> None:
    cli.add("s")
    assert cli("edit", "s", env={"EDITOR": f'"{sys.executable}" -c pass'}).exit_code == 0


def test_a_session_of_a_newer_format_is_not_opened(cli: Cli) -> None:
    cli.write("s", '{"format": "localsessions/2", "messages": []}')
    result = cli("edit", "s", env={"EDITOR": "/nowhere"})
    assert result.exit_code == 5
    assert "upgrade localsessions" in result.stderr


def test_an_unreadable_session_is_not_opened(cli: Cli) -> None:
    path = cli.write("s", "{")
    result = cli("edit", "s", env={"EDITOR": "/nowhere"})
    assert result.exit_code == 5
    assert str(path) in result.stderr
