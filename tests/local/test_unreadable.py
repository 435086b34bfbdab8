"""A file that is no session: listed with its fault, never changed, and in nobody's way."""

from __future__ import annotations

import json
import multiprocessing
import multiprocessing.connection
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import needs
import pytest

from localsessions import Session, SessionStore, UnreadableSessionError

WHOLE = json.dumps({"title": "whole", "messages": [{"role": "user", "content": "hi"}]})


class Case(NamedTuple):
    make: Callable[[Path], object]
    reason: str
    line: int | None = None
    column: int | None = None


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 10 << 20)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def link_to_a_good_one(path: Path) -> None:
    (path.parent.parent / "outside.json").write_text(WHOLE)
    path.symlink_to(path.parent.parent / "outside.json")


# What json says of it, which is another thing from Python 3.13 on.
COMMA = ("trailing comma", 2, 15) if sys.version_info >= (3, 13) else ("double quotes", 3, 1)

CASES: dict[str, Case] = {
    "empty": Case(lambda path: path.touch(), "empty", 1, 1),
    "blank": Case(lambda path: path.write_text(" \n\n"), "empty", 1, 1),
    "torn": Case(lambda path: path.write_text(WHOLE[:30]), "ends in the middle", 1, 31),
    "NUL tail": Case(lambda path: path.write_text(WHOLE + "\n" + "\0" * 512), "NUL bytes", 2, 1),
    "all NUL": Case(lambda path: path.write_bytes(b"\0" * 4096), "NUL bytes", 1, 1),
    "not JSON": Case(lambda path: path.write_text("title: yaml\n"), "Expecting value", 1, 1),
    "trailing comma": Case(lambda path: path.write_text('{\n  "title": "t",\n}\n'), *COMMA),
    "a list": Case(lambda path: path.write_text("[]"), "not an object", 1, 1),
    "a text": Case(lambda path: path.write_text('"session"'), "not an object", 1, 1),
    "wrong title": Case(lambda path: path.write_text('{\n "title": 7}'), "title", 2, 11),
    "wrong messages": Case(lambda path: path.write_text('{"messages": {}}'), "messages", 1, 14),
    "a message without role": Case(
        lambda path: path.write_text('{"messages": [\n{"role": "user"},\n{"content": ""}]}'),
        "messages",
        3,
        1,
    ),
    "wrong instant": Case(
        lambda path: path.write_text('{"created_at": "yesterday"}'), "created_at", 1, 16
    ),
    "a key twice": Case(
        lambda path: path.write_text('{"title": "a",\n "title": "b"}'), "duplicate key", 2, 2
    ),
    "NaN": Case(lambda path: path.write_text('{"state": {"x": NaN}}'), "NaN", 1, 17),
    "merge conflict": Case(
        lambda path: path.write_text('{\n<<<<<<< HEAD\n"title": "a"\n=======\n>>>>>>> b\n}'),
        "merge conflict",
        2,
        1,
    ),
    "UTF-16": Case(lambda path: path.write_text(WHOLE, "utf-16"), "UTF-16", 1, 1),
    "UTF-16 without a mark": Case(
        lambda path: path.write_bytes(WHOLE.encode("utf-16-le")), "UTF-16", 1, 1
    ),
    "a byte order mark": Case(
        lambda path: path.write_text(WHOLE, "utf-8-sig"), "byte order mark", 1, 1
    ),
    "Latin-1": Case(lambda path: path.write_bytes(b'{"title": "caf\xe9"}'), "not UTF-8", 1, 15),
    "too deep": Case(
        lambda path: path.write_text('{"state": {"x": ' + "[" * 5000 + "]" * 5000 + "}}"),
        "nested deeper",
        1,
    ),
    "10 MB of nothing": Case(sparse, "NUL bytes", 1, 1),
    "a FIFO": Case(fifo, "not a regular file"),
    "a folder": Case(lambda path: path.mkdir(), "it is a folder"),
    "a link to a good session": Case(link_to_a_good_one, "symbolic link"),
    "a link to nowhere": Case(lambda path: path.symlink_to("nowhere"), "symbolic link"),
}


def snapshot(path: Path) -> object:
    """All there is of a file: identity, times, content."""
    status = path.lstat()
    content = path.read_bytes() if path.is_file() and status.st_size < 1 << 20 else None
    return status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns, content


LINKS = {"a link to a good session": "links", "a link to nowhere": "links"}


@pytest.fixture(params=needs.marked(CASES, {"a FIFO": "fifos", **LINKS}))
def case(request: pytest.FixtureRequest, store: SessionStore, folder: Path) -> Case:
    """One unreadable file beside a good session that lists before and one that lists after."""
    store.create("a good", title="parser")
    store.create("z good", title="parser")
    found = CASES[request.param]
    found.make(folder / "odd.json")
    return found


def test_it_is_listed_with_its_fault(case: Case, store: SessionStore, folder: Path) -> None:
    (odd,) = store.list(status="unreadable", fresh=True).items
    assert odd.session_id == "odd"
    assert odd.unreadable is not None
    assert case.reason in odd.unreadable.reason
    assert odd.unreadable.line == case.line
    assert case.column is None or odd.unreadable.column == case.column
    assert odd.size_bytes == (folder / "odd.json").lstat().st_size
    assert store.stats().unreadable == 1
    (finding,) = store.verify()
    assert (finding.kind, finding.session_id) == ("unreadable", "odd")


def test_every_other_session_works(case: Case, store: SessionStore) -> None:
    assert {one.session_id for one in store.list(fresh=True)} == {"a good", "odd", "z good"}
    assert store.count() == 3
    assert len(store.search("parser")) == 2
    store.append("a good", {"role": "user", "content": "hello"})
    assert [one.session_id for one in store.list(limit=1, order="last_activity")]
    assert len(store.search("hello")) == 1
    assert store.reindex() == 3


