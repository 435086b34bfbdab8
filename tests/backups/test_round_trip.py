"""A backup that is restored gives the same files, the same listing, trash and checkpoints."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localsessions import SessionNotFoundError, SessionStore, UnreadableSessionError
from localsessions.backups import Compression, back_up, check_backup, restore_backup
from localsessions.models import SessionCopy, StoredBytes
from localsessions.moving import move

from .archive import MANIFEST, made, parts_of

OLD = datetime(2021, 2, 3, 4, 5, 6, 789000, tzinfo=UTC).timestamp()


def files_of(folder: Path) -> Mapping[str, bytes]:
    """Return what stands in a folder, but for what is derived."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".localsessions" not in path.parts
    }


def sessions_of(folder: Path) -> Mapping[str, bytes]:
    """Return the same without what is remembered of those that were removed for good."""
    found = files_of(folder)
    return {name: found[name] for name in found if name.endswith(".json")}


def told(store: SessionStore) -> object:
    """Return what a store lists; not where it is."""
    return (
        store.list(limit=1000, fresh=True).items,
        [(one.session_id, one.deleted_at, one.checkpoints_only) for one in store.trash()],
        {one.session_id: store.checkpoints(one.session_id) for one in store.list(limit=1000)},
    )


@pytest.fixture
def full(folder: Path, store: SessionStore) -> SessionStore:
    """A store with all that can stand in a folder."""
    for name in ("plain", "con", "with:colon", "Ärger", "x" * 180, "deleted", "twice"):
        store.create(name, title=f"title of {name}")
        store.append(name, {"role": "user", "content": "words " * 100})
        store.save_checkpoint(name, {"of": name})
        store.save_checkpoint(name, {"again": name})
    for _ in range(2):
        store.delete("twice")
        store.create("twice")
    store.delete("deleted")
    for name, data in (("torn", b'{"messages": [{"role"'), ("empty", b""), ("bytes", b"\xff\0")):
        (folder / f"{name}.json").write_bytes(data)
    undated = folder / "undated.json"
    undated.write_text('{"messages": [{"role": "user", "content": "when?"}]}')
    os.utime(undated, (OLD, OLD))
    (folder / "alone.checkpoints").mkdir()
    checkpoint = next((folder / "plain.checkpoints").iterdir())
    (folder / "alone.checkpoints" / checkpoint.name).write_bytes(checkpoint.read_bytes())
    store.reindex()
    return store


@pytest.mark.parametrize(
    "compression",
    ["gzip", "none", pytest.param("zstd", marks=pytest.mark.needs("zstd"))],
)
def test_every_byte_comes_back(
    full: SessionStore, folder: Path, tmp_path: Path, compression: Compression
) -> None:
    file = BytesIO()
    manifest = back_up(full, file, compression=compression)
    assert manifest.left_out == ()
    with SessionStore(tmp_path / "other") as other:
        report = restore_backup(other, check_backup(file))
        assert (report.same, report.kept) == ([], [])
        assert told(other) == told(full)
        assert other.restore("deleted").title == "title of deleted"
        assert len(other.checkpoints("deleted")) == 2
        other.delete("deleted")
    before, after = files_of(folder), files_of(tmp_path / "other")
    assert {name for name in before if "deleted" not in name} == {
        name for name in after if "deleted" not in name
    }
    assert all(after[name] == before[name] for name in before if "deleted" not in name)


def test_unpacked_by_hand_it_is_a_folder_of_sessions(full: SessionStore, tmp_path: Path) -> None:
    with tarfile.open(fileobj=BytesIO(made(full))) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    with SessionStore(tmp_path / "unpacked") as store:
        assert {one.session_id for one in store.list()} == {one.session_id for one in full.list()}
        assert len(store.trash()) == len(full.trash())
        assert [one for one in store.verify() if one.kind == "file name"] == []


def test_the_order_is_the_same_each_time_and_the_manifest_is_last(full: SessionStore) -> None:
    one, other = (parts_of(made(full)) for _ in range(2))
    assert [header.name for header, _ in one] == [header.name for header, _ in other]
    assert one[-1][0].name == MANIFEST
    assert [data for _, data in one[:-1]] == [data for _, data in other[:-1]]
    assert {(header.uid, header.uname, header.mode) for header, _ in one} == {(0, "", 0o600)}


