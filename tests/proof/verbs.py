"""Every verb that writes: what it starts from, what it does, and where it may be interrupted.

Whatever happens to a process that performs one, the folder afterwards says what it said before,
what it says after the verb, or what one of the verb's ``halves`` says: those are named here, one
by one, and there are no others.
"""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from pydantic import JsonValue

from localsessions import Session, SessionStore
from localsessions.format import encode
from localsessions.models import SessionCopy, StoredBytes

__all__ = ["VERBS", "State", "Verb", "plain", "prepared", "said", "sound"]

State: TypeAlias = dict[str, JsonValue]
"""What a folder says, without times and without what is made at random."""

# Several pages, so that a write can be torn.
LONG = "All work and no play makes a dull page. " * 300
_TIMES = ("created_at", "updated_at", "last_activity", "expires_at", "last_switch_at", "timestamp")


def nothing(folder: Path) -> None:
    """Be what a verb starts from that starts from an empty folder."""


@dataclass(frozen=True)
class Verb:
    """One verb on one folder.

    Attributes:
        act: The verb, on an open store.
        prepare: Makes what it starts from, with a store of its own.
        halves: What else a folder may say after an interruption: each changes a prepared folder
            on the disk, one step further than the one before.
        parts: What a verb on many sessions does to each of them, on the disk, step by step: after
            an interruption each may have come to any of its steps, in any combination.
        others: What a verb that is told of its interruption may do, each from the beginning.
    """

    act: Callable[[SessionStore], object]
    prepare: Callable[[Path], object]
    halves: tuple[Callable[[Path], None], ...] = ()
    parts: tuple[tuple[Callable[[Path], None], ...], ...] = ()
    others: tuple[tuple[Callable[[Path], None], ...], ...] = ()

    @property
    def interruptions(self) -> Iterator[Sequence[Callable[[Path], None]]]:
        """What may have been done to a prepared folder, nothing first."""
        for count in range(len(self.halves) + 1):
            yield self.halves[:count]
        yield from self.others
        lengths = itertools.product(*(range(len(part) + 1) for part in self.parts))
        for steps in sorted(lengths, key=sum)[1:-1]:
            done = (part[:count] for part, count in zip(self.parts, steps, strict=True))
            yield [*itertools.chain.from_iterable(done)]


def adopt(store: SessionStore) -> None:
    adopted = Session(session_id="s", title="adopted", messages=[message(1)], revision=7)
    store.adopt("s", lambda _data: adopted)


def message(number: int, content: str = LONG) -> dict[str, JsonValue]:
    return {"id": f"m{number}", "role": "user", "content": content, "created_at": _AT}


_AT = "2026-01-02T03:04:05.000Z"
_WRITER = "the name of the writer"
_COPIED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def one_session(folder: Path) -> None:
    with SessionStore(folder) as store:
        store.create("s", title="old", metadata={"tier": "free"})
        store.append("s", message(1), message(2))


def with_checkpoints(folder: Path) -> None:
    one_session(folder)
    with SessionStore(folder) as store:
        store.save_checkpoint("s", {"step": 1})
        store.save_checkpoint("s", {"step": 2})


def deleted(folder: Path) -> None:
    one_session(folder)
    with SessionStore(folder) as store:
        store.delete("s")


def purged(folder: Path) -> None:
    deleted(folder)
    with SessionStore(folder) as store:
        store.empty_trash()


def deleted_with_checkpoints(folder: Path) -> None:
    with_checkpoints(folder)
    with SessionStore(folder) as store:
        store.delete("s")


def three_sessions(folder: Path) -> None:
    with SessionStore(folder) as store:
        for name in "abc":
            store.create(name, title=name, ttl=0.001)
            store.append(name, message(1))


def torn(folder: Path) -> None:
    one_session(folder)
    path = folder / "s.json"
    path.write_bytes(path.read_bytes()[:-3000])


def edit(store: SessionStore) -> None:
    with store.edit("s") as session:
        session.title = "new"
        session.state["branch"] = "main"


def save(store: SessionStore) -> None:
    session = store.load("s")
    session.title = "new"
    store.save(session)


def save_new(store: SessionStore) -> None:
    store.save(Session(session_id="n", title="new"))


def turns(store: SessionStore) -> None:
    # The first of a process writes the file whole, those after it the end only. What was done
    # before an interruption is not done again.
    done = {one["id"] for one in store.load("s").messages}
    for number in (3, 4, 5):
        if f"m{number}" not in done:
            store.append("s", message(number))


def restore_and_turns(store: SessionStore) -> None:
    if store.get("s") is None:
        store.restore("s")
    turns(store)


