"""Transcripts into a store: once, twice, grown, gone on, gone apart."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import calls
import pytest
from reasons import reason_of

from localsessions.models import Session
from localsessions.store import SessionStore
from localsessions.transcripts import FileReport, FormatTotals, export, import_paths, storing

from .records import claude_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pydantic import JsonValue

    from localsessions.models import Message

TRANSCRIPTS = Path(__file__).parents[2] / "examples" / "transcripts"
SMALL = [
    "claude/agentsessions-small.jsonl",
    "claude/cclog-edge_cases.jsonl",
    "claude/simonw-sample_session.json",
    "codex/agentsessions-rollout-2.jsonl",
    "gemini/entire-ab2b9748b105.json",
    "gemini/gemini-jsonl_v040.jsonl",
    "mini-swe-agent/local.traj.json",
    "swe-agent/function_calling_simple.traj",
    "webvoyager/ESPN-11.json",
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SessionStore]:
    with SessionStore(tmp_path / "store", durability="fast") as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "transcripts"
    made.mkdir()
    return made


def said(*texts: str) -> list[JsonValue]:
    return [{"role": "user", "content": text} for text in texts]


def write(path: Path, value: JsonValue) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def claude(number: int, text: str = "hi", **more: JsonValue) -> str:
    more = {"timestamp": f"2026-01-02T03:04:{number:02d}.000Z", **more}
    return json.dumps(claude_record("user", f"u{number}", text, **more)) + "\n"


def one(store: SessionStore, path: Path) -> FileReport:
    (report,) = import_paths(store, [path]).files
    return report


def texts(store: SessionStore, session_id: str) -> list[JsonValue]:
    return [message["content"] for message in load(store, session_id)]


def load(store: SessionStore, session_id: str) -> list[Message]:
    session = store.get(session_id)
    assert session is not None
    return session.messages


def session_files(store_dir: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in store_dir.glob("*.json")
    }


# Once and twice


def test_real_transcripts_are_in_the_store(store: SessionStore) -> None:
    report = import_paths(store, [TRANSCRIPTS / name for name in SMALL])
    assert (report.total.sessions, report.total.messages) == (12, 138)
    assert report.total.added == 138
    assert report.skipped == ()
    for file in report.files:
        assert sum(len(load(store, found)) for found in file.session_ids) == file.messages


def test_importing_twice_changes_no_file(store: SessionStore, tmp_path: Path) -> None:
    paths = [TRANSCRIPTS / name for name in SMALL]
    import_paths(store, paths)
    before = session_files(tmp_path / "store")
    again = import_paths(store, paths)
    assert (again.total.unchanged, again.total.added) == (12, 0)
    assert session_files(tmp_path / "store") == before


def test_stored_messages_equal_those_that_were_read(store: SessionStore, folder: Path) -> None:
    one(store, write(folder / "a.json", said("x")))
    assert load(store, "a") == [{"id": "msg_000001", "role": "user", "content": "x"}]


def test_session_keeps_the_times_of_its_source(store: SessionStore, folder: Path) -> None:
    path = folder / "c.jsonl"
    path.write_text(claude(5) + claude(9))
    one(store, path)
    session = store.get("s1")
    assert session is not None
    assert session.created_at.isoformat() == "2026-01-02T03:04:05+00:00"
    assert session.last_activity.isoformat() == "2026-01-02T03:04:09+00:00"


def test_touched_source_without_times_is_unchanged(store: SessionStore, folder: Path) -> None:
    path = write(folder / "a.json", said("x"))
    one(store, path)
    os.utime(path, (1, 1))
    assert one(store, path).unchanged == 1


# Grown, gone on, gone apart


def test_source_that_grew_appends_what_is_new(store: SessionStore, folder: Path) -> None:
    path = write(folder / "a.json", said("x"))
    one(store, path)
    write(path, said("x", "y", "z"))
    report = one(store, path)
    assert (report.grown, report.added, report.session_ids) == (1, 2, ("a",))
    assert load(store, "a")[1:] == [
        {"id": "msg_000002", "role": "user", "content": "y"},
        {"id": "msg_000003", "role": "user", "content": "z"},
    ]
    assert one(store, path).unchanged == 1


def test_grown_session_is_as_young_as_its_last_message(store: SessionStore, folder: Path) -> None:
    path = folder / "c.jsonl"
    path.write_text(claude(5))
    one(store, path)
    path.write_text(claude(5) + claude(9))
    one(store, path)
    session = store.get("s1")
    assert session is not None
    assert session.last_activity.isoformat() == "2026-01-02T03:04:09+00:00"


def test_torn_last_line_comes_in_when_it_is_whole(store: SessionStore, folder: Path) -> None:
    path = folder / "c.jsonl"
    path.write_text(claude(1) + claude(2, "later")[:-20])
    assert [bad.line for bad in one(store, path).bad_lines] == [2]
    path.write_text(claude(1) + claude(2, "later"))
    assert one(store, path).grown == 1
    assert texts(store, "s1") == ["hi", "later"]


def test_session_that_went_on_in_the_store_stays(store: SessionStore, folder: Path) -> None:
    path = write(folder / "a.json", said("x"))
    one(store, path)
    store.append("a", {"role": "assistant", "content": "here"})
    assert one(store, path).unchanged == 1
    assert texts(store, "a") == ["x", "here"]


def test_sessions_that_went_apart_are_one_with_what_both_said(
    store: SessionStore, folder: Path
) -> None:
    path = write(folder / "a.json", said("x"))
    one(store, path)
    store.append("a", {"role": "user", "content": "here"})
    write(path, said("x", "there"))
    report = one(store, path)
    assert (report.grown, report.added, report.session_ids) == (1, 1, ("a",))
    assert texts(store, "a") == ["x", "here", "there"]
    write(path, said("x", "there", "and there"))
    one(store, path)
    assert texts(store, "a") == ["x", "here", "there", "and there"]
    assert one(store, path).unchanged == 1
    assert store.count() == 1


def test_id_beside_another_stays_within_the_limit(store: SessionStore, folder: Path) -> None:
    long_id = "x" * 200
    store.create(long_id)
    path = folder / "c.jsonl"
    path.write_text(claude(1, sessionId=long_id))
    (beside,) = one(store, path).session_ids
    assert len(beside) == 200
    assert one(store, path).unchanged == 1


def test_id_that_differs_by_letter_case_only_stands_beside(
    store: SessionStore, folder: Path
) -> None:
    one(store, write(folder / "chat.json", said("x")))
    report = one(store, write(folder / "CHAT.jsonl", said("y")))
    assert report.beside == 1
    assert re.fullmatch("CHAT-[0-9a-f]{8}", report.session_ids[0])


def test_what_is_written_between_the_comparison_and_the_lock_stays(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(folder / "a.json", said("x"))
    one(store, path)
    stale, get = store.get("a"), store.get
    store.append("a", {"role": "user", "content": "here"})
    answers = [stale]
    monkeypatch.setattr(store, "get", lambda wanted: answers.pop() if answers else get(wanted))
    write(path, said("x", "there"))
    assert one(store, path).session_ids == ("a",)
    assert texts(store, "a") == ["x", "here", "there"]


def test_title_of_the_store_is_kept(store: SessionStore, folder: Path) -> None:
    path = folder / "c.jsonl"
    path.write_text(claude(1))
    one(store, path)
    with store.edit("s1") as session:
        session.title = "mine"
    title = json.dumps({"type": "custom-title", "sessionId": "s1", "customTitle": "theirs"})
    path.write_text(claude(1) + claude(2) + title)
    assert one(store, path).grown == 1
    stored = store.get("s1")
    assert stored is not None
    assert stored.title == "mine"


def test_unreadable_session_in_the_store_is_named_and_left(
    store: SessionStore, folder: Path, tmp_path: Path
) -> None:
    torn = tmp_path / "store" / "a.json"
    torn.write_bytes(b'{"messages": [')
    report = one(store, write(folder / "a.json", said("x")))
    (refused,) = report.refused
    assert refused.session_id == "a"
    assert "cannot be read" in refused.reason
    assert torn.read_bytes() == b'{"messages": ['


def test_exported_session_can_be_imported_elsewhere(
    store: SessionStore, folder: Path, tmp_path: Path
) -> None:
    one(store, TRANSCRIPTS / "claude/simonw-sample_session.json")
    session = store.get("simonw-sample_session")
    assert session is not None
    path = folder / "copy.json"
    path.write_bytes(export(session, "json"))
    assert one(store, path).unchanged == 1
    with SessionStore(tmp_path / "other", durability="fast") as other:
        assert one(other, path).imported == 1
        assert load(other, "simonw-sample_session") == session.messages


# Folders


def test_folder_is_walked_in_order_and_every_entry_is_reported(
    store: SessionStore, folder: Path
) -> None:
    (folder / "b").mkdir()
    (folder / ".git").mkdir()
    write(folder / "b" / "2.json", said("x"))
    write(folder / "a.json", said("x"))
    write(folder / "c.json", said("x"))
    (folder / "d.md").write_text("# notes")
    report = import_paths(store, [folder])
    assert [(os.path.relpath(file.path, folder), file.skipped) for file in report.files] == [
        (".git", "hidden"),
        ("a.json", None),
        (str(Path("b", "2.json")), None),
        ("c.json", None),
        ("d.md", "neither JSON nor JSON Lines, but Markdown, or text like it"),
    ]
    assert len(report.skipped) == 2


@pytest.mark.needs("links", "fifos")
def test_links_and_pipes_of_a_folder_are_reported_and_not_taken(
    store: SessionStore, folder: Path
) -> None:
    write(folder / "a.json", said("x"))
    (folder / "e.json").symlink_to(folder / "a.json")
    (folder / "f").symlink_to(folder, target_is_directory=True)
    os.mkfifo(folder / "g")
    report = import_paths(store, [folder])
    assert [(os.path.relpath(file.path, folder), file.skipped) for file in report.files] == [
        ("a.json", None),
        ("e.json", "a symbolic link"),
        ("f", "a symbolic link"),
        ("g", "cannot be read: not a regular file"),
    ]


@pytest.mark.needs("links")
def test_links_in_a_loop_end(store: SessionStore, folder: Path) -> None:
    (folder / "in").mkdir()
    write(folder / "in" / "a.json", said("x"))
    (folder / "in" / "up").symlink_to(folder, target_is_directory=True)
    (folder / "one").symlink_to(folder / "two")
    (folder / "two").symlink_to(folder / "one")
    report = import_paths(store, [folder, folder / "in" / "up" / "in" / "up", folder / "one"])
    assert report.total.imported == 1
    assert [file.skipped for file in report.files if "one" in file.path] == [
        "a symbolic link",
        "a symbolic link",
        "cannot be read: Too many levels of symbolic links",
    ]


@pytest.mark.needs("modes")
def test_unreadable_entries_are_named(
    store: SessionStore, folder: Path, as_other_user: Callable[[Path, Callable[[], object]], object]
) -> None:
    closed = folder / "closed"
    closed.mkdir()
    locked = write(folder / "locked.json", said("x"))
    folder.chmod(0o755)
    closed.chmod(0)
    locked.chmod(0)

    def skipped() -> list[str | None]:
        return [file.skipped for file in import_paths(store, [folder]).files]

    reasons = as_other_user(folder, skipped)
    closed.chmod(0o700)
    assert reasons == ["cannot be read: Permission denied"] * 2


def test_folder_that_cannot_be_listed_is_named(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr("localsessions.transcripts.files.os.scandir", refuse)
    report = import_paths(store, [folder])
    monkeypatch.undo()
    assert [file.skipped for file in report.files] == ["cannot be read: Permission denied"]


@pytest.mark.needs("links")
def test_hidden_file_or_link_that_was_named_is_taken(store: SessionStore, folder: Path) -> None:
    hidden = write(folder / ".hidden.json", said("x"))
    link = folder / "link.json"
    link.symlink_to(hidden)
    report = import_paths(store, [hidden, link])
    assert [file.session_ids for file in report.files] == [(".hidden",), ("link",)]


def test_path_that_is_not_there_is_named(store: SessionStore, folder: Path) -> None:
    report = one(store, folder / "gone")
    assert report.skipped == f"cannot be read: {reason_of((folder / 'gone').stat)}"


def test_progress_is_told_after_each_file(store: SessionStore, folder: Path) -> None:
    write(folder / "a.json", said("x"))
    (folder / "b.txt").write_text("notes")
    told: list[FileReport] = []
    report = import_paths(store, [str(folder)], on_progress=told.append)
    assert tuple(told) == report.files


# Together


def tangled(folder: Path) -> None:
    """Files that meet: the same ids again, grown, gone apart, in another spelling, or torn."""
    write(folder / "a.json", said("x"))
    (folder / "a").mkdir()
    for name, *told in (
        ("1.json", "x"), ("a.json", "x", "more"), ("a.jsonl", "other"), ("A.json", "third"),
        ("b.json", "x"), ("B.json", "x"),
    ):  # fmt: skip
        write(folder / "a" / name, said(*told))
    (folder / "b").mkdir()
    write(folder / "b" / "a.json", said("x", "more", "and more"))
    (folder / "c.jsonl").write_text(
        claude(1, sessionId="torn") + claude(2, sessionId="s2") + claude(3, sessionId="stored")
    )
    (folder / "d.jsonl").write_text(claude(1, sessionId="s2") + claude(2, sessionId="S2"))
    (folder / "e.txt").write_text("notes")
    (folder / "f.jsonl").write_text("".join(claude(1, sessionId=f"s{n}") for n in range(40)))


@pytest.mark.parametrize("together", [2, 3, 256])
def test_outcomes_are_those_of_one_by_one(
    together: int, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tangled(folder)
    reports, stored = [], []
    for count in (1, together):
        monkeypatch.setattr(storing, "_TOGETHER", count)
        with SessionStore(tmp_path / f"by {count}", durability="fast") as store:
            store.create("stored", title="was here")
            Path(store.path("torn")).write_text("{")
            for _ in range(2):
                told: list[FileReport] = []
                reports.append(import_paths(store, [folder], on_progress=told.append))
                assert tuple(told) == reports[-1].files
            stored.append(
                {
                    one.session_id: texts(store, one.session_id)
                    for one in store.list(limit=99)
                    if one.unreadable is None
                }
            )
    one_by_one, again, *others = reports
    # Why a session was refused names its file.
    at_once = [repr(report).replace(f"by {together}", "by 1") for report in others]
    assert at_once == [repr(one_by_one), repr(again)]
    assert stored[0] == stored[1]
    assert (one_by_one.total.grown, one_by_one.total.unchanged) > (0, 0)
    assert one_by_one.total.refused == 1
    assert sum(file.beside for file in one_by_one.files) > 0


def test_new_sessions_of_a_file_are_stored_together(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = "".join(claude(1, sessionId=f"n{number}") for number in range(800))
    (folder / "many.jsonl").write_text(many)
    calls: list[int] = []
    save_many = store.save_many

    def noted(sessions: Sequence[Session]) -> Sequence[Session]:
        calls.append(len(sessions))
        return save_many(sessions)

    monkeypatch.setattr(store, "save_many", noted)
    assert one(store, folder / "many.jsonl").imported == 800
    assert [count for count in calls if count] == [256, 256, 256, 32]


def test_files_wait_for_each_other_up_to_a_size(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        write(folder / f"{number}.json", said("x" * 1000))
    monkeypatch.setattr(storing, "_TOGETHER_BYTES", 2500)
    stored: list[int] = []
    import_paths(store, [folder], on_progress=lambda _: stored.append(store.count()))
    assert stored == [3, 3, 3, 6, 6, 6]


def test_a_session_that_is_made_meanwhile_is_compared_with(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "a.json", said("x"))
    write(folder / "b.json", said("x"))
    save_many = store.save_many

    def overtaken(sessions: Sequence[Session]) -> Sequence[Session]:
        store.save(sessions[0].model_copy())
        other: list[Message] = [{"role": "user", "content": "other"}]
        store.save(sessions[1].model_copy(update={"messages": other, "source": {}}))
        return save_many(sessions)

    monkeypatch.setattr(store, "save_many", overtaken)
    first, second = import_paths(store, [folder]).files
    assert (first.unchanged, second.beside) == (1, 1)
    assert [texts(store, name) for name in ("a", "b", *second.session_ids)] == [
        ["x"], ["other"], ["x"],
    ]  # fmt: skip


def test_a_disk_that_is_full_ends_the_import_and_keeps_what_was_stored(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        write(folder / f"{number}.json", said("x"))
    store.count()  # the index is made, and its journal renamed
    real, count = calls.real("replace"), iter(range(1000))

    def full(source: str, target: str) -> None:
        if next(count) >= 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), source)
        real(source, target)

    with monkeypatch.context() as patched:
        calls.put_in_place_of(patched, "replace", full)
        with pytest.raises(OSError, match="No space left"):
            import_paths(store, [folder])
    assert store.count() == 4
    assert import_paths(store, [folder]).total.imported == 2


def test_totals_are_told_for_each_format(store: SessionStore, folder: Path) -> None:
    write(folder / "a.json", said("x"))
    write(folder / "b.json", said("x", "y"))
    (folder / "c.jsonl").write_text(claude(1) + "torn\n" + json.dumps({"type": "mode"}))
    (folder / "d.txt").write_text("notes")
    report = import_paths(store, [folder])
    assert report.totals == {
        "claude-jsonl": FormatTotals(
            files=1, sessions=1, imported=1, messages=1, added=1, bad_lines=1
        ),
        "openai-messages": FormatTotals(files=2, sessions=2, imported=2, messages=3, added=3),
    }
    assert report.files[2].bookkeeping == {"mode": 1}
    assert report.total.files == 3


def test_nothing_of_a_folder_is_an_empty_report(store: SessionStore, folder: Path) -> None:
    report = import_paths(store, [folder])
    assert (report.files, report.totals) == ((), {})


# Deleted here


@pytest.mark.parametrize("emptied", [False, True])
def test_what_was_deleted_here_stays_deleted_unless_asked_for(
    emptied: bool, store: SessionStore, folder: Path
) -> None:
    path = folder / "c.jsonl"
    path.write_text(claude(1) + claude(2, sessionId="s2"))
    one(store, path)
    store.delete("s1")
    if emptied:
        store.empty_trash()
    report = one(store, path)
    assert (report.deleted, report.unchanged, report.session_ids) == (1, 1, ("s2",))
    assert store.get("s1") is None
    (again,) = import_paths(store, [path], again=True).files
    assert (again.imported, again.unchanged) == (1, 1)
    assert one(store, path).unchanged == 2


def test_what_is_forgotten_comes_in_again(store: SessionStore, folder: Path) -> None:
    path = write(folder / "a.json", said("x"))
    one(store, path)
    store.delete("a")
    store.empty_trash()
    store.forget_deletions()
    assert one(store, path).imported == 1


def test_deleting_one_session_keeps_no_other_away(store: SessionStore, folder: Path) -> None:
    (folder / "a").mkdir()
    (folder / "b").mkdir()
    one(store, write(folder / "a" / "chat.json", said("x")))
    store.delete("chat")
    assert one(store, write(folder / "b" / "chat.json", said("y"))).session_ids == ("chat",)
    assert one(store, folder / "a" / "chat.json").deleted == 1


# Two sources


def test_two_files_of_one_name_are_two_sessions_that_each_grow(
    store: SessionStore, folder: Path
) -> None:
    for name in "ab":
        (folder / name).mkdir()
        write(folder / name / "chat.json", said(f"of {name}"))
    (first,), (second,) = (file.session_ids for file in import_paths(store, [folder]).files)
    write(folder / "b" / "chat.json", said("of b", "more of b"))
    report = import_paths(store, [folder])
    assert [file.session_ids for file in report.files] == [(first,), (second,)]
    assert (report.total.unchanged, report.total.grown, store.count()) == (1, 1, 2)
    assert texts(store, second) == ["of b", "more of b"]


def test_ids_of_two_programs_that_are_the_same_are_two_sessions(
    store: SessionStore, folder: Path
) -> None:
    (folder / "claude.jsonl").write_text(claude(1))
    meta = {"type": "session_meta", "payload": {"id": "s1"}}
    item = {
        "type": "response_item",
        "payload": {"type": "message", "role": "user", "content": "codex"},
    }
    (folder / "codex.jsonl").write_text(f"{json.dumps(meta)}\n{json.dumps(item)}\n")
    import_paths(store, [folder])
    report = import_paths(store, [folder])
    assert report.total.unchanged == 2
    assert [texts(store, name) for file in report.files for name in file.session_ids] == [
        ["hi"], ["codex"],
    ]  # fmt: skip


@pytest.mark.parametrize("levels", [150, 197])
def test_a_value_that_is_nested_too_deep_becomes_a_text(
    store: SessionStore, folder: Path, levels: int
) -> None:
    deep: JsonValue = "the end"
    for _ in range(levels):
        deep = [deep]
    path = folder / "deep.jsonl"
    path.write_text(claude(1) + claude(2, toolUseResult=deep) + claude(3))
    assert one(store, path).refused == ()
    assert len(load(store, "s1")) == 3
    kept: JsonValue = load(store, "s1")[1]["toolUseResult"]
    while isinstance(kept, list):
        (kept,) = kept
    assert "the end" in str(kept)
    assert one(store, path).unchanged == 1


@pytest.mark.parametrize("order", [["agent", "parent"], ["parent", "agent"]])
def test_a_sub_agent_finds_its_parent_where_another_program_has_the_id(
    order: list[str], store: SessionStore, folder: Path
) -> None:
    store.save(Session(session_id="s1", source={"program": "codex", "session_id": "s1"}))
    records = {
        "parent": claude(1),
        "agent": claude(2, isSidechain=True, agentId="q"),
    }
    for name in order:
        path = folder / f"{name}.jsonl"
        path.write_text(records[name])
        one(store, path)
    (parent,) = [found for found in store.list(program="claude-code") if not found.parent]
    (agent,) = store.list(parent=parent.session_id)
    assert store.load("s1").source["program"] == "codex"
    assert parent.session_id != "s1"
    assert agent.session_id == "s1-agent-q"
    assert one(store, folder / "agent.jsonl").unchanged == 1


def test_a_file_that_got_another_chat_is_another_session(store: SessionStore, folder: Path) -> None:
    path = write(folder / "chat.json", said("My trip to Rome", "And food?"))
    one(store, path)
    write(path, said("Fix my C parser"))
    report = one(store, path)
    assert (report.imported, report.beside, report.updated) == (1, 1, 0)
    (first, second) = sorted(summary.session_id for summary in store.list())
    assert texts(store, first) == ["My trip to Rome", "And food?"]
    assert texts(store, second) == ["Fix my C parser"]
    assert one(store, path).unchanged == 1
    write(path, said("My trip to Rome", "And food?", "And wine?"))
    assert one(store, path).grown == 1
    assert texts(store, first) == ["My trip to Rome", "And food?", "And wine?"]
    assert store.count() == 2


def test_a_chat_that_was_deleted_here_keeps_no_other_out_of_its_file(
    store: SessionStore, folder: Path
) -> None:
    path = write(folder / "chat.json", said("My trip to Rome"))
    one(store, path)
    store.delete("chat")
    assert one(store, path).deleted == 1
    write(path, said("Fix my C parser"))
    assert one(store, path).imported == 1


def test_a_file_whose_first_prompt_comes_later_is_one_session(
    store: SessionStore, folder: Path
) -> None:
    system: list[JsonValue] = [{"role": "system", "content": "Be brief."}]
    path = write(folder / "chat.json", system)
    one(store, path)
    write(path, [*system, *said("hi")])
    assert one(store, path).grown == 1
    assert store.count() == 1


def test_a_list_with_a_new_chat_before_the_others_moves_none(
    store: SessionStore, folder: Path
) -> None:
    def chats(*openings: str) -> list[JsonValue]:
        return [
            {"conversations": [{"from": "human", "value": text}, {"from": "gpt", "value": text}]}
            for text in openings
        ]

    path = write(folder / "s.json", chats("a", "b", "b"))
    assert one(store, path).imported == 3
    before = {summary.session_id: texts(store, summary.session_id) for summary in store.list()}
    write(path, chats("new", "a", "b", "b"))
    report = one(store, path)
    assert (report.imported, report.unchanged, report.updated) == (1, 3, 0)
    assert {name: texts(store, name) for name in before} == before


def test_two_files_of_one_name_in_an_archive_are_two_sessions(
    store: SessionStore, folder: Path
) -> None:
    path = folder / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("chat.json", json.dumps(said("one")))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("chat.json", json.dumps(said("other")))
    assert import_paths(store, [path]).total.imported == 2
    again = import_paths(store, [path]).total
    assert (again.unchanged, again.updated, store.count()) == (2, 0, 2)


def test_ctrl_c_while_sessions_are_stored_keeps_what_was_read(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        write(folder / f"{number}.json", said(str(number)))
    save, times = store.save_many, [0]

    def interrupted(sessions: Any) -> object:
        times[0] += 1
        if times[0] == 1:
            raise KeyboardInterrupt
        return save(sessions)

    monkeypatch.setattr(store, "save_many", interrupted)
    with pytest.raises(KeyboardInterrupt):
        import_paths(store, [folder])
    assert store.count() == 5


def test_a_copy_of_a_file_is_the_same_session(store: SessionStore, folder: Path) -> None:
    (folder / "a.jsonl").write_text(claude(1) + claude(2))
    (folder / "backup.jsonl").write_text(claude(1))
    import_paths(store, [folder])
    report = import_paths(store, [folder])
    assert (report.total.sessions, store.count()) == (2, 1)
    assert (report.total.unchanged, len(load(store, "s1"))) == (2, 2)


SYNCED = [
    "chat-1{}",
    "chat-1 (conflicted copy 2026-03-01){}",
    "chat-1 2{}",
    "chat-1.sync-conflict-20260301-100000-ABCDEFG{}",
]


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("program", ["claude", "own"])
def test_copies_that_a_sync_program_made_are_one_session_with_what_each_says(
    store: SessionStore, folder: Path, program: str, order: int
) -> None:
    def copy(*numbers: int) -> str:
        if program == "claude":
            return "".join(claude(n, f"t{n}") for n in numbers)
        at = "2026-01-02T03:04:0{}.000Z"
        messages: list[JsonValue] = [
            {"id": f"u{n}", "role": "user", "content": f"t{n}", "created_at": at.format(n)}
            for n in numbers
        ]
        return json.dumps({"format": "localsessions/1", "session_id": "s1", "messages": messages})

    copies = [copy(1, 2), copy(1, 3, 4), copy(1), copy(1)]
    paths = [folder / name.format(".jsonl" if program == "claude" else ".json") for name in SYNCED]
    for path, text in zip(paths, copies, strict=True):
        path.write_text(text)
        os.utime(path, (1_700_000_000, 1_700_000_000))
    for path in paths[::order]:
        import_paths(store, [path])
    for _ in range(2):
        assert (store.count(), texts(store, "s1")) == (1, ["t1", "t2", "t3", "t4"])
        assert import_paths(store, [folder]).total.unchanged == 4


@pytest.mark.parametrize("order", [1, -1])
def test_a_copy_of_a_chat_that_was_not_answered_yet_adds_nothing(
    store: SessionStore, folder: Path, order: int
) -> None:
    lines = (TRANSCRIPTS / "copilot-chat" / "splitrail-copilot.jsonl").read_bytes().splitlines(True)
    whole, torn = folder / "chat.jsonl", folder / "chat (conflicted copy 2026-03-01).jsonl"
    whole.write_bytes(b"".join(lines))
    torn.write_bytes(b"".join(lines[:4]))
    for path in (whole, torn)[::order]:
        import_paths(store, [path])
    (listed,) = store.list()
    for _ in range(2):
        messages = load(store, listed.session_id)
        assert (len(messages), [one for one in messages if "pending" in one]) == (8, [])
        assert import_paths(store, [folder]).total.unchanged == 2


def test_two_imports_at_once_double_nothing(folder: Path, tmp_path: Path) -> None:
    (folder / "many.jsonl").write_text(
        "".join(claude(n, sessionId=f"n{n % 40}") for n in range(400))
    )
    code = (
        "import sys; from localsessions import SessionStore; "
        "from localsessions.transcripts import import_paths\n"
        "with SessionStore(sys.argv[1]) as store: import_paths(store, [sys.argv[2]])"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "store"), str(folder)]
    running = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(120) for process in running] == [0, 0, 0]
    with SessionStore(tmp_path / "store") as store:
        assert (store.count(), store.stats().messages) == (40, 400)


def test_two_files_that_tell_one_session_otherwise_come_to_rest(
    store: SessionStore, folder: Path
) -> None:
    # A resumed file of old versions tells messages of the first session in other words.
    (folder / "a.jsonl").write_text(claude(1, "retold") + claude(3, sessionId="s2"))
    (folder / "b.jsonl").write_text(claude(1) + claude(2))
    os.utime(folder / "b.jsonl", (1_700_000_000, 1_700_000_000))
    import_paths(store, [folder])
    assert texts(store, "s1") == ["hi", "hi"]
    for _ in range(2):
        assert import_paths(store, [folder]).total.unchanged == 3


def test_a_session_of_200_megabytes_comes_in_whole_and_grows(
    store: SessionStore, folder: Path
) -> None:
    text = "what a tool printed, line by line\n" * 30_000
    path = folder / "large.jsonl"
    facts = {"sessionId": "large", "cwd": "/p", "timestamp": "2026-01-02T03:04:05Z"}

    def record(number: int) -> bytes:
        message = {"role": "user", "content": f"{number} {text}"}
        said = {"type": "user", "uuid": f"u{number}", "message": message, **facts}
        return json.dumps(said).encode() + b"\n"

    with path.open("wb") as file:
        for number in range(200):
            file.write(record(number))
    assert path.stat().st_size > 200_000_000
    (report,) = import_paths(store, [path]).files
    assert (report.imported, report.added, report.refused) == (1, 200, ())
    with path.open("ab") as file:
        file.write(record(200))
    (report,) = import_paths(store, [path]).files
    assert (report.grown, report.added) == (1, 1)
    (last,) = store.tail("large", 1)
    assert last["content"] == f"200 {text}"
    (summary,) = store.list()
    assert summary.message_count == 201
