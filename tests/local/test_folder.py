"""The files of a store: one whole version always, whatever fails, and nobody's work lost."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import calls
import needs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opened import descriptors, path_of

from localsessions import Session, SessionStore
from localsessions._local.files import SessionFolder
from localsessions._local.files.locks import stripe_of
from localsessions._local.files.scan import scan
from localsessions.errors import (
    ConflictError,
    DurabilityUnknownError,
    SessionExistsError,
    SessionNotFoundError,
    UnreadableSessionError,
)
from localsessions.models import TrashedSession

Start = Callable[..., "subprocess.Popen[str]"]
NOBODY = 65534
NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def opened(folder: Path) -> SessionFolder:
    return SessionFolder(str(folder), durability="full", lock_timeout=5.0, max_file_bytes=1_000_000)


@pytest.fixture
def files(folder: Path) -> SessionFolder:
    return opened(folder)


def write(files: SessionFolder, session_id: str, data: bytes) -> None:
    with files.lock(session_id):
        written = files.write(session_id, data, files.fingerprint(session_id))
    assert written.doubt is None


def temp_files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / ".localsessions" / "tmp").iterdir())


def said(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


# Each call of a save, failing


def fail_on_temp_files(
    monkeypatch: pytest.MonkeyPatch, folder: Path, call: str, number: int
) -> list[str]:
    """Let a call fail where it is about a temp file; return the list of times that it did."""
    real: Callable[..., object] = calls.real(call)
    failed: list[str] = []

    def fail(*arguments: object, **named: object) -> object:
        path = arguments[0]
        if isinstance(path, int):
            path = path_of(path)
        if not str(path).startswith(str(folder / ".localsessions" / "tmp")):
            return real(*arguments, **named)
        failed.append(str(path))
        by_name = arguments[:1] if call in ("open", "replace") else ()
        raise OSError(number, os.strerror(number), *by_name)

    calls.put_in_place_of(monkeypatch, call, fail)
    return failed


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EMFILE])
@pytest.mark.parametrize("call", ["open", "fchmod", "write", "utime", "fsync", "replace"])
def test_a_call_that_fails_leaves_the_old_version_and_no_temp_file(
    folder: Path, store: SessionStore, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    session = store.create("s", title="old")
    data = Path(store.path("s")).read_bytes()
    failed = fail_on_temp_files(monkeypatch, folder, call, number)
    session.title = "new"
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        store.save(session)
    assert not isinstance(caught.value, DurabilityUnknownError)
    assert caught.value.errno == number
    assert str(caught.value.filename).startswith(str(folder))
    assert len(failed) == 1
    assert Path(store.path("s")).read_bytes() == data
    assert temp_files(folder) == []
    assert [one.title for one in store.list().items] == ["old"]

    monkeypatch.undo()
    store.save(session)
    assert store.load("s").title == "new"


@pytest.mark.parametrize("verb", ["create", "append", "edit"])
def test_every_verb_that_writes_leaves_nothing_half_done_on_a_full_disk(
    folder: Path, store: SessionStore, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    store.create("s", title="old")
    before = {path.name: path.read_bytes() for path in folder.glob("*.json")}
    fail_on_temp_files(monkeypatch, folder, "write", errno.ENOSPC)

    def edit() -> None:
        with store.edit("s") as session:
            session.title = "new"

    acts: dict[str, Callable[[], object]] = {
        "create": lambda: store.create("t"),
        "append": lambda: store.append("s", {"role": "user"}),
        "edit": edit,
    }
    with pytest.raises(OSError, match="No space left"):
        acts[verb]()
    assert {path.name: path.read_bytes() for path in folder.glob("*.json")} == before
    assert temp_files(folder) == []


def fail_to_sync_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync

    def fail(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(errno.EIO, "the disk failed")
        real(fd)

    monkeypatch.setattr(os, "fsync", fail)


@pytest.mark.needs("folder syncs")
def test_when_the_folder_cannot_be_synced_memory_and_index_move_on_with_the_file(
    folder: Path, store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = store.create("s", title="old")
    fail_to_sync_folders(monkeypatch)
    session.title = "new"
    with pytest.raises(DurabilityUnknownError, match="the disk failed") as caught:
        store.save(session)
    error = caught.value
    assert (error.session_id, error.path, error.errno) == ("s", str(folder), errno.EIO)
    assert store.load("s").title == "new"
    assert [one.title for one in store.list().items] == ["new"]
    assert (session.revision, temp_files(folder)) == (2, [])

    monkeypatch.undo()
    session.title = "newer"
    store.save(session)
    assert store.load("s").title == "newer"


@pytest.mark.needs("folder syncs")
def test_every_verb_says_when_what_it_did_is_perhaps_not_durable(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create("s")
    fail_to_sync_folders(monkeypatch)
    with pytest.raises(DurabilityUnknownError):
        store.append("s", {"role": "user", "content": "hi"})
    with pytest.raises(DurabilityUnknownError):
        store.create("t")
    assert len(store.load("s").messages) == 1
    assert store.load("t").session_id == "t"
    monkeypatch.undo()
    first = store.save_checkpoint("s", 1)
    store.delete("t")
    fail_to_sync_folders(monkeypatch)
    with pytest.raises(DurabilityUnknownError):
        store.save_checkpoint("s", 2)
    with pytest.raises(DurabilityUnknownError):
        store.delete_checkpoint("s", first.checkpoint_id)
    assert store.load_checkpoint("s").data == 2
    with pytest.raises(DurabilityUnknownError):
        store.delete("s")
    assert store.get("s") is None
    with pytest.raises(DurabilityUnknownError):
        store.restore("t")
    with pytest.raises(DurabilityUnknownError):
        store.empty_trash()
    assert store.trash() == []
    assert [one.session_id for one in store.list(fresh=True).items] == ["t"]


@pytest.mark.needs("folder syncs")
def test_fast_durability_syncs_what_is_written_and_no_folder_but_for_the_trash(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    with SessionStore(folder, durability="fast") as store:
        monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_ino))
        written = []
        store.create("s")
        written.append((folder / "s.json").stat().st_ino)
        store.append("s", {"role": "user"})
        written.append((folder / "s.json").stat().st_ino)
        store.save_checkpoint("s", 1)
        written += [path.stat().st_ino for path in (folder / "s.checkpoints").iterdir()]
        store.delete("s")
        written.append(folder.stat().st_ino)  # or the new trash is lost, with all that is in it
        written.append((folder / ".trash" / ".gitignore").stat().st_ino)
        store.restore("s")  # it may be written to from now on: no name in the trash leads to it
        written += [folder.stat().st_ino, (folder / ".trash").stat().st_ino]
        store.delete("s")
        store.empty_trash()
        written += [path.stat().st_ino for path in (folder / ".trash").glob("purged-*.jsonl")]
    assert synced == written


def test_what_git_ignores_is_synced_when_it_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_ino))
    with SessionStore(folder):
        assert (folder / ".localsessions" / ".gitignore").stat().st_ino in synced


# Times of our own


@pytest.mark.parametrize("step_ns", [0, -1_000_000_000, 1])
def test_the_modification_time_grows_with_every_write_whatever_the_clock_does(
    files: SessionFolder, monkeypatch: pytest.MonkeyPatch, step_ns: int
) -> None:
    start = 1_735_634_700_000_000_000
    readings = (start + step_ns * turn for turn in range(10_000))
    monkeypatch.setattr(time, "time_ns", lambda: next(readings))
    times = []
    for number in range(20):
        write(files, "s", b"%d" % number)
        fingerprint = files.fingerprint("s")
        assert fingerprint is not None
        times.append(fingerprint.mtime_ns)
    assert times == sorted(set(times))


def test_a_file_is_settled_once_a_later_change_must_move_its_time(
    folder: Path, files: SessionFolder
) -> None:
    write(files, "s", b"{}")
    assert not files.read("s").settled
    path = folder / "s.json"
    os.utime(path, ns=(1_000_000_000_000_000_001,) * 2)
    # Only its mtime is old: whoever set that changed the file just now, as ctime tells.
    assert not files.read("s").settled
    deadline = time.monotonic() + 120
    while not files.read("s").settled:
        assert time.monotonic() < deadline
        time.sleep(0.005)


# Modes


@pytest.mark.needs("modes")
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_whatever_the_store_makes_is_the_users_own_under_any_umask(
    tmp_path: Path, mask: int
) -> None:
    former = os.umask(mask)
    try:
        with SessionStore(tmp_path / "above" / "sessions") as store:
            store.create("s")
            store.save_checkpoint("s", 1)
            store.create("t")
            store.delete("t")
            store.append("s", {"role": "user"})
    finally:
        os.umask(former)
    private = tmp_path / "above" / "sessions" / ".localsessions"
    modes = {
        path: stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "above").rglob("*")
        if not (path.parent == private and ".sqlite3" in path.name)  # made by SQLite
    }
    modes[tmp_path / "above"] = stat.S_IMODE((tmp_path / "above").stat().st_mode)
    wrong = {path for path, mode in modes.items() if mode != (0o700 if path.is_dir() else 0o600)}
    assert wrong == set()


# Links, pipes, and files that may not be read

UNREADABLE = {
    "link": "it is a symbolic link, which is not followed",
    "dangling link": "it is a symbolic link, which is not followed",
    "fifo": "it is not a regular file",
    "folder": "it is a folder",
    "socket": "it is not a regular file",
}


NEEDED = {"link": "links", "dangling link": "links", "fifo": "fifos", "socket": "fifos"}


@pytest.fixture(params=needs.marked(UNREADABLE, NEEDED))
def odd_kind(
    request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Put something that is no regular file in the place of session "odd"; return what."""
    folder.mkdir()
    monkeypatch.chdir(folder)  # the name of a socket is short
    path = Path("odd.json")
    with ExitStack() as sockets:
        if request.param == "link":
            (folder.parent / "target.json").write_text('{"title": "the target"}')
            path.symlink_to(folder.parent / "target.json")
        elif request.param == "dangling link":
            path.symlink_to("nowhere")
        elif request.param == "fifo":
            os.mkfifo(path)
        elif request.param == "folder":
            path.mkdir()
        else:
            sockets.enter_context(socket.socket(socket.AF_UNIX)).bind(str(path))
        yield request.param


