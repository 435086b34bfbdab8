"""What a power cut may leave of a disk: operations in, every state of the folders out; pure.

The model is that of ALICE (Pillai and others, OSDI '14), as mean as POSIX allows:

- what is written becomes durable by a sync of that file only. Until then each write may be missing,
  whole, torn at a half page, or zeroed (the size grew, the data is not there), whatever became of
  the others;
- a name becomes durable by a sync of its folder only, also that of a new file that was synced
  itself. Until then each making, renaming, linking and removing may have happened or not, whatever
  became of the others;
- a rename is one step as long as neither of its folders was synced: all of it or nothing, as each
  file system with a journal has it. A sync of one of two folders says nothing of the other: then
  the file may have both names, or none. A folder is never in two places: its new name is enough;
- modes and times are there at once; what the folder held before the first operation is durable.

Names lead to inodes, as on a disk, so hard links are what they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

__all__ = [
    "ROOT", "Bounds", "Chmod", "Cut", "Disk", "Link", "Make", "Mark", "Operation", "Rename",
    "Sync", "Truncate", "Unlink", "Write", "contents", "crash_points", "cuts",
]  # fmt: skip

ROOT = 0
"""The inode of the folder in which everything happens."""

HALF_PAGE = 2048


class Make(NamedTuple):
    """A new file or folder got its first name."""

    folder: int
    name: str
    inode: int
    mode: int = 0o600
    is_folder: bool = False


class Write(NamedTuple):
    """Bytes were written into a file."""

    inode: int
    offset: int
    data: bytes


class Truncate(NamedTuple):
    """A file was cut, or grew by zeros."""

    inode: int
    size: int


class Sync(NamedTuple):
    """A file or a folder was synced."""

    inode: int


class Rename(NamedTuple):
    """A name was taken from one folder to another, or within one, over whatever had it."""

    old_folder: int
    old_name: str
    folder: int
    name: str


class Link(NamedTuple):
    """A file got another name."""

    folder: int
    name: str
    inode: int


class Unlink(NamedTuple):
    """A name was removed, of a file or of an empty folder."""

    folder: int
    name: str


class Chmod(NamedTuple):
    """A file or a folder got another mode."""

    inode: int
    mode: int


class Mark(NamedTuple):
    """The process said where it is."""

    name: str


Operation: TypeAlias = Make | Write | Truncate | Sync | Rename | Link | Unlink | Chmod | Mark


@dataclass
class Disk:
    """Folders, files and their modes, by inode."""

    folders: dict[int, dict[str, int]] = field(default_factory=lambda: {ROOT: {}})
    files: dict[int, bytes] = field(default_factory=dict)
    modes: dict[int, int] = field(default_factory=dict)

    def copy(self) -> Disk:
        """Return another disk that says the same."""
        folders = {inode: dict(names) for inode, names in self.folders.items()}
        return Disk(folders, dict(self.files), dict(self.modes))

    def find(self, path: str) -> int | None:
        """Return the inode that a path from the root leads to; None where there is none."""
        inode = ROOT
        for name in path.split("/") if path else ():
            found = self.folders.get(inode, {}).get(name)
            if found is None:
                return None
            inode = found
        return inode

    def paths(self) -> Iterator[tuple[str, int]]:
        """Yield each path with its inode, folders before what is in them."""
        waiting = [("", ROOT)]
        while waiting:
            path, folder = waiting.pop()
            for name, inode in sorted(self.folders[folder].items()):
                below = f"{path}/{name}" if path else name
                yield below, inode
                if inode in self.folders:
                    waiting.append((below, inode))

    def do(self, operation: Operation) -> None:
        """Let an operation happen, whole."""
        match operation:
            case Make(_, _, inode, mode, is_folder):
                self.modes[inode] = mode
                if is_folder:
                    self.folders[inode] = {}
                else:
                    self.files[inode] = b""
            case Write(inode) | Truncate(inode):
                self.files[inode] = _whole(self.files[inode], operation)
            case Chmod(inode, mode):
                self.modes[inode] = mode
        for side in _sides(self, operation):
            side.happen(self.folders)


class _Side(NamedTuple):
    """What a step does to the names of one folder; no inode removes the name."""

    folder: int
    name: str
    inode: int | None

    def happen(self, folders: Mapping[int, dict[str, int]]) -> None:
        if self.inode is None:
            folders[self.folder].pop(self.name, None)
        else:
            folders[self.folder][self.name] = self.inode


def _sides(disk: Disk, operation: Operation) -> tuple[_Side, ...]:
    """Return what an operation does to names; that of a rename's target comes last."""
    match operation:
        case Make(folder, name, inode):
            return (_Side(folder, name, inode),)
        case Link(folder, name, inode):
            return (_Side(folder, name, inode),)
        case Unlink(folder, name):
            return (_Side(folder, name, None),)
        case Rename(old_folder, old_name, folder, name):
            moved = disk.folders[old_folder][old_name]
            if disk.folders[folder].get(name) == moved:
                return ()  # two names of one file: rename(2) does nothing
            return _Side(old_folder, old_name, None), _Side(folder, name, moved)
    return ()


