"""A session grows by its end only, and nobody can tell from its file or from anything read."""

from __future__ import annotations

import json
import mmap
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import needs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inside import local
from pydantic import JsonValue

from localsessions import Message, Session, SessionStore, _system
from localsessions.models.standing import original_of

Start = Callable[..., "subprocess.Popen[str]"]
LONG = "A line of some length, to be told from others by its number: " * 40


def message(number: int, text: str = LONG) -> dict[str, JsonValue]:
    return {
        "id": f"m{number}",
        "role": "user" if number % 2 else "assistant",
        "content": f"{number} {text}",
        "created_at": "2026-01-02T03:04:05.000Z",
    }


def turns(store: SessionStore, count: int, begin: int = 0) -> None:
    for number in range(begin, begin + count):
        store.append("s", message(number))


def numbers(store: SessionStore) -> list[str]:
    return [str(one["id"])[1:] for one in store.load("s").messages]


def counters(store: SessionStore) -> dict[str, int]:
    return dict(store.stats().counters)


@pytest.fixture
def growing(store: SessionStore) -> SessionStore:
    """A store whose session ``s`` was added to: with leases the next turn writes its end only."""
    store.create("s", title="old")
    turns(store, 3)
    assert counters(store)["ends_written"] == needs.is_here("leases")
    return store


@pytest.mark.needs("leases")
def test_turns_write_the_end_only_and_read_no_file(growing: SessionStore) -> None:
    before = counters(growing)
    turns(growing, 20, 3)
    after = counters(growing)
    assert after["ends_written"] - before["ends_written"] == 20
    assert after["files_read"] == before["files_read"]
    assert numbers(growing) == [str(number) for number in range(23)]
    assert growing.verify() == []


@pytest.mark.needs("leases")
@pytest.mark.parametrize("count", [300, 3000])
def test_a_turn_of_an_imported_session_writes_the_end_only(
    store: SessionStore, folder: Path, count: int
) -> None:
    # ``source`` names each message, and stands before the messages.
    marks: dict[str, JsonValue] = {f"{number:036}": "0123456789abcdef" for number in range(count)}
    messages: list[Message] = [{"id": name, "role": "user", "content": "x"} for name in marks]
    source: dict[str, JsonValue] = {"program": "p", "imported": marks}
    store.save(Session(session_id="s", source=source, messages=messages))
    turns(store, 2)
    store.close()
    with SessionStore(folder) as other:  # it remembers nothing of the file
        assert [str(said["id"]) for said in other.tail("s", 1)] == ["m1"]
        assert counters(other)["files_read"] == 0
        turns(other, 1, 2)  # the second that knows the file writes its end
        before = counters(other)
        turns(other, 2, 3)
        after = counters(other)
        assert after["ends_written"] - before["ends_written"] == 2
        assert after["files_read"] == before["files_read"]
    with SessionStore(folder) as again:
        session = again.load("s")
        assert (len(session.messages), session.source) == (count + 5, source)
        assert again.verify() == []


def test_the_file_is_what_a_whole_rewrite_would_have_made(growing: SessionStore) -> None:
    turns(growing, 5, 3)
    session = growing.load("s")
    path = Path(growing.path("s"))
    data = path.read_bytes()
    original = original_of(session)
    assert original is not None
    assert original.canonical
    row = local(growing).index.get("s")
    growing.reindex()
    again = local(growing).index.get("s")
    assert row is not None
    assert again is not None
    assert (row.digest, row.summary) == (again.digest, again.summary)
    assert path.read_bytes() == data


def plain(folder: Path) -> JsonValue:
    times = ("created_at", "updated_at", "last_activity", "last_switch_at", "timestamp")

    def without(value: JsonValue) -> JsonValue:
        if isinstance(value, dict):
            return {key: without(item) for key, item in value.items() if key not in times}
        return [without(item) for item in value] if isinstance(value, list) else value

    document: dict[str, JsonValue] = json.loads((folder / "s.json").read_bytes())
    return [[key, without(value)] for key, value in document.items() if key not in times]


