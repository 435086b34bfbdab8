"""What is no backup is refused with what and where, and nothing is changed."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import random
import tarfile
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from localsessions import BackupError, SessionStore
from localsessions.backups import back_up, check_backup, manifests, restore_backup
from localsessions.models import SessionCopy

from .archive import MANIFEST, Part, edited, file_of, made, parts_of, put_together, sealed


@pytest.fixture
def data(store: SessionStore) -> bytes:
    """A backup of two sessions, a checkpoint and a deleted session."""
    for name in ("a", "b", "gone"):
        store.create(name)
        store.append(name, {"role": "user", "content": f"words of {name} " * 50})
    store.save_checkpoint("a", {"step": 1})
    store.delete("gone")
    return made(store, compression="none")


def with_member(part: Part, **told: Any) -> Callable[[bytes], bytes]:
    """Put one more member in, which the manifest names, too."""

    def change(data: bytes) -> bytes:
        header, content = part
        parts = parts_of(data)
        document = json.loads(parts[-1][1])
        entry = {
            "name": header.name,
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "session_id": "x",
            "modified_at": "2026-01-01T00:00:00Z",
            **told,
        }
        document["members"].append(entry)
        manifest = parts[-1][0], sealed(document)
        return put_together([*parts[:-1], part, manifest])

    return change


def of_kind(kind: bytes, name: str = "x.json") -> Part:
    header = tarfile.TarInfo(name)
    header.type, header.linkname = kind, "/etc/passwd"
    return header, b""


def swapped(data: bytes) -> bytes:
    parts = parts_of(data)
    return put_together([parts[2], parts[0], parts[1], *parts[3:]])


def with_long_header(data: bytes) -> bytes:
    """A header that wants gigabytes of memory for a name."""
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 8 << 30
    return header.tobuf(tarfile.GNU_FORMAT) + data


def with_huge_member(data: bytes) -> bytes:
    header = tarfile.TarInfo("x.json")
    header.size = 1 << 40
    return header.tobuf(tarfile.GNU_FORMAT) + data


def with_negative_size(data: bytes) -> bytes:
    block = bytearray(tarfile.TarInfo("x.json").tobuf(tarfile.GNU_FORMAT))
    block[124:136] = b"\xff" * 12
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block[:512])
    return bytes(block) + data


def told(**fields: object) -> Callable[[bytes], bytes]:
    """Change what the manifest says of the backup."""
    return lambda data: edited(data, lambda document: document.update(fields))


def of_first(**fields: object) -> Callable[[bytes], bytes]:
    """Change what the manifest says of the first member."""
    return lambda data: edited(data, lambda document: document["members"][0].update(fields))


DELETION: dict[str, Any] = {
    "session_id": "x",
    "source": {},
    "deleted_at": "2026-01-02T00:00:00Z",
    "moved_to": None,
}


def of_manifest(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Change the bytes of the manifest, and not its hash."""

    def changed(data: bytes) -> bytes:
        *parts, (header, told) = parts_of(data)
        assert change(told) != told
        return put_together([*parts, (header, change(told))])

    return changed


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def one_bit(data: bytes, where: bytes = b"words of b") -> bytes:
    changed = bytearray(data)
    changed[data.index(where)] ^= 1
    return bytes(changed)