def _whole(content: bytes, operation: Write | Truncate) -> bytes:
    if isinstance(operation, Truncate):
        return content[: operation.size].ljust(operation.size, b"\0")
    offset, data = operation.offset, operation.data
    return content[:offset].ljust(offset, b"\0") + data + content[offset + len(data) :]


# -- the contents of one file --------------------------------------------------------------------


@dataclass(frozen=True)
class Bounds:
    """How many states are looked at where there are more than anybody can look at.

    Attributes:
        contents: Of one file; the unwritten and the whole one are always among them.
        combinations: Of all files and names at one moment; where there are more, each file and
            each name is varied on its own, between all others done and none of them done.
        crossed: Whether each file is then varied with each name missing too: one that is written
            to while an older name of it may be back is seen only so.
    """

    contents: int = 64
    combinations: int = 256
    crossed: bool = False


def contents(content: bytes, unsynced: Sequence[Write | Truncate], most: int) -> list[bytes]:
    """Return what may be left of a file: first nothing of what was not synced, last all of it.

    All subsets of up to three writes; of more all beginnings, and all but one or two. Beside
    that, each write torn or zeroed after all before it, with and without all after it.
    """
    every = len(unsynced)
    recipes: list[_Recipe] = [(chosen, None, None) for chosen in _subsets(every, pairs=True)]
    for index, operation in enumerate(unsynced):
        for tear in _tears(operation):
            recipes.append((range(index), tear, index))
            recipes.append(((*range(index), *range(index + 1, every)), tear, index))
    whole = _made(content, unsynced, (range(every), None, None))
    made = (_made(content, unsynced, recipe) for recipe in _spread(recipes, most - 1))
    found = dict.fromkeys([content, *made])
    found.pop(whole, None)
    return [*found, whole]


_Recipe: TypeAlias = tuple[Sequence[int], "_Tear | None", int | None]
"""Which writes are there, in order, and one that is torn in its place among them."""


class _Tear(NamedTuple):
    """Which part of a write is there, and whether the size of the file is."""

    start: int
    end: int
    is_sized: bool


def _tears(operation: Write | Truncate) -> Iterator[_Tear]:
    if isinstance(operation, Truncate):
        return
    offset, size = operation.offset, len(operation.data)
    yield _Tear(0, 0, is_sized=True)
    for place in range(HALF_PAGE - offset % HALF_PAGE, size, HALF_PAGE):
        yield _Tear(0, place, is_sized=False)
        yield _Tear(0, place, is_sized=True)
        yield _Tear(place, size, is_sized=True)


def _made(content: bytes, unsynced: Sequence[Write | Truncate], recipe: _Recipe) -> bytes:
    chosen, tear, torn = recipe
    for index in chosen:
        if torn is not None and index > torn:
            content, torn = _torn(content, unsynced[torn], tear), None
        content = _whole(content, unsynced[index])
    return content if torn is None else _torn(content, unsynced[torn], tear)


def _torn(content: bytes, operation: Write | Truncate, tear: _Tear | None) -> bytes:
    assert isinstance(operation, Write)
    assert tear is not None
    start, end, is_sized = tear
    if is_sized:
        content = content.ljust(operation.offset + len(operation.data), b"\0")
    part = operation.data[start:end]
    return _whole(content, Write(0, operation.offset + start, part)) if part else content


def _subsets(count: int, *, pairs: bool) -> Iterator[Sequence[int]]:
    """Yield all subsets where there are few, else beginnings and what lacks one, or two too."""
    every = range(count)
    if count <= 3:
        for size in range(count + 1):
            yield from itertools.combinations(every, size)
        return
    yield from (every[:size] for size in range(count + 1))
    for size in (1, 2) if pairs else (1,):
        for lacking in itertools.combinations(every, size):
            yield [index for index in every if index not in lacking]