def restored(folder: Path) -> None:
    with SessionStore(folder) as store:
        store.restore("s")


def one_turn(folder: Path) -> None:
    with SessionStore(folder) as store:
        store.append("s", message(3))


def two_turns(folder: Path) -> None:
    with SessionStore(folder) as store:
        store.append("s", message(4))


# The second and the last take the file from the first message of the run on.
RUNS = (("r", (3,)), ("r", (3, 4)), ("q", (5,)), ("r", (3, 4, 6)))


def runs(store: SessionStore) -> None:
    # Doing one again changes nothing.
    for number in range(len(RUNS)):
        upsert(store, number)


def upsert(store: SessionStore, number: int) -> None:
    run_id, numbers = RUNS[number]
    store.upsert_run("s", {"run_id": run_id}, *map(message, numbers))


def run_put(number: int) -> Callable[[Path], None]:
    def put(folder: Path) -> None:
        with SessionStore(folder) as store:
            upsert(store, number)

    return put


# A message that grows: begun, flushed, complete. What is killed between these says the one before.
GROWING: dict[str, JsonValue] = {**message(3, ""), "role": "assistant", "run_id": "r"}


def stream(store: SessionStore) -> None:
    # Doing it again makes the same message of it.
    with store.streaming("s", GROWING) as draft:
        draft.write(LONG)
        draft.flush()
        draft.write("The end.")


def streamed(content: str) -> Callable[[Path], None]:
    def put(folder: Path) -> None:
        with SessionStore(folder) as store:
            run = {"run_id": "r", "status": "RUNNING", "status_after": "COMPLETED"}
            store.upsert_run(
                "s", {**run, "streaming": {"m3": _WRITER}}, {**GROWING, "content": content}
            )

    return put


def cut_off(content: str) -> Callable[[Path], None]:
    def put(folder: Path) -> None:
        with SessionStore(folder) as store:
            run = {"run_id": "r", "status": "INTERRUPTED"}
            store.upsert_run("s", run, {**GROWING, "content": content})

    return put


def merge(store: SessionStore) -> None:
    mine, theirs = store.load("s"), store.load("s")
    theirs.title = "theirs"
    store.save(theirs)
    mine.tags = ["mine"]
    store.save(mine, on_conflict="merge")


def theirs_saved(folder: Path) -> None:
    with SessionStore(folder) as store:
        store.rename("s", "theirs")


def repair(store: SessionStore) -> None:
    for finding in store.verify():
        if finding.automatic:
            store.repair(finding)


def to_trash(name: str) -> Callable[[Path], None]:
    def move(folder: Path) -> None:
        (folder / ".trash").mkdir(mode=0o700, exist_ok=True)
        target = folder / ".trash" / f"20260102T030405000000Z-{name}.json"
        (folder / f"{name}.json").rename(target)

    return move


def checkpoints_back(folder: Path) -> None:
    (source,) = (folder / ".trash").glob("*.checkpoints")
    source.rename(folder / "s.checkpoints")


def many(names: str) -> list[Session]:
    return [
        Session(session_id=name, title=f"new {name}", messages=[message(9), message(10)])
        for name in names
    ]


def create_many(store: SessionStore) -> None:
    # What was done before an interruption is not done again.
    store.create_many(one for one in many("abc") if store.get(one.session_id) is None)


def save_many(store: SessionStore) -> None:
    sessions = [store.load(name) for name in "abc"]
    for session in sessions:
        session.title = f"new {session.session_id}"
    store.save_many(sessions)


def one_created(name: str) -> Callable[[Path], None]:
    def create(folder: Path) -> None:
        with SessionStore(folder) as store:
            store.create_many(many(name))

    return create


def one_saved(name: str) -> Callable[[Path], None]:
    def save(folder: Path) -> None:
        with SessionStore(folder) as store:
            store.rename(name, f"new {name}")

    return save


def with_one_checkpoint(folder: Path) -> None:
    three_sessions(folder)
    with SessionStore(folder) as store:
        store.save_checkpoint("b", {"step": 1})


def checkpoints_to_trash(folder: Path) -> None:
    (beside,) = folder.glob("*.checkpoints")
    (trashed,) = (folder / ".trash").glob("*-b.json")
    beside.rename(trashed.with_suffix(".checkpoints"))


def first_checkpoint_gone(folder: Path) -> None:
    min((folder / "s.checkpoints").iterdir()).unlink()


def one_trashed_checkpoint_gone(folder: Path) -> None:
    (source,) = (folder / ".trash").glob("*.checkpoints")
    min(source.iterdir()).unlink()