def test_what_is_no_regular_file_is_listed_as_unreadable_and_left_alone(
    folder: Path, odd_kind: str
) -> None:
    reason = UNREADABLE[odd_kind]
    before = os.lstat(folder / "odd.json")
    with SessionStore(folder) as store:
        with pytest.raises(UnreadableSessionError) as caught:
            store.load("odd")
        assert (caught.value.reason, caught.value.path) == (reason, store.path("odd"))
        (listed,) = store.list().items
        assert listed.unreadable is not None
        assert (listed.session_id, listed.unreadable.reason) == ("odd", reason)
        with pytest.raises(SessionExistsError):
            store.create("odd")
        with pytest.raises(UnreadableSessionError):
            store.append("odd", {"role": "user"})
        with pytest.raises(UnreadableSessionError):
            store.save(Session(session_id="odd"))
    after = os.lstat(folder / "odd.json")
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    target = folder.parent / "target.json"
    assert not target.exists() or target.read_text() == '{"title": "the target"}'


@pytest.mark.needs("links")
def test_deleting_a_link_moves_the_link_and_not_what_it_points_to(
    folder: Path, store: SessionStore
) -> None:
    target = folder.parent / "target.json"
    target.write_text("{}")
    (folder / "s.json").symlink_to(target)
    assert store.delete("s")
    assert target.read_text() == "{}"
    assert not os.path.lexists(folder / "s.json")


