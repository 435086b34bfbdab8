"""DictEngine: the seam kept by a dict and a lock. What it cannot do is not in the seam."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from operator import gt, lt
from typing import Any, TypeAlias

from contract.dict_copies import DictCopies
from contract.dict_drafts import DictDrafts
from contract.shelf import Kept, Shelf
from contract.slow_search import best_hit
from localsessions import errors, models
from localsessions._codec import checkpoint, decode
from localsessions._codec.names import checkpoint_id_taken, file_stem, folded
from localsessions._rules import beginnings, drafts, groups, words
from localsessions._rules.cursor import Cursor, key_of
from localsessions._rules.differences import differences
from localsessions._rules.question import read_question
from localsessions._rules.texts import texts_of
from localsessions._rules.touched import Touched
from localsessions.engine import Allows, Asked, Change, Engine, Follower, Progress, Query
from localsessions.models import Session, SessionChange, SessionSummary
from localsessions.models.standing import original_of, stand, version_of

Errors: TypeAlias = Mapping[str, Exception]


class DictEngine(DictCopies, DictDrafts, Engine):
    """The sessions of a shelf; ``lock_timeout`` in seconds."""

    def __init__(self, shelf: Shelf, *, lock_timeout: float = 10.0) -> None:
        self._shelf, self._guard, self._lock_timeout = shelf, shelf.guard, lock_timeout
        self._followers: list[Follower] = []
        self._waking: threading.Thread | None = None
        self._closed, self.address = False, f"dict:{id(shelf):x}"

    def close(self) -> None:
        with self._guard:
            for follower in (leaving := self._followers):
                follower.closed = True  # first: what changes() refuses then is the end for them
            self._closed = True
        for follower in leaving:
            self.unfollow(follower)
            follower.wake()

    @contextmanager
    def _lock(self, session_id: str) -> Iterator[None]:
        editors, path, me = self._shelf.editors, self.location(session_id), threading.get_ident()
        with self._guard:
            if editors.get(session_id) == me:
                raise RuntimeError(f"session {session_id!r} is being edited by this thread already")
            if not self._guard.wait_for(lambda: session_id not in editors, self._lock_timeout):
                raise errors.LockTimeoutError(self._lock_timeout, session_id=session_id, path=path)
            editors[session_id] = me
        try:
            yield
        finally:
            del editors[session_id]
            self._shelf.tick()

    def location(self, session_id: str) -> str:
        return f"{self.address}/{file_stem(session_id)}"

    def _found(self, session_id: str) -> Kept:
        if (kept := self._shelf.kept.get(session_id)) is None:
            raise errors.SessionNotFoundError(session_id, path=self.location(session_id))
        return kept

    def read(self, session_id: str, *, last_good: bool = False) -> Session:
        return _session(session_id, self._found(session_id))

    def raw(self, session_id: str) -> bytes:
        return self._found(session_id)[0]

    def create(self, session: Session, *, max_live: int | None = None) -> None:
        draft = drafts.draft_of(session)
        with self._lock(session.session_id), self._guard:
            self._refuse_twin(session.session_id)
            if max_live is not None and self.count(Query(live_at=session.created_at)) >= max_live:
                raise errors.SessionLimitError(max_live, path=self.address)
            self._write(draft)

    def _refuse_twin(self, session_id: str) -> None:
        for one in self._shelf.kept:
            if folded(one) == folded(session_id):
                raise errors.SessionExistsError(session_id, existing=one)

    def _write(self, draft: drafts.Draft) -> None:
        session_id = draft.session.session_id
        with self._guard:
            if draft.is_changed and session_id not in self._shelf.kept:
                self._refuse_twin(session_id)
            if draft.is_changed:
                touched, _ = draft.touched(), draft.is_written(version := self.last_change() + 1)
                self._put(session_id, (draft.data, version), touched)

    def _put(self, session_id: str, kept: Kept | None, touched: Touched = None) -> None:
        before = self.summary(session_id)
        self._shelf.put(session_id, kept)
        after, number, now = self.summary(session_id), self.last_change() + 1, datetime.now(UTC)
        kind: Any = "deleted" if not after else "modified" if before else "created"
        told = differences(*(one.model_dump(mode="json") if one else {} for one in (before, after)))
        change = SessionChange(number, session_id, kind, "this store", now, told, None, touched)
        self._shelf.log.append((self, change))
        self._shelf.tick()

    def replace(self, session: Session, *, merges: bool = False) -> None:
        draft, session_id = drafts.draft_of(session, is_activity=True), session.session_id
        if not draft.is_changed:
            return
        with self._lock(session_id):
            kept, version = self._shelf.kept.get(session_id), version_of(session)
            is_same, conflicts = version == (kept and kept[1]), tuple[str, ...]()
            written: drafts.Draft | None = draft if is_same else None
            if not is_same and merges and kept is not None and version is not None:
                written, conflicts = drafts.merged_draft(session, self.read(session_id))
            if written is None:
                found = self.read(session_id) if kept else None
                raise drafts.conflict(session, found, conflicts, path=self.location(session_id))
            self._write(written)
            if not is_same:
                drafts.take_over(session, written.session)

    def change(self, session_id: str, change: Change) -> SessionSummary:
        with self._lock(session_id):
            session = self.read(session_id)
            change.apply(session)
            self._write(drafts.draft_of(session, is_activity=change.is_activity))
            return drafts.summary_of(session)

    @contextmanager
    def editing(self, session_id: str, *, is_activity: bool) -> Iterator[Session]:
        with self._lock(session_id):
            session = self.read(session_id)
            yield session
            self._write(drafts.draft_of(session, is_activity=is_activity))

    def adopt(self, session_id: str, make: Callable[[bytes], Session | None]) -> Session | None:
        with self._lock(session_id):
            if (session := make(self.raw(session_id))) is not None:
                session.session_id = session_id
                stand(session, None, None)
                self._write(drafts.draft_of(session, stamps={}))
            return session

    def _each(self, acts: Mapping[str, Callable[[], object]]) -> Errors:
        found: dict[str, Exception] = {}
        for session_id in sorted(acts, key=self._shelf.editors.__contains__):  # free ones first
            try:
                acts[session_id]()
            except (errors.SessionError, RuntimeError) as error:
                error.add_note(f"session {session_id!r}")
                found[session_id] = error
        return found

    def create_many(self, sessions: Sequence[Session]) -> Errors:
        return self._each({one.session_id: partial(self.create, one) for one in sessions})

    def replace_many(self, sessions: Sequence[Session], *, merges: bool = False) -> Errors:
        save = partial(self.replace, merges=merges)
        return self._each({one.session_id: partial(save, one) for one in sessions})

    def delete_many(self, session_ids: Sequence[str], allows: Allows) -> Errors:
        return self._each({one: partial(self.delete, one, allows) for one in session_ids})

    def _matching(self, query: Query, order: models.Order = "created_at") -> list[SessionSummary]:
        every = [found for one in [*self._shelf.kept] if (found := self.summary(one))]
        every = [one for one in every if not (query.folded and one.parent in self._shelf.kept)]
        key = partial(key_of, order=order)
        return sorted(filter(query.matches, every), key=key, reverse=order.startswith("-"))

    def page(
        self, query: Query, *, order: models.Order, limit: int, cursor: str | None, fresh: bool
    ) -> models.Page[SessionSummary]:
        told = query._replace(live_at=None), query.live_at is None, order
        listing, follows = repr(told), lt if order.startswith("-") else gt
        last = Cursor.decode(cursor, listing)[1:] if cursor is not None else None
        every = self._matching(query, order)
        found = [one for one in every if not last or follows(key_of(one, order), last)]
        more = Cursor(listing, *key_of(found[limit - 1], order)).encode() if found[limit:] else None
        return models.Page(tuple(found[:limit]), more)

    def summary(self, session_id: str) -> SessionSummary | None:
        kept = self._shelf.kept.get(session_id)
        return drafts.summary_of(_session(session_id, kept)) if kept else None

    def count(self, query: Query) -> int:
        return len(self._matching(query))

    def groups(self, by: models.Grouping, query: Query) -> Sequence[models.Group]:
        return groups.counted(by, self._matching(query))

    def ids(self, query: Query, *, fresh: bool = False) -> Sequence[str]:
        order: Any = "expires_at" if query.expired_at else "last_activity"
        return [one.session_id for one in self._matching(query, order)]

    def named(self, reference: str, limit: int) -> Sequence[str]:
        found = {one.session_id: words.fold(one.title) for one in self._matching(Query())}
        begun = [one for one in found if one.startswith(reference)]
        titled = [one for one, t in found.items() if words.fold(reference) == t != words.fold("")]
        return [reference] if reference in found else [*dict.fromkeys([*begun, *titled])][:limit]

    def short_ids(self, session_ids: Sequence[str]) -> Mapping[str, str]:
        return {one: beginnings.alone(one, self._shelf.kept.keys() - {one}) for one in session_ids}

    def search(self, text: str, query: Query, asked: Asked) -> Sequence[models.SearchHit]:
        asked.refuse_unwanted()
        question = read_question(text)
        with self._guard:
            every = [one for one in self._matching(query) if question.matches(one)][::-1]
            texts = [texts_of(self.read(one.session_id)) for one in every]
        bodies = [words.fold(text.body).split() for found in texts for text in found.values()]
        known = {word for one in bodies for word in (*one, *map(" ".join, pairwise(one)))}
        near = question.near(known)
        best = partial(best_hit, question, near, neighbours=asked.neighbours)
        hits = filter(None, map(best, every, texts))
        return sorted(hits, key=lambda hit: -hit.score)[: asked.limit]

    def notice(self, *, fresh: bool = False) -> None:
        return  # nobody but engines changes anything

    def last_change(self) -> int:
        with self._guard:
            return self._shelf.begin + len(self._shelf.log)

    def changes(self, since: int, limit: int) -> Sequence[SessionChange]:
        if self._closed:
            raise ValueError(f"the store of {self.address!r} is closed")
        begin, log = since - self._shelf.begin, [*self._shelf.log]
        if not 0 <= begin <= len(log):
            raise errors.ChangesExpiredError(since, path=self.address)
        found = copy.deepcopy([(by is self, one) for by, one in log[begin : begin + limit]])
        return [one if own else replace(one, origin="another store") for own, one in found]

    def follow(self, follower: Follower) -> None:
        with self._guard:
            if self._closed:
                raise ValueError(f"the store of {self.address!r} is closed")
            self._followers = [one for one in [*self._followers, follower] if not one.closed]
            if self._followers and self._waking is None:
                self._waking = threading.Thread(target=self._wake, name="dict", daemon=True)
                self._waking.start()
        self._shelf.tick()

    def unfollow(self, follower: Follower) -> None:
        with self._guard:
            follower.closed, waking = True, self._waking
            self._followers = [one for one in self._followers if not one.closed]
            self._waking = waking if self._followers else None
        self._shelf.tick()
        if waking and waking is not self._waking and waking is not threading.current_thread():
            waking.join()

    def _wake(self) -> None:
        seen, me = -1, threading.current_thread()
        while self._waking is me:
            with self._guard:
                while self._waking is me and seen == self._shelf.ticks:
                    self._guard.wait()
                seen, followers = self._shelf.ticks, self._followers
            for follower in followers:
                follower.wake()

    def is_away(self) -> bool:
        return False

    def delete(self, session_id: str, allows: Allows) -> bool:
        with self._lock(session_id), self._guard:
            summary, path = self.summary(session_id), self.location(session_id)
            if summary is None or not allows(summary):
                return False
            item = models.TrashedSession(session_id, datetime.now(UTC), summary.size_bytes, path)
            self._shelf.note(item, self.read(session_id).source)
            checkpoints = self._shelf.checkpoints.pop(session_id, {})
            self._shelf.trash.insert(0, (item, self._found(session_id), checkpoints))
            self._put(session_id, None)
            return True

    def restore(self, session_id: str) -> Session:
        with self._lock(session_id), self._guard:
            puts = [put for put in self._shelf.trash if put[0].session_id == session_id]
            if not puts:
                raise errors.SessionNotFoundError(session_id, what="a deleted session")
            self._refuse_twin(session_id)
            self._shelf.trash.remove(puts[0])
            self._shelf.forget([puts[0][0].deleted_at])
            _, kept, self._shelf.checkpoints[session_id] = puts[0]
            self._put(session_id, kept)
            return self.read(session_id)

    def trash(self) -> Sequence[models.TrashedSession]:
        return [item for item, _, _ in [*self._shelf.trash]]

    def empty_trash(self, deleted_until: datetime) -> Sequence[models.TrashedSession]:
        with self._guard:
            gone = [item for item in self.trash() if item.deleted_at <= deleted_until]
            self._shelf.trash = [put for put in self._shelf.trash if put[0] not in gone]
            return gone

    def deletions(self, session_ids: Collection[str]) -> Sequence[models.Deletion]:
        return [one for one in [*self._shelf.deletions] if one.session_id in session_ids]

    def forget_deletions(self) -> None:
        self._shelf.forget_purged()

    def save_checkpoint(self, checkpoint_: models.Checkpoint) -> None:
        encoded, session_id = checkpoint.encode(checkpoint_), checkpoint_.session_id
        with self._lock(session_id):
            self._found(session_id)
            saved = self._shelf.checkpoints.setdefault(session_id, {})
            if checkpoint_.checkpoint_id in saved:
                raise checkpoint_id_taken(checkpoint_.checkpoint_id)
            saved[checkpoint_.checkpoint_id] = encoded

    def checkpoints(self, session_id: str) -> Sequence[str]:
        return [*self._shelf.checkpoints.get(session_id, {})][::-1]

    def load_checkpoint(self, session_id: str, checkpoint_id: str | None) -> models.Checkpoint:
        path, saved = self.location(session_id), self._shelf.checkpoints.get(session_id, {})
        wanted = next(reversed(saved), "") if checkpoint_id is None else checkpoint_id
        if wanted not in saved:
            what = f"a checkpoint {wanted!r} of session"
            raise errors.SessionNotFoundError(session_id, what=what)
        return checkpoint.decode(saved[wanted], session_id, path)

    def delete_checkpoints(self, session_id: str, checkpoint_id: str | None) -> int:
        with self._lock(session_id):
            saved = self._shelf.checkpoints.get(session_id, {})
            return len([saved.pop(one) for one in [*saved] if checkpoint_id in (None, one)])

    def verify(self, on_progress: Progress | None) -> Sequence[models.Finding]:
        return []

    def repair(self, finding: models.Finding) -> str:
        raise ValueError(f"there is nothing here that could be repaired: {finding.problem}")

    def reindex(self, on_progress: Progress | None) -> int:
        with self._guard:
            self._shelf.begin, self._shelf.log = self.last_change() + 1, []
        self._shelf.tick()
        return self.count(Query())

    def stats(self) -> models.StoreStats:
        found, trashed = self._matching(Query()), len(self._shelf.trash)
        sums = sum(one.message_count for one in found), sum(one.size_bytes for one in found)
        watcher: Any = "events" if self._waking else "off"
        return models.StoreStats(self.address, len(found), 0, *sums, trashed, 0, 0, watcher)


def _session(session_id: str, kept: Kept) -> Session:
    session = decode(kept[0], session_id=session_id, modified_at=datetime.fromtimestamp(0, UTC))
    stand(session, original_of(session), kept[1])
    return session