def _spread(found: list[_Recipe], most: int) -> list[_Recipe]:
    """Return no more than ``most``, from all over the list, the first among them."""
    step = max(1, -(-len(found) // max(1, most)))
    return found[::step]


# -- the whole disk ------------------------------------------------------------------------------


class Cut(NamedTuple):
    """One state that a cut at one moment may leave."""

    folders: Mapping[int, Mapping[str, int]]
    files: Mapping[int, bytes]


class _Step(NamedTuple):
    """A change of names: when, and what it does in which folder."""

    at: int
    sides: tuple[_Side, ...]
    is_folder: bool

    def certain(self, synced: Mapping[int, int]) -> tuple[_Side, ...]:
        """Return what of it survives for sure."""
        done = tuple(side for side in self.sides if synced.get(side.folder, -1) > self.at)
        return self.sides if self.is_folder and self.sides[-1] in done else done


def crash_points(operations: Sequence[Operation]) -> list[int]:
    """Return after how many operations a power cut is tried.

    Before everything but a write and after the last: what a cut in the midst of writes can leave
    is what a cut after them can leave too, each of them missing or there.
    """
    writes = (Write, Truncate, Chmod)
    inside = [at for at, one in enumerate(operations) if not isinstance(one, writes)]
    return [*inside, len(operations)]


def cuts(base: Disk, operations: Sequence[Operation], point: int, bounds: Bounds) -> Iterator[Cut]:
    """Yield what a power cut after the first ``point`` operations may leave."""
    synced = {one.inode: at for at, one in enumerate(operations[:point]) if isinstance(one, Sync)}
    made, steps, written = _sorted(base, operations[:point], synced)
    choices = {
        inode: contents(made.files[inode], unsynced, bounds.contents)
        for inode, unsynced in written.items()
    }
    doubtful = [at for at, step in enumerate(steps) if step.certain(synced) != step.sides]
    for names, chosen in _combinations(doubtful, choices, bounds):
        folders = {inode: dict(found) for inode, found in made.folders.items()}
        for at, step in enumerate(steps):
            for side in step.sides if at in names else step.certain(synced):
                side.happen(folders)
        yield Cut(folders, {**made.files, **chosen})


def _sorted(
    base: Disk, operations: Sequence[Operation], synced: Mapping[int, int]
) -> tuple[Disk, list[_Step], dict[int, list[Write | Truncate]]]:
    """Return all that is durable but for names, the steps of names, and what was not synced."""
    durable, now = base.copy(), base.copy()
    steps: list[_Step] = []
    unsynced: dict[int, list[Write | Truncate]] = {}
    for at, operation in enumerate(operations):
        if sides := _sides(now, operation):
            steps.append(_Step(at, sides, sides[-1].inode in now.folders))
        now.do(operation)
        if isinstance(operation, Make) and operation.is_folder:
            durable.folders[operation.inode] = {}
        elif isinstance(operation, Make):
            durable.files[operation.inode] = b""
        elif isinstance(operation, Write | Truncate):
            if at < synced.get(operation.inode, -1):
                durable.files[operation.inode] = _whole(durable.files[operation.inode], operation)
            else:
                unsynced.setdefault(operation.inode, []).append(operation)
    return durable, steps, unsynced


_Chosen: TypeAlias = tuple[frozenset[int], dict[int, bytes]]


def _combinations(
    doubtful: list[int], choices: Mapping[int, list[bytes]], bounds: Bounds
) -> Iterator[_Chosen]:
    count = 2 ** len(doubtful)
    for several in choices.values():
        count *= len(several)
    if count > bounds.combinations:
        yield from _some(doubtful, choices, bounds.combinations)
        if bounds.crossed:
            yield from _crossed(doubtful, choices)
        return
    for names in _every(doubtful):
        for picked in itertools.product(*choices.values()):
            yield names, dict(zip(choices, picked, strict=True))


def _every(doubtful: Sequence[int]) -> Iterator[frozenset[int]]:
    for size in range(len(doubtful) + 1):
        yield from map(frozenset, itertools.combinations(doubtful, size))


def _some(doubtful: list[int], choices: Mapping[int, list[bytes]], most: int) -> Iterator[_Chosen]:
    """Yield names in all ways with all or none written; then files, each in all ways."""
    ends = [{inode: several[end] for inode, several in choices.items()} for end in (0, -1)]
    is_few = 2 ** len(doubtful) <= most
    for names in _every(doubtful) if is_few else _most(doubtful, pairs=len(doubtful) ** 2 <= most):
        for end in ends:
            yield names, end
    everything = frozenset(doubtful)
    for inode, several in choices.items():
        for content in several:
            for end in ends:
                yield everything, {**end, inode: content}


def _crossed(doubtful: list[int], choices: Mapping[int, list[bytes]]) -> Iterator[_Chosen]:
    """Yield each file in all ways with no name, and with each name missing."""
    written = {inode: several[-1] for inode, several in choices.items()}
    missing = {frozenset(doubtful) - {one} for one in doubtful} | {frozenset[int]()}
    for inode, several in choices.items():
        for names, content in itertools.product(missing, several):
            yield names, {**written, inode: content}


def _most(doubtful: list[int], *, pairs: bool) -> Iterator[frozenset[int]]:
    for chosen in _subsets(len(doubtful), pairs=pairs):
        yield frozenset(doubtful[index] for index in chosen)
    for few in (1, 2) if pairs else (1,):
        yield from map(frozenset, itertools.combinations(doubtful, few))