@pytest.mark.needs("links")
@pytest.mark.parametrize("name", [".localsessions", "locks", "tmp"])
def test_a_private_folder_that_is_a_link_is_refused(
    folder: Path, tmp_path: Path, name: str
) -> None:
    private = folder / ".localsessions"
    (tmp_path / "elsewhere").mkdir()
    path = private if name == ".localsessions" else private / name
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(OSError, match="a link has the name of a private folder") as caught:
        SessionStore(folder)
    assert (caught.value.errno, caught.value.filename) == (errno.ELOOP, str(path))
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.needs("links")
def test_the_folder_itself_may_be_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with SessionStore(folder) as store:
        store.create("s")
    assert (tmp_path / "elsewhere" / "s.json").is_file()


def test_a_file_in_the_place_of_the_folder_is_an_error_that_names_it(folder: Path) -> None:
    folder.touch()
    with pytest.raises(NotADirectoryError) as caught:
        SessionStore(folder)
    assert caught.value.filename == str(folder)


@contextmanager
def somebody_without_rights() -> Iterator[None]:
    """Be a user whom modes hold off, as root is not."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that belongs to somebody without rights; pytest's own are root's."""
    with tempfile.TemporaryDirectory() as name:
        if os.geteuid() == 0:
            os.chown(name, NOBODY, NOBODY)
        yield Path(name) / "sessions"


@pytest.mark.needs("modes")
def test_a_file_that_may_not_be_read_is_unreadable_and_hides_no_other(reachable: Path) -> None:
    with somebody_without_rights(), SessionStore(reachable) as store:
        store.create("well")
        store.create("hidden")
        Path(store.path("hidden")).chmod(0)
        with pytest.raises(UnreadableSessionError, match="no permission to read it"):
            store.load("hidden")
        listed = {one.session_id: one.status for one in store.list().items}
    assert listed == {"well": "active", "hidden": "unreadable"}


@pytest.mark.needs("modes")
def test_a_folder_that_may_not_be_written_can_be_read(reachable: Path) -> None:
    with somebody_without_rights():
        reachable.mkdir()
        (reachable / "s.json").write_text('{"title": "still here"}')
        reachable.chmod(0o500)
        with SessionStore(reachable) as store:
            session = store.load("s")
            assert [one.title for one in store.list().items] == ["still here"]
            session.title = "changed"
            with pytest.raises(PermissionError, match="read-only") as caught:
                store.save(session)
            assert caught.value.filename == str(reachable / ".localsessions")
        assert list(reachable.iterdir()) == [reachable / "s.json"]
        reachable.chmod(0o700)


