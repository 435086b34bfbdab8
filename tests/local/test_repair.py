"""repair does what a finding names, loses nothing, and changes nothing once it holds no more."""

from __future__ import annotations

import dataclasses
import errno
import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import calls
import needs
import pytest
from inside import local

from localsessions import (
    ConflictError,
    DurabilityUnknownError,
    Finding,
    LockTimeoutError,
    SessionExistsError,
    SessionNotFoundError,
    SessionStore,
    _system,
)

Start = Callable[..., "subprocess.Popen[str]"]
AsOtherUser = Callable[[Path, Callable[[], object]], object]

HEAD = '{\n  "title": "parser",\n  "later": 1,\n  "messages": [\n'


def message(number: int) -> str:
    return f'    {{"role": "user", "content": "text {number}"}}'


def torn(count: int) -> str:
    """A session cut off inside of the message after ``count`` whole ones."""
    return HEAD + "".join(message(number) + ",\n" for number in range(count)) + '    {"role": "us'


def the(store: SessionStore, kind: str) -> Finding:
    (finding,) = (one for one in store.verify() if one.kind == kind)
    return finding


def automatic(store: SessionStore) -> list[Finding]:
    return [one for one in store.verify() if one.automatic]


def snapshot(folder: Path) -> dict[str, object]:
    """Every file of the store but the derived ones, with its content and its inode."""
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and ".localsessions" not in path.parts
    }


def said(store: SessionStore, session_id: str) -> list[object]:
    return [one["content"] for one in store.load(session_id).messages]


# What is not automatic


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "\0" * 4096,
        '{"title": 7, "messages": [{"role": "user"}, {"ro',
        '{"title": "t", "title": "u", "messages": [{"role": "user"}, {"ro',
        '{"messages": [{"content": "no role"}, {"ro',
        '{"format": "localsessions/9", "messages": [{"role": "user"}, {"ro',
        '{"title": "t",\n<<<<<<< HEAD\n"pinned": true\n=======\n>>>>>>> b\n}',
        '{"messages": [{"role": "user"} {"role": "user"}]}',
        '["torn',
    ],
)
def test_what_cannot_be_cut_back_needs_a_person(
    store: SessionStore, folder: Path, text: str
) -> None:
    (folder / "odd.json").write_text(text)
    finding = the(store, "unreadable")
    assert finding.automatic is False
    assert finding.repair == "repair the file by hand, or delete the session"
    before = snapshot(folder)
    with pytest.raises(ValueError, match="needs a person"):
        store.repair(finding)
    answer = store.repair(dataclasses.replace(finding, automatic=True))
    assert answer == "nothing: the file has changed, and nothing of it can be recovered"
    assert snapshot(folder) == before


@pytest.mark.parametrize(
    "kind",
    needs.marked(
        ["newer format", "file name", "permissions", "index"],
        {"file name": "wild names", "permissions": "modes"},
    ),
)
def test_findings_for_a_person_are_refused(store: SessionStore, folder: Path, kind: str) -> None:
    (folder / "a.json").write_text('{"format": "localsessions/9", "session_id": "b"}')
    if kind == "file name":
        (folder / "bell\a.json").write_text("{}")
    folder.chmod(0o777)
    assert automatic(store) == []
    (folder / "new.json").write_text("{}")
    with pytest.raises(ValueError, match="needs a person"):
        store.repair(the(store, kind))


def test_a_closed_store_repairs_nothing(store: SessionStore) -> None:
    store.close()
    with pytest.raises(ValueError, match="closed"):
        store.repair(Finding("unreadable", "", "", "", "a", automatic=True))


# A torn session


@pytest.mark.parametrize("count", [0, 1, 3])
def test_what_is_whole_of_a_torn_session_becomes_a_new_one(
    store: SessionStore, folder: Path, count: int
) -> None:
    path = folder / "a.json"
    path.write_text(torn(count))
    before = snapshot(folder)
    finding = the(store, "unreadable")
    assert finding.automatic
    assert finding.repair == (
        f"recover {count} whole messages as session 'a-recovered'; this file stays"
    )

    assert store.repair(finding) == (
        f"recovered {count} messages as session 'a-recovered'; the file stays"
    )

    assert said(store, "a-recovered") == [f"text {number}" for number in range(count)]
    recovered = store.load("a-recovered")
    assert (recovered.title, recovered.extra, recovered.revision) == ("parser", {"later": 1}, 1)
    assert {one.session_id: one.status for one in store.list()} == {
        "a": "unreadable",
        "a-recovered": "active",
    }
    assert [one.session_id for one in store.list(fresh=True, status="active")] == ["a-recovered"]
    assert {name: of for name, of in snapshot(folder).items() if name == "a.json"} == before