def trashed_file_gone(folder: Path) -> None:
    (source,) = (folder / ".trash").glob("*.json")
    line = {"session_id": "s", "source": {}, "deleted_at": "2026-01-01T00:00:00Z"}
    (folder / ".trash" / "purged-s.jsonl").write_text(json.dumps(line))
    source.unlink()


COPY = SessionCopy(
    "n",
    StoredBytes(encode(Session(session_id="n", title="new", messages=[message(1)])), _COPIED),
    {
        f"{number:08}-ckpt_{number}": StoredBytes(
            json.dumps(
                {"checkpoint_id": f"ckpt_{number}", "data": {"step": number}, "created_at": _AT}
            ).encode(),
            _COPIED,
        )
        for number in (1, 2)
    },
)


def bring(store: SessionStore) -> None:
    store.engine.bring(COPY)


def first_checkpoint_brought(folder: Path) -> None:
    (folder / "n.checkpoints").mkdir(mode=0o700)


def leave(store: SessionStore) -> None:
    with store.engine.leaving("s", moved_to="elsewhere"):
        pass


def noted(folder: Path) -> None:
    line = {"session_id": "s", "source": {}, "deleted_at": _AT, "moved_to": "elsewhere"}
    (folder / ".trash").mkdir(mode=0o700)
    (folder / ".trash" / "purged-moved.jsonl").write_text(json.dumps(line))


def left_but_for_checkpoints(folder: Path) -> None:
    (folder / "s.json").unlink()


ALL_TO_TRASH = tuple((to_trash(name),) for name in "abc")

VERBS: dict[str, Verb] = {
    "open": Verb(lambda store: store.list(), nothing),
    "create": Verb(lambda store: store.create("n", title="new"), one_session),
    "create the first": Verb(lambda store: store.create("n", title="new"), nothing),
    "get_or_create": Verb(
        lambda store: store.get_or_create("n", title="new", messages=[message(3)]), one_session
    ),
    "save": Verb(save, one_session),
    "save a new one": Verb(save_new, one_session),
    "save, merging": Verb(merge, one_session, (theirs_saved,)),
    "edit": Verb(edit, one_session),
    "adopt": Verb(adopt, one_session),
    "append": Verb(lambda store: store.append("s", message(3), message(4)), one_session),
    "append, and again": Verb(turns, one_session, (one_turn, two_turns)),
    "upsert_run": Verb(
        lambda store: store.upsert_run("s", {"run_id": "r"}, message(3)), one_session
    ),
    "upsert_run, and again": Verb(runs, one_session, (run_put(0), run_put(1), run_put(2))),
    "streaming": Verb(
        stream,
        one_session,
        (streamed(""), streamed(LONG)),
        others=(
            (streamed(""), cut_off("")),
            (streamed(""), cut_off(LONG)),
            (streamed(""), streamed(LONG), cut_off(LONG)),
            (streamed(""), streamed(LONG), cut_off(f"{LONG}The end.")),
        ),
    ),
    "switch_agent": Verb(lambda store: store.switch_agent("s", "coder"), one_session),
    "rename": Verb(lambda store: store.rename("s", "new"), one_session),
    "pin": Verb(lambda store: store.pin("s"), one_session),
    "archive": Verb(lambda store: store.archive("s"), one_session),
    "tag": Verb(lambda store: store.tag("s", "work"), one_session),
    "fork": Verb(lambda store: store.fork("s", new_id="n"), one_session),
    "delete": Verb(lambda store: store.delete("s"), one_session),
    "delete with checkpoints": Verb(
        lambda store: store.delete("s"), with_checkpoints, (to_trash("s"),)
    ),
    "restore": Verb(lambda store: store.restore("s"), deleted),
    "restore with checkpoints": Verb(
        lambda store: store.restore("s"), deleted_with_checkpoints, (checkpoints_back,)
    ),
    "restore, append, and again": Verb(restore_and_turns, deleted, (restored, one_turn, two_turns)),
    "cleanup": Verb(
        lambda store: store.cleanup(max_age=timedelta(0)),
        three_sessions,
        parts=ALL_TO_TRASH,
    ),
    "purge_expired": Verb(
        lambda store: store.purge_expired(),
        three_sessions,
        parts=ALL_TO_TRASH,
    ),
    "create_many": Verb(
        create_many, one_session, parts=tuple((one_created(name),) for name in "abc")
    ),
    "save_many": Verb(save_many, three_sessions, parts=tuple((one_saved(name),) for name in "abc")),
    "delete_many": Verb(
        lambda store: store.delete_many([*"abc"]), three_sessions, parts=ALL_TO_TRASH
    ),
    "delete_many with checkpoints": Verb(
        lambda store: store.delete_many([*"abc"]),
        with_one_checkpoint,
        parts=((to_trash("a"),), (to_trash("b"), checkpoints_to_trash), (to_trash("c"),)),
    ),
    "empty_trash": Verb(lambda store: store.empty_trash(), deleted),
    "empty_trash with checkpoints": Verb(
        lambda store: store.empty_trash(),
        deleted_with_checkpoints,
        (trashed_file_gone, one_trashed_checkpoint_gone, one_trashed_checkpoint_gone),
    ),
    "forget_deletions": Verb(lambda store: store.forget_deletions(), purged),
    "save_checkpoint": Verb(lambda store: store.save_checkpoint("s", {"step": 1}), one_session),
    "save_checkpoint again": Verb(
        lambda store: store.save_checkpoint("s", {"step": 3}), with_checkpoints
    ),
    "delete_checkpoint": Verb(
        lambda store: store.delete_checkpoint("s", store.checkpoints("s")[-1]), with_checkpoints
    ),
    "clear_checkpoints": Verb(
        lambda store: store.clear_checkpoints("s"), with_checkpoints, (first_checkpoint_gone,)
    ),
    "bring": Verb(bring, one_session, (first_checkpoint_brought,)),
    "leave": Verb(leave, with_checkpoints, (noted, left_but_for_checkpoints)),
    "repair": Verb(repair, torn),
    "reindex": Verb(lambda store: store.reindex(), three_sessions),
}