CASES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "nothing": (lambda _: b"", "ends in the middle"),
    "a text": (lambda _: b"hello\n" * 200, "no archive of tar"),
    "cut": (half, "ends in the middle"),
    "cut, compressed": (lambda data: half(gzip.compress(data)), "cut or garbled"),
    "the end is cut": (lambda data: data.rstrip(b"\0")[:-600], "ends in the middle"),
    "without its end": (lambda data: put_together(parts_of(data)[:-1]), "no manifest"),
    "a bit is other": (one_bit, "not those of the manifest"),
    "a compressed bit is other": (
        lambda data: bytes(gzip.compress(data)[:-6] + b"\1" + gzip.compress(data)[-5:]),
        "cut or garbled",
    ),
    "something stands behind it": (lambda data: data + b"x" * 512, "behind its end"),
    "something stands behind the compressed": (
        lambda data: gzip.compress(data) + b"x",
        "cut or garbled",
    ),
    "another archive": (lambda _: put_together([file_of("README")]), "no manifest"),
    "another manifest": (
        lambda _: put_together([file_of(MANIFEST, b'{"format": "other"}')]),
        "no manifest of a backup",
    ),
    "the manifest is no JSON": (lambda _: put_together([file_of(MANIFEST, b"{")]), "garbled"),
    "the manifest is deep": (
        lambda _: put_together([file_of(MANIFEST, b"[" * 100_000)]),
        "garbled",
    ),
    "a newer version": (told(version=2), "a newer localsessions made; upgrade"),
    "an older version": (told(version=0), "reads version 1"),
    "no version": (told(version="1"), "reads version 1"),
    "no members": (told(members=None), "garbled"),
    "members that are none": (told(members=[1]), "garbled"),
    "a size of text": (of_first(size="3"), "garbled"),
    "a size beyond the manifest": (of_first(size=3), "and 3 by the manifest"),
    "another hash": (of_first(sha256="0" * 64), "not those of the manifest"),
    "a time that no file has": (of_first(modified_at="9999-01-01T00:00:00Z"), "garbled"),
    "an id that no file has": (of_first(session_id="a/b"), "garbled"),
    "the id of another": (of_first(session_id="z"), "would be 'z.checkpoints/"),
    "a checkpoint that leads out": (of_first(checkpoint="00000001-../../x"), "garbled"),
    "a deletion of no id": (
        told(deletions=[{**DELETION, "session_id": "../x"}]),
        "garbled",
    ),
    "a manifest of which a byte is other": (
        of_manifest(lambda told: told.replace(b'"created_at": "2', b'"created_at": "3')),
        "its hash is another",
    ),
    "a manifest without its hash": (
        of_manifest(lambda told: told.replace(b'"sha256": "', b'"md5": "')),
        "garbled",
    ),
    "a manifest that says more behind its hash": (
        of_manifest(lambda told: told + b"\n"),
        "its hash is another",
    ),
    "a deletion that is none": (told(deletions=[{"session_id": "x"}]), "garbled"),
    "a name that leads out": (with_member(file_of("../x.json")), "'../x.json'"),
    "a whole path": (with_member(file_of("/etc/x.json")), "'/etc/x.json'"),
    "a path of Windows": (with_member(file_of("C:\\x.json")), "would be 'x.json'"),
    "a name of a device": (with_member(file_of("nul.json"), session_id="nul"), "%6Eul.json"),
    "a private folder": (
        with_member(file_of(".localsessions/index.sqlite3")),
        "'.localsessions/index.sqlite3'",
    ),
    "a symbolic link": (with_member(of_kind(tarfile.SYMTYPE)), "a link to '/etc/passwd'"),
    "a hard link": (with_member(of_kind(tarfile.LNKTYPE)), "a link to '/etc/passwd'"),
    "a device": (with_member(of_kind(tarfile.CHRTYPE)), "a device or a pipe"),
    "a pipe": (with_member(of_kind(tarfile.FIFOTYPE)), "a device or a pipe"),
    "a folder": (with_member(of_kind(tarfile.DIRTYPE)), "a folder"),
    "a sparse file": (with_member(of_kind(tarfile.GNUTYPE_SPARSE)), "not a file"),
    "a header for gigabytes": (with_long_header, "is no name"),
    "a member of a terabyte": (with_huge_member, "are no session"),
    "a member of less than nothing": (with_negative_size, "are no session"),
    "a member twice": (
        lambda data: put_together([parts_of(data)[0], *parts_of(data)]),
        "it is there twice",
    ),
    "names that differ by case": (with_member(file_of("A.json"), session_id="A"), "letter case"),
    "a member that is missing": (lambda data: put_together(parts_of(data)[1:]), "it is missing"),
    "a member without a name": (
        lambda data: put_together([file_of("x.json"), *parts_of(data)]),
        "does not name it",
    ),
    "a member behind the manifest": (
        lambda data: put_together([*parts_of(data), file_of("x.json")]),
        "behind the manifest",
    ),
    "another order": (swapped, "another order"),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_and_nothing_is_changed(case: str, data: bytes, tmp_path: Path) -> None:
    change, why = CASES[case]
    target = tmp_path / "target"
    with pytest.raises(BackupError) as caught, SessionStore(target) as store:
        restore_backup(store, check_backup(BytesIO(change(data))))
    assert why in str(caught.value)
    assert "nothing was changed" in str(caught.value)
    assert [path.name for path in target.iterdir()] == [".localsessions"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sessions", "target"]


def test_what_the_table_changes_is_restored_unchanged(data: bytes, tmp_path: Path) -> None:
    for same in (data, put_together(parts_of(data)), edited(data, lambda _: None)):
        with SessionStore(tmp_path / f"target{len(list(tmp_path.iterdir()))}") as store:
            assert len(restore_backup(store, check_backup(BytesIO(same))).brought) == 3


@pytest.mark.needs("zstd")
def test_what_is_compressed_with_zstd_is_refused_alike(store: SessionStore) -> None:
    store.create("a")
    packed = made(store, compression="zstd")
    for bad in (packed[:-9], packed[:20] + b"\0" + packed[21:], packed + b"more"):
        with pytest.raises(BackupError):
            check_backup(BytesIO(bad))


@pytest.mark.parametrize("seed", range(20))
def test_an_archive_with_random_damage_is_refused_or_the_same(data: bytes, seed: int) -> None:
    chance = random.Random(seed)
    garbled = bytearray(data if seed % 2 else gzip.compress(data))
    before = check_backup(BytesIO(garbled)).manifest
    for _ in range(3):
        garbled[chance.randrange(len(garbled))] ^= 1 << chance.randrange(8)
    try:
        after = check_backup(BytesIO(garbled)).manifest
    except BackupError:
        return
    assert after == before


def test_a_file_that_changes_after_the_check_brings_nothing_else(
    data: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "chats.tar"
    path.write_bytes(data)
    with path.open("rb") as file, SessionStore(tmp_path / "target") as store:
        backup = check_backup(file)
        path.write_bytes(one_bit(data, b"words of gone"))
        with pytest.raises(BackupError, match="changed while it was restored") as caught:
            restore_backup(store, backup)
        assert [one.session_id for one in store.list()] == ["a"]
        assert store.trash() == []
    assert caught.value.brought == 1
    assert "1 session is restored, whole" in str(caught.value)
    assert "nothing was changed" not in str(caught.value)


def test_a_file_that_is_shortened_after_the_check_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "chats.tar"
    path.write_bytes(data)
    with path.open("rb") as file, SessionStore(tmp_path / "target") as store:
        backup = check_backup(file)
        path.write_bytes(put_together(parts_of(data)[:3]))
        with pytest.raises(BackupError, match="changed while it was restored") as caught:
            restore_backup(store, backup)
        assert [one.session_id for one in store.list()] == ["a"]
    assert caught.value.brought == 1


def test_nothing_was_changed_by_a_dry_run_of_what_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "chats.tar"
    path.write_bytes(data)
    with path.open("rb") as file, SessionStore(tmp_path / "target") as store:
        backup = check_backup(file)
        path.write_bytes(one_bit(data))
        with pytest.raises(BackupError, match="nothing was changed") as caught:
            restore_backup(store, backup, dry_run=True)
    assert caught.value.brought == 0


def test_a_manifest_that_nobody_would_read_is_not_written(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create("a")
    size = len(back_up(store, BytesIO()).encode())
    monkeypatch.setattr(manifests, "LARGEST_BYTES", size - 1)
    with pytest.raises(OSError, match="back up both") as caught:
        back_up(store, BytesIO())
    assert caught.value.errno == errno.EFBIG
    monkeypatch.setattr(manifests, "LARGEST_BYTES", size)
    check_backup(BytesIO(made(store)))


def test_two_sessions_whose_names_differ_by_case_are_told_at_the_backup(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create("a")
    (copy,) = store.engine.copies()
    assert isinstance(copy, SessionCopy)
    both = [copy, replace(copy, session_id="A")]
    monkeypatch.setattr(store.engine, "copies", lambda: iter(both))
    manifest = back_up(store, BytesIO())
    assert [one.name for one in manifest.entries] == ["a.json"]
    assert [one.session_id for one in manifest.left_out] == ["A"]
    assert "'a.json' only by letter case" in manifest.left_out[0].reason