def test_every_name_can_stand_on_every_system(full: SessionStore) -> None:
    for header, _ in parts_of(made(full)):
        for part in header.name.split("/"):
            assert not set('<>:"|?*\\') & set(part)
            assert part.partition(".")[0].lower() not in ("con", "nul", "aux", "prn")


def test_what_a_session_without_times_is_listed_by_comes_back(
    full: SessionStore, tmp_path: Path
) -> None:
    with SessionStore(tmp_path / "other") as other:
        restore_backup(other, check_backup(BytesIO(made(full))))
        assert last_active(other) == OLD
        full.delete("undated")
        assert move(other, full, ["undated"]) == {}
        assert last_active(full) == OLD


def last_active(store: SessionStore) -> float:
    (found,) = (one for one in store.list(limit=100) if one.session_id == "undated")
    return found.last_activity.timestamp()


def test_what_cannot_be_read_at_all_is_told_and_the_rest_is_there(
    folder: Path, store: SessionStore
) -> None:
    store.create("a")
    store.save_checkpoint("a", {})
    (folder / "folder.json").mkdir()
    (folder / "a.checkpoints" / "00000009-a b?.json").write_bytes(b"{}")
    manifest = back_up(store, BytesIO())
    assert {one.session_id for one in manifest.entries} == {"a"}
    assert len(manifest.entries) == 2
    assert sorted(str(one.session_id) for one in manifest.left_out) == ["a", "folder"]


@pytest.mark.parametrize(
    "name",
    [
        f"{230 * 'x'}.json",
        "bad%zz.checkpoints/00000001-x.json",
        "a.checkpoints/note.json",
        "a.checkpoints/00000002x.json",
        ".trash/note.json",
        ".trash/20260101T000000000000Z-bad%zz.json",
        ".trash/20260101T240000000000Z-x.json",
        ".trash/20260101T000000000000Z.checkpoints/00000001-x.json",
    ],
)
def test_what_has_the_name_of_no_session_is_told(
    folder: Path, store: SessionStore, name: str
) -> None:
    store.create("a")
    store.save_checkpoint("a", {})
    store.create("gone")
    store.save_checkpoint("gone", {})
    store.delete("gone")
    assert back_up(store, BytesIO()).left_out == ()
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"{}")
    (path.parent / "._note.json").write_bytes(b"")  # as macOS leaves them
    (one,) = back_up(store, BytesIO()).left_out
    told = Path(str(one.path))
    assert told in (path, path.parent)
    assert "rename it" in one.reason


@pytest.mark.needs("links")
def test_a_trash_that_is_a_link_is_told(folder: Path, store: SessionStore, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder / ".trash").symlink_to(tmp_path / "elsewhere")
    (one,) = back_up(store, BytesIO()).left_out
    assert (one.path, one.reason) == (
        str(folder / ".trash"),
        "it is a symbolic link, which is not followed",
    )


@pytest.mark.parametrize("year", [1, 999])
def test_what_was_deleted_in_a_year_of_few_digits_is_there(
    folder: Path, store: SessionStore, tmp_path: Path, year: int
) -> None:
    store.create("a")
    store.delete("a")
    (trashed,) = (folder / ".trash").glob("*-a.json")
    trashed.rename(trashed.with_name(f"{year:04}0101T000000000000Z-a.json"))
    with SessionStore(tmp_path / "other") as other:
        restore_backup(other, check_backup(BytesIO(made(store))))
        assert [one.deleted_at for one in other.trash()] == [datetime(year, 1, 1, tzinfo=UTC)]