def prepared(name: str, folder: Path) -> list[State]:
    """Make what a verb starts from in ``folder``; return what may be said of it afterwards.

    Returns:
        What the folder says now, then after each of the verb's halves, or some of its parts,
        last after the verb.
    """
    verb = VERBS[name]
    verb.prepare(folder)
    allowed = []
    for steps in verb.interruptions:
        copied = folder.with_name(f"{folder.name}-half")
        if folder.exists():
            shutil.copytree(folder, copied)
        for half in steps:
            half(copied)
        allowed.append(said(copied))
        shutil.rmtree(copied)
    whole = folder.with_name(f"{folder.name}-whole")
    if folder.exists():
        shutil.copytree(folder, whole)
    with SessionStore(whole) as store:
        verb.act(store)
    allowed.append(said(whole))
    shutil.rmtree(whole)
    return allowed


def said(folder: Path) -> State:
    """Return what a folder says, by a store that is opened now; see ``sound``."""
    with SessionStore(folder) as store:
        return sound(store)


def sound(store: SessionStore) -> State:
    """Return what a folder says, and find that all that can be asked of it agrees.

    The index says what the files say; nothing is left over of an interrupted verb; each file of
    ours is whole.
    """
    state: State = {}
    listed = {one.session_id: one for one in store.list(limit=1000).items}
    unreadable = {one.session_id for one in listed.values() if one.unreadable}
    for name in listed:
        path = Path(store.path(name))
        state[f"session {name}"] = (
            "unreadable" if name in unreadable else plain(json.loads(path.read_bytes()))
        )
        state[f"checkpoints {name}"] = [
            plain(store.load_checkpoint(name, one).data) for one in store.checkpoints(name)
        ]
    files = {path.stem for path in Path(store.save_dir).glob("*.json")}
    assert files == set(listed)
    assert store.count() == len(listed)
    assert {one.session_id: one for one in store.list(limit=1000, fresh=True).items} == listed
    for name in set(listed) - unreadable:
        session = store.load(name)
        found = listed[name]
        assert (session.title, len(session.messages), session.revision) == (
            found.title if session.title else None,
            found.message_count,
            found.revision,
        )
    remembered = {one.session_id for one in store.deletions([*"sabc"])}
    in_trash: set[object] = {item.session_id for item in store.trash()}
    state["purged"] = list[JsonValue](sorted(map(str, remembered - in_trash)))
    state["trash"] = [
        [
            item.session_id,
            None if item.checkpoints_only else plain(json.loads(Path(item.path).read_bytes())),
            len(list(Path(item.path).with_suffix(".checkpoints").glob("*.json"))),
        ]
        for item in sorted(store.trash(), key=lambda item: item.session_id)
    ]
    tmp = Path(store.save_dir) / ".localsessions" / "tmp"
    # Spares are kept while their process lives.
    assert [path for path in tmp.iterdir() if path.suffix != ".spare"] == [], "a file is left over"
    state["findings"] = list[JsonValue](
        sorted(f"{one.kind} {one.session_id}" for one in store.verify())
    )
    return state


def plain(value: JsonValue) -> JsonValue:
    """Return a document without its times, and without the name of who writes a message."""
    if isinstance(value, dict):
        return {
            key: _WRITER if key == "m3" else plain(item)
            for key, item in value.items()
            if key not in _TIMES
        }
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value
