"""What writers said before a power cut, against what the disk says after it.

A session may be what its last acknowledged verb made it, or what the one that was in flight would
have made it, or one of the halves that are named here. Anything else is a write lost or torn.
"""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from localsessions import ChangesExpiredError, SessionStore, UnreadableSessionError
from proof.load import EMPTY, SHARED, Entry, Known, filling, text_of

__all__ = ["Ledger", "Verdict", "found_in", "torn_in"]

TORN: JsonValue = "torn"


@dataclass
class Verdict:
    """How the folder was after one cut.

    Attributes:
        acknowledged: Verbs that had returned.
        old: Verbs in flight of which nothing was there.
        new: Verbs in flight that were there, acknowledged by nobody.
        half: Those that were found in one of their halves.
        lost: Sessions that are none of what they may be, with what they may be and are.
    """

    acknowledged: int = 0
    old: int = 0
    new: int = 0
    half: int = 0
    lost: list[str] = field(default_factory=list)

    def add(self, other: Verdict) -> None:
        self.acknowledged += other.acknowledged
        self.old += other.old
        self.new += other.new
        self.half += other.half
        self.lost += other.lost


@dataclass
class _Fate:
    """One session: what it surely was, since when, and the verb in flight if there is one."""

    acknowledged: Known
    begun_at: int = 0
    done_at: int = 0
    verb: str | None = None
    after: Known | None = None
    verb_at: int = 0


class Ledger:
    """The logs of one load.

    Args:
        logs: A file for each writer.
        before: What each session was when the load began.
    """

    def __init__(self, logs: Iterable[Path], before: Mapping[str, Known]) -> None:
        self.fates = {name: _Fate(state) for name, state in before.items()}
        self.failures: list[str] = []
        self.history: dict[str, list[Known]] = {name: [one] for name, one in before.items()}
        self._acknowledged = 0
        self._shared: dict[str, tuple[list[str], list[str]]] = {}
        self._purges: list[tuple[int, int | None]] = []
        self._numbers: list[tuple[int, dict[str, JsonValue]]] = []
        for log in logs:
            lines = log.read_text("utf-8").splitlines(keepends=True)
            self._read([json.loads(line) for line in lines if line.endswith("\n")])

    def _read(self, entries: list[Entry]) -> None:
        begun: Entry | None = None
        own: dict[str, JsonValue] = {}
        for entry in entries:
            if "failed" in entry:
                self.failures.append(str(entry["failed"]))
            elif "number" in entry:
                self._numbers.append((_int(entry["number"]), dict(own)))
            elif "begin" in entry:
                begun = entry
            elif "done" in entry and begun is not None:
                self._acknowledged += 1
                self._end(begun, entry)
                if "session" in entry:
                    after = entry["after"]
                    assert isinstance(after, dict)
                    own[str(entry["session"])] = after["live"]
                begun = None
        if begun is not None:
            self._end(begun, None)

    def _end(self, begun: Entry, done: Entry | None) -> None:
        at, done_at = _int(begun["at"]), None if done is None else _int(done["at"])
        if begun["begin"] == "empty_trash":
            self._purges.append((at, done_at))
        elif begun["begin"] == "share":
            known, open_ = self._shared.setdefault(str(begun["writer"]), ([], []))
            (open_ if done is None else known).append(str(begun["message"]))
        else:
            self._end_of_session(begun, done, at, done_at)

    def _end_of_session(
        self, begun: Entry, done: Entry | None, at: int, done_at: int | None
    ) -> None:
        name, after = str(begun["session"]), (done or begun)["after"]
        assert isinstance(after, dict)
        self.history.setdefault(name, [EMPTY]).append(after)
        fate = self.fates.setdefault(name, _Fate(EMPTY))
        if done_at is None:
            fate.verb, fate.after, fate.verb_at = str(begun["begin"]), after, at
        else:
            fate.acknowledged, fate.begun_at, fate.done_at = after, at, done_at

    # -- the verdict -------------------------------------------------------------------------

    def verdict(self, found: Mapping[str, Known]) -> Verdict:
        """Compare every session, and the one that all writers share."""
        verdict = Verdict(self._acknowledged)
        for name, fate in self.fates.items():
            now = found.get(name, EMPTY)
            olds = list(self._old(fate))
            halves, news = list(self._halves(fate)), list(self._new(fate))
            if now not in [*olds, *halves, *news]:
                verdict.lost.append(f"{name}: {now}, neither {olds} nor {halves} nor {news}")
            elif fate.verb is not None:
                verdict.old += now in olds
                verdict.half += now in halves and now not in olds
                verdict.new += now in news and now not in olds
        unknown = set(found) - set(self.fates) - {SHARED}
        verdict.lost += [f"{name}: nobody made it" for name in unknown]
        self._judge_shared(found.get(SHARED, EMPTY)["live"], verdict)
        return verdict

    def _old(self, fate: _Fate) -> Iterator[Known]:
        if not (_is_in_trash(fate.acknowledged) and self._is_surely_purged(fate)):
            yield fate.acknowledged
        yield from self._purged(fate.acknowledged, fate.begun_at)

    def _new(self, fate: _Fate) -> Iterator[Known]:
        if fate.after is not None:
            yield fate.after
            yield from self._purged(fate.after, fate.verb_at)

    def _halves(self, fate: _Fate) -> Iterator[Known]:
        """Yield what a verb in flight leaves between its two renames; see ``verbs.VERBS``."""
        if fate.verb == "delete" and fate.after is not None:
            yield {**fate.after, "beside": fate.after["trashed"], "trashed": []}
        if fate.verb == "restore" and fate.acknowledged["trashed"]:
            state = fate.acknowledged
            yield {**state, "beside": state["trashed"], "trashed": []}

    def _is_surely_purged(self, fate: _Fate) -> bool:
        return any(end is not None and at > fate.done_at for at, end in self._purges)

    def _purged(self, state: Known, deleted_at: int) -> Iterator[Known]:
        """Yield what emptying the trash makes of a deleted session, where any may have met it."""
        steps = state["trashed"]
        assert isinstance(steps, list)
        ends = [end for _, end in self._purges if end is None or end > deleted_at]
        if not ends or not _is_in_trash(state):
            return
        yield {**state, "trash": None, "trashed": []}
        if None in ends:  # the file goes first, then the checkpoints, one by one
            for count in range(1, len(steps) + 1):
                for left in itertools.combinations(steps, count):
                    yield {**state, "trash": None, "trashed": list(left)}

    def _judge_shared(self, live: JsonValue, verdict: Verdict) -> None:
        there: dict[str, list[str]] = defaultdict(list)
        if isinstance(live, dict) and isinstance(live["messages"], list):
            for one in map(str, live["messages"]):
                there[one.rpartition("-")[0]].append(one)
        for writer, (known, in_flight) in self._shared.items():
            now = there.pop(writer, [])
            if now not in (known, known + in_flight):
                verdict.lost.append(f"{SHARED}: {now}, not {known} or one more of {in_flight}")
            elif in_flight:
                verdict.old += now == known
                verdict.new += now != known
        verdict.lost += [f"{SHARED}: nobody wrote {one}" for one in there]

    def strange(self, found: Mapping[str, Known]) -> list[str]:
        """Return sessions that are no version that any writer ever gave them.

        It is all that ``durability="fast"`` promises: versions may be lost, the last ones.
        """
        strange = []
        for name, state in found.items():
            if name == SHARED:
                continue
            past = self.history.get(name, [])
            documents = [one[place] for one in past for place in ("live", "trash")]
            steps = [step for one in past for step in _all_steps(one)]
            is_known = state["live"] in documents and state["trash"] in documents
            if not is_known or any(step not in steps for step in _all_steps(state)):
                strange.append(f"{name}: {state}, never one of {past}")
        return strange

    def unheard(self, store: SessionStore, found: Mapping[str, Known]) -> list[str]:
        """Return sessions that changed since a writer asked for the number, and are not told of.

        A number that the log does not know any more is answered so, which is right.
        """
        missed = []
        for number, own in self._numbers:
            try:
                told = {change.session_id for change in store.changes(number, fresh=True)}
            except ChangesExpiredError:
                continue
            for name, live in own.items():
                if found.get(name, EMPTY)["live"] != live and name not in told:
                    missed.append(f"{name} since {number}")
        return missed


