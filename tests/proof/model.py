"""The dict that every store is compared with, the two stores that are, and what is drawn."""

from __future__ import annotations

import copy
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from localsessions import SessionNotFoundError, SessionStore, UnreadableSessionError
from proof.counting import tried
from proof.following import Poller

__all__ = ["IDS", "PAST", "ROOM", "TORN", "USERS", "WHICH", "WORDS", "Known", "TwoStores"]

IDS = st.sampled_from(["a", "b", "c d", "имя", "x:y"])
WORDS = st.sampled_from(["parser", "Лексер", "索引", "plain", "токен"])
WHICH = st.integers(0, 1)
USERS = st.sampled_from([None, "ann", "Боб"])

ROOM = ".localsessions"
TORN = "torn"
PAST = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass
class Known:
    """What the dict knows of a session."""

    title: str | None
    texts: list[str] = field(default_factory=list)
    pinned: bool = False
    archived: bool = False
    tags: list[str] = field(default_factory=list)
    user_id: str | None = None
    agent: str | None = None
    runs: dict[str, str] = field(default_factory=dict)
    expired: bool = False

    def copy(self) -> Known:
        return copy.deepcopy(self)

    @property
    def listed_title(self) -> str:
        return self.title or (self.texts[0] if self.texts else "")

    @property
    def words(self) -> list[str]:
        """What a search finds; the title of a fork says so after its own word."""
        return [*(self.title or "").split(), *self.texts]

    @property
    def status(self) -> str:
        return "archived" if self.archived else "active"


class TwoStores(RuleBasedStateMachine):
    """Two stores of one folder that must agree with ``model`` after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="localsessions-"))
        self.folder = self.root / "sessions"
        self.stores = [self.open(), self.open()]
        self.model: dict[str, Known | str] = {}
        self.checkpoints: dict[str, list[int]] = {}
        self.trash: dict[str, list[tuple[Known | str, list[int]]]] = {}
        self.purged: dict[str, int] = {}
        self.is_damaged = False
        self.steps = 0

    def open(self) -> SessionStore:
        return SessionStore(self.folder, durability="fast")

    def close_both(self) -> None:
        for store in self.stores:
            store.close()

    def open_both(self) -> None:
        self.stores = [self.open(), self.open()]

    def teardown(self) -> None:
        self.close_both()
        shutil.rmtree(self.root)
        tried("state machine", "examples", 1)
        tried("state machine", "steps", self.steps)

    def path(self, session_id: str) -> Path:
        return Path(self.stores[0].path(session_id))

    def kept(self, session_id: str) -> bytes | None:
        """Return what a copy that is loaded now stands on; a restored session has it again."""
        try:
            return self.stores[0].raw(session_id)
        except SessionNotFoundError:
            return None

    def changed(self, session_id: str, known: Known | str | None) -> None:
        if known is None:
            self.model.pop(session_id, None)
        else:
            self.model[session_id] = known

    def attempt(self, session_id: str, verb: Callable[[], object]) -> Known | None:
        """Call a verb on a session; return what it works on if it must work."""
        known = self.model.get(session_id)
        if isinstance(known, Known):
            verb()
            return known
        expected = SessionNotFoundError if known is None else UnreadableSessionError
        try:
            verb()
        except expected:
            return None
        raise AssertionError(f"{session_id!r} is {known!r}, and yet there was no {expected}")

    def move_to_trash(self, session_id: str) -> None:
        known = self.model[session_id]
        moved = known, self.checkpoints.pop(session_id, [])
        self.trash.setdefault(session_id, []).append(moved)
        self.changed(session_id, None)

    def fitting(self, fits: Callable[[Known], bool]) -> set[str]:
        """Return the readable sessions of which something is so."""
        return {
            session_id
            for session_id, known in self.model.items()
            if isinstance(known, Known) and fits(known)
        }

    @initialize()
    def begin_empty(self) -> None:
        assert self.stores[0].list().items == ()
        self.poller = Poller(self.stores[0])

    @invariant()
    def both_stores_agree_with_the_dict(self) -> None:
        self.steps += 1
        for store in self.stores:
            self.agrees(store)
        for word in ("parser", "索引"):
            expected = self.fitting(lambda known, word=word: word in known.words)  # type: ignore[misc]
            for store in self.stores:
                hits = store.search(word, limit=100)
                assert {hit.session.session_id for hit in hits} == expected
        assert sorted(item.session_id for item in self.stores[0].trash()) == sorted(
            session_id for session_id, items in self.trash.items() for _ in items
        )

    def agrees(self, store: SessionStore) -> None:
        listed = {one.session_id: one for one in store.list(limit=100, fresh=True)}
        assert set(listed) == set(self.model)
        assert store.count() == len(self.model)
        for session_id, known in self.model.items():
            one = listed[session_id]
            if isinstance(known, str):
                assert one.status == "unreadable"
                continue
            session = store.load(session_id)
            assert known == Known(
                session.title,
                [str(message["content"]) for message in session.messages],
                session.pinned,
                session.status == "archived",
                session.tags,
                session.user_id,
                session.current_agent,
                {str(run["run_id"]): str(run["status"]) for run in session.runs},
                session.expires_at == PAST,
            )
            assert (one.message_count, one.pinned) == (len(known.texts), known.pinned)
            assert (one.title, one.status) == (known.listed_title, known.status)