CONTENTS: st.SearchStrategy[JsonValue] = st.sampled_from(
    ["kurz", LONG, "\ud800 half", "線" * 3000, 2**70, None, [{"a": []}]]
)
ACTS = st.one_of(
    st.tuples(st.just("append"), st.lists(CONTENTS, min_size=1, max_size=3)),
    st.tuples(st.just("upsert_run"), st.sampled_from(["r1", "r2"]), st.lists(CONTENTS, max_size=2)),
    st.tuples(
        st.just("upsert_run with ids"),
        st.sampled_from(["r1", "r2", "r3"]),
        st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), CONTENTS), min_size=1, max_size=2),
    ),
    st.tuples(st.just("switch_agent"), st.sampled_from(["coder", "planner"])),
    st.tuples(st.just("tag"), st.sampled_from(["a", "b"])),
    st.tuples(st.just("rename"), st.sampled_from(["one", "two", None])),
    st.tuples(st.just("state"), CONTENTS),
    st.tuples(st.just("forget the first message")),
    st.tuples(st.just("unknown field"), CONTENTS),
)


def act(store: SessionStore, kind: str, *given: object) -> None:
    if kind == "append":
        store.append("s", *[{**message(9), "content": one} for one in given[0]])  # type: ignore[attr-defined]
    elif kind == "upsert_run":
        said = [{"role": "tool", "content": one} for one in given[1]]  # type: ignore[attr-defined]
        store.upsert_run("s", {"run_id": str(given[0]), "n": len(said)}, *said)
    elif kind == "upsert_run with ids":
        named = [{"id": one, "role": "user", "content": said} for one, said in given[1]]  # type: ignore[attr-defined]
        store.upsert_run("s", {"run_id": str(given[0])}, *named)
    elif kind == "switch_agent":
        store.switch_agent("s", str(given[0]), None)
    elif kind == "tag":
        store.tag("s", str(given[0]))
    elif kind == "rename":
        store.rename("s", given[0])  # type: ignore[arg-type]
    else:
        with store.edit("s") as session:
            change(session, kind, *given)


def change(session: Session, kind: str, *given: object) -> None:
    if kind == "state":
        session.state["x"] = given[0]  # type: ignore[assignment]
    elif kind == "unknown field":
        session.extra["later"] = given[0]  # type: ignore[assignment]
    else:
        session.messages = session.messages[1:]


@settings(max_examples=60)
@given(acts=st.lists(st.tuples(st.integers(0, 1), ACTS), max_size=25))
def test_two_stores_that_write_ends_agree_with_one_that_never_does(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[int, tuple[str, object]]]
) -> None:
    root = tmp_path_factory.mktemp("stores")
    with SessionStore(root / "whole", durability="fast") as whole:
        local(whole).folder.spares._keep = lambda *_: None  # type: ignore[method-assign]
        whole.create("s")
        with SessionStore(root / "ends") as one, SessionStore(root / "ends") as other:
            one.create("s")
            for which, (kind, *given) in acts:
                act((one, other)[which], kind, *given)
                act(whole, kind, *given)
                assert _without_ids(plain(root / "ends")) == _without_ids(plain(root / "whole"))
                mine, theirs = one.list().items[0], whole.list().items[0]
                for name in ("title", "message_count", "preview", "revision", "current_agent"):
                    assert getattr(mine, name) == getattr(theirs, name)
            assert one.verify() == []
            assert counters(whole)["ends_written"] == 0
    shutil.rmtree(root)


def _without_ids(value: JsonValue) -> str:
    text = json.dumps(value)
    return re.sub(r'"id": "msg_[0-9a-f]+"', "", text)


@pytest.mark.needs("leases")
def test_a_reader_that_keeps_an_old_version_open_never_sees_it_change(
    growing: SessionStore,
) -> None:
    path = growing.path("s")
    kept = []
    for number in range(3, 12):
        fd = os.open(path, os.O_RDONLY)
        kept.append((fd, os.read(fd, 1_000_000)))
        turns(growing, 1, number)
    for fd, data in kept:
        assert os.pread(fd, 1_000_000, 0) == data
        os.close(fd)
    found = counters(growing)
    assert found["written whole: somebody reads the version before"] > 0
    # Each was written whole for one reason, but for the first, which made the file.
    reasons = sum(count for name, count in found.items() if name.startswith("written whole"))
    assert reasons == found["files_written"] - found["ends_written"] - 2
    assert numbers(growing) == [str(number) for number in range(12)]


