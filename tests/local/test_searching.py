"""Searching: what other programs did to the files, and what it costs."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from threading import Event, Thread

import pytest
from inside import local

from localsessions import Message, SearchGivenUpError, Session, SessionStore
from localsessions._local.files import FileRead


def say(store: SessionStore, session_id: str, *texts: str) -> None:
    if store.get(session_id) is None:
        store.create(session_id)
    store.append(session_id, *({"role": "user", "content": text} for text in texts))


def found(store: SessionStore, text: str) -> list[str]:
    return [hit.session.session_id for hit in store.search(text)]


def settle(folder: Path) -> None:
    """Wait until each file is older than the grain of the clock."""
    newest = max(path.lstat().st_ctime_ns for path in folder.glob("*.json"))
    while time.time_ns() - newest < 60_000_000:
        time.sleep(0.005)


def test_a_text_that_another_program_edited_is_found_by_its_new_words_only(
    store: SessionStore, folder: Path
) -> None:
    say(store, "a", "a new lexer")
    say(store, "b", "parser")
    assert (found(store, "lexer"), found(store, "parser")) == (["a"], ["b"])
    path = folder / "a.json"
    path.write_text(path.read_text().replace("lexer", "tokenizer"))
    (folder / "b.json").unlink()
    store.list(fresh=True)
    assert (found(store, "lexer"), found(store, "tokenizer")) == ([], ["a"])
    assert found(store, "parser") == []


# -- the price -----------------------------------------------------------------------------------


def test_only_changed_files_are_read_to_catch_up(store: SessionStore) -> None:
    for number in range(20):
        say(store, f"s{number}", "parser")
    before = local(store).folder.files_read
    assert len(store.search("parser", limit=100)) == 20
    assert local(store).folder.files_read - before == 20
    assert len(store.search("parser", limit=100)) == 20
    assert local(store).folder.files_read - before == 20

    say(store, "s3", "lexer")
    store.delete("s4")
    reads = local(store).folder.files_read
    assert len(store.search("parser", limit=100)) == 19
    assert local(store).folder.files_read - reads == 1


def test_of_two_threads_that_search_at_once_one_reads(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        say(store, f"s{number}", "parser")
    files = local(store).folder
    read, reads, is_reading, may_read = files.read, list[str](), Event(), Event()

    def slow(session_id: str) -> FileRead:
        reads.append(session_id)
        is_reading.set()
        assert may_read.wait(60)
        return read(session_id)

    monkeypatch.setattr(files, "read", slow)
    hits: list[int] = []

    def search() -> None:
        hits.append(len(store.search("parser", limit=100)))

    first, second = Thread(target=search), Thread(target=search)
    first.start()
    assert is_reading.wait(60)
    with pytest.raises(SearchGivenUpError):  # who waits can give up
        store.search("parser", is_wanted=lambda: False)
    second.start()
    second.join(0.2)
    may_read.set()
    first.join(60)
    second.join(60)
    assert hits == [20, 20]
    assert len(reads) == 20


def test_who_is_told_of_progress_may_search(store: SessionStore) -> None:
    say(store, "a", "parser")
    inner: list[int] = []
    store.search("parser", on_progress=lambda *_: inner.append(len(store.search("parser"))))
    assert inner == [1]


def test_what_another_store_has_put_in_is_not_read_again(folder: Path) -> None:
    with SessionStore(folder) as one, SessionStore(folder) as other:
        for store in (one, other):
            say(store, "a", "parser")
            assert found(store, "parser") == ["a"]
        assert found(one, "parser") == ["a"]
        say(one, "b", "lexer")
        assert found(one, "lexer") == ["b"]
        reads = local(other).folder.files_read
        assert found(other, "lexer") == ["b"]
        assert local(other).folder.files_read == reads


def test_a_store_opened_again_reads_nothing_to_search(folder: Path) -> None:
    with SessionStore(folder) as store:
        for number in range(10):
            say(store, f"s{number}", "parser")
        store.search("parser")
    with SessionStore(folder) as again:
        assert len(again.search("parser")) == 10
        assert local(again).folder.files_read == 0


@pytest.mark.needs("open files that go")
def test_reading_every_file_again_is_not_the_price_of_a_lost_index(
    store: SessionStore, folder: Path
) -> None:
    for number in range(10):
        say(store, f"s{number}", "parser")
    settle(folder)
    store.search("parser")
    reads = local(store).folder.files_read
    indexed = local(store).texts._database.read(lambda db: db.total_changes)
    for suffix in ("", "-wal", "-shm"):
        (folder / ".localsessions" / f"index.sqlite3{suffix}").unlink(missing_ok=True)
    assert len(store.search("parser")) == 10
    assert local(store).folder.files_read - reads == 10  # for the index; for the texts none
    assert local(store).texts._database.read(lambda db: db.total_changes) == indexed


def test_an_appended_message_indexes_only_itself(store: SessionStore) -> None:
    say(store, "a", *(f"message number {number}" for number in range(300)))
    store.search("message")
    ids = "SELECT id FROM texts"
    before = set(local(store).texts._database.read(lambda db: db.execute(ids).fetchall()))
    changes = local(store).texts._database.read(lambda db: db.total_changes)

    say(store, "a", "message at the end")
    assert found(store, "end") == ["a"]

    after = set(local(store).texts._database.read(lambda db: db.execute(ids).fetchall()))
    assert before < after
    assert len(after - before) == 1
    assert local(store).texts._database.read(lambda db: db.total_changes) - changes < 20


def test_a_save_never_waits_for_a_search_that_catches_up(store: SessionStore, folder: Path) -> None:
    say(store, "a", "parser")
    store.search("parser")
    script = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "db.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
    )
    path = folder / ".localsessions" / "search.sqlite3"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == b"held"
        vars(local(store).texts._database)["_heal_in"] = None  # whoever reads or writes fails
        say(store, "a", "written meanwhile")
        store.create("b")
        assert store.list(limit=1).items[0].session_id == "b"
        assert store.load("a").messages[-1]["content"] == "written meanwhile"
        del vars(local(store).texts._database)["_heal_in"]
        holder.communicate()
    assert found(store, "meanwhile") == ["a"]


def test_another_process_that_holds_the_texts_does_not_keep_a_search_waiting_for_ever(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localsessions._local.index.database._BUSY_MS", 30)
    say(store, "a", "parser")
    store.search("parser")
    local(store).texts.close()
    local(store).texts._database._closed = False
    holder = sqlite3.connect(folder / ".localsessions" / "search.sqlite3", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    say(store, "a", "lexer")
    assert found(store, "lexer") == ["a"]
    assert found(store, "parser") == ["a"]
    holder.close()


def test_a_search_that_was_overtaken_keeps_no_older_words(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionStore(folder) as slow, SessionStore(folder) as fast:
        say(slow, "a", "first words")
        put = local(slow).texts.put

        def be_overtaken(*arguments: object, **named: object) -> object:
            monkeypatch.undo()
            with fast.edit("a") as session:
                session.messages[0]["content"] = "second words"
            assert found(fast, "second") == ["a"]
            stored = put(*arguments, **named)  # type: ignore[arg-type]
            assert found(fast, "second") == ["a"]
            assert found(fast, "first") == []
            return stored

        monkeypatch.setattr(local(slow).texts, "put", be_overtaken)
        assert found(slow, "words") == ["a"]
        assert found(slow, "second") == ["a"]


def test_a_file_that_could_not_be_read_for_a_moment_is_found_again(
    store: SessionStore, folder: Path
) -> None:
    say(store, "a", "parser")
    store.list(fresh=True)
    whole = (folder / "a.json").read_bytes()
    (folder / "a.json").write_bytes(whole[:-9])
    assert store.search("parser") == []
    (folder / "a.json").write_bytes(whole)
    store.list(fresh=True)
    assert found(store, "parser") == ["a"]


def test_hand_made_files_are_searched(store: SessionStore, folder: Path) -> None:
    document = {"messages": [{"role": "user", "content": "написано рукой"}]}
    (folder / "рука.json").write_text(json.dumps(document, ensure_ascii=False), "utf-8")
    store.list(fresh=True)
    assert found(store, "рукой") == ["рука"]


def test_the_first_search_goes_on_where_no_thread_can_be_started(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needle: Message = {"role": "user", "content": "needle"}
    with SessionStore(folder) as store:
        store.create_many(Session(session_id=f"s{at}", messages=[needle]) for at in range(250))

        def refuse(*_: object) -> None:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            assert len(store.search("needle", limit=300)) == 250
