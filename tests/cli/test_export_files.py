"""Who may read an exported file, and what ``export`` says that it left out."""

from __future__ import annotations

import errno
import json
import os
import stat
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .conftest import Cli


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o022, 0o277])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.needs("modes")
@pytest.mark.usefixtures("umask")
def test_only_the_owner_may_read_a_new_file(cli: Cli, tmp_path: Path) -> None:
    cli.add("s", "text")
    cli("export", "s", "-o", str(tmp_path / "new.md"))
    assert mode_of(tmp_path / "new.md") == 0o600


@pytest.mark.needs("modes")
@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o660, 0o644, 0o666, 0o400, 0o4755])
def test_a_file_that_is_replaced_keeps_its_mode(cli: Cli, tmp_path: Path, mode: int) -> None:
    cli.add("s", "text")
    path = tmp_path / "a.json"
    path.touch()
    path.chmod(mode)
    assert cli("export", "s", "-o", str(path), "--force").exit_code == 0
    assert mode_of(path) == mode & 0o777
    assert path.read_bytes() == (cli.folder / "s.json").read_bytes()


@pytest.mark.needs("another user")
def test_a_file_of_another_user_stays_theirs(cli: Cli, tmp_path: Path) -> None:
    cli.add("s", "text")
    path = tmp_path / "a.md"
    path.touch()
    path.chmod(0o640)
    os.chown(path, 1234, 2345)
    cli("export", "s", "-o", str(path), "--force")
    found = path.stat()
    assert (found.st_uid, found.st_gid, mode_of(path)) == (1234, 2345, 0o640)


@pytest.mark.needs("another user")
def test_a_group_that_cannot_be_kept_gives_no_other_group_its_rights(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int, uid: int, gid: int) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    cli.add("s", "text")
    path = tmp_path / "a.md"
    path.touch()
    path.chmod(0o664)
    os.chown(path, 1234, 2345)
    monkeypatch.setattr(os, "fchown", refuse)
    cli("export", "s", "-o", str(path), "--force")
    assert (path.stat().st_gid, mode_of(path)) == (os.getgid(), 0o604)


def test_what_json_lines_leave_out_is_said_beside_them(cli: Cli, tmp_path: Path) -> None:
    picture = {"type": "image", "source": {"media_type": "image/png", "data": "AAAA"}}
    document = {
        "session_id": "s",
        "messages": [
            {"role": "assistant", "content": ["hm", picture], "reasoning": "why"},
            {"role": "tool", "tool_call_id": "gone", "content": "x"},
        ],
    }
    cli.folder.mkdir(exist_ok=True)
    (cli.folder / "s.json").write_text(json.dumps(document))
    said = "left out: results without a call (1), reasoning (1), pictures (1)\n"
    printed = cli("export", "s", "--format", "jsonl")
    assert (printed.exit_code, printed.stderr) == (0, said)
    path = tmp_path / "a.jsonl"
    assert cli("export", "s", "-o", str(path)).stderr == f"wrote {path}\n{said}"
    assert path.read_text() == printed.stdout
    assert cli("export", "s", "--format", "json").stderr == ""
