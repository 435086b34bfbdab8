"""The verbs that write a session, one or many, as rules of the state machine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, consumes, rule

from localsessions import (
    ConflictError,
    Session,
    SessionExistsError,
    SessionNotFoundError,
    UnreadableSessionError,
)
from proof.model import IDS, PAST, TORN, USERS, WHICH, WORDS, Known, TwoStores

__all__ = ["Changing"]


class Changing(TwoStores):
    """What the two stores are asked to write."""

    loaded = Bundle("loaded")

    # -- verbs that write ------------------------------------------------------------------------

    @rule(which=WHICH, session_id=IDS, title=st.none() | WORDS, user=USERS, expired=st.booleans())
    def create(
        self, which: int, session_id: str, title: str | None, user: str | None, expired: bool
    ) -> None:
        try:
            self.stores[which].create(session_id, title=title, user_id=user)
        except SessionExistsError:
            assert session_id in self.model
            return
        assert session_id not in self.model
        if expired:
            with self.stores[which].edit(session_id) as session:
                session.expires_at = PAST
        self.changed(session_id, Known(title, user_id=user, expired=expired))

    @rule(which=WHICH, session_id=IDS, text=WORDS)
    def get_or_create(self, which: int, session_id: str, text: str) -> None:
        known = self.model.get(session_id)
        message = {"role": "user", "content": text}
        try:
            session = self.stores[which].get_or_create(session_id, messages=[message])
        except UnreadableSessionError:
            assert known == TORN
            return
        if known is None:
            known = Known(None, [text])
            self.changed(session_id, known)
        assert isinstance(known, Known)
        assert [one["content"] for one in session.messages] == known.texts

    @rule(which=WHICH, session_id=IDS, text=WORDS)
    def append(self, which: int, session_id: str, text: str) -> None:
        message = {"role": "user", "content": text}
        if known := self.attempt(
            session_id, lambda: self.stores[which].append(session_id, message)
        ):
            known.texts.append(text)
            self.changed(session_id, known)

    @rule(which=WHICH, session_id=IDS, texts=st.lists(WORDS, max_size=3))
    def edit(self, which: int, session_id: str, texts: list[str]) -> None:
        """All messages are put away, and others in their place."""

        def verb() -> None:
            with self.stores[which].edit(session_id) as session:
                session.messages = [{"role": "user", "content": text} for text in texts]

        if known := self.attempt(session_id, verb):
            known.texts = list(texts)
            self.changed(session_id, known)

    @rule(which=WHICH, session_id=IDS, run=st.sampled_from("rs"), status=WORDS, text=WORDS)
    def upsert_run(self, which: int, session_id: str, run: str, status: str, text: str) -> None:
        def verb() -> None:
            message = {"id": f"of {run}", "role": "user", "content": text}
            record = {"run_id": run, "status": status}
            self.stores[which].upsert_run(session_id, record, message)

        store = self.stores[which]
        is_known = isinstance(self.model.get(session_id), Known)
        before = [one.get("id") for one in store.load(session_id).messages] if is_known else []
        if known := self.attempt(session_id, verb):
            known.runs[run] = status
            if f"of {run}" in before:
                known.texts[before.index(f"of {run}")] = text
            else:
                known.texts.append(text)
            self.changed(session_id, known)

    @rule(which=WHICH, session_id=IDS, word=WORDS, fails=st.booleans())
    def streaming(self, which: int, session_id: str, word: str, fails: bool) -> None:
        """A message grows, flushed after each letter; its writer may fail at the end."""
        made: list[str] = []

        def verb() -> None:
            with (
                suppress(ZeroDivisionError),
                self.stores[which].streaming(session_id, {"role": "user"}) as draft,
            ):
                made.append(draft.run_id)
                for letter in word:
                    draft.write(letter)
                    draft.flush()
                assert not fails or 1 / 0

        if known := self.attempt(session_id, verb):
            known.texts.append(word)
            known.runs[made[0]] = "INTERRUPTED" if fails else "COMPLETED"
            self.changed(session_id, known)

    @rule(which=WHICH, session_id=IDS, agent=WORDS)
    def switch_agent(self, which: int, session_id: str, agent: str) -> None:
        switched: list[bool] = []
        known = self.attempt(
            session_id,
            lambda: switched.append(self.stores[which].switch_agent(session_id, agent)),
        )
        if known:
            assert switched == [known.agent != agent]
            self.change(session_id, known, agent=agent)

    def change(self, session_id: str, known: Known, **fields: object) -> None:
        if any(getattr(known, name) != value for name, value in fields.items()):
            for name, value in fields.items():
                setattr(known, name, value)
            self.changed(session_id, known)

    @rule(which=WHICH, session_id=IDS, title=st.none() | WORDS, made=st.booleans())
    def rename(self, which: int, session_id: str, title: str | None, made: bool) -> None:
        known = self.attempt(
            session_id, lambda: self.stores[which].rename(session_id, title, made=made)
        )
        if known and not (made and known.title):
            self.change(session_id, known, title=title)

    @rule(which=WHICH, session_id=IDS, pinned=st.booleans())
    def pin(self, which: int, session_id: str, pinned: bool) -> None:
        known = self.attempt(session_id, lambda: self.stores[which].pin(session_id, pinned=pinned))
        if known:
            self.change(session_id, known, pinned=pinned)

    @rule(which=WHICH, session_id=IDS, archived=st.booleans())
    def archive(self, which: int, session_id: str, archived: bool) -> None:
        known = self.attempt(
            session_id, lambda: self.stores[which].archive(session_id, archived=archived)
        )
        if known:
            self.change(session_id, known, archived=archived)

    @rule(which=WHICH, session_id=IDS, tag=st.sampled_from("uvw"), remove=st.booleans())
    def tag(self, which: int, session_id: str, tag: str, remove: bool) -> None:
        tags, removed = ([], [tag]) if remove else ([tag], [])
        known = self.attempt(
            session_id, lambda: self.stores[which].tag(session_id, *tags, remove=removed)
        )
        if known:
            kept = [one for one in known.tags if one not in removed]
            self.change(session_id, known, tags=list(dict.fromkeys([*kept, *tags])))

    @rule(target=loaded, which=WHICH, session_id=IDS)
    def load(self, which: int, session_id: str) -> tuple[Session, bytes | None] | None:
        found: list[Session] = []
        if self.attempt(session_id, lambda: found.append(self.stores[which].load(session_id))):
            return found[0], self.kept(session_id)
        return None

    @rule(which=WHICH, what=consumes(loaded), text=WORDS)
    def save(self, which: int, what: tuple[Session, bytes | None] | None, text: str) -> None:
        if what is None:
            return
        session, version = what
        session_id = session.session_id
        is_as_loaded = version == self.kept(session_id)
        session.messages = [*session.messages, {"role": "user", "content": text}]
        try:
            self.stores[which].save(session)
        except UnreadableSessionError:
            assert self.model[session_id] == TORN
        except ConflictError:
            assert not is_as_loaded
        else:
            assert is_as_loaded
            known = self.model[session_id]
            assert isinstance(known, Known)
            known.texts.append(text)
            self.changed(session_id, known)

    @rule(which=WHICH, what=consumes(loaded), tag=st.sampled_from("xyz"))
    def save_merging(self, which: int, what: tuple[Session, bytes | None] | None, tag: str) -> None:
        """A tag that is added never conflicts: a merge keeps all that others did meanwhile."""
        if what is None:
            return
        session, _ = what
        session_id = session.session_id
        is_new = tag not in session.tags
        session.tags = list(dict.fromkeys([*session.tags, tag]))
        try:
            self.stores[which].save(session, on_conflict="merge")
        except UnreadableSessionError:
            assert self.model[session_id] == TORN
        except ConflictError:
            # Nothing to merge with: the file is gone, or is another session's, with other times.
            assert session_id not in self.model or session.created_at != PAST
        else:
            known = self.model.get(session_id)
            if isinstance(known, Known) and is_new:
                tags = self.stores[which].load(session_id).tags
                assert {*tags} == {*known.tags, tag}
                self.change(session_id, known, tags=tags)

    @rule(which=WHICH, session_id=IDS, title=st.none() | WORDS)
    def adopt(self, which: int, session_id: str, title: str | None) -> None:
        """What is torn becomes a session so, too."""
        made = Session(session_id="elsewhere", title=title)
        if session_id not in self.model:
            with pytest.raises(SessionNotFoundError):
                self.stores[which].adopt(session_id, lambda _: made)
            return
        assert self.stores[which].adopt(session_id, lambda _: None) is None
        assert self.stores[which].adopt(session_id, lambda _: made) is made
        self.changed(session_id, Known(title))

    @rule(which=WHICH, session_id=IDS, new_id=IDS, at=st.none() | st.integers(0, 2))
    def fork(self, which: int, session_id: str, new_id: str, at: int | None) -> None:
        known = self.model.get(session_id)
        if isinstance(known, Known) and at is not None and at >= len(known.texts):
            with pytest.raises(LookupError):
                self.stores[which].fork(session_id, new_id=new_id, at=at)
            return

        def verb() -> None:
            with suppress(SessionExistsError):
                self.stores[which].fork(session_id, new_id=new_id, at=at)
                assert new_id not in self.model

        if (source := self.attempt(session_id, verb)) and new_id not in self.model:
            forked = source.copy()
            forked.pinned = forked.archived = forked.expired = False
            if source.listed_title:
                forked.title = f"{source.listed_title} (fork)"
            if at is not None:
                forked.texts = forked.texts[: at + 1]
                ids = {one.get("run_id") for one in self.stores[which].load(new_id).messages}
                forked.runs = {run: status for run, status in forked.runs.items() if run in ids}
            self.changed(new_id, forked)

    # -- many at once ----------------------------------------------------------------------------

    @rule(which=WHICH, session_ids=st.lists(IDS, min_size=1, unique=True), title=st.none() | WORDS)
    def create_many(self, which: int, session_ids: list[str], title: str | None) -> None:
        taken = [session_id for session_id in session_ids if session_id in self.model]
        sessions = [Session(session_id=session_id, title=title) for session_id in session_ids]
        refused = refusals(lambda: self.stores[which].create_many(sessions))
        assert refused == dict.fromkeys(taken, SessionExistsError)
        for session_id in set(session_ids) - set(taken):
            self.changed(session_id, Known(title))

    @rule(which=WHICH, one=consumes(loaded), other=consumes(loaded), text=WORDS)
    def save_many(
        self,
        which: int,
        one: tuple[Session, bytes | None] | None,
        other: tuple[Session, bytes | None] | None,
        text: str,
    ) -> None:
        chosen = {what[0].session_id: what for what in (one, other) if what is not None}
        for session, _ in chosen.values():
            session.messages = [*session.messages, {"role": "user", "content": text}]
        sessions = [session for session, _ in chosen.values()]
        as_loaded = {one for one, (_, version) in chosen.items() if version == self.kept(one)}
        refused = refusals(lambda: self.stores[which].save_many(sessions))
        assert refused.keys() <= chosen.keys()
        for session_id in chosen:
            known, is_as_loaded = self.model.get(session_id), session_id in as_loaded
            if (error := refused.get(session_id)) is not None:
                assert error is (UnreadableSessionError if known == TORN else ConflictError)
                assert known == TORN or not is_as_loaded
                continue
            assert is_as_loaded
            assert isinstance(known, Known)
            known.texts.append(text)
            self.changed(session_id, known)

    @rule(which=WHICH, session_ids=st.lists(IDS, min_size=1, unique=True))
    def delete_many(self, which: int, session_ids: list[str]) -> None:
        there = {session_id for session_id in session_ids if session_id in self.model}
        assert {*self.stores[which].delete_many(session_ids)} == there
        for session_id in there:
            self.move_to_trash(session_id)


def refusals(verb: Callable[[], object]) -> dict[str, type[Exception]]:
    """Do a verb on many sessions; return what it raised of which."""
    try:
        verb()
    except ExceptionGroup as group:
        return {getattr(error, "session_id", "?"): type(error) for error in group.exceptions}
    return {}