@pytest.mark.needs("modes")
def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(reachable: Path) -> None:
    with somebody_without_rights():
        reachable.mkdir(0o500)
        with pytest.raises(PermissionError) as caught:
            SessionStore(reachable / "below")
    assert caught.value.filename == str(reachable / "below")


def test_a_folder_without_room_for_the_private_one_can_be_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = calls.real("mkdir")

    def full(path: str) -> None:
        if path.endswith("tmp"):
            raise OSError(errno.ENOSPC, "disk full", path)
        real(path)

    with SessionStore(folder) as store:
        store.create("s")
    shutil.rmtree(folder / ".localsessions")
    calls.put_in_place_of(monkeypatch, "mkdir", full)
    with SessionStore(folder) as store:
        assert [one.session_id for one in store.list().items] == ["s"]
        with pytest.raises(OSError, match="disk full"):
            store.rename("s", "new")
        monkeypatch.undo()
        assert store.rename("s", "new").title == "new"


# Reading while others write


def change_while_reading(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[int], object], times: int
) -> None:
    """Let ``change`` happen right after each of the first reads."""
    real = os.read
    reads = 0

    def read(fd: int, size: int) -> bytes:
        nonlocal reads
        data = real(fd, size)
        reads += 1
        if reads <= times:
            change(reads)
        return data

    monkeypatch.setattr(os, "read", read)