def _is_in_trash(state: Known) -> bool:
    return bool(state["trash"] or state["trashed"])


def _int(value: JsonValue) -> int:
    assert isinstance(value, int)
    return value


def found_in(store: SessionStore) -> dict[str, Known]:
    """Return what each session of a folder is, and ``TORN`` where it is nothing whole."""
    found: dict[str, Known] = defaultdict(lambda: dict(EMPTY))
    for summary in store.list(limit=1000).items:
        found[summary.session_id]["live"] = _live(store, summary.session_id)
    for path in Path(store.save_dir).glob("*.checkpoints"):
        name = path.name.removesuffix(".checkpoints")
        found[name]["beside"] = _steps(path)
    for item in store.trash():
        path = Path(item.path)
        if not item.checkpoints_only:
            found[item.session_id]["trash"] = _document(path.read_bytes())
        if (beside := path.with_suffix(".checkpoints")).is_dir():
            found[item.session_id]["trashed"] = _steps(beside)
    return dict(found)


def torn_in(found: Mapping[str, Known]) -> list[str]:
    """Return the sessions of which some file is nothing whole."""
    return [
        name
        for name, state in found.items()
        if TORN in [state["live"], state["trash"], *_all_steps(state)]
    ]


def _all_steps(state: Known) -> list[JsonValue]:
    beside, trashed = state["beside"], state["trashed"]
    assert isinstance(beside, list)
    assert isinstance(trashed, list)
    return beside + trashed


def _live(store: SessionStore, session_id: str) -> JsonValue:
    try:
        store.load(session_id)
    except UnreadableSessionError:
        return TORN
    return _document(Path(store.path(session_id)).read_bytes())


def _document(data: bytes) -> JsonValue:
    """Return what a session file says; each text must be the one that its id has."""
    try:
        said = json.loads(data)
    except ValueError:
        return TORN
    messages = said.get("messages", [])
    number = said.get("state", {}).get("number", 0)
    whole = all(one["content"] in (one["id"], text_of(one["id"])) for one in messages)
    if not whole or (number and said["state"]["filling"] != filling(number)):
        return TORN
    return {
        "title": said.get("title"),
        "number": number,
        "messages": [one["id"] for one in messages],
        "runs": [one["run_id"] for one in said.get("runs", [])],
    }


def _steps(folder: Path) -> list[JsonValue]:
    return [_step(path.read_bytes()) for path in sorted(folder.iterdir())]


def _step(data: bytes) -> JsonValue:
    try:
        said = json.loads(data)["data"]
    except ValueError:
        return TORN
    is_whole = said["filling"] == text_of(said["step"])
    return str(said["step"]) if is_whole else TORN
