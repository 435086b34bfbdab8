"""DictCopies: what a DictEngine gives and takes of whole sessions, byte for byte."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import TypeAlias

from pydantic import JsonValue

from contract.shelf import Kept, Shelf
from localsessions import errors, models
from localsessions._codec import decode
from localsessions._codec.names import folded
from localsessions.engine import Copies
from localsessions.models.copies import Arrival, SessionCopy, StoredBytes

EPOCH = datetime.fromtimestamp(0, UTC)
Parts: TypeAlias = tuple[bytes | None, dict[str, bytes]]


class DictCopies(Copies):
    """The copies of a shelf."""

    _shelf: Shelf
    _lock: Callable[[str], AbstractContextManager[None]]
    _found: Callable[[str], Kept]
    _put: Callable[[str, Kept | None], None]

    def copies(self) -> Iterator[SessionCopy | errors.UnreadableSessionError]:
        with self._shelf.guard:
            there = [self._copy(one) for one in sorted(self._shelf.kept)]
            trash = [_of(*put) for put in reversed(self._shelf.trash)]
        yield from [*there, *trash]

    def _copy(self, session_id: str) -> SessionCopy:
        checkpoints = self._shelf.checkpoints.get(session_id, {})
        return _made(session_id, self._found(session_id)[0], checkpoints, None)

    def bring(self, copy: SessionCopy, *, dry_run: bool = False) -> Arrival:
        with self._lock(copy.session_id), self._shelf.guard:
            there = self._there(copy)
            if not dry_run and there is not None and copy.deleted_at is None:
                self._forget_moved(copy.session_id)
            wanted = _parts(copy)
            if there is None or {**there[1], **wanted[1]} != {**wanted[1], **there[1]}:
                return "other"
            if there[0] == wanted[0] and wanted[1].items() <= there[1].items():
                return "same"
            if not dry_run:
                self._keep(copy, {**there[1], **wanted[1]}, is_new=there[0] is None)
            return "new"

    def _forget_moved(self, session_id: str) -> None:
        every = self._shelf.deletions
        every[:] = [one for one in every if one.session_id != session_id or not one.moved_to]

    def _there(self, copy: SessionCopy) -> Parts | None:
        """Return what is there; None if something else is."""
        found: Parts = (None, {})
        for item, kept, checkpoints in self._shelf.trash:
            if (item.session_id, item.deleted_at) == (copy.session_id, copy.deleted_at):
                found = (kept[0], checkpoints)
        if copy.deleted_at is None:
            kept_now = self._shelf.kept.get(copy.session_id)
            found = (kept_now and kept_now[0], self._shelf.checkpoints.get(copy.session_id, {}))
            like = [one for one in self._shelf.kept if folded(one) == folded(copy.session_id)]
            if like not in ([], [copy.session_id]):
                return None
        return None if found[0] not in (None, _parts(copy)[0]) else found

    def _keep(self, copy: SessionCopy, checkpoints: dict[str, bytes], *, is_new: bool) -> None:
        data, _ = _parts(copy)
        kept = (data or b"", self._shelf.begin + len(self._shelf.log) + 1)
        if copy.deleted_at is None:
            self._shelf.checkpoints[copy.session_id] = checkpoints
            if is_new:
                self._put(copy.session_id, kept)
            return
        size_bytes, path = len(data or b""), f"trash/{copy.session_id}"
        item = models.TrashedSession(copy.session_id, copy.deleted_at, size_bytes, path)
        self._shelf.trash = [put for put in self._shelf.trash if put[0] != item]
        self._shelf.trash.insert(0, (item, kept, checkpoints))
        self._shelf.trash.sort(key=lambda put: put[0].deleted_at, reverse=True)
        self._shelf.note(item, _source(copy))

    @contextmanager
    def leaving(self, session_id: str, *, moved_to: str) -> Iterator[SessionCopy]:
        with self._lock(session_id):
            self._found(session_id)
            copy = self._copy(session_id)
            yield copy
            with self._shelf.guard:
                place = models.place_of(_source(copy))
                gone = models.Deletion(session_id, place, datetime.now(UTC), moved_to)
                self._shelf.checkpoints.pop(session_id, None)
                self._put(session_id, None)
                self.remember([gone])

    def purged(self) -> Sequence[models.Deletion]:
        kept = {(item.session_id, item.deleted_at) for item, _, _ in self._shelf.trash}
        every = [*self._shelf.deletions]
        return [one for one in every if (one.session_id, one.deleted_at) not in kept]

    def remember(self, deletions: Sequence[models.Deletion]) -> None:
        with self._shelf.guard:
            every = self._shelf.deletions
            there = self._shelf.kept
            wanted = [one for one in deletions if not (one.moved_to and one.session_id in there)]
            every += [one for one in wanted if one not in self.purged()]
            every.sort(key=lambda one: one.deleted_at)


def _of(item: models.TrashedSession, kept: Kept, checkpoints: dict[str, bytes]) -> SessionCopy:
    return _made(item.session_id, kept[0], checkpoints, item.deleted_at)


def _made(
    session_id: str, data: bytes, checkpoints: dict[str, bytes], deleted_at: datetime | None
) -> SessionCopy:
    found = {
        f"{number:08}-{name}": StoredBytes(one, EPOCH)
        for number, (name, one) in enumerate(checkpoints.items(), start=1)
    }
    return SessionCopy(session_id, StoredBytes(data, EPOCH), found, deleted_at)


def _parts(copy: SessionCopy) -> Parts:
    checkpoints = {name[9:]: one.data for name, one in copy.checkpoints.items()}
    return None if copy.content is None else copy.content.data, checkpoints


def _source(copy: SessionCopy) -> dict[str, JsonValue]:
    assert copy.content is not None
    return decode(copy.content.data, session_id=copy.session_id, modified_at=EPOCH).source
