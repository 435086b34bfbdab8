"""The disk is full, read-only, or fails late: verbs say so, nothing is torn, answers stay right.

On file systems of the test's own, in memory and on loop devices: no byte left, no inode left, a
limit on the size of files that cuts a write short (RLIMIT_FSIZE), a disk that is read-only or
becomes so while the store is open, and one whose room turns out to be none when it is synced.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

import pytest
from killing import DIED

from localsessions import SessionError, SessionStore
from proof.counting import IS_FULL, sized, tried
from proof.mounts import Disk, disk, memory_disk, read_only_view
from proof.verbs import LONG, VERBS, State, message, prepared, said, sound

pytestmark = pytest.mark.synced

ATTACK = "full and failing disks"
# Verbs that need no room: they move, remove or read.
ROOMLESS = {
    "open", "delete", "delete with checkpoints", "restore", "restore with checkpoints", "cleanup",
    "purge_expired", "empty_trash", "empty_trash with checkpoints", "delete_checkpoint",
    "clear_checkpoints", "reindex", "delete_many", "delete_many with checkpoints",
    "forget_deletions", "leave",
}  # fmt: skip
ROOMLESS_HALVES = {"restore, append, and again": 1}
SOME = ["save", "edit", "append", "upsert_run", "delete", "restore", "empty_trash", "reindex"]
# These need a block, or an inode, for the trash if nothing was ever deleted.
FIRST_DELETIONS = {
    "delete", "delete with checkpoints", "cleanup", "purge_expired",
    "delete_many", "delete_many with checkpoints", "leave",
}  # fmt: skip
# Of a folder that is there, a session file or the trash.
WRITING = [verb for verb in VERBS if verb not in ("open", "create the first", "reindex")]
AsOtherUser: TypeAlias = Callable[[Path, Callable[[], object]], object]


def outcome(verb: str, store: SessionStore) -> OSError | None:
    """Do a verb; return the error of the system that ended it, which names its path."""
    error: OSError | None = None
    try:
        VERBS[verb].act(store)
    except SessionError:
        raise
    except OSError as caught:
        error = caught
    except ExceptionGroup as group:
        error = the_same(group)
    assert error is None or store.save_dir in str(error.filename), f"{verb} says no path: {error!r}"
    return error


def the_same(group: ExceptionGroup[Exception]) -> OSError:
    """Return the error that each of many sessions got."""
    errors = [one for one in group.exceptions if isinstance(one, OSError)]
    assert len(errors) == len(group.exceptions)
    assert len({one.errno for one in errors}) == 1
    return errors[0]


def answered(store: SessionStore) -> State:
    """Return what a store says, and find that searching says the same."""
    state = sound(store)
    said_of_words = {hit.session.session_id for hit in store.search(LONG[:40], limit=100)}
    holding = {
        one.session_id
        for one in store.list(limit=100).items
        if not one.unreadable and LONG in str(store.load(one.session_id).messages)
    }
    assert said_of_words == holding
    return state


# No room


def fill_inodes(disk: Disk) -> None:
    with suppress(OSError):
        for number in range(len(list(disk.folder.glob("filling-*"))), 10_000):
            (disk.folder / f"filling-{number}").touch(exist_ok=False)


def free_inodes(disk: Disk) -> None:
    for path in disk.folder.glob("filling-*"):
        path.unlink()


@contextmanager
def exhausted(
    kind: str, folder: Path
) -> Iterator[tuple[Disk, Callable[[], None], Callable[[], None]]]:
    """Mount a disk; yield it with what exhausts it and what makes room again."""
    if kind == "inodes":
        with memory_disk(folder, "size=64m,nr_inodes=600") as made:
            yield made, lambda: fill_inodes(made), lambda: free_inodes(made)
        return
    with memory_disk(folder, "size=8m") if kind == "tmpfs" else disk(folder, kind) as made:
        yield made, made.fill, made.empty


@pytest.mark.needs("mounts")
@pytest.mark.parametrize(
    "kind",
    ["tmpfs", "inodes", "ext4", pytest.param("xfs", marks=pytest.mark.proof)],
)
def test_on_an_exhausted_disk_a_verb_says_so_or_needs_no_room(kind: str, tmp_path: Path) -> None:
    verbs = list(VERBS) if IS_FULL or kind == "tmpfs" else SOME
    refused = set()
    with exhausted(kind, tmp_path / "disk") as (made, exhaust, relieve):
        for verb in verbs:
            folder = made.folder / verb.replace(" ", "-")
            allowed = prepared(verb, folder)
            with SessionStore(folder) as store:
                store.list()
                exhaust()
                store.list()  # the index moves into memory
                exhaust()  # and what room it has made is used as well
                error = outcome(verb, store)
                assert error is None or error.errno == errno.ENOSPC
                expected = allowed[-1] if error is None else allowed[ROOMLESS_HALVES.get(verb, 0)]
                assert answered(store) == expected
                with SessionStore(folder) as another:
                    assert answered(another) == expected
                relieve()
                if error is not None:
                    refused.add(verb)
                    assert outcome(verb, store) is None
                    assert answered(store) == allowed[-1]
            assert said(folder) == allowed[-1]
            shutil.rmtree(folder)
    assert set(verbs) - ROOMLESS <= refused
    assert not refused & ROOMLESS - (set() if kind == "tmpfs" else FIRST_DELETIONS)
    tried(ATTACK, "verbs with no room left", len(verbs))


@pytest.mark.needs("mounts")
@pytest.mark.parametrize("kind", ["tmpfs", "inodes", "ext4"])
def test_on_a_full_disk_deleting_makes_room(kind: str, tmp_path: Path) -> None:
    with exhausted(kind, tmp_path / "disk") as (made, exhaust, _):
        folder = made.folder / "sessions"
        with SessionStore(folder) as store:
            for number in range(4):
                store.create(f"s{number}")
                store.append(f"s{number}", message(number, LONG * 10))
            store.delete("s0")
            exhaust()
            store.list()  # the index moves into memory
            exhaust()  # and what room it has made is used as well
            with pytest.raises(OSError, match="No space left on device"):
                store.create("new")
            assert store.delete("s1")
            assert store.delete("s2")
            # Of the three files that go, one makes room for what is remembered of them.
            assert len(store.empty_trash()) == 3
            assert len(store.deletions(["s0", "s1", "s2"])) == 3
            store.create("new")
            assert {one.session_id for one in store.list().items} == {"s3", "new"}
    tried(ATTACK, "full disks freed by deleting", 1)


@pytest.mark.needs("mounts")
@pytest.mark.parametrize("kind", ["tmpfs", "inodes"])
def test_a_folder_that_was_copied_to_a_full_disk_can_be_read(kind: str, tmp_path: Path) -> None:
    with exhausted(kind, tmp_path / "disk") as (made, exhaust, relieve):
        folder = made.folder / "sessions"
        allowed = prepared("append", folder)
        shutil.rmtree(folder / ".localsessions")
        exhaust()
        with SessionStore(folder) as store:
            assert [one.title for one in store.list().items] == ["old"]
            assert len(store.load("s").messages) == 2
            error = outcome("append", store)
            assert error is not None
            assert error.errno == errno.ENOSPC
            relieve()
            assert outcome("append", store) is None
            assert answered(store) == allowed[-1]


@pytest.mark.needs("mounts")
def test_where_little_room_is_left_no_index_shares_memory_that_may_have_none(
    tmp_path: Path,
) -> None:
    with memory_disk(tmp_path / "disk", "size=8m") as made:
        with SessionStore(made.folder / "sessions") as store:
            store.create("s", title="old")
            shared = list(Path(store.save_dir).rglob("*-shm"))
            assert len(shared) == 1
            made.fill(leave=1 << 20)
            store.rename("s", "new")
            assert [hit.session.session_id for hit in store.search("new")] == ["s"]
            assert list(Path(store.save_dir).rglob("*-shm")) == []
        made.empty()
        with SessionStore(made.folder / "sessions") as store:
            assert [one.title for one in store.list().items] == ["new"]
            assert list(Path(store.save_dir).rglob("*-shm")) == shared


# Writes cut short


@contextmanager
def largest_file(size_bytes: int) -> Iterator[None]:
    """Let no file grow beyond a size; a write over it is cut short, the next one fails."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))  # Python ignores SIGXFSZ
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.needs("limits")
@pytest.mark.parametrize("verb", ["create", "append", "save_checkpoint", "fork"])
def test_a_write_that_is_cut_short_leaves_what_was(verb: str, folder: Path) -> None:
    allowed = prepared(verb, folder)
    sizes = sized(5, 20)
    whole = written_by(verb, folder)
    with SessionStore(folder) as store:
        store.list()
        for part in range(sizes):
            with largest_file(whole * part // sizes):
                error = outcome(verb, store)
            assert error is not None
            assert error.errno == errno.EFBIG
            assert answered(store) == allowed[0]
        assert outcome(verb, store) is None
        assert answered(store) == allowed[-1]
    tried(ATTACK, "writes cut short", sizes)


def written_by(verb: str, folder: Path) -> int:
    """Return how large the file is that a verb makes, in a copy of the folder."""
    copied = folder.with_name("measured")
    shutil.copytree(folder, copied)
    before = {path.stat().st_ino for path in copied.rglob("*.json")}
    with SessionStore(copied) as store:
        VERBS[verb].act(store)
    (made,) = [path for path in copied.rglob("*.json") if path.stat().st_ino not in before]
    return made.stat().st_size


@pytest.mark.needs("limits")
def test_an_index_that_cannot_be_written_on_leaves_every_answer_right(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sizes = sized(8, 40)
    for part in range(sizes):
        folder = tmp_path / str(part)
        with SessionStore(folder) as store:
            store.create("before", title="short")
            grown = sum(path.stat().st_size for path in (folder / ".localsessions").glob("*.sql*"))
            # No smaller than the session files, of which each is less than 1 kB.
            with largest_file(1000 + grown * part // sizes):
                for number in range(3):
                    store.create(f"s{number}", title=f"title {number}")
                store.rename("s0", "renamed")
                store.delete("s1")
                expected = {"before": "short", "s0": "renamed", "s2": "title 2"}
                assert titles(store) == expected
                assert [hit.session.session_id for hit in store.search("renamed")] == ["s0"]
            sound(store)
        with SessionStore(folder) as store:
            assert titles(store) == expected
            sound(store)
    assert "cannot be used" in caplog.text
    assert "damaged" not in caplog.text  # such an index would be removed
    tried(ATTACK, "indexes cut short", sizes)


def titles(store: SessionStore) -> dict[str, str]:
    return {one.session_id: one.title for one in store.list(limit=100).items}


# Read-only


@pytest.mark.needs("mounts")
@pytest.mark.parametrize("opened", ["before", "after"])
def test_on_a_disk_that_is_read_only_reading_goes_on(opened: str, tmp_path: Path) -> None:
    verbs = WRITING if IS_FULL else WRITING[::2]
    with memory_disk(tmp_path / "disk", "size=64m") as made:
        for verb in verbs:
            folder = made.folder / verb.replace(" ", "-")
            allowed = prepared(verb, folder)
            if opened == "before":
                with SessionStore(folder) as store:
                    made.remount("ro")
                    refused_as_read_only(verb, store, allowed)
                    made.remount("rw")
                    assert outcome(verb, store) is None
                    assert answered(store) == allowed[-1]
            else:
                made.remount("ro")
                with SessionStore(folder) as store:
                    refused_as_read_only(verb, store, allowed)
                made.remount("rw")
            shutil.rmtree(folder)
    tried(ATTACK, "verbs on a read-only disk", len(verbs))


def refused_as_read_only(verb: str, store: SessionStore, allowed: list[State]) -> None:
    error = outcome(verb, store)
    assert isinstance(error, PermissionError)
    assert error.errno == errno.EROFS
    assert "read-only" in str(error)
    assert answered(store) == allowed[0]


@pytest.mark.needs("mounts")
def test_a_read_only_view_shows_what_is_written_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "sessions"
    with (
        SessionStore(folder) as writer,
        read_only_view(folder, tmp_path / "view"),
        SessionStore(tmp_path / "view") as reader,
    ):
        for number in range(5):
            writer.create(f"s{number}", title=f"title {number}")
            writer.rename("s0", f"renamed {number}")
            expected = {f"s{one}": f"title {one}" for one in range(1, number + 1)}
            seen = {one.session_id: one.title for one in reader.list(fresh=True).items}
            assert seen == {"s0": f"renamed {number}"} | expected
            with pytest.raises(PermissionError, match="read-only"):
                reader.rename("s0", "mine")


def test_in_a_folder_that_may_not_be_written_reading_goes_on(
    tmp_path: Path, as_other_user: AsOtherUser
) -> None:
    verbs = WRITING if IS_FULL else WRITING[::4]
    expected = {}
    for verb in verbs:
        folder = tmp_path / verb.replace(" ", "-")
        expected[verb] = ("PermissionError", prepared(verb, folder)[0])
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)

    def act() -> dict[str, tuple[str, State]]:
        found = {}
        for verb in verbs:
            with SessionStore(tmp_path / verb.replace(" ", "-")) as store:
                found[verb] = (type(outcome(verb, store)).__name__, answered(store))
        return found

    assert as_other_user(tmp_path / "any", act) == expected
    tried(ATTACK, "verbs in a folder that may not be written", len(verbs))


@pytest.mark.needs("mounts")
def test_a_disk_that_becomes_read_only_by_itself_is_read_on(tmp_path: Path) -> None:
    with disk(tmp_path / "disk", "ext4", "errors=remount-ro") as made:
        folder = made.folder / "sessions"
        allowed = prepared("append", folder)
        with SessionStore(folder) as store:
            store.list()
            made.break_down()
            with pytest.raises(OSError, match=r"[Rr]ead-only"):
                VERBS["append"].act(store)
            assert answered(store) == allowed[0]
        made.come_back()
        assert said(folder) == allowed[0]


# A sync that fails


@contextmanager
def watched_syncs() -> Iterator[list[tuple[str, bool]]]:
    """Yield what is synced from now on, the path of each with whether it worked."""
    synced: list[tuple[str, bool]] = []
    real = os.fsync

    def watched(fd: int) -> None:
        synced.append((os.readlink(f"/proc/self/fd/{fd}"), False))
        real(fd)
        synced[-1] = (synced[-1][0], True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", watched)
        yield synced


@pytest.mark.needs("mounts")
@pytest.mark.parametrize("kind", ["ext4", pytest.param("xfs", marks=pytest.mark.proof)])
def test_a_write_whose_sync_fails_is_not_acknowledged(kind: str, tmp_path: Path) -> None:
    some = ["save", "append", "upsert_run", "rename", "delete", "save_checkpoint"]
    verbs = list(VERBS) if IS_FULL else some
    with disk(tmp_path / "disk", kind) as made:
        failed = sum(sync_fails(verb, made, made.folder / str(verb)) for verb in verbs)
    assert failed > 0
    tried(ATTACK, "verbs on a disk that has no room when it is synced", len(verbs))
    tried(ATTACK, "syncs that failed, none tried again", failed)


def sync_fails(verb: str, made: Disk, folder: Path) -> int:
    """Do a verb while the disk takes what is written and cannot keep it; mount it again.

    Returns:
        How many syncs failed.
    """
    assert made.below is not None
    allowed = prepared(verb, folder)
    made.sync()
    with SessionStore(folder) as store, watched_syncs() as synced, made.page_by_page():
        made.below.fill()
        allowed_now = allowed[-1:]
        try:
            VERBS[verb].act(store)
        except* OSError:
            allowed_now = allowed
    made.below.empty()
    made.come_back()
    assert said(folder) in allowed_now, f"{verb}: acknowledged is {allowed_now is not allowed}"
    failures = [place for place, (_, worked) in enumerate(synced) if not worked]
    again = [place for place in failures if synced[place][0] in dict(synced[place + 1 :])]
    assert again == [], f"{verb}: a sync that failed was tried again"
    return len(failures)


@pytest.mark.needs("mounts")
def test_a_run_that_is_killed_leaves_no_mount(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; from killing import DIES\n"
        "from proof.mounts import disk, leave_the_others\n"
        f"assert leave_the_others(); folder = Path({str(tmp_path / 'disk')!r})\n"
        "with disk(folder, 'ext4'):\n    assert folder.is_mount(); exec('import os;' + DIES)"
    )
    tests = Path(__file__).parents[1]
    killed = subprocess.run([sys.executable, "-c", script], cwd=tests, check=False)
    assert killed.returncode == DIED
    assert [path.is_mount() for path in sorted(tmp_path.iterdir())] == [False, False]
    shutil.rmtree(tmp_path / "disk")
