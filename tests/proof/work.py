"""A caller that does one verb after the other at random and writes down what it saw.

``work`` runs in a process that ``nursery`` forks, or in a thread of a test.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from unittest import mock

from localsessions import Session, SessionError, SessionStore
from localsessions._local.files.locks import StripedLocks
from localsessions._local.writing import Writer
from proof.history import Recorder, rows_of, version_of
from proof.register import OK

__all__ = ["Worker", "broken", "work"]


class GivenUpError(Exception):
    """Raised inside ``edit``, so that nothing is stored."""


class Worker:
    """Does verbs on some sessions through one store.

    Args:
        store: Shared with other threads, or not.
        recorder: Of this caller.
        names: The sessions.
        seed: Other seeds do other verbs.
        keeps: Nothing is deleted.
    """

    def __init__(
        self,
        store: SessionStore,
        recorder: Recorder,
        names: Sequence[str],
        seed: object,
        *,
        keeps: bool = False,
    ) -> None:
        self._store = store
        self._recorder = recorder
        self._names = names
        self._chance = random.Random(str(seed))
        self._loaded: dict[str, Session] = {}
        self._verbs: list[Callable[[str], object]] = [
            *[self.append] * 3,
            *[self.edit] * 3,
            *[self.load] * 3,
            *[self.save] * 5,
            *[self.list] * 3,
            self.give_up,
            self.rename,
            self.count,
            self.create,
            self.create_many,
            *[self.save_many] * 2,
            *([] if keeps else [self.delete, self.restore, self.restore, self.delete_many]),
        ]

    def act(self) -> None:
        """Do one verb on one session."""
        self._chance.choice(self._verbs)(self._chance.choice(self._names))

    def create(self, name: str) -> None:
        mark = self._recorder.mark()
        self._recorder.call("create", name, mark, lambda: self._store.create(name, title=mark))

    def load(self, name: str) -> None:
        """Load; make what is not there, so that there is something to work on."""
        found = self._recorder.call("load", name, None, lambda: self._store.load(name))
        if found is None:
            self.create(name)
        else:
            self._loaded[name] = found

    def save(self, name: str) -> None:
        """Save what was loaded some time ago."""
        # One whose saving was interrupted is not gone on with: nobody knows what it stands on.
        session = self._loaded.pop(name, None)
        if session is None:
            self.load(name)
            return
        base, mark = version_of(session), self._recorder.mark()
        session.title = mark
        saved = self._recorder.call("save", name, [mark, base], lambda: self._store.save(session))
        if saved is not None:
            self._loaded[name] = session

    def create_many(self, _: str) -> None:
        """Create them all at once; each is a call of its own."""
        marks = {name: self._recorder.mark() for name in self._names}
        made = {name: Session(session_id=name, title=mark) for name, mark in marks.items()}
        calls = {name: self._recorder.begin("create", name, marks[name]) for name in made}
        self._ended(calls, made, lambda: self._store.create_many(made.values()))

    def save_many(self, _: str) -> None:
        """Save all that was loaded some time ago at once."""
        loaded, self._loaded = self._loaded, {}
        calls = {}
        for name, session in loaded.items():
            base, session.title = version_of(session), self._recorder.mark()
            calls[name] = self._recorder.begin("save", name, [session.title, base])
        refused = self._ended(calls, loaded, lambda: self._store.save_many(loaded.values()))
        self._loaded = {name: loaded[name] for name in loaded if name not in refused}

    def delete_many(self, _: str) -> None:
        calls = {name: self._recorder.begin("delete", name, None) for name in self._names}
        gone = dict.fromkeys(self._names, False)
        self._ended(
            calls,
            gone,
            lambda: gone.update(dict.fromkeys(self._store.delete_many(self._names), True)),
        )

    def _ended(
        self, calls: Mapping[str, str], results: Mapping[str, object], act: Callable[[], object]
    ) -> set[str]:
        """Do what began as so many calls, and write down how each ended; return the refused."""
        errors: dict[str | None, SessionError] = {}
        try:
            act()
        except ExceptionGroup as group:
            for error in group.exceptions:
                assert isinstance(error, SessionError)
                errors[error.session_id] = error
        for name, number in calls.items():
            if (refusal := errors.get(name)) is not None:
                self._recorder.end(number, type(refusal).__name__, str(refusal))
            else:
                self._recorder.end(number, OK, results[name])
        return set(calls) & {name for name in errors if name is not None}

    def edit(self, name: str) -> None:
        mark = self._recorder.mark()
        self._recorder.call("edit", name, mark, lambda: self._edited(name, mark))

    def _edited(self, name: str, mark: str) -> object:
        with self._store.edit(name) as session:
            found = version_of(session)
            session.title = mark
            session.messages.append({"role": "user", "content": mark})
        return found

    def give_up(self, name: str) -> None:
        mark = self._recorder.mark()

        def act() -> object:
            found = None
            with contextlib.suppress(GivenUpError), self._store.edit(name) as session:
                found = version_of(session)
                session.title = mark
                raise GivenUpError
            return found

        self._recorder.call("give up", name, None, act)

    def append(self, name: str) -> None:
        mark = self._recorder.mark()
        message = {"role": "user", "content": mark}
        self._recorder.call("append", name, mark, lambda: bool(self._store.append(name, message)))

    def rename(self, name: str) -> None:
        mark = self._recorder.mark()
        self._recorder.call("rename", name, mark, lambda: self._store.rename(name, mark))

    def delete(self, name: str) -> None:
        self._recorder.call("delete", name, None, lambda: self._store.delete(name))

    def restore(self, name: str) -> None:
        self._recorder.call("restore", name, None, lambda: self._store.restore(name))

    def list(self, _: str) -> None:
        fresh = self._chance.random() < 0.2

        self._recorder.call(
            "list", None, fresh, lambda: rows_of(self._store.list(limit=1000, fresh=fresh).items)
        )

    def count(self, name: str) -> None:
        """Count, where there is no other session that could be counted."""
        if len(self._names) == 1:
            self._recorder.call("count", name, None, self._store.count)


@contextlib.contextmanager
def broken(what: str) -> Iterator[None]:
    """Take one part of the protocol away: "locks" or "compare"; "" takes nothing."""
    with contextlib.ExitStack() as stack:
        if what == "locks":
            free = mock.Mock(side_effect=lambda *_: contextlib.nullcontext())
            stack.enter_context(mock.patch.object(StripedLocks, "hold", free))
            all_free = mock.Mock(side_effect=lambda ids: contextlib.nullcontext(frozenset(ids)))
            stack.enter_context(mock.patch.object(StripedLocks, "hold_free", all_free))
            stack.enter_context(mock.patch.object(StripedLocks, "check"))
        if what == "compare":
            stack.enter_context(mock.patch.object(Writer, "_is_changed", return_value=False))
        yield


def work(
    folder: str, histories: str, who: str, names: Sequence[str], calls: int, what: str = ""
) -> None:
    """Do so many verbs in a store of its own; with "keeps" as ``what`` nothing is deleted."""
    recorder = Recorder(Path(histories), who)
    with broken(what), SessionStore(folder, lock_timeout=60) as store:
        worker = Worker(store, recorder, names, who, keeps=what == "keeps")
        for _ in range(calls):
            worker.act()