@pytest.mark.needs("open files that go")
def test_a_reader_that_keeps_an_old_version_mapped_never_sees_it_change(
    growing: SessionStore,
) -> None:
    with open(growing.path("s"), "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    data = bytes(mapped)
    turns(growing, 6, 3)
    assert mapped[:] == data
    mapped.close()
    assert numbers(growing) == [str(number) for number in range(9)]


@pytest.mark.needs("leases")
def test_a_backup_of_hard_links_never_changes(growing: SessionStore, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    for number in range(3, 9):
        copied = backup / str(number)
        shutil.copytree(growing.save_dir, copied, copy_function=os.link)
        held = {path: path.read_bytes() for path in copied.rglob("*.json")}
        turns(growing, 1, number)
        turns(growing, 1, number)
        assert {path: path.read_bytes() for path in copied.rglob("*.json")} == held
    assert counters(growing)["written whole: the file has other names"] > 0


def test_an_edit_by_another_program_between_two_turns_stays(growing: SessionStore) -> None:
    path = Path(growing.path("s"))
    path.write_bytes(path.read_bytes().replace(b'"title": "old"', b'"title": "new"'))
    turns(growing, 1, 3)
    path.write_bytes(path.read_bytes().replace(b"0 A line", b"0 a line"))
    turns(growing, 2, 4)
    session = growing.load("s")
    assert session.title == "new"
    assert str(session.messages[0]["content"]).startswith("0 a line")
    assert numbers(growing) == [str(number) for number in range(6)]
    assert growing.verify() == []


@pytest.mark.needs("leases")
def test_an_edit_by_another_program_during_a_turn_stays(
    growing: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, sync = Path(growing.path("s")), os.fdatasync

    def edit_then_sync(fd: int) -> None:
        monkeypatch.undo()
        path.write_bytes(path.read_bytes().replace(b'"title": "old"', b'"title": "new"'))
        sync(fd)

    turns(growing, 1, 3)
    monkeypatch.setattr(os, "fdatasync", edit_then_sync)
    turns(growing, 2, 4)
    assert growing.load("s").title == "new"
    assert numbers(growing) == [str(number) for number in range(6)]
    assert counters(growing)["written whole: the file was changed"] == 1


@pytest.mark.needs("leases")
def test_a_spare_that_is_gone_or_changed_is_of_no_use_and_no_harm(growing: SessionStore) -> None:
    tmp = Path(growing.save_dir) / ".localsessions" / "tmp"
    for number in (1, 2):
        (spare,) = tmp.iterdir()
        spare.unlink() if number == 1 else spare.write_bytes(b"x" * 99)
        turns(growing, 3, 3 * number)
    assert numbers(growing) == [str(number) for number in range(9)]
    assert growing.verify() == []


@pytest.mark.needs("leases")
def test_closing_drops_the_spares_and_opening_those_of_a_killed_process(
    folder: Path, growing: SessionStore
) -> None:
    tmp = folder / ".localsessions" / "tmp"
    assert [path.suffix for path in tmp.iterdir()] == [".spare"]
    with SessionStore(folder):
        assert list(tmp.iterdir()) == []
    turns(growing, 2, 3)
    assert len(list(tmp.iterdir())) == 1
    growing.close()
    assert list(tmp.iterdir()) == []


@pytest.mark.needs("leases")
@pytest.mark.parametrize(("size", "count"), [(1, 256), (100_000, 79), (300_000, 32)])
def test_spares_are_few_and_small(folder: Path, size: int, count: int) -> None:
    """32, and as many more as take 8 MiB together, 256 at most."""
    with SessionStore(folder, durability="fast") as store:
        for number in range(count + 8):
            store.create(f"s{number}", metadata={"long": "x" * size})
            for _ in range(3):
                store.append(f"s{number}", message(1))
        spares = [path.stat().st_size for path in (folder / ".localsessions" / "tmp").iterdir()]
        assert len(spares) == count
        assert sum(spares) <= (8 << 20) or count == 32
        assert store.verify() == []


@pytest.mark.needs("leases")
def test_many_sessions_in_rotation_are_written_at_their_ends(folder: Path) -> None:
    with SessionStore(folder, durability="fast") as store:
        names = [f"s{number}" for number in range(64)]
        for name in names:
            store.create(name)
        for turn in range(4):
            for name in names:
                store.append(name, message(turn))
        before = counters(store)
        for name in names:
            store.append(name, message(4))
        after = counters(store)
        assert after["ends_written"] - before["ends_written"] == len(names)
        assert after["files_read"] == before["files_read"]


@pytest.mark.needs("leases")
def test_a_run_with_message_ids_is_written_to_the_end_only(growing: SessionStore) -> None:
    turns(growing, 60, 3)
    upsert(growing, "r0", 0)  # which messages each run has is found out once
    before = counters(growing)
    for number in range(1, 12):
        upsert(growing, f"r{number}", number)
        upsert(growing, f"r{number}", number, number + 100)
        for _ in range(2):  # doing it again changes nothing
            upsert(growing, f"r{number - 1}", number - 1, number + 99, number + 200)
        turns(growing, 1, number + 300)
    after = counters(growing)
    assert after["ends_written"] - before["ends_written"] == 44
    assert after["files_read"] == before["files_read"]
    found = [(one.get("run_id"), one["id"]) for one in growing.load("s").messages]
    assert len(set(found)) == len(found) == 63 + 11 * 3 + 2 + 11
    assert growing.verify() == []


def upsert(store: SessionStore, run_id: str, *numbers: int) -> None:
    said = [message(number, LONG * len(numbers)) for number in numbers]
    store.upsert_run("s", {"run_id": run_id, "messages": len(said)}, *said)


def test_a_message_of_a_run_is_replaced_wherever_in_the_session_it_is(
    growing: SessionStore,
) -> None:
    for number in range(6):
        upsert(growing, f"r{number}", number)
    for number in (0, 5, 2, 5, 3):
        said = {**message(number, "again"), "role": "tool"}
        growing.upsert_run("s", {"run_id": f"r{number}"}, said)
        found = [one for one in growing.load("s").messages if one.get("run_id") == f"r{number}"]
        assert [(one["role"], one["content"]) for one in found] == [("tool", f"{number} again")]
    assert numbers(growing) == [*"012", *"012345"]
    assert growing.verify() == []


def test_a_run_that_begins_the_session_is_replaced(store: SessionStore) -> None:
    store.create("s")
    for _ in range(3):
        for number in (1, 2):
            upsert(store, f"r{number}", number)
        upsert(store, "r1", 1, 3)
    assert numbers(store) == ["1", "2", "3"]
    assert store.verify() == []


def test_a_run_that_another_program_wrote_meanwhile_is_not_doubled(
    growing: SessionStore, folder: Path
) -> None:
    upsert(growing, "r0", 0)
    with SessionStore(folder) as other:
        upsert(other, "r1", 1)
    path = Path(growing.path("s"))
    path.write_bytes(path.read_bytes().replace(b'"id": "m0"', b'"id": "mx"'))
    for number in (0, 1):
        upsert(growing, f"r{number}", number)
    assert numbers(growing) == [*"x12", *"x10"]


def test_the_title_made_of_a_replaced_message_is_made_again(store: SessionStore) -> None:
    store.create("s")
    store.append("s", {"role": "system", "content": "Be brief."})
    for text in ("first words", "second words", "third words"):
        for number in (1, 2, 3):
            said: dict[str, JsonValue] = {"id": f"m{number}", "role": "user", "content": text}
            store.upsert_run("s", {"run_id": f"r{number}"}, said)
            assert store.list().items[0].preview == store.load("s").preview
            assert store.list().items[0].title == store.load("s").made_title


@pytest.mark.needs("leases")
@pytest.mark.parametrize("verb", ["edit", "delete", "rename"])
def test_what_does_not_only_add_drops_the_spare(growing: SessionStore, verb: str) -> None:
    if verb == "edit":
        with growing.edit("s") as session:
            session.messages = session.messages[1:]
    elif verb == "delete":
        growing.delete("s")
    else:
        growing.rename("s", "another")
    assert list((Path(growing.save_dir) / ".localsessions" / "tmp").iterdir()) == []


@pytest.mark.needs("leases")
def test_with_fast_durability_the_folder_is_synced_where_a_version_before_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(_system, "sync_folder", synced.append)
    with SessionStore(folder, durability="fast") as store:
        store.create("s")
        assert synced == []
        turns(store, 4)
        assert counters(store)["ends_written"] == 2
        assert synced == [str(folder)] * 3  # the second turn keeps the version before
        store.save(Session(session_id="t"))
        assert len(synced) == 3


def test_a_session_that_comes_back_from_the_trash_has_left_it_for_good_before_it_is_written_to(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionStore(folder, durability="fast") as store:
        store.create("s")
        store.delete("s")
        synced: list[str] = []
        monkeypatch.setattr(_system, "sync_folder", synced.append)
        store.restore("s")
        assert synced == [str(folder), str(folder / ".trash")]


def test_a_session_that_is_removed_for_good_leaves_no_version_before(folder: Path) -> None:
    with SessionStore(folder) as store:
        store.create("s")
        turns(store, 3)
        os.utime(store.path("s"))  # the row forgets what it knew of the version before
        store.list(fresh=True)
        store.delete("s")
        store.empty_trash()
        assert list((folder / ".localsessions" / "tmp").iterdir()) == []


@pytest.mark.needs("leases")
def test_processes_that_append_in_turn_write_the_end_only(folder: Path, start: Start) -> None:
    with SessionStore(folder) as store, SessionStore(folder) as other:
        store.create("s")
        for number in range(0, 40, 2):
            turns(store, 1, number)
            turns(other, 1, number + 1)
        whole = [
            counters(one)["files_written"] - counters(one)["ends_written"] for one in (store, other)
        ]
        assert sum(whole) == 3  # create, the first turn of an empty one, the first with messages
        assert numbers(store) == [str(number) for number in range(40)]


@pytest.mark.parametrize("n", [0, 1, 2, 7, 30, 40, 41])
def test_the_last_messages_are_those_of_the_whole(growing: SessionStore, n: int) -> None:
    turns(growing, 37, 3)
    expected = growing.load("s").messages[40 - n if n < 40 else 0 :]
    before = counters(growing)["files_read"]
    assert list(growing.tail("s", n)) == expected
    # Where most of them are asked for, the whole is read.
    assert (counters(growing)["files_read"] == before) == (n in (1, 2, 7))


def test_the_last_messages_of_an_edited_file_are_those_of_the_edit(growing: SessionStore) -> None:
    path = Path(growing.path("s"))
    path.write_bytes(path.read_bytes().replace(b'"id": "m2"', b'"id": "mx"'))
    assert [one["id"] for one in growing.tail("s", 1)] == ["mx"]
    path.write_text(json.dumps(json.loads(path.read_bytes())), "utf-8")  # in another layout
    growing.list(fresh=True)
    assert [one["id"] for one in growing.tail("s", 2)] == ["m1", "mx"]


def test_a_run_is_stored_behind_fields_of_others_that_hold_lists(store: SessionStore) -> None:
    session = store.create("s")
    session.messages = [{"role": "user", "content": "hi", "run_id": "r0", "id": "m0"}]
    store.save(session)
    path = Path(store.path("s"))
    items = '  "items": [\n    {\n      "a": 1\n    },\n    {\n      "b": 2\n    }\n  ],\n'
    path.write_text(
        path.read_text("utf-8").replace('  "messages"', items + '  "messages"'), "utf-8"
    )
    for text in ("once", "again"):
        store.upsert_run("s", {"run_id": "r1"}, {"id": "m1", "role": "user", "content": text})
        assert [one["content"] for one in store.load("s").messages] == ["hi", text]


@pytest.mark.needs("leases")
def test_a_run_that_is_sent_again_unchanged_reads_no_file_again(store: SessionStore) -> None:
    store.create("s")
    run = {"run_id": "r1"}
    first = {"id": "m0", "role": "user", "content": "first", "created_at": "2026-01-01T00:00:00Z"}
    again = {"id": "m1", "role": "user", "content": "hello", "created_at": "2026-01-01T00:00:00Z"}
    store.upsert_run("s", {"run_id": "r0"}, first)
    store.upsert_run("s", run, again)
    store.upsert_run("s", run, again)
    before = store.stats().counters["files_read"]
    for _ in range(3):
        store.upsert_run("s", run, again)
    assert store.stats().counters["files_read"] == before