def test_of_a_recovered_session_fields_keep_their_place_and_times_their_spelling(
    store: SessionStore, folder: Path
) -> None:
    (folder / "a.json").write_text(
        '{"title": "t", "later": 1, "created_at": "2024-01-02T03:04:05+02:00", "messages": ['
        '{"role": "user", "created_at": "2024-01-02T03:05:00Z"}, {"ro'
    )
    store.repair(the(store, "unreadable"))
    session = store.load("a-recovered")
    assert session.last_activity == datetime(2024, 1, 2, 3, 5, tzinfo=UTC)
    lines = (folder / "a-recovered.json").read_text().splitlines()
    names = [line.split('"')[1] for line in lines if line.startswith('  "')]
    assert names[:4] == ["format", "session_id", "title", "later"]
    assert '  "created_at": "2024-01-02T03:04:05+02:00",' in lines


def test_a_session_of_ours_without_messages_is_recovered_once(
    store: SessionStore, folder: Path
) -> None:
    store.create("a", title="parser", ttl=60)
    path = folder / "a.json"
    path.write_bytes(path.read_bytes()[:-3])
    store.repair(the(store, "unreadable"))
    recovered = store.load("a-recovered")
    assert (recovered.title, recovered.ttl, recovered.messages) == ("parser", 60, [])
    assert automatic(store) == []


def test_a_session_is_recovered_once(store: SessionStore, folder: Path) -> None:
    (folder / "a.json").write_text(torn(2))
    first = the(store, "unreadable")
    store.repair(first)
    before = snapshot(folder)

    again = the(store, "unreadable")
    assert (again.automatic, automatic(store)) == (False, [])
    assert again.repair.endswith("session 'a-recovered' holds its 2 whole messages already")
    assert store.repair(first).startswith("nothing: session 'a-recovered' holds all")
    os.utime(folder / "a.json", (1, 1))
    assert automatic(store) == []
    assert snapshot(folder) == before


@pytest.mark.parametrize("count", [0, 2])
def test_who_went_on_with_what_was_recovered_gets_no_other_one(
    store: SessionStore, folder: Path, count: int
) -> None:
    (folder / "a.json").write_text(torn(count))
    store.repair(the(store, "unreadable"))
    store.append("a-recovered", {"role": "user", "content": "more"})
    store.tag("a-recovered", "saved")
    assert automatic(store) == []


def test_more_to_recover_becomes_another_session(store: SessionStore, folder: Path) -> None:
    for count, new_id in [(2, "a-recovered"), (3, "a-recovered-2"), (4, "a-recovered-3")]:
        (folder / "a.json").write_text(torn(count))
        finding = the(store, "unreadable")
        assert repr(new_id) in finding.repair
        store.repair(finding)
        assert len(said(store, new_id)) == count
    (folder / "a.json").write_text(torn(2))
    assert "'a-recovered' holds its 2" in the(store, "unreadable").repair


@pytest.mark.parametrize("text", ["", "[]", '{"messages": {}}', torn(0)])
def test_what_has_the_name_already_stays(store: SessionStore, folder: Path, text: str) -> None:
    (folder / "a-recovered.json").write_text(text)
    (folder / "a.json").write_text(torn(2))
    before = (folder / "a-recovered.json").read_bytes()
    finding = next(one for one in store.verify() if one.kind == "unreadable")
    store.repair(finding)
    assert len(said(store, "a-recovered-2")) == 2
    assert (folder / "a-recovered.json").read_bytes() == before


