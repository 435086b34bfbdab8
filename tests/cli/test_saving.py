"""``show --save-images``: files of what stands in messages beside text."""

from __future__ import annotations

import base64
import stat
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Cli

PNG = b"\x89PNG not really"
DATA = base64.b64encode(PNG).decode()


def image(media_type: str, data: str = DATA) -> dict[str, Any]:
    source = {"type": "base64", "media_type": media_type, "data": data}
    return {"type": "image", "source": source}


@pytest.fixture
def pictured(cli: Cli) -> Cli:
    name = {"filename": "../../evil.sh", "file_data": f"data:text/x-shellscript;base64,{DATA}"}
    contents: list[Any] = [
        "text",
        [image("image/png"), {"type": "text", "text": "two"}, image("image/jpeg")],
        [{"type": "image_url", "image_url": "https://x.example/y.png"}],
        [{"type": "file", "file": name}, image("../../x.exe"), image("image/png", "no base64!")],
        [{"type": "tool_result", "tool_use_id": "t", "content": [image("image/gif")]}],
    ]
    with cli.store() as store:
        store.create("s")
        store.append("s", *({"role": "user", "content": one} for one in contents))
    return cli


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_images_are_saved_by_the_number_of_their_message(pictured: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "made" / "pictures"
    result = pictured("show", "s", "--all", "--save-images", str(folder))
    assert result.exit_code == 0
    assert result.stderr == (
        f"5 files saved in {folder}\n"
        "2 attachments without data that can be read: an address, or cut\n"
    )
    assert names(folder) == [
        *("message-2-1.png", "message-2-2.jpg", "message-4-1.bin", "message-4-2.bin"),
        "message-5-1.gif",
    ]
    assert {path.read_bytes() for path in folder.iterdir()} == {PNG}
    assert names(tmp_path / "made") == ["pictures"]


@pytest.mark.needs("modes")
def test_what_is_saved_is_private(pictured: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    pictured("show", "s", "--all", "--save-images", str(folder))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_only_the_messages_that_are_shown_count(pictured: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    pictured("show", "s", "--at", "2", "--save-images", str(folder), "--json")
    assert names(folder) == ["message-2-1.png", "message-2-2.jpg"]


def test_nothing_is_overwritten_unless_it_is_asked_for(pictured: Cli, tmp_path: Path) -> None:
    there = tmp_path / "message-5-1.gif"
    there.write_bytes(b"mine")
    command = ("show", "s", "--all", "--save-images", str(tmp_path))
    before = names(tmp_path)
    result = pictured(*command)
    assert result.exit_code == 4
    assert f"error: {there} is there already; --force overwrites it\n" in result.stderr
    assert (names(tmp_path), there.read_bytes()) == (before, b"mine")
    assert pictured(*command, "--force").exit_code == 0
    assert there.read_bytes() == PNG


def test_without_images_nothing_is_made(cli: Cli, tmp_path: Path) -> None:
    cli.add("s", "text")
    result = cli("show", "s", "--save-images", str(tmp_path / "pictures"))
    assert (result.exit_code, result.stderr) == (0, "no files saved\n")
    assert not (tmp_path / "pictures").exists()


def test_a_folder_that_cannot_be_made_is_an_error_of_the_system(
    pictured: Cli, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    result = pictured("show", "s", "--all", "--save-images", str(tmp_path / "file" / "x"))
    assert result.exit_code == 6
    assert "Traceback" not in result.stderr
