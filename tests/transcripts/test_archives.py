"""ZIP and zstd: what is in them comes in, within bounds, and no name in them leads anywhere."""

from __future__ import annotations

import importlib
import json
import random
import stat
import struct
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from localsessions.store import SessionStore
from localsessions.transcripts import archives, file_state, import_paths, read_transcript
from localsessions.transcripts.importing import read_transcripts
from localsessions.transcripts.source import Source, Unread, read_sources

from .records import claude_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import JsonValue

EXAMPLES = Path(__file__).parents[2] / "examples" / "transcripts"


def said(*texts: str) -> bytes:
    messages: list[JsonValue] = [{"role": "user", "content": text} for text in texts]
    return json.dumps(messages).encode()


def claude(text: str) -> bytes:
    return json.dumps(claude_record("user", text, text, sessionId="s")).encode() + b"\n"


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def reasons(path: Path) -> dict[str, str | None]:
    """Return why each file of an archive was left out, by its path after the archive's name."""
    found = read_transcripts(path)
    return {one.report.path.removeprefix(str(path)): one.report.skipped for one in found}


def test_each_json_file_of_a_zip_is_a_source(tmp_path: Path) -> None:
    path = zipped(tmp_path / "export.zip", {"a.json": said("x"), "b/c.jsonl": claude("y")})
    found = list(read_transcripts(path))
    assert [(one.report.path, one.report.format, one.report.messages) for one in found] == [
        (f"{path}!a.json", "openai-messages", 1),
        (f"{path}!b/c.jsonl", "claude-jsonl", 1),
    ]
    assert [one.sessions[0].session_id for one in found] == ["a", "s"]
    assert found[0].sessions[0].source["file"] == f"{path}!a.json"


def test_sessions_of_a_zip_are_imported_once(tmp_path: Path) -> None:
    path = zipped(tmp_path / "export.zip", {"a.json": said("x"), "b.json": said("y", "z")})
    with SessionStore(tmp_path / "store", durability="fast") as store:
        first = import_paths(store, [path])
        again = import_paths(store, [path])
    assert (first.total.imported, first.total.messages) == (2, 3)
    assert (again.total.unchanged, again.total.added) == (2, 0)


def test_read_transcript_gives_all_sessions_of_a_zip(tmp_path: Path) -> None:
    members = {"a.json": said("x"), "b.json": b"{}", "c.jsonl": claude("y") + b"torn\n"}
    found = read_transcript(zipped(tmp_path / "export.zip", members))
    assert [session.session_id for session in found.sessions] == ["a", "s"]
    assert (found.report.messages, found.report.skipped) == (2, None)
    assert [bad.line for bad in found.report.bad_lines] == [2]


def test_other_files_of_a_zip_are_counted(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.json": said("x"), "p.png": b"\x89PNG", "q.html": b"<p>"})
    assert reasons(path) == {"!a.json": None, "": "holds 2 more files, which are not JSON"}


def test_a_zip_with_a_name_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"é.json": said("x")})
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xc3("))
    reason = str(read_transcript(path).report.skipped)
    assert "a ZIP archive that is damaged: 'utf-8' codec can't decode" in reason


def test_a_file_without_a_name_in_a_zip_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("n", b"{}")
    path.write_bytes(nameless(path.read_bytes()))
    reason = str(read_transcript(path).report.skipped)
    assert reason == "a ZIP archive without a JSON file (with 1 others)"


def nameless(data: bytes) -> bytes:
    """Return an archive of one file whose name has one byte, without that name."""
    local, central, end = (data.index(sign) for sign in (b"PK\3\4", b"PK\1\2", b"PK\5\6"))
    parts = [
        data[local : local + 26] + bytes(2) + data[local + 28 : local + 30],
        data[local + 31 : central],
        data[central : central + 28] + bytes(2) + data[central + 30 : central + 46],
        data[central + 47 : end],
        data[end : end + 12],
        (end - central - 1).to_bytes(4, "little") + (central - 1).to_bytes(4, "little"),
        data[end + 20 :],
    ]
    return b"".join(parts)


def test_zip_without_json_is_named(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"p.png": b"\x89PNG"})
    assert reasons(path) == {"": "a ZIP archive without a JSON file (with 1 others)"}


@pytest.mark.parametrize("name", ["../../up.json", "/etc/up.json", "C:\\up.json", "a\x1b[2J.json"])
def test_name_in_a_zip_is_a_label_only(tmp_path: Path, name: str) -> None:
    (tmp_path / "up.json").write_bytes(b'"never read"')
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    path = zipped(folder / "a.zip", {name: said("x")})
    (found,) = read_sources(str(path))
    assert isinstance(found, Source)
    assert found.document == json.loads(said("x"))
    assert found.path.isprintable()
    assert found.beside("../../up.json") is None
    assert list(found.folder_beside("../..", "a")) == []


def test_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("a.json")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    assert reasons(path) == {"!a.json": "a symbolic link in an archive"}


def patched(path: Path, change: Callable[[bytearray, int, int], None]) -> Path:
    """Change the only member's local header and its entry in the directory of a ZIP."""
    data = bytearray(path.read_bytes())
    change(data, 0, data.index(b"PK\x01\x02"))
    path.write_bytes(data)
    return path


def test_encrypted_file_in_a_zip_is_refused(tmp_path: Path) -> None:
    def encrypt(data: bytearray, local: int, entry: int) -> None:
        data[local + 6] |= 1
        data[entry + 8] |= 1

    path = patched(zipped(tmp_path / "a.zip", {"a.json": said("x")}), encrypt)
    assert reasons(path) == {"!a.json": "encrypted"}


