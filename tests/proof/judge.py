"""What is wrong with a disk that a power cut left: each state is written out, read and opened.

First as any program would read it: a session's file has to be a whole version before any store
opens the folder. Then by a store, which has to say what the verb allows, and to take a write.

Files that are written out get the times and inode numbers in the eyes of the store that they had
for the process, so that a row of the index that is newer or older than its file could be believed
by mistake.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import permutations
from pathlib import Path

import pytest
from pydantic import JsonValue

from localsessions import SessionStore
from localsessions._local.files import durable
from localsessions._local.version import Fingerprint
from localsessions._rules import finder, words
from proof.disk import Cut, Disk
from proof.tracing import Stamp
from proof.verbs import State, plain, sound

__all__ = ["Judge"]


@dataclass
class Judge:
    """Opens states and says what is wrong with them; each different one is opened once.

    Attributes:
        allowed: What the folder may say, in order.
        acknowledged: Whether a verb that has returned is durable; where not, steps may be so in
            any order, and each session is looked at on its own.
        wrong: The faults found, by kind.
    """

    allowed: list[State]
    stamps: dict[tuple[str, int], Stamp]
    folder: Path
    acknowledged: bool = True
    opened: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    _known: dict[bytes, State | str] = field(default_factory=dict)
    _torn: dict[bytes, bool] = field(default_factory=dict)

    def look(self, cut: Cut, when: str) -> None:
        """Find what is wrong with a state, "before", "during" or "after" the verb."""
        tree = dict(_tree(cut))
        if fault := self._unwhole(tree):
            return self._note("torn", f"{when}: {fault}")
        key = _digest(tree)
        if key not in self._known:
            self._known[key] = self._opened(tree)
        found = self._known[key]
        if isinstance(found, str):
            return self._note("unsound", f"{when}: {found}")
        if fault_kind := self._misplaced(found, when):
            self._note(fault_kind, f"{when}: {_short(found)}")
        return None

    def _note(self, kind: str, text: str) -> None:
        self.wrong[kind] += 1
        self.first.setdefault(kind, text)

    def _misplaced(self, found: State, when: str) -> str | None:
        if not self.acknowledged and when != "before":
            return None if _is_mixture(found, self.allowed) else "lost"
        if found == self.allowed[-1]:
            return None if when != "before" or found == self.allowed[0] else "too early"
        if when == "before":
            return None if found == self.allowed[0] else "changed"
        if found in _both(self.allowed):
            return "both" if when == "after" else None
        if found not in self.allowed:
            return "neither"
        return "lost" if when == "after" else None

    def _unwhole(self, tree: dict[str, _Entry]) -> str | None:
        """Say which file is no whole version of a session, to whoever reads it with ``json``."""
        for path, entry in tree.items():
            folder, _, name = path.partition("/")
            if entry.data is None or folder != "sessions" or not _is_session(name):
                continue
            known = self._torn.get(entry.data)
            if known is None:
                known = self._torn[entry.data] = not self._is_version(name, entry.data)
            if known:
                return f"{path} of {len(entry.data)} bytes is no version of it"
        return None

    def _is_version(self, name: str, data: bytes) -> bool:
        said = [state.get(f"session {Path(name).stem}") for state in self.allowed]
        if "unreadable" in said:
            return True
        try:
            return plain(json.loads(data)) in said
        except ValueError:
            return False

    def _opened(self, tree: dict[str, _Entry]) -> State | str:
        """Return what a store says of a state, or what is not sound about it."""
        self.opened += 1
        made = _written_out(tree, self.folder, self.stamps)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(durable, "fingerprint_of", made)
            patch.setattr(finder, "traced", _trace_once)
            try:
                with SessionStore(self.folder / "sessions") as store:
                    found = sound(store)
                    _go_on(store)
            except Exception as error:  # whatever goes wrong is what is looked for
                return f"{type(error).__name__}: {error}"
            finally:
                shutil.rmtree(self.folder)
        return found


# Every state has the same long texts: to fold them anew each time was half of all the time.
_trace_once = functools.lru_cache(maxsize=64)(words.traced)


def _go_on(store: SessionStore) -> None:
    """Find that the store takes a write, and searches and ignores what it should."""
    names = {one.session_id for one in store.list(limit=100).items if not one.unreadable}
    words = {hit.session.session_id for hit in store.search("dull page", limit=100)}
    texts = {name for name in names if "dull page" in str(store.load(name).messages)}
    assert words >= texts, f"a search finds {words} and not {texts}"
    store.create("after the cut")
    assert store.count() == len(store.list(limit=100).items)
    assert {one.session_id for one in store.list(limit=100).items} >= {*names, "after the cut"}
    ignored = Path(store.save_dir) / ".localsessions" / ".gitignore"
    assert ignored.read_bytes() == b"*\n", "git would take the private folder"


def _both(allowed: Sequence[State]) -> Iterator[State]:
    """Yield the states in which something is in its place and in the trash.

    Between the syncs of the two folders that sessions are moved from and to, POSIX promises the
    new names and not that the old ones are gone.
    """
    for one, other in permutations(allowed, 2):
        trash, here = other["trash"], one["trash"]
        assert isinstance(trash, list)
        assert isinstance(here, list)
        # Whatever the one has more in its place, the other has more in the trash.
        is_moved = all(item in trash for item in here) and other.keys() <= one.keys()
        if is_moved and not any(_is_two_steps(item, one) for item in trash):
            both = {**one, "trash": trash}
            if both not in (one, other):
                yield both


def _is_two_steps(item: JsonValue, state: State) -> bool:
    """Tell whether a session is in its place whose checkpoints, which follow it, are not."""
    assert isinstance(item, list)
    return bool(item[2]) and f"session {item[0]}" in state


def _is_mixture(found: State, allowed: Sequence[State]) -> bool:
    """Tell whether each session is where and what it was at some time: with "fast" not the same.

    Nothing that was never to be removed for good is gone; checkpoints may be parted from theirs.
    """
    known = [content for state in allowed for content in _contents(state).values()]
    kept = set.intersection(*(set(_contents(state)) for state in allowed))
    now = _contents(found)
    return kept <= set(now) and all(content in known for content in now.values())


def _contents(state: State) -> dict[str, JsonValue]:
    """Return what each session holds, in its place or in the trash."""
    trash = state["trash"]
    assert isinstance(trash, list)
    items = [item for item in trash if isinstance(item, list) and item[1] is not None]
    sessions = {key: value for key, value in state.items() if key.startswith("session ")}
    return {**{f"session {item[0]}": item[1] for item in items}, **sessions}


def _is_session(name: str) -> bool:
    return name.endswith(".json") and "/" not in name


def _short(state: State) -> str:
    return str({key: str(value)[:60] for key, value in state.items() if value not in ([], {})})


@dataclass(frozen=True)
class _Entry:
    inode: int
    data: bytes | None


def _tree(cut: Cut) -> Iterator[tuple[str, _Entry]]:
    disk = Disk({inode: dict(names) for inode, names in cut.folders.items()}, dict(cut.files))
    for path, inode in disk.paths():
        yield path, _Entry(inode, disk.files.get(inode))


def _digest(tree: dict[str, _Entry]) -> bytes:
    """Return a hash of all that can matter to whoever opens the state.

    Temp files are removed unread, and SQLite makes ``-shm`` anew: that they are there is enough.
    """
    summed = blake2b()
    for path, entry in sorted(tree.items()):
        unread = "/tmp/" in path or path.endswith("-shm")
        data = None if unread else entry.data
        content = b"" if data is None else blake2b(data).digest()
        summed.update(f"{path}\0{entry.inode}\0{entry.data is None}\0".encode() + content)
    return summed.digest()


def _written_out(
    tree: dict[str, _Entry], folder: Path, stamps: dict[tuple[str, int], Stamp]
) -> Callable[[os.stat_result], Fingerprint]:
    """Make a folder of a state; return how its files are to be told apart."""
    folder.mkdir(mode=0o700)
    known: dict[tuple[int, int, int], Fingerprint] = {}
    names: dict[int, Path] = {}
    for path, entry in tree.items():
        made = folder / path
        if entry.data is None:
            made.mkdir(mode=0o700)
        elif entry.inode in names:
            made.hardlink_to(names[entry.inode])
        else:
            made.write_bytes(entry.data)
            names[entry.inode] = made
    for path, entry in tree.items():
        stamp = stamps.get((path, entry.inode))
        if stamp is not None and entry.data is not None:
            os.utime(folder / path, ns=(stamp.mtime_ns, stamp.mtime_ns))
            status = (folder / path).lstat()
            known[status.st_ino, status.st_mtime_ns, status.st_ctime_ns] = Fingerprint(
                status.st_size, stamp.mtime_ns, stamp.ctime_ns, stamp.inode
            )
    real = durable.fingerprint_of

    def fingerprint_of(status: os.stat_result) -> Fingerprint:
        found = known.get((status.st_ino, status.st_mtime_ns, status.st_ctime_ns))
        return real(status) if found is None else found

    return fingerprint_of