def test_a_name_taken_between_looking_and_locking_is_not_overwritten(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.json").write_text(torn(2))
    finding = the(store, "unreadable")
    lock = local(store).folder.lock

    held: list[set[str]] = []

    def late(*session_ids: str) -> object:
        held.append(set(session_ids))
        (folder / "a-recovered.json").write_text('{"title": "another"}')
        return lock(*session_ids)

    monkeypatch.setattr(local(store).folder, "lock", late)
    assert "'a-recovered-2'" in store.repair(finding)
    assert held == [{"a", "a-recovered"}, {"a", "a-recovered-2"}]
    assert store.load("a-recovered").title == "another"
    assert len(said(store, "a-recovered-2")) == 2


def test_a_twin_of_the_name_is_refused(store: SessionStore, folder: Path) -> None:
    store.create("A-recovered")
    (folder / "a.json").write_text(torn(2))
    with pytest.raises(SessionExistsError):
        store.repair(the(store, "unreadable"))
    assert store.get("a-recovered") is None


def test_an_id_that_leaves_no_room_for_another_needs_a_person(
    store: SessionStore, folder: Path
) -> None:
    long = "x" * 195
    (folder / f"{long}.json").write_text(torn(2))
    assert the(store, "unreadable").automatic is False


def test_a_torn_session_that_is_whole_again_is_left(store: SessionStore, folder: Path) -> None:
    (folder / "a.json").write_text(torn(2))
    finding = the(store, "unreadable")
    (folder / "a.json").write_text(HEAD + message(0) + "]}")
    assert store.repair(finding) == "nothing: session 'a' can be read again"
    (folder / "a.json").unlink()
    assert store.repair(finding) == "nothing: session 'a' is gone"
    assert store.get("a-recovered") is None


def test_a_file_torn_further_meanwhile_gives_what_it_has_now(
    store: SessionStore, folder: Path
) -> None:
    (folder / "a.json").write_text(torn(3))
    finding = the(store, "unreadable")
    (folder / "a.json").write_text(torn(1))
    assert store.repair(finding).startswith("recovered 1 messages")
    assert said(store, "a-recovered") == ["text 0"]


def test_recovering_waits_for_both_locks(store: SessionStore, folder: Path, start: Start) -> None:
    (folder / "a.json").write_text(torn(2))
    (folder / "b.json").write_text(torn(2))
    store.create("b-recovered", title="another")
    finding = next(one for one in store.verify() if one.session_id == "a")
    other = next(one for one in store.verify() if one.session_id == "b")
    store.create("a-recovered", title="held")
    holder = start("hold.py", folder, "a-recovered")
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    (folder / "a-recovered.json").unlink()
    with SessionStore(folder, lock_timeout=0.05) as hasty:
        with pytest.raises(LockTimeoutError):
            hasty.repair(finding)
        assert "'b-recovered-2'" in hasty.repair(other)
    assert store.get("a-recovered") is None


# A wrong id inside


def test_the_right_id_is_written_and_is_no_activity(store: SessionStore, folder: Path) -> None:
    store.create("a", title="parser")
    store.append("a", {"role": "user", "content": "hi"})
    before = store.load("a")
    (folder / "copy.json").write_bytes((folder / "a.json").read_bytes())
    finding = the(store, "wrong inner id")
    assert (finding.session_id, finding.automatic) == ("copy", True)

    assert store.repair(finding) == "wrote the id 'copy' into the file"

    assert store.verify() == []
    copy = store.load("copy")
    assert copy.last_activity == before.last_activity
    assert (copy.title, copy.messages, copy.revision) == ("parser", before.messages, 3)
    assert '"session_id": "copy"' in (folder / "copy.json").read_text()
    assert store.load("a").revision == 2
    after = snapshot(folder)
    assert store.repair(finding) == "nothing: the file says already that it is session 'copy'"
    assert snapshot(folder) == after


def test_a_wrong_id_in_a_layout_of_somebody_else_is_put_right_too(
    store: SessionStore, folder: Path
) -> None:
    (folder / "copy.json").write_text('{"later": [1.50], "session_id": "a", "messages": []}')
    store.repair(the(store, "wrong inner id"))
    assert store.verify() == []
    assert store.load("copy").extra == {"later": [1.5]}


def test_what_was_saved_after_verify_stays(store: SessionStore, folder: Path) -> None:
    (folder / "copy.json").write_text('{"session_id": "a", "title": "t"}')
    finding = the(store, "wrong inner id")
    store.append("copy", {"role": "user", "content": "said meanwhile"})
    before = snapshot(folder)
    assert store.repair(finding).startswith("nothing: ")
    assert snapshot(folder) == before
    (folder / "copy.json").write_text('{"session_id": "a", "title": "edited meanwhile"}')
    assert store.repair(finding).startswith("wrote ")
    assert store.load("copy").title == "edited meanwhile"


def test_an_edit_between_reading_and_writing_is_not_overwritten(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "copy.json"
    path.write_text('{"session_id": "a", "title": "t"}')
    finding = the(store, "wrong inner id")
    load = local(store).reader.session

    def edited_afterwards(session_id: str) -> object:
        monkeypatch.undo()
        session = load(session_id)
        path.write_text('{"session_id": "a", "title": "edited meanwhile"}')
        return session

    monkeypatch.setattr(local(store).reader, "session", edited_afterwards)
    with pytest.raises(ConflictError):
        store.repair(finding)
    assert path.read_text() == '{"session_id": "a", "title": "edited meanwhile"}'


def test_a_wrong_id_that_cannot_be_put_right_any_more(store: SessionStore, folder: Path) -> None:
    path = folder / "copy.json"
    path.write_text('{"session_id": "a"}')
    finding = the(store, "wrong inner id")
    path.write_text("{torn")
    assert store.repair(finding) == "nothing: session 'copy' cannot be read any more"
    assert path.read_text() == "{torn"
    path.unlink()
    assert store.repair(finding) == "nothing: session 'copy' is gone"
    assert not path.exists()


# Checkpoints without a session


def orphan(store: SessionStore, folder: Path, session_id: str) -> str:
    """Leave checkpoints of a session whose file somebody removed; return the last one's id."""
    store.create(session_id)
    made = store.save_checkpoint(session_id, {"n": 1})
    (folder / f"{session_id}.json").unlink()
    return made.checkpoint_id


def test_checkpoints_that_a_crash_parted_from_their_session_come_back_with_it(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create("a", title="parser")
    made = store.save_checkpoint("a", {"n": 1})
    rename = os.rename

    class Killed(BaseException):
        pass

    def killed(source: str, target: str) -> None:
        if source.endswith(".checkpoints"):
            raise Killed
        rename(source, target)

    calls.put_in_place_of(monkeypatch, "replace", killed)
    with pytest.raises(Killed):
        store.delete("a")
    monkeypatch.undo()

    finding = the(store, "orphan checkpoints")
    assert finding.automatic
    assert store.repair(finding).startswith("moved the checkpoints to the trash, ")
    (trashed,) = store.trash()
    assert not trashed.checkpoints_only
    assert store.verify() == []
    assert store.repair(finding) == "nothing: the checkpoints are gone already"
    assert store.restore("a").title == "parser"
    assert store.checkpoints("a") == [made.checkpoint_id]
    assert store.load_checkpoint("a").data == {"n": 1}


def test_checkpoints_without_any_session_are_restored_once_it_is_there_again(
    store: SessionStore, folder: Path
) -> None:
    made = orphan(store, folder, "a")
    store.repair(the(store, "orphan checkpoints"))
    assert not (folder / "a.checkpoints").exists()
    (trashed,) = store.trash()
    assert (trashed.session_id, trashed.checkpoints_only) == ("a", True)
    assert trashed.size_bytes > 0
    with pytest.raises(SessionNotFoundError):
        store.restore("a")
    assert len(store.trash()) == 1

    (folder / "a.json").write_text('{"title": "found again"}')
    assert store.restore("a").title == "found again"
    assert store.checkpoints("a") == [made]
    assert store.trash() == []


def test_checkpoints_never_replace_others(store: SessionStore, folder: Path) -> None:
    orphan(store, folder, "a")
    store.repair(the(store, "orphan checkpoints"))
    store.create("a")
    later = store.save_checkpoint("a", {"n": 2})
    with pytest.raises(FileExistsError, match="has checkpoints again"):
        store.restore("a")
    assert store.checkpoints("a") == [later.checkpoint_id]
    assert len(store.trash()) == 1


def test_checkpoints_of_a_later_session_do_not_join_an_earlier_one(
    store: SessionStore, folder: Path
) -> None:
    store.create("a", title="earlier")
    store.delete("a")
    orphan(store, folder, "a")
    store.repair(the(store, "orphan checkpoints"))
    assert {one.checkpoints_only for one in store.trash()} == {True, False}
    assert store.restore("a").title == "earlier"
    assert store.checkpoints("a") == []
    store.restore("a")
    assert len(store.checkpoints("a")) == 1


def test_checkpoints_do_not_join_a_session_that_has_its_own(
    store: SessionStore, folder: Path
) -> None:
    store.create("a")
    mine = store.save_checkpoint("a", 1)
    store.delete("a")
    others = folder / "a.checkpoints"
    others.mkdir()
    (others / "00000001-old.json").write_text("{}")
    os.utime(others / "00000001-old.json", (1, 1))
    store.repair(the(store, "orphan checkpoints"))
    store.restore("a")
    assert store.checkpoints("a") == [mine.checkpoint_id]


def test_restoring_checkpoints_passes_over_sessions_in_the_trash(
    store: SessionStore, folder: Path
) -> None:
    made = orphan(store, folder, "a")
    store.repair(the(store, "orphan checkpoints"))
    store.create("a", title="deleted later")
    store.delete("a")
    store.create("a", title="there")
    assert store.restore("a").title == "there"
    assert store.checkpoints("a") == [made]
    assert [one.checkpoints_only for one in store.trash()] == [False]
    with pytest.raises(SessionExistsError):
        store.restore("a")


def test_checkpoints_alone_in_the_trash_do_not_hide_the_session_of_others(
    store: SessionStore, folder: Path
) -> None:
    store.create("a", title="earlier")
    store.delete("a")
    orphan(store, folder, "a")
    store.repair(the(store, "orphan checkpoints"))
    (folder / "a.checkpoints").mkdir()
    (folder / "a.checkpoints" / "00000001-old.json").write_text("{}")
    os.utime(folder / "a.checkpoints" / "00000001-old.json", (1, 1))
    store.repair(the(store, "orphan checkpoints"))
    assert store.restore("a").title == "earlier"
    assert store.checkpoints("a") == ["old"]


def test_moved_checkpoints_that_the_disk_does_not_confirm_are_doubted(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = orphan(store, folder, "a")
    finding = the(store, "orphan checkpoints")

    def fail(path: str) -> None:
        raise OSError(errno.EIO, "no disk", path)

    monkeypatch.setattr(_system, "sync_folder", fail)
    with pytest.raises(OSError, match="no disk"):
        store.repair(finding)  # the folder of the trash is made and synced first
    monkeypatch.undo()
    assert store.checkpoints("a") == [made]
    monkeypatch.setattr(_system, "sync_folder", fail)
    with pytest.raises(DurabilityUnknownError):
        store.repair(finding)
    assert store.checkpoints("a") == []
    (folder / "a.json").write_text("{}")
    with pytest.raises(DurabilityUnknownError):
        store.restore("a")
    assert store.checkpoints("a") == [made]


def test_checkpoints_alone_are_purged_by_their_age(store: SessionStore, folder: Path) -> None:
    orphan(store, folder, "a")
    orphan(store, folder, "b")
    early = datetime.now(UTC) - timedelta(days=3)
    with local(store).folder.lock("b"):
        local(store).folder.trash.put_checkpoints("b", early)
    store.repair(the(store, "orphan checkpoints"))
    assert [one.session_id for one in store.empty_trash(max_age=timedelta(days=1))] == ["b"]
    assert [one.session_id for one in store.trash()] == ["a"]
    assert [one.session_id for one in store.empty_trash()] == ["a"]
    assert os.listdir(folder / ".trash") == [".gitignore"]


def test_checkpoints_whose_session_is_there_again_stay(store: SessionStore, folder: Path) -> None:
    made = orphan(store, folder, "a")
    finding = the(store, "orphan checkpoints")
    store.create("a")
    assert store.repair(finding) == "nothing: session 'a' is there again"
    assert store.checkpoints("a") == [made]


@pytest.mark.needs("links")
def test_what_is_no_folder_needs_a_person(store: SessionStore, folder: Path) -> None:
    (folder / "file.checkpoints").touch()
    (folder / "outside").mkdir()
    (folder / "link.checkpoints").symlink_to(folder / "outside")
    findings = [one for one in store.verify() if one.kind == "orphan checkpoints"]
    assert [one.automatic for one in findings] == [False, False]


# Temp files


def test_the_temp_file_of_a_killed_process_goes_and_that_of_a_writer_stays(
    store: SessionStore, folder: Path, start: Start
) -> None:
    store.create("a")
    store.create("b")
    writer = start("stop_before_rename.py", folder, "a")
    assert writer.stdout is not None
    assert writer.stdin is not None
    temp = Path(writer.stdout.readline().strip())
    finding = the(store, "orphan temp file")
    assert (finding.path, finding.automatic) == (str(temp), True)
    assert "a write is going on" in store.repair(finding)
    assert temp.exists()
    writer.stdin.write("\n")
    writer.stdin.flush()
    assert writer.stdout.readline() == "saved\n"
    assert store.load("a").title == "saved in the end"
    assert store.repair(finding) == "nothing: the file is gone already"

    killed = start("stop_before_rename.py", folder, "b")
    assert killed.stdout is not None
    temp = Path(killed.stdout.readline().strip())
    killed.kill()
    killed.wait()
    assert store.repair(the(store, "orphan temp file")) == "removed the temp file"
    assert not temp.exists()
    assert store.verify() == []


def test_a_temp_file_of_another_name_needs_a_person(store: SessionStore, folder: Path) -> None:
    odd = folder / ".localsessions" / "tmp" / "notes.txt"
    odd.touch()
    finding = the(store, "orphan temp file")
    assert finding.automatic is False
    with pytest.raises(ValueError, match="needs a person"):
        store.repair(finding)
    with SessionStore(folder):
        assert odd.exists()


def test_a_path_elsewhere_is_no_temp_file(store: SessionStore, tmp_path: Path) -> None:
    elsewhere = tmp_path / "00-1234.tmp"
    elsewhere.touch()
    finding = Finding("orphan temp file", str(elsewhere), "", "", automatic=True)
    assert store.repair(finding) == "nothing: the file is gone already"
    assert elsewhere.exists()


# All of them


def test_repairs_are_logged_as_what_they_did_to_sessions(store: SessionStore, folder: Path) -> None:
    orphan(store, folder, "orphan")
    (folder / "torn.json").write_text(torn(2))
    (folder / "copy.json").write_text('{"session_id": "original"}')
    findings = automatic(store)
    since = store.last_change()
    for finding in findings:
        store.repair(finding)
    (folder / "orphan.json").write_text("{}")
    store.last_change()
    store.restore("orphan")
    changes = [(one.session_id, one.kind, one.origin) for one in store.changes(since, fresh=True)]
    assert sorted(changes) == [
        ("copy", "modified", "this store"),
        ("orphan", "created", "external"),
        ("torn-recovered", "created", "this store"),
    ]


def test_a_second_run_finds_nothing_more_to_do(store: SessionStore, folder: Path) -> None:
    orphan(store, folder, "orphan")
    (folder / "torn.json").write_text(torn(2))
    (folder / "copy.json").write_text('{"session_id": "original"}')
    (folder / ".localsessions" / "tmp" / "00-1234.tmp").touch()
    findings = automatic(store)
    assert {one.kind for one in findings} == {
        "orphan checkpoints",
        "unreadable",
        "wrong inner id",
        "orphan temp file",
    }
    for finding in findings:
        assert not store.repair(finding).startswith("nothing")
    assert [one.kind for one in store.verify()] == ["unreadable"]
    assert automatic(store) == []
    before = snapshot(folder)
    for finding in findings:
        assert store.repair(finding).startswith("nothing: ")
    assert snapshot(folder) == before


@pytest.mark.needs("modes")
def test_a_folder_that_cannot_be_written_is_repaired_in_nothing(
    folder: Path, as_other_user: AsOtherUser
) -> None:
    with SessionStore(folder) as store:
        orphan(store, folder, "orphan")
    (folder / "torn.json").write_text(torn(2))
    (folder / "copy.json").write_text('{"session_id": "original"}')
    (folder / ".localsessions" / "tmp" / "00-1234.tmp").touch()
    before = snapshot(folder)
    entries = [folder, *folder.rglob("*")]
    for path in entries:
        path.chmod(0o555 if path.is_dir() else 0o444)

    def act() -> object:
        errors = []
        with SessionStore(folder) as store:
            for finding in automatic(store):
                with pytest.raises(PermissionError) as caught:
                    store.repair(finding)
                errors.append((finding.kind, caught.type.__name__))
        return sorted(errors)

    try:
        refused = as_other_user(folder, act)
    finally:
        for path in entries:
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert refused == [
        (kind, "PermissionError")
        for kind in ("orphan checkpoints", "orphan temp file", "unreadable", "wrong inner id")
    ]
    assert snapshot(folder) == before