@pytest.mark.parametrize("year", [1, 1677, 1969, 2242, 2243, 2262, 9999])
def test_a_file_of_a_time_that_no_clock_told_comes_back(
    store: SessionStore, tmp_path: Path, year: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = b'{"messages": []}'
    copy = SessionCopy("a", StoredBytes(data, datetime(year, 6, 1, tzinfo=UTC)), {})
    monkeypatch.setattr(store.engine, "copies", lambda: iter([copy]))
    with SessionStore(tmp_path / "other") as other:
        restore_backup(other, check_backup(BytesIO(made(store))))
        assert other.raw("a") == data


def test_a_time_that_no_file_can_have_is_the_nearest_in_a_backup(
    store: SessionStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = {"a": datetime(1, 1, 1, tzinfo=UTC), "b": datetime(9999, 12, 31, tzinfo=UTC)}
    copies = [SessionCopy(one, StoredBytes(b"{}", at), {}) for one, at in times.items()]
    monkeypatch.setattr(store.engine, "copies", lambda: iter(copies))
    manifest = check_backup(BytesIO(made(store))).manifest
    assert [one.modified_at.year for one in manifest.entries] == [1678, 2261]


@pytest.mark.needs("links")
def test_no_link_is_followed_in_or_out(folder: Path, store: SessionStore, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "elsewhere").mkdir()
    store.create("a")
    store.save_checkpoint("a", {})
    data = made(store)
    (folder / "link.json").symlink_to(tmp_path / "secret")
    manifest = back_up(store, BytesIO())
    assert [one.session_id for one in manifest.left_out] == ["link"]
    with SessionStore(tmp_path / "other") as other:
        (tmp_path / "other" / "a.checkpoints").symlink_to(tmp_path / "elsewhere")
        report = restore_backup(other, check_backup(BytesIO(data)), merge=True)
    assert [one.session_id for one in report.kept] == ["a"]
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_the_manifest_and_what_is_remembered_are_as_the_format_says(full: SessionStore) -> None:
    full.empty_trash()
    full.create("again")
    full.delete("again")
    text = (Path(__file__).parents[2] / "docs" / "format.md").read_text("utf-8")
    document = json.loads(parts_of(made(full))[-1][1])
    of_members = {key for one in document["members"] for key in one}
    assert {"checkpoint", "deleted_at"} <= of_members
    for name in (MANIFEST, "purged-moved.jsonl", *document, *of_members, *document["deletions"][0]):
        assert f"`{name}`" in text or f"/{name}" in text or f'"{name}"' in text, name


@pytest.mark.needs("modes")
def test_a_folder_that_may_not_be_written_can_be_backed_up(
    full: SessionStore, folder: Path, tmp_path: Path, as_other_user: object
) -> None:
    full.close()
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)

    def act() -> object:
        with SessionStore(folder) as store:
            manifest = back_up(store, BytesIO())
            return len(manifest.entries), manifest.left_out

    assert callable(as_other_user)
    assert as_other_user(folder, act) == (len(files_of(folder)) - 1, ())  # but for .gitignore


PARTS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["write", "checkpoint", "delete", "restore", "purge", "garble"]),
    ),
    max_size=12,
)


@settings(max_examples=8)
@given(parts=PARTS)
def test_after_any_acts_a_backup_says_the_same(
    parts: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = tmp_path_factory.mktemp("acts")
    with SessionStore(base / "one", durability="fast") as store:
        for number, (name, act) in enumerate(parts):
            do(store, name, act, number)
        with SessionStore(base / "two", durability="fast") as other:
            backup = check_backup(BytesIO(made(store, compression="none")))
            restore_backup(other, backup)
            assert told(other) == told(store)
            assert other.deletions([*"abc"]) == store.deletions([*"abc"])
            assert restore_backup(other, backup, merge=True).brought == []
    assert sessions_of(base / "one") == sessions_of(base / "two")


def do(store: SessionStore, name: str, act: str, number: int) -> None:
    is_there = Path(store.path(name)).exists()
    if act == "write" and not is_there:
        store.create(name, title=str(number))
    elif act == "garble":
        Path(store.path(name)).write_text("{" * number)
    elif act == "checkpoint" and is_there:
        store.save_checkpoint(name, number)
    elif act == "delete":
        store.delete(name)
    elif act == "purge":
        store.empty_trash()
    elif act == "restore" and not is_there:
        with suppress(SessionNotFoundError, UnreadableSessionError):
            store.restore(name)
