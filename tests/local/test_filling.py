"""An index that is filled with many files at once holds what reading them one by one gives."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import needs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inside import local

from localsessions import SessionStore, _codec
from localsessions._codec.summary import summarize, summarized
from localsessions._local.files import FileRead
from localsessions._local.index import IndexRow, schema
from localsessions._local.version import Fingerprint
from localsessions.errors import UnreadableSessionError
from localsessions.models import Session
from localsessions.models.standing import original_of

MANY = 450
FOUND = 3 + needs.is_here("links")
"""How many sessions more there are, of other kinds."""
FINGERPRINT = Fingerprint(1, 1_767_225_600_123_000_000, 3, 4)


def fill(folder: Path) -> None:
    """Write many sessions as another program would, and some files that are none."""
    folder.mkdir()
    for number in range(MANY):
        document = {
            "user_id": f"u{number % 7}",
            "title": f"Title {number}" if number % 3 else None,
            "messages": [{"role": "user", "content": f"Hello {number}"}] * (number % 5),
            "last_activity": f"2026-01-01T00:{number // 60:02}:{number % 60:02}.000Z",
        }
        text = json.dumps(document, indent=2 if number % 2 else None)
        (folder / f"s{number}.json").write_text(text)
    (folder / "torn.json").write_text('{"messages": [')
    (folder / "folder.json").mkdir()
    if needs.is_here("links"):
        (folder / "link.json").symlink_to("s1.json")
    (folder / "a%3Ab.json").write_text("{}")
    for path in folder.glob("*.json"):
        if path.is_file():
            os.utime(path, ns=(10**18, 10**18 + 7))


def rows(store: SessionStore) -> dict[str, IndexRow | None]:
    ids = [summary.session_id for summary in store.list(limit=2 * MANY)]
    return {one: local(store).index.get(one) for one in sorted(ids)}


def without_change(row: IndexRow | None) -> object:
    return row and row._replace(change=0)


def wait_until_their_times_are_believed(store: SessionStore) -> None:
    """Of a file that is still young a row says so: the same file has another row later."""
    for one in [*(f"s{number}" for number in range(MANY)), "torn", "a:b"]:
        while not local(store).folder.read(one).settled:
            time.sleep(0.002)


def test_filled_at_once_and_one_by_one_are_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder)
    with SessionStore(folder) as store:
        wait_until_their_times_are_believed(store)
        at_once = {one: without_change(row) for one, row in rows(store).items()}
        monkeypatch.setattr("localsessions._local.reconciling._MANY", 10**9)
        monkeypatch.setattr("localsessions._local.index.sessions.MANY", 10**9)
        store.reindex()
        one_by_one = {one: without_change(row) for one, row in rows(store).items()}
        assert len(at_once) == MANY + FOUND
        assert at_once == one_by_one
        assert [*store.verify()]
        assert {one.kind for one in store.verify()} <= {"unreadable"}


def test_numbers_of_changes_are_all_different(folder: Path) -> None:
    fill(folder)
    with SessionStore(folder) as store:
        numbers = [row.change for row in rows(store).values() if row]
        assert len(set(numbers)) == len(numbers) == MANY + FOUND
        assert local(store).index.changed_since(max(numbers)) == []
        store.rename("s1", "later")
        assert [one[1] for one in local(store).index.changed_since(max(numbers))] == ["s1"]


@pytest.mark.parametrize("how", ["replaced", "removed", "recorded by another store"])
def test_a_file_that_changes_meanwhile_leaves_no_older_row(
    how: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder)
    with SessionStore(folder) as store, SessionStore(folder) as other:
        other.list()
        glance, path = local(store).folder.read_unchecked, folder / "s7.json"

        def overtaken(name: str) -> FileRead | None:
            read = glance(name)
            if name == str(path):
                if how == "removed":
                    path.unlink()
                elif how == "replaced":
                    path.write_text('{"title": "second"}')
                else:
                    other.rename("s7", "second")
            return read

        monkeypatch.setattr(local(store).folder, "read_unchecked", overtaken)
        local(store).index.clear()
        local(store).reconciler.sweep()
        row = local(store).index.get("s7")
        assert (row and row.summary.title) == (None if how == "removed" else "second")
        assert store.count() == MANY + FOUND - (how == "removed")


def indexes(folder: Path) -> list[str]:
    query = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'sessions'"
    with closing(sqlite3.connect(folder / ".localsessions" / "index.sqlite3")) as db:
        return sorted(name for (name,) in db.execute(query))


def test_indexes_that_a_killed_process_left_out_are_made_by_the_next(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder)
    with SessionStore(folder) as store:
        store.list()
    every = indexes(folder)
    assert {*schema.INDEXES} < {*every}
    killed = SessionStore(folder)
    killed.list()
    calls = 0

    def kill(path: str) -> None:
        nonlocal calls
        calls += 1
        if calls > MANY // 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("localsessions._local.reconciling._BATCH", 200)
    monkeypatch.setattr(local(killed).folder, "read_unchecked", kill)
    with pytest.raises(KeyboardInterrupt):
        killed.reindex()
    killed.close()
    assert len(indexes(folder)) < 14
    with SessionStore(folder) as store:
        assert len(store.list(user_id="u1", limit=1000)) == len(range(1, MANY, 7))
        assert indexes(folder) == every


def test_other_stores_go_on_while_one_is_filling(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder)
    with SessionStore(folder) as store, SessionStore(folder) as other:
        other.list()
        put = local(store).index.put

        def put_and_let_others(*arguments: object) -> None:
            put(*arguments)  # type: ignore[arg-type]
            other.append("s3", {"role": "user", "content": "meanwhile"})
            assert len(other.list(user_id="u3")) == 50

        monkeypatch.setattr(local(store).index, "put", put_and_let_others)
        store.reindex()
        row = local(store).index.get("s3")
        assert row is not None
        assert row.summary.preview == "meanwhile"
        assert store.count() == MANY + FOUND


# -- the summary of a document -------------------------------------------------------------------

texts = st.sampled_from(
    ["", "a", "Привет", "2026-01-01T00:00:00.000Z", "localsessions/1", "x" * 99]
)
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 5),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
    st.lists(texts, max_size=2),
    st.lists(
        st.dictionaries(st.sampled_from(["role", "run_id", "content", "created_at"]), texts),
        max_size=2,
    ),
    st.dictionaries(st.sampled_from(["current_agent", "switches", "k"]), texts, max_size=2),
)
fields = st.sampled_from([*Session.model_fields, "mine", "session_id"])
PLAIN = {
    "format": "localsessions/1",
    "session_id": "s",
    "title": "T",
    "created_at": "2026-01-01T00:00:00.000Z",
    "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}],
    "tags": ["a"],
    "pinned": True,
    "status": "active",
    "last_activity": "2026-01-01T02:00:00.5+02:00",
    "updated_at": "2026-01-01T00:00:00.000Z",
    "revision": 3,
}


def slowly(data: bytes) -> tuple[object, int | None] | None:
    """What the session that is made of a file says; None where it is unreadable."""
    try:
        session = _codec.decode(data, session_id="s", modified_at=FINGERPRINT.modified_at)
    except UnreadableSessionError:
        return None
    original = original_of(session)
    assert original is not None
    end = _codec.messages_end(data, original.keys) if original.canonical else None
    return summarize(session, len(data)), end


@given(
    st.dictionaries(fields, values, max_size=4),
    st.sets(fields, max_size=3),
    st.booleans(),
    st.sampled_from([2, None]),
)
def test_a_summary_of_a_document_says_what_its_session_says(
    put: dict[str, object], left_out: set[str], moved: bool, indent: int | None
) -> None:
    document = {name: value for name, value in PLAIN.items() if name not in left_out} | put
    if moved:
        document = dict(reversed(document.items()))
    text = json.dumps(document, indent=indent, ensure_ascii=False) + "\n"
    data = text.encode("utf-8", "surrogatepass")
    found, expected = summarized(data, "s", FINGERPRINT.modified_at), slowly(data)
    if found is not None:
        assert (found.summary, found.messages_end) == expected


def test_a_file_with_a_time_that_is_no_instant_is_left_to_decode() -> None:
    data = b'{\n  "created_at": "yesterday"\n}\n'  # laid out as ours, so that it is looked at
    assert summarized(data, "s", FINGERPRINT.modified_at) is None


def test_a_file_that_we_write_is_summarized_without_its_session() -> None:
    session = Session(session_id="s", title="T", messages=[{"role": "user", "content": "Hi"}])
    session.tags, session.pinned = ["a"], True
    data = _codec.encode(session)
    found = summarized(data, "s", FINGERPRINT.modified_at)
    assert found == slowly(data)
    assert found is not None
    assert found.messages_end is not None


@pytest.mark.parametrize(
    "also",
    [
        {"pinned": False},
        {"tags": []},
        {"metadata": {}},
        {"title": ""},
        {"session_id": "other"},
        {"mine": []},
        {"updated_at": "2026-01-01"},
        {"ttl": 1.5},
        {"runs": [{"run_id": "r"}], "agent_context": {"current_agent": "coder"}},
    ],
    ids=str,
)
def test_a_summary_knows_where_messages_end_only_of_what_we_would_write(
    also: dict[str, object],
) -> None:
    document = {name: (PLAIN | also)[name] for name in Session.model_fields if name in PLAIN | also}
    document |= also
    data = (json.dumps(document, indent=2) + "\n").encode()
    assert summarized(data, "s", FINGERPRINT.modified_at) == slowly(data)