def test_nothing_changes_it(case: Case, store: SessionStore, folder: Path) -> None:
    path = folder / "odd.json"
    before = snapshot(path)

    def edit() -> None:
        with store.edit("odd") as session:
            session.title = "overwritten"

    verbs: list[Callable[[], object]] = [
        lambda: store.load("odd"),
        lambda: store.get("odd"),
        lambda: store.save(Session(session_id="odd")),
        edit,
        lambda: store.append("odd", {"role": "user", "content": "x"}),
        lambda: store.rename("odd", "x"),
        lambda: store.pin("odd"),
        lambda: store.fork("odd"),
        lambda: store.tail("odd", 1),
    ]
    for verb in verbs:
        with pytest.raises(UnreadableSessionError) as caught:
            verb()
        assert case.reason in caught.value.reason
        assert caught.value.line == case.line
        assert (caught.value.session_id, caught.value.path) == ("odd", str(path))
    store.list(fresh=True)
    store.search("parser")
    store.cleanup(max_age=0)
    store.purge_expired()
    store.reindex()
    assert snapshot(path) == before


def test_cleanup_passes_it_over(case: Case, store: SessionStore, folder: Path) -> None:
    if not (folder / "odd.json").is_symlink():
        os.utime(folder / "odd.json", (1, 1))
        report = store.cleanup(max_age=86400)
        assert [(one.session_id, one.reason) for one in report.kept] == [
            ("odd", "it is unreadable")
        ]
    assert store.cleanup(max_age=86400).deleted == ()
    assert os.path.lexists(folder / "odd.json")


def test_a_person_can_delete_and_restore_it(case: Case, store: SessionStore, folder: Path) -> None:
    path = folder / "odd.json"
    before = snapshot(path)
    assert store.delete("odd") is True
    assert not os.path.lexists(path)
    assert store.count() == 2
    (trashed,) = store.trash()
    assert snapshot(Path(trashed.path)) == before

    with pytest.raises(UnreadableSessionError):
        store.restore("odd")
    assert snapshot(path) == before
    assert store.count() == 3


def test_repaired_it_is_a_session_again(case: Case, store: SessionStore, folder: Path) -> None:
    path = folder / "odd.json"
    assert len(store.list(status="unreadable", fresh=True)) == 1
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink()
    path.write_text(WHOLE)

    assert store.load("odd").title == "whole"
    assert len(store.list(status="unreadable", fresh=True)) == 0
    assert {one.title for one in store.list()} == {"parser", "whole"}
    assert [hit.session.session_id for hit in store.search("whole")] == ["odd"]
    store.append("odd", {"role": "user", "content": "again"})


def test_a_session_that_becomes_unreadable_is_listed_so_without_a_sweep(
    store: SessionStore, folder: Path
) -> None:
    store.create("a", title="t")
    assert store.list().items[0].status == "active"
    (folder / "a.json").write_text("{torn")
    (listed,) = store.list()
    assert listed.status == "unreadable"
    assert store.search("t") == []


def test_a_file_larger_than_allowed_is_unreadable_until_more_is_allowed(folder: Path) -> None:
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps({"title": "large", "metadata": {"x": "y" * 5000}}))
    with SessionStore(folder, max_file_bytes=1000) as small:
        with pytest.raises(UnreadableSessionError, match="max_file_bytes"):
            small.load("a")
        (listed,) = small.list()
        assert listed.unreadable is not None
        assert "limit of 1000" in listed.unreadable.reason
        assert small.search("large") == []
    with SessionStore(folder) as larger:
        assert [one.title for one in larger.list()] == ["large"]
        assert len(larger.search("large")) == 1


@pytest.mark.needs("another user")
def test_a_file_without_permission_is_unreadable(folder: Path) -> None:
    with SessionStore(folder) as store:
        store.create("a good", title="parser")
        store.create("odd", title="parser")
    for entry in (folder, *folder.rglob("*")):
        os.chown(entry, 1234, 1234)
    os.chown(folder / "odd.json", 0, 0)
    for parent in folder.parents:
        if parent.stat().st_uid == 0 and parent.stat().st_mode & 0o077 == 0:
            parent.chmod(0o711)

    def look(pipe: multiprocessing.connection.Connection) -> None:
        os.setgid(1234)
        os.setuid(1234)
        with SessionStore(folder) as store:
            pipe.send([(one.session_id, one.status) for one in store.list(fresh=True)])
            for verb in (store.load, store.pin):
                try:
                    verb("odd")
                except UnreadableSessionError as error:
                    pipe.send(error)
            pipe.send(len(store.search("parser")))
            store.append("a good", {"role": "user", "content": "x"})

    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=look, args=[there])
    process.start()
    there.close()
    assert sorted(here.recv()) == [("a good", "active"), ("odd", "unreadable")]
    assert [here.recv().reason for _ in range(2)] == ["no permission to read it"] * 2
    assert here.recv() == 1
    process.join()
    assert process.exitcode == 0
    # Once it may be read, the words are found, though no content has changed.
    os.chown(folder / "odd.json", 1234, 1234)
    with SessionStore(folder) as store:
        assert len(store.search("parser")) == 2


def test_an_unreadable_file_is_nobodys_to_delete(store: SessionStore, folder: Path) -> None:
    (folder / "s.json").write_text("{", encoding="utf-8")
    with pytest.raises(UnreadableSessionError):
        store.delete("s", user_id="ada")
    assert (folder / "s.json").exists()
    assert store.delete("s")
