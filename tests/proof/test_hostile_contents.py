"""Contents that nobody should have written, in every file that the store reads.

Files made by a mutation of a good one, of all bytes, are put in the place of a session, a
checkpoint, a deleted session, a kept version and a temp file; then every reading verb and every
writing one is performed. Each file is readable or named as unreadable; what is unreadable stays
as it is, byte for byte; every other session works. A session that could be read is written by
``append`` and read again, and has lost nothing.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localsessions import (
    FormatVersionError,
    Session,
    SessionError,
    SessionStore,
    UnreadableSessionError,
    UnstorableValueError,
)
from localsessions._codec import decode, encode, parse_json
from localsessions._codec.salvage import salvage
from localsessions._local.version import Fingerprint
from localsessions._rules.merging import merge
from proof.counting import sized, tried
from proof.exactness import exact
from proof.fuzzing_imports import SESSIONS

TOKENS = [
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\0", b"\xff", b"\n", b"\xef\xbb\xbf",
    b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"-0.0", b"18446744073709551616",
    b"9" * 700, b'"\\ud800"', b'"\\u0000"', b"<<<<<<< HEAD\n", b'"__proto__"', b'"messages"',
    b'"format"', b'"localsessions/2"', b"[]", b"{}", b'""', b"0001-01-01T00:00:00+14:00", b"//",
    b"/* */",
]  # fmt: skip
VALUES = [
    "null", "true", "0", "-1", "1.5", "1e400", "-0.0", "9" * 5000, '""', '"x"', '"\\ud800"',
    "[]", "{}", "[[]]", "[null]", "[{}]", '[{"role": 1}]',
    '[{"role": "user", "content": {"a": [1]}}]', '{"": null}', '"0001-01-01T00:00:00+14:00"',
    '"9999-12-31T23:59:59.999999-14:00"', '"not a time"', '{"switches": [null]}',
    '{"switches": [{}], "current_agent": 1}', '"localsessions/99999999999"',
]  # fmt: skip


def mutant(chance: random.Random) -> bytes:
    """Return a good file with some of its bytes replaced, repeated, swapped or left out."""
    data = chance.choice(SESSIONS).read_bytes()
    for _ in range(chance.randint(1, 4)):
        at, to = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        match chance.randrange(5):
            case 0:
                data = data[:at] + chance.choice(TOKENS) + data[at + chance.randrange(3) :]
            case 1:
                data = data[:at] + data[min(to, at + 40) :]
            case 2:
                data = data[:at] + data[at:to][:200] + data[at:]
            case 3:
                data = data[:at]
            case _:
                data = data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
        if not data:
            return b"{"
    return data


def perform_all(store: SessionStore, name: str) -> None:
    """Do to a session whatever can be done; errors of the store are well."""
    verbs = (
        lambda: store.get(name),
        lambda: store.tail(name, 2),
        lambda: store.append(name, {"role": "user", "content": "added"}),
        lambda: store.rename(name, "renamed"),
        lambda: store.switch_agent(name, "coder"),
        lambda: store.upsert_run(name, {"run_id": "r"}, {"role": "user", "content": "run"}),
        lambda: store.fork(name, new_id=f"{name}-fork"),
        lambda: store.load(name).history(None),
    )
    for verb in verbs:
        with contextlib.suppress(SessionError):
            verb()


def test_a_mutant_is_read_and_written_without_loss_or_left_as_it_is(
    folder: Path, store: SessionStore
) -> None:
    store.create("well", title="well")
    count = sized(40, 1000)
    for number in range(count):
        data = mutant(random.Random(number))
        path = folder / "s.json"
        path.write_bytes(data)
        try:
            former = store.load("s")
        except UnreadableSessionError as error:
            fault = error
            perform_all(store, "s")
            assert (fault.line or 0) >= 1
            assert path.read_bytes() == data
        else:
            perform_all(store, "s")
            check_nothing_is_lost(former, store, path, data)
        listed = {one.session_id for one in store.list(fresh=True).items}
        assert listed - {"s-fork"} == {"s", "well"}
        assert store.load("well").title == "well"
        for one in ("s", "s-fork"):
            with contextlib.suppress(SessionError):
                store.delete(one)
    store.verify(), store.search("well"), store.stats()
    tried("hostile input", "mutated session files, each with every verb", count)


def check_nothing_is_lost(former: Session, store: SessionStore, path: Path, data: bytes) -> None:
    if former.format != "localsessions/1":
        assert path.read_bytes() == data
        return
    now = store.load("s")
    assert exact(now.messages[: len(former.messages)]) == exact(former.messages)
    for name in ("state", "metadata", "modules"):
        assert exact(getattr(now, name)) == exact(getattr(former, name))
    assert exact(now.extra) == exact(former.extra)
    assert now.title == "renamed"


FIELDS = [*Session.model_fields, "unknown"]


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_of_any_value_is_read_or_refused_with_its_place_and_listed(
    field: str, folder: Path, store: SessionStore
) -> None:
    for number, value in enumerate(VALUES):
        (folder / f"s{number}.json").write_text(
            f'{{"title": "t",\n "messages": [{{"role": "user"}}],\n "{field}": {value}}}'
            if field not in ("title", "messages")
            else f'{{"state": {{}},\n "{field}": {value}}}'
        )
    summaries = store.list(limit=100, fresh=True).items
    assert len(summaries) == len(VALUES)
    for one in summaries:
        one.model_dump()
        perform_all(store, one.session_id)
        if one.unreadable:
            assert one.unreadable.line is not None
    store.count(), store.search("t OR x"), store.cleanup(max_age=0, dry_run=True)
    orders = ("last_activity", "-created_at", "size_bytes")
    # Forks have come in beside them.
    counts = {len(store.list(order=order, limit=500).items) for order in orders}  # type: ignore[arg-type]  # they are what the type names
    assert counts == {store.count()}
    tried("hostile input", "fields of odd values, each with every verb", len(VALUES))


def test_mutants_in_the_place_of_other_files_hide_nothing(folder: Path) -> None:
    count = sized(25, 400)
    with SessionStore(folder) as store:
        store.create("s", title="well")
        store.save_checkpoint("s", {"step": 1})
        store.save_checkpoint("s", {"step": 2})
        store.create("gone")
        store.delete("gone")
        (trashed,) = (Path(one.path) for one in store.trash())
        last = max((folder / "s.checkpoints").iterdir())
        kept = folder / ".localsessions/kept/s.json.gz"
        kept.parent.mkdir()
        for number in range(count):
            data = mutant(random.Random(f"other {number}"))
            for path in (trashed, last, kept):
                path.write_bytes(data)
            if number % 2:
                kept.write_bytes(gzip.compress(data))
            (folder / "s.json").write_bytes(data[:20])
            with contextlib.suppress(UnreadableSessionError):
                store.load("s", last_good=True)
            for finding in store.verify():
                assert finding.kind in ("unreadable", "wrong inner id", "newer format", "index")
            with contextlib.suppress(UnreadableSessionError):
                store.load_checkpoint("s")
            assert store.load_checkpoint("s", store.checkpoints("s")[-1]).data == {"step": 1}
            assert [one.session_id for one in store.trash()] == ["gone"]
            with contextlib.suppress(UnreadableSessionError):  # it is back all the same
                store.restore("gone")
            assert (folder / "gone.json").read_bytes() == data
            store.delete("gone")
            (trashed,) = (Path(one.path) for one in store.trash())
            assert last.read_bytes() == data
    tried("hostile input", "mutated checkpoints, deleted sessions and kept versions", 3 * count)


@pytest.mark.parametrize("name", ["index.sqlite3", "search.sqlite3"])
def test_databases_of_any_bytes_are_answered_from_the_files(name: str, folder: Path) -> None:
    with SessionStore(folder) as store:
        store.create("s", title="well")
        store.append("s", {"role": "user", "content": "some words"})
        store.search("words")
    path = folder / ".localsessions" / name
    whole = path.read_bytes()
    count = sized(15, 300)
    for number in range(count):
        chance = random.Random(number)
        data = bytearray(whole)
        for _ in range(chance.choice([1, 3, 60])):
            data[chance.randrange(len(data))] = chance.randrange(256)
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        cut = whole[: chance.randrange(len(whole))]
        path.write_bytes(chance.choice([bytes(data), cut, b"\0" * 4096]))
        with SessionStore(folder) as store:
            (one,) = store.list().items
            assert (one.session_id, one.title, one.message_count) == ("s", "well", 1)
            assert [hit.session.session_id for hit in store.search("words")] == ["s"]
    tried("hostile input", "garbled databases opened", count)


# -- what was found ------------------------------------------------------------------------------

STAMP = Fingerprint(0, 1_767_323_045_000_000_000, 0, 0)


def test_a_tag_that_one_side_has_twice_is_merged_to_one_in_both_orders() -> None:
    base, ours, theirs = (
        decode(json.dumps({"tags": tags}).encode(), session_id="s", modified_at=STAMP.modified_at)
        for tags in (["a"], ["a", "b", "b"], ["a", "b"])
    )
    for one, other in ((ours, theirs), (theirs, ours)):
        merged = merge(base, one, other)
        assert (merged.session.tags, merged.conflicts) == (["a", "b"], ())


def test_a_deep_document_on_one_line_is_not_written_out_to_be_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nested = b"[" * 150 + b"]" * 150
    data = b'{"state":{"a":[' + b",".join([nested] * 400) + b"]}}"
    written: list[int] = []
    dumps = __import__("orjson").dumps

    def counted(value: object, **options: int) -> bytes:
        found: bytes = dumps(value, **options)
        written.append(len(found))
        return found

    monkeypatch.setattr("localsessions._codec.session_file.orjson.dumps", counted)
    assert parse_json(data) is not None
    assert sum(written) <= 2 * len(data)


def test_what_is_cut_inside_a_document_too_deep_is_not_salvaged() -> None:
    assert salvage(b'{"title": "t", "state": ' + b"[" * 300) is None
    kept = salvage(b'{"title": "t", "state": ' + b"[" * 150)
    assert kept is not None
    assert parse_json(kept) == {"title": "t"}


def test_a_session_of_a_future_format_is_never_written(folder: Path, store: SessionStore) -> None:
    for number, version in enumerate(("2", "99999999999999999999999")):
        path = folder / f"s{number}.json"
        path.write_text(f'{{"format": "localsessions/{version}", "new": {{}}}}')
        before = path.read_bytes()
        with pytest.raises(FormatVersionError):
            store.append(f"s{number}", {"role": "user"})
        perform_all(store, f"s{number}")
        assert path.read_bytes() == before


def test_a_value_that_python_allows_and_json_does_not_reaches_no_disk(
    folder: Path, store: SessionStore
) -> None:
    store.create("s")
    before = (folder / "s.json").read_bytes()
    loop: list[object] = []
    loop.append(loop)
    odd = [float("nan"), b"", (1,), {1: 2}, {None: 1}, {1}, 1j, object(), loop, 10**20_000, type]
    for value in odd:
        session = store.load("s")
        session.state["x"] = value  # type: ignore[assignment]  # that is the attack
        with pytest.raises(UnstorableValueError) as refused:
            store.save(session)
        assert refused.value.where.startswith("state.x")
        with pytest.raises(UnstorableValueError):
            encode(session)
    assert (folder / "s.json").read_bytes() == before
    assert os.listdir(folder / ".localsessions/tmp") == []


# -- arguments -----------------------------------------------------------------------------------

ARGUMENTS: dict[str, tuple[str, Callable[[Any], object]]] = {
    "append a text": ("a message", lambda store: store.append("s", "text")),
    "append nothing": ("a message", lambda store: store.append("s", None)),
    "save nothing": ("session", lambda store: store.save(None)),
    "save an object": ("session", lambda store: store.save({"session_id": "s"})),
    "create bytes": ("session_id", lambda store: store.create(b"x")),
    "a ttl in words": ("ttl", lambda store: store.create(ttl="1")),
    "a limit in words": ("max_live", lambda store: store.create(max_live="1")),
    "no limit": ("limit", lambda store: store.list(limit=None)),
    "a time in words": ("since", lambda store: store.list(since="yesterday")),
    "a cursor of another type": ("cursor", lambda store: store.list(cursor=1)),
    "changes since a text": ("since", lambda store: store.changes("5")),
    "an age in words": ("max_age", lambda store: store.cleanup(max_age="1")),
    "a tail of a text": ("n", lambda store: store.tail("s", "1")),
    "no run": ("run", lambda store: store.upsert_run("s", None)),
    "an id of another type": ("session_id", lambda store: store.get(1)),
    "a timeout in words": (
        "lock_timeout",
        lambda store: SessionStore(store.save_dir, lock_timeout="1"),  # type: ignore[arg-type]
    ),
}


@pytest.mark.parametrize("what", ARGUMENTS)
def test_an_argument_of_another_type_is_refused_by_its_name(
    what: str, folder: Path, store: SessionStore
) -> None:
    store.create("s")
    before = (folder / "s.json").read_bytes()
    name, act = ARGUMENTS[what]
    with pytest.raises(TypeError, match=f"^{name} must be "):
        act(store)
    assert (folder / "s.json").read_bytes() == before
    assert [path.name for path in folder.glob("*.json")] == ["s.json"]