def test_a_file_that_changes_under_the_reading_is_read_again(
    folder: Path, files: SessionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "s.json"
    path.write_text("old")
    change_while_reading(monkeypatch, lambda turn: path.write_text("new and longer"), 1)
    read = files.read("s")
    assert read.data == b"new and longer"
    assert read.fingerprint == files.fingerprint("s")


def test_a_file_that_is_written_all_the_time_is_unreadable(
    folder: Path, files: SessionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "s.json"
    path.write_text("old")
    change_while_reading(monkeypatch, lambda turn: path.write_text("x" * turn), 1000)
    with pytest.raises(UnreadableSessionError, match="being written all the time"):
        files.read("s")


@pytest.mark.needs("open files that go")
def test_a_file_that_is_replaced_while_it_is_read_is_read_as_it_was(
    folder: Path, files: SessionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(files, "s", b"old")
    (folder / "other").write_text("new")
    change_while_reading(
        monkeypatch, lambda turn: os.replace(folder / "other", folder / "s.json"), 1
    )
    # The old version was whole; its ctime moved with the link that it lost, so both may come.
    assert files.read("s").data in (b"old", b"new")


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOMEM])
def test_a_read_that_fails_is_the_files_fault_or_the_systems(
    folder: Path, files: SessionFolder, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    (folder / "s.json").write_text("{}")

    def fail(fd: int, size: int) -> bytes:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "read", fail)
    if number == errno.EIO:
        with pytest.raises(UnreadableSessionError, match="the disk failed to read it"):
            files.read("s")
    else:
        with pytest.raises(OSError, match="Cannot allocate") as caught:
            files.read("s")
        assert caught.value.filename == str(folder / "s.json")


def test_a_file_above_the_limit_is_unreadable_and_one_at_the_limit_is_not(
    folder: Path, files: SessionFolder
) -> None:
    (folder / "s.json").write_bytes(b" " * 1_000_000)
    assert len(files.read("s").data) == 1_000_000
    (folder / "s.json").write_bytes(b" " * 1_000_001)
    with pytest.raises(UnreadableSessionError, match=r"1000001 bytes.*larger max_file_bytes"):
        files.read("s")


def test_a_session_that_is_not_there_is_not_found(files: SessionFolder) -> None:
    with pytest.raises(SessionNotFoundError) as caught:
        files.read("s")
    assert caught.value.path == files.path("s")
    assert files.fingerprint("s") is None


# Scans


def test_a_scan_tells_sessions_from_what_else_is_in_the_folder(
    folder: Path, files: SessionFolder
) -> None:
    for name in ("a", "b c", "会話", "%2Ehidden"):
        (folder / f"{name}.json").touch()
    for name in ("notes.txt", ".a.json", "a.json~", "a.json.tmp", "a.jsonl", "4913", ".json"):
        (folder / name).touch()
    (folder / f"{'x' * 201}.json").touch()
    (folder / "a.checkpoints").mkdir()
    found = files.scan()
    assert found.files == {
        name: files.fingerprint(name) for name in ("a", "b c", "会話", ".hidden")
    }
    assert list(found.misnamed) == [f"{'x' * 201}.json"]


@pytest.mark.needs("wild names", "names of bytes")
def test_a_scan_names_what_no_session_can_be_called(folder: Path, files: SessionFolder) -> None:
    for raw_name in (b"\xff", b"line\nbreak"):
        (folder / os.fsdecode(raw_name + b".json")).touch()
    found = files.scan()
    assert (found.files, sorted(found.misnamed)) == ({}, ["line\nbreak.json", "\udcff.json"])


@pytest.mark.needs("wild names")
def test_a_file_that_we_would_name_otherwise_is_a_session_and_keeps_its_name(
    folder: Path, store: SessionStore
) -> None:
    names = ["a:b", "ends ", "%41", "nul", "cafe\u0301"]
    for name in names:
        (folder / f"{name}.json").write_text("{}")
    store.list(fresh=True)
    for name in names:
        store.rename(name, f"title of {name}")
    titles = {one.session_id: one.title for one in store.list().items}
    assert titles == {name: f"title of {name}" for name in names}
    assert sorted(path.stem for path in folder.glob("*.json")) == sorted(names)


@pytest.mark.needs("wild names")
def test_of_two_files_of_one_session_the_one_that_we_would_name_so_counts(
    folder: Path, files: SessionFolder
) -> None:
    (folder / "a:b.json").write_text("as somebody named it")
    (folder / "a%3Ab.json").write_text("as we name it")
    found = files.scan()
    assert list(found.files) == ["a:b"]
    assert list(found.misnamed) == ["a:b.json"]
    assert files.read("a:b").data == b"as we name it"


NAMES = ["a", "b c", "会話", "a:b", "a%3Ab", "%41", "a%253Ab", "nul", "%6Eul", ".", "a%"]


@pytest.mark.needs("wild names")
@given(
    st.sets(st.sampled_from(NAMES)),
    st.dictionaries(st.sampled_from([*NAMES, "A", ".x"]), st.sampled_from(["as it is", "other"])),
)
def test_a_scan_leaves_out_what_is_as_known(names: set[str], known: dict[str, str]) -> None:
    with TemporaryDirectory() as folder:
        for name in names:
            Path(folder, f"{name}.json").touch()
        every = scan(folder, {})
        texts = {
            one: every.files[one].text if how == "as it is" and one in every.files else "other"
            for one, how in known.items()
        }
        rest = dict(texts)
        found = scan(folder, rest)

    changed = {one for one, seen in every.files.items() if texts.get(one) != seen.text}
    assert found.files == {one: every.files[one] for one in changed}
    assert found.misnamed == every.misnamed
    assert rest.keys() == (texts.keys() & changed) | (texts.keys() - every.files.keys())


@pytest.mark.needs("hard links")
def test_a_second_name_of_a_file_is_a_session_of_its_own(
    folder: Path, files: SessionFolder
) -> None:
    for letter in "abcdefgh":  # the system names them in any order
        (folder / f"{letter}%253A.json").touch()
        (folder / f"{letter}%3A.json").hardlink_to(folder / f"{letter}%253A.json")
    known = {one: seen.text for one, seen in files.scan().files.items() if "%" in one}
    assert sorted(files.scan(known).files) == [f"{letter}:" for letter in "abcdefgh"]
    assert known == {}


def test_a_scan_of_a_folder_that_is_gone_finds_nothing(folder: Path, files: SessionFolder) -> None:
    folder.rename(folder.with_name("moved away"))
    assert (files.scan().files, files.temp_files(), files.trash.items()) == ({}, [], [])


def test_a_file_removed_during_the_scan_is_not_found(
    folder: Path, files: SessionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the folder itself says what its files are, the scan is of one moment, before that."""
    (folder / "a.json").touch()
    (folder / "b.json").touch()
    real = calls.real("scandir")

    class Listed(list["os.DirEntry[str]"]):
        def close(self) -> None:
            """Nothing is open any more."""

    kinds: set[type] = set()

    def scandir(path: str) -> Listed:
        with real(path) as entries:
            listed = Listed(entries)
        kinds.update(map(type, listed))
        (folder / "a.json").unlink()
        return listed

    calls.put_in_place_of(monkeypatch, "scandir", scandir)
    assert sorted(files.scan().files) == (["b"] if kinds == {os.DirEntry} else ["a", "b"])
    with pytest.raises(SessionNotFoundError):
        files.read("a")


# Temp files


def test_the_temp_file_of_a_killed_process_is_swept_by_the_next_open(
    folder: Path, store: SessionStore, start: Start
) -> None:
    store.create("s", title="old")
    writer = start("stop_before_rename.py", folder, "s")
    temp = said(writer)
    assert Path(temp).parent == folder / ".localsessions" / "tmp"
    # While it lives it holds the stripe of the file, which therefore stays.
    SessionStore(folder).close()
    assert temp_files(folder) == [Path(temp).name]
    writer.kill()
    writer.wait()
    SessionStore(folder).close()
    assert temp_files(folder) == []
    assert store.load("s").title == "old"


def test_a_live_writer_keeps_its_temp_file_and_saves(
    folder: Path, store: SessionStore, start: Start
) -> None:
    store.create("s", title="old")
    writer = start("stop_before_rename.py", folder, "s")
    assert said(writer)
    SessionStore(folder).close()
    output, _ = writer.communicate("go on\n")
    assert output.strip() == "saved"
    assert store.load("s").title == "saved in the end"


def test_only_our_own_temp_files_are_swept(folder: Path, files: SessionFolder) -> None:
    tmp = folder / ".localsessions" / "tmp"
    for name in ("notes.txt", "zz-1.tmp", "FF-1.tmp", "123-1.tmp", "0f-1.tmp", "ff-1.tmp"):
        (tmp / name).touch()
    opened(folder)
    assert temp_files(folder) == ["123-1.tmp", "FF-1.tmp", "notes.txt", "zz-1.tmp"]
    assert [Path(path).name for path in files.temp_files()] == temp_files(folder)


def test_the_private_folder_is_kept_out_of_git_and_a_persons_own_rules_stay(
    folder: Path, store: SessionStore
) -> None:
    rules = folder / ".localsessions" / ".gitignore"
    assert rules.read_text() == "*\n"
    rules.write_text("*\n!notes\n")
    SessionStore(folder).close()
    assert rules.read_text() == "*\n!notes\n"


def test_two_processes_may_open_a_new_folder_at_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = calls.real("replace")

    def another_is_faster(source: str, target: str) -> None:
        if str(target).endswith(".gitignore"):
            Path(target).write_text("by the other\n")
            Path(source).unlink()
        real(source, target)

    calls.put_in_place_of(monkeypatch, "replace", another_is_faster)
    opened(folder)
    assert (folder / ".localsessions" / ".gitignore").read_text() == "by the other\n"


def test_what_git_ignores_is_whole_before_it_has_its_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str | None] = []
    real = os.fsync

    def fsync(fd: int) -> None:
        path = folder / ".localsessions" / ".gitignore"
        seen.append(path.read_text() if path.exists() else None)
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    opened(folder)
    assert (folder / ".localsessions" / ".gitignore").read_text() == "*\n"
    assert set(seen) == {None}


# What a write knows


def test_a_write_that_somebody_overtakes_does_not_take_their_file_for_its_own(
    folder: Path, files: SessionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = calls.real("replace")

    def overtaken(source: str, target: str) -> None:
        real(source, target)
        Path(target).write_text("by an editor")

    calls.put_in_place_of(monkeypatch, "replace", overtaken)
    with files.lock("s"):
        written = files.write("s", b"ours", None)
    assert written.fingerprint != files.fingerprint("s")


def test_a_change_by_an_editor_is_a_conflict_though_size_and_time_are_the_same(
    store: SessionStore,
) -> None:
    session = store.create("s", title="AAAA")
    loaded = store.load("s")
    path = Path(store.path("s"))
    before = path.stat()
    path.write_text(path.read_text().replace("AAAA", "BBBB"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    for mine in (session, loaded):
        mine.title = "mine"
        with pytest.raises(ConflictError):
            store.save(mine)
    assert store.load("s").title == "BBBB"


# Trash and checkpoints


def trash(files: SessionFolder, session_id: str) -> TrashedSession:
    with files.lock(session_id):
        return files.trash.put(session_id, files.path(session_id), NOW)


def test_the_trash_gives_back_the_file_and_its_checkpoints(files: SessionFolder) -> None:
    write(files, "s", b"content")
    with files.lock("s"):
        files.checkpoints.write("s", "first", b"1")
    item = trash(files, "s")
    assert (files.fingerprint("s"), files.checkpoints.names("s")) == (None, [])
    assert (files.trash.items(), item.size_bytes) == ([item], 7)
    with files.lock("s"):
        files.trash.restore(item, files.path("s"))
    assert files.read("s").data == b"content"
    assert files.checkpoints.names("s") == ["00000001-first"]
    assert files.trash.items() == []


def test_nothing_in_the_trash_is_overwritten(files: SessionFolder) -> None:
    write(files, "s", b"first")
    item = trash(files, "s")
    write(files, "s", b"second")
    with pytest.raises(FileExistsError):
        trash(files, "s")
    with files.lock("s"), pytest.raises(SessionExistsError):
        files.trash.restore(item, files.path("s"))
    assert files.read("s").data == b"second"
    assert Path(item.path).read_bytes() == b"first"


def test_what_is_not_there_cannot_be_trashed(files: SessionFolder) -> None:
    with pytest.raises(SessionNotFoundError):
        trash(files, "s")


def test_what_others_put_into_the_trash_is_not_ours(folder: Path, files: SessionFolder) -> None:
    write(files, "s", b"x")
    item = trash(files, "s")
    for name in ("notes.txt", "yesterday-t.json", "20260102T030405678901Z-.json"):
        (folder / ".trash" / name).touch()
    assert files.trash.items() == [item]


def test_purging_removes_the_session_and_its_checkpoints_only(
    folder: Path, files: SessionFolder
) -> None:
    for session_id in ("s", "t"):
        write(files, session_id, b"x")
        with files.lock(session_id):
            files.checkpoints.write(session_id, "first", b"1")
    kept, gone = trash(files, "s"), trash(files, "t")
    files.trash.purge(gone)
    assert files.trash.items() == [kept]
    left = sorted(path.name for path in (folder / ".trash").iterdir())
    stem = Path(kept.path).stem
    assert left == [".gitignore", f"{stem}.checkpoints", f"{stem}.json"]


def test_checkpoints_are_numbered_after_the_last_one(folder: Path, files: SessionFolder) -> None:
    write(files, "s", b"x")
    with files.lock("s"):
        for name in ("b", "a"):
            files.checkpoints.write("s", name, name.encode())
        assert files.checkpoints.delete("s", "00000001-b")
        assert not files.checkpoints.delete("s", "00000001-b")
        files.checkpoints.write("s", "c", b"c")
        (folder / "s.checkpoints" / "²²²²²²²²-notes.json").touch()
        (folder / "s.checkpoints" / "notes.json").touch()
        files.checkpoints.write("s", "d", b"d")
    assert files.checkpoints.names("s") == ["00000002-a", "00000003-c", "00000004-d"]
    assert files.checkpoints.read("s", "00000003-c")[0] == b"c"
    assert files.checkpoints.sessions() == ["s"]
    with pytest.raises(FileNotFoundError):
        files.checkpoints.read("s", "00000001-b")


def test_a_write_counts_and_so_does_a_read(files: SessionFolder) -> None:
    write(files, "s", b"x")
    files.read("s")
    files.read("s")
    assert (files.files_written, files.files_read) == (1, 2)


def test_an_id_that_no_file_can_have_is_refused_before_anything_is_locked(
    folder: Path, files: SessionFolder
) -> None:
    with pytest.raises(ValueError, match="session_id"):
        files.lock("fine", "../escape")
    assert list((folder / ".localsessions" / "locks").iterdir()) == []
    assert stripe_of("fine") in range(256)


# -- calls that fail -----------------------------------------------------------------------------


def fail(
    monkeypatch: pytest.MonkeyPatch, name: str, is_it: Callable[[object], bool], *, done: bool
) -> None:
    """Let a call of ``os`` fail once, where ``is_it`` says so of its first argument."""
    call = getattr(os, name)
    failed: list[object] = []

    def failing(subject: object, *arguments: object, **named: object) -> object:
        if not failed and is_it(subject):
            failed.append(subject)
            if done:
                call(subject, *arguments, **named)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return call(subject, *arguments, **named)

    calls.put_in_place_of(monkeypatch, name, failing)


def names(ending: str) -> Callable[[object], bool]:
    return lambda subject: Path(str(subject)).as_posix().endswith(ending)


def test_a_look_that_fails_after_the_rename_is_no_failure_of_the_write(
    files: SessionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_there(subject: object) -> bool:
        return names("/s.json")(subject) and Path(str(subject)).exists()

    with files.lock("s"):
        fail(monkeypatch, "lstat", is_there, done=False)
        assert files.write("s", b"new", None).doubt is None
    assert files.read("s").data == b"new"


def test_a_look_that_fails_before_the_rename_changes_nothing(
    folder: Path, files: SessionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(files, "s", b"old")
    with files.lock("s"):
        former = files.fingerprint("s")
        fail(monkeypatch, "lstat", names("/s.json"), done=False)
        with pytest.raises(OSError, match="Input/output"):
            files.write("s", b"new", former)
    assert files.read("s").data == b"old"
    assert temp_files(folder) == []


def test_a_rename_that_was_done_and_said_to_have_failed_is_a_write_in_doubt(
    folder: Path, files: SessionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, "replace", names(".tmp"), done=True)
    with files.lock("s"):
        written = files.write("s", b"new", None)
    assert isinstance(written.doubt, DurabilityUnknownError)
    assert (files.read("s").data, written.fingerprint) == (b"new", files.fingerprint("s"))
    assert temp_files(folder) == []


def test_a_rename_that_failed_is_an_error_even_where_the_same_bytes_are_there(
    folder: Path, files: SessionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(files, "s", b"same")
    fail(monkeypatch, "replace", names(".tmp"), done=False)
    with files.lock("s"), pytest.raises(OSError, match="Input/output"):
        files.write("s", b"same", files.fingerprint("s"))
    assert temp_files(folder) == []


def deleted_with_checkpoint(files: SessionFolder) -> TrashedSession:
    write(files, "s", b"{}")
    with files.lock("s"):
        files.checkpoints.write("s", "one", b"{}")
        return files.trash.put("s", files.path("s"), NOW)


def test_nothing_is_deleted_while_nobody_can_tell_whether_there_are_checkpoints(
    folder: Path, files: SessionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(files, "s", b"{}")
    fail(monkeypatch, "stat", names("/s.checkpoints"), done=False)
    with files.lock("s"), pytest.raises(OSError, match="Input/output"):
        files.trash.put("s", files.path("s"), NOW)
    assert (folder / "s.json").exists()


def test_nothing_comes_back_while_nobody_can_tell_whether_there_are_checkpoints(
    folder: Path, files: SessionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = deleted_with_checkpoint(files)
    fail(monkeypatch, "stat", names("-s.checkpoints"), done=False)
    with files.lock("s"), pytest.raises(OSError, match="Input/output"):
        files.trash.restore(item, files.path("s"))
    assert not (folder / "s.json").exists()


def test_nothing_is_overwritten_while_nobody_can_tell_whether_the_session_is_there(
    folder: Path, files: SessionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = deleted_with_checkpoint(files)
    write(files, "s", b"later")
    fail(monkeypatch, "lstat", names("/s.json"), done=False)
    with files.lock("s"), pytest.raises(OSError, match="Input/output"):
        files.trash.restore(item, files.path("s"))
    assert (folder / "s.json").read_bytes() == b"later"


def test_nothing_is_purged_while_nobody_can_tell_whether_there_are_checkpoints(
    files: SessionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = deleted_with_checkpoint(files)
    fail(monkeypatch, "lstat", names("-s.checkpoints"), done=False)
    with files.lock("s"), pytest.raises(OSError, match="Input/output"):
        files.trash.purge(item)
    assert files.trash.items() == [item]


@pytest.mark.needs("folder syncs")
def test_a_folder_that_fails_to_sync_keeps_the_other_from_nothing(
    folder: Path, files: SessionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(files, "s", b"{}")
    synced: list[str] = []
    sync = os.fsync

    def fsync(fd: int) -> None:
        synced.append(path_of(fd))
        if synced[-1].endswith(".trash"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(fd)

    (folder / ".trash").mkdir()
    (folder / ".trash" / ".gitignore").touch()
    monkeypatch.setattr(os, "fsync", fsync)
    with files.lock("s"), pytest.raises(DurabilityUnknownError):
        files.trash.put("s", files.path("s"), NOW)
    assert synced == [str(folder / ".trash"), str(folder)]


def test_a_file_that_cannot_be_looked_at_is_closed_and_named(
    folder: Path, files: SessionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(files, "s", b"{}")
    before = descriptors()

    def fstat(fd: int) -> os.stat_result:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    with monkeypatch.context() as patched:
        calls.put_in_place_of(patched, "fstat", fstat)
        with pytest.raises(OSError, match="memory") as caught:
            files.read("s")
    assert caught.value.filename == str(folder / "s.json")
    assert descriptors() == before


def test_ctrl_c_while_a_temp_file_is_made_leaves_none(
    folder: Path, files: SessionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = calls.real("open")

    def interrupted(path: str, *arguments: int, **named: int) -> int:
        fd: int = real(path, *arguments, **named)
        if path.endswith(".tmp"):
            os.close(fd)
            raise KeyboardInterrupt
        return fd

    with files.lock("s"), monkeypatch.context() as patched:
        calls.put_in_place_of(patched, "open", interrupted)
        with pytest.raises(KeyboardInterrupt):
            files.write("s", b"new", None)
    assert temp_files(folder) == []


def test_a_lock_whose_file_cannot_be_looked_at_is_let_go_of(
    folder: Path, files: SessionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"/locks/{stripe_of('s'):02x}"
    with monkeypatch.context() as patched:
        fail(patched, "lstat", names(name), done=False)
        with pytest.raises(OSError, match="Input/output"), files.lock("s"):
            pytest.fail("nobody knows whether the lock holds")
    with files.lock("s"):
        pass
    assert not opened(folder).is_locked("s")


@pytest.mark.needs("fcntl")
def test_a_lock_that_cannot_be_let_go_of_at_first_fails_no_verb_and_is_free_at_last(
    folder: Path, files: SessionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    flock = fcntl.flock
    failed: list[int] = []

    def unlocking(fd: int, operation: int) -> None:
        if operation == fcntl.LOCK_UN and not failed:
            failed.append(fd)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        flock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", unlocking)
    write(files, "s", b"new")
    assert failed
    assert not opened(folder).is_locked("s")