TRAP = "more than 100 times its size when it is unpacked, as a trap is"


def test_file_that_unpacks_to_a_hundredfold_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.json": said("x" * 1_000_000), "b.json": said("y")})
    assert reasons(path) == {"!a.json": TRAP, "!b.json": None}


def test_size_that_a_zip_states_is_not_believed(tmp_path: Path) -> None:
    def lie(data: bytearray, local: int, entry: int) -> None:
        for at in (local + 22, entry + 24):
            data[at : at + 4] = struct.pack("<I", 10)

    path = patched(zipped(tmp_path / "a.zip", {"a.json": said("x" * 1_000_000)}), lie)
    (reason,) = reasons(path).values()
    assert reason is not None
    assert reason.startswith("cannot be read: damaged: ")


def test_file_larger_than_the_bound_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_LARGEST_BYTES", 1000)
    text = "".join(random.Random(1).choices("0123456789", k=20_000))
    path = zipped(tmp_path / "a.zip", {"a.json": said(text)})
    assert reasons(path) == {"!a.json": "larger than 1000 bytes when it is unpacked"}


def test_damaged_file_in_a_zip_is_named_and_the_next_comes_in(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.json": said("x" * 50, "abc"), "b.json": said("y")})
    data = bytearray(path.read_bytes())
    at = data.index(b"a.json") + 12
    data[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    found = reasons(path)
    assert str(found["!a.json"]).startswith("cannot be read: damaged: ")
    assert found["!b.json"] is None


def test_zip_that_is_cut_off_is_named(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.json": said("x")})
    path.write_bytes(path.read_bytes()[:-30])
    (reason,) = reasons(path).values()
    assert str(reason).startswith("cannot be read: a ZIP archive that is damaged: ")


# zstd


def compressed(*parts: bytes) -> bytes:
    """Return a zstd frame for each part."""
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    zstd = importlib.import_module(name)
    return b"".join(zstd.compress(part) for part in parts)


def noise(number: int) -> bytes:
    """Return lines that cannot be made much shorter."""
    signs = random.Random(number)
    return b"".join(claude(signs.randbytes(400).hex()) for _ in range(number))


@pytest.mark.needs("zstd")
def test_lines_compressed_with_zstd_come_in(tmp_path: Path) -> None:
    path = tmp_path / "rollout.jsonl.zst"
    path.write_bytes(compressed(claude("x") + claude("y"), claude("z")))
    found = read_transcript(path)
    assert (found.report.format, found.report.messages) == ("claude-jsonl", 3)
    assert found.report.bad_lines == ()


@pytest.mark.needs("zstd")
def test_name_without_the_suffix_of_zstd_makes_the_id(tmp_path: Path) -> None:
    path = tmp_path / "chat.json.zst"
    path.write_bytes(compressed(said("x")))
    assert read_transcript(path).sessions[0].session_id == "chat"


@pytest.mark.needs("zstd")
@pytest.mark.parametrize("fault", ["torn", "damaged"])
def test_what_stands_before_a_fault_of_zstd_comes_in(tmp_path: Path, fault: str) -> None:
    data = compressed(noise(3000))
    middle = len(data) // 2
    data = data[:middle] if fault == "torn" else data[:middle] + b"\0" * 99 + data[middle:]
    path = tmp_path / "rollout.jsonl.zst"
    path.write_bytes(data)
    report = read_transcript(path).report
    assert 100 < report.messages < 2000
    words = "ends in the middle" if fault == "torn" else "damaged from here on"
    assert words in report.bad_lines[-1].reason


@pytest.mark.needs("zstd")
def test_zstd_that_unpacks_to_a_hundredfold_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trap.json.zst"
    path.write_bytes(compressed(said("x" * 50_000_000)))
    assert read_transcript(path).report.skipped == f"cannot be read: {TRAP}"


def test_zstd_without_its_extra_names_the_pip_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("compression", "compression.zstd", "backports", "backports.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd" + b"\0" * 20)
    (found,) = read_sources(str(path))
    assert isinstance(found, Unread)
    assert found.reason.endswith('zstd needs: pip install "localsessions[zstd]"')


@pytest.mark.parametrize("program", ["cline", "roo"])
def test_a_session_has_the_id_that_it_has_in_its_folder(tmp_path: Path, program: str) -> None:
    data = (EXAMPLES / program / "api_conversation_history.json").read_bytes()
    task = tmp_path / "1784" / "api_conversation_history.json"
    task.parent.mkdir()
    task.write_bytes(data)
    packed = zipped(tmp_path / "x.zip", {"1784/api_conversation_history.json": data})
    ids = [read_transcript(path).sessions[0].session_id for path in (task, packed)]
    assert ids == ["1784", "1784"]


def test_a_sub_agent_in_an_archive_has_its_parent(tmp_path: Path) -> None:
    record = {
        "type": "user", "uuid": "u", "sessionId": "agent-q", "isSidechain": True, "agentId": "q",
        "message": {"role": "user", "content": "look"},
    }  # fmt: skip
    name = "x/subagents/agent-q.jsonl"
    (session,) = read_transcript(
        zipped(tmp_path / "a.zip", {name: json.dumps(record).encode()})
    ).sessions
    assert session.source["parent"] == {"session_id": "x"}


def test_a_name_with_an_exclamation_mark_is_one_name(tmp_path: Path) -> None:
    path = zipped(tmp_path / "b!c.zip", {"d!e.json": said("x")})
    (session,) = read_transcript(path).sessions
    assert session.session_id == "d!e"
    assert file_state(f"{path}!d!e.json") == file_state(str(path))
