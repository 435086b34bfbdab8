"""The seam is whole: every verb is asked of every engine, and asks for every act of one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest

from contract import dict_engine
from contract.acts import user, wait_until
from contract.conftest import NewPlace
from contract.dict_engine import DictEngine
from contract.shelf import Shelf
from localsessions import Finding, Session, SessionStore
from localsessions.backups import back_up, check_backup, restore_backup
from localsessions.engine import (
    Care,
    Changes,
    Checkpoints,
    Copies,
    Engine,
    Listings,
    Presence,
    Sessions,
    Trash,
)
from localsessions.moving import move

SOURCE = Path(dict_engine.__file__).read_text("utf-8")
FINDING = Finding("permissions", "folder", "others may write", "chmod")


def edit(store: SessionStore) -> object:
    with store.edit("a") as session:
        session.state["step"] = 1
    return store.load("a").state


def streaming(store: SessionStore) -> object:
    with store.streaming("a") as draft:
        draft.write("hel")
        draft.write("lo")
    return draft.message["content"]


def runs(store: SessionStore) -> object:
    left = {"status": "RUNNING", "streaming": {"m": "0" * 32}}
    store.upsert_run("a", {"run_id": "left", **left})
    return [one.status for one in store.runs("a")]


def watch(store: SessionStore) -> object:
    told: list[str] = []
    with store.watch(lambda change: told.append(change.kind)):
        store.append("a", user("watched"))
        wait_until(lambda: told)
    return told


def repair(store: SessionStore) -> object:
    with pytest.raises(ValueError, match=r"chmod|repair"):
        return store.repair(FINDING)
    return "refused"


def changes(store: SessionStore) -> object:
    since = store.last_change()
    store.rename("a", "renamed")
    return [(one.kind, dict(one.changed)) for one in store.changes(since)]


def last_change(store: SessionStore) -> object:
    before = store.last_change()
    store.append("a", user("later"))
    return store.last_change() > before


def load_checkpoint(store: SessionStore) -> object:
    return [store.load_checkpoint("a", one).data for one in store.checkpoints("a")]


def adopt(store: SessionStore) -> object:
    made = store.adopt("c", lambda _: Session(session_id="c", title="adopted"))
    return made and (made.title, made.revision)


def close(store: SessionStore) -> object:
    store.close()
    with pytest.raises(ValueError, match="is closed"):
        store.get("a")
    return "closed"


GROUPS = [("x", 1), ("y", 1)]
ASKED: dict[str, tuple[Callable[[SessionStore], object], object]] = {
    "create": (lambda store: store.create("a", user_id="u", max_live=9).revision, 1),
    "get_or_create": (lambda store: store.get_or_create("a", title="other").title, None),
    "get": (lambda store: store.get("nobody"), None),
    "load": (lambda store: store.load("a").user_id, "u"),
    "save": (lambda store: store.save(Session(session_id="b", title="B")).revision, 1),
    "edit": (edit, {"step": 1}),
    "append": (lambda store: len(store.append("a", user("parser"), user("y"))), 2),
    "upsert_run": (lambda store: store.upsert_run("a", {"run_id": "r"}, user("z")), None),
    "streaming": (streaming, "hello"),
    "runs": (runs, [None, "COMPLETED", "INTERRUPTED"]),
    "switch_agent": (lambda store: store.switch_agent("a", "coder"), True),
    "rename": (lambda store: store.rename("a", "A").title, "A"),
    "pin": (lambda store: store.pin("a").pinned, True),
    "archive": (lambda store: store.archive("b").status, "archived"),
    "tag": (lambda store: store.tag("a", "x", "y").tags, ("x", "y")),
    "fork": (lambda store: len(store.fork("a", at=0, new_id="c").messages), 1),
    "tail": (lambda store: [one["content"] for one in store.tail("a", 2)], ["z", "hello"]),
    "history": (
        lambda store: [one["content"] for one in store.history("a", 2)],
        ["z", "hello"],
    ),
    "context": (
        lambda store: store.context("a", "so?", last_runs=1),
        [{"role": "assistant", "content": "hello"}, {"role": "user", "content": "so?"}],
    ),
    "raw": (lambda store: store.raw("a")[:1], b"{"),
    "adopt": (adopt, ("adopted", 0)),
    "create_many": (
        lambda store: [one.revision for one in store.create_many([Session(session_id="d")])],
        [1],
    ),
    "save_many": (
        lambda store: [one.revision for one in store.save_many([Session(session_id="e")])],
        [1],
    ),
    "delete_many": (lambda store: store.delete_many(["d", "none", "e"]), ("d", "e")),
    "list": (
        lambda store: [one.session_id for one in store.list(order="created_at", limit=2)],
        ["a", "b"],
    ),
    "count": (lambda store: (store.count(), store.count(live=True)), (3, 2)),
    "groups": (lambda store: [(one.name, one.sessions) for one in store.groups("tag")], GROUPS),
    "search": (lambda store: [hit.position for hit in store.search("parser")], [0]),
    "resolve": (lambda store: store.resolve("adopted"), "c"),
    "short_ids": (lambda store: store.short_ids(["a", "b"]), {"a": "a", "b": "b"}),
    "last_change": (last_change, True),
    "changes": (changes, [("modified", {"title": ("A", "renamed")})]),
    "watch": (watch, ["modified"]),
    "save_checkpoint": (lambda store: store.save_checkpoint("a", {"n": 1}).data, {"n": 1}),
    "checkpoints": (lambda store: len(store.checkpoints("a")), 1),
    "load_checkpoint": (load_checkpoint, [{"n": 1}]),
    "delete_checkpoint": (lambda store: store.delete_checkpoint("a", "none"), False),
    "clear_checkpoints": (lambda store: store.clear_checkpoints("a"), 1),
    "delete": (lambda store: store.delete("b"), True),
    "trash": (lambda store: {one.session_id for one in store.trash()}, {*"bde"}),
    "restore": (lambda store: store.restore("b").title, "B"),
    "empty_trash": (lambda store: len(store.empty_trash(max_age=0)), 2),
    "deletions": (lambda store: {one.session_id for one in store.deletions([*"de"])}, {*"de"}),
    "forget_deletions": (lambda store: store.forget_deletions(), None),
    "cleanup": (
        lambda store: store.cleanup(max_age=timedelta(days=1), dry_run=True).actions,
        (),
    ),
    "purge_expired": (lambda store: store.purge_expired().actions, ()),
    "verify": (lambda store: len(store.verify()), 0),
    "repair": (repair, "refused"),
    "reindex": (lambda store: store.reindex(), 3),
    "stats": (lambda store: (store.stats().sessions, store.stats().messages), (3, 6)),
    "save_dir": (lambda store: store.save_dir == store.engine.address, True),
    "path": (lambda store: store.path("a") == store.engine.location("a"), True),
    "engine": (lambda store: hasattr(store.engine, "address"), True),
    "close": (close, "closed"),
}
"""By name, one question after the other, and what every engine makes of it."""


def test_every_verb_is_asked() -> None:
    assert {*ASKED} == {name for name in vars(SessionStore) if not name.startswith("_")}


def test_every_engine_answers_every_verb_alike(new_place: NewPlace) -> None:
    with new_place().open() as store:
        answers = {name: ask(store) for name, (ask, _) in ASKED.items()}
    assert answers == {name: expected for name, (_, expected) in ASKED.items()}


# -- the acts of an engine -----------------------------------------------------------------------


ACTS = {
    name
    for part in (Sessions, Listings, Changes, Trash, Checkpoints, Presence, Copies, Care, Engine)
    for name in vars(part)
    if not name.startswith("_") and callable(getattr(part, name))
}


class Counted(DictEngine):
    """One that writes down which acts it is asked for."""

    def __init__(self) -> None:
        self.asked: set[str] = set()
        super().__init__(Shelf())

    def __getattribute__(self, name: str) -> object:
        if name in ACTS:
            self.asked.add(name)
        return super().__getattribute__(name)


def carry(store: SessionStore) -> None:
    """Back up and restore the sessions of a store, and move one to another."""
    file = BytesIO()
    with SessionStore(DictEngine(Shelf())) as other, store:
        back_up(store, file)
        restore_backup(store, check_backup(file), merge=True)
        assert move(store, other, ["a"]) == {}


def test_no_act_of_an_engine_is_idle() -> None:
    """What no verb asks for, and neither backups nor moving, is not in the seam."""
    engine = Counted()
    with SessionStore(engine) as store:
        for ask, _ in ASKED.values():
            ask(store)
    carry(SessionStore(engine))
    assert ACTS - engine.asked == {"is_away"}  # asked where the log cannot be read


def test_an_engine_of_a_dict_takes_little_more_than_300_lines_that_are_not_blank() -> None:
    assert sum(bool(line.strip()) for line in SOURCE.splitlines()) <= 305


def test_it_names_no_room_of_the_other_engine() -> None:
    assert "_local" not in SOURCE


ALONE = """
from contract.dict_engine import DictEngine
from contract.shelf import Shelf
from localsessions import SessionStore
with SessionStore(DictEngine(Shelf())) as store:
    store.create("s")
    store.cleanup(max_age=0)
    try:
        store.repair("no finding")
    except TypeError as error:
        print(error)
"""


def test_a_store_of_another_engine_needs_no_folder_to_have_been_opened() -> None:
    """What a verb names is imported with the verb, and not with the engine of a folder."""
    tests = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", ALONE], cwd=tests, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "finding must be one of those that verify() returns, not str\n"
