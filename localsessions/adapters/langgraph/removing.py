"""Removing checkpoints of threads, and copying threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from localsessions import Session, SessionNotFoundError
from localsessions.adapters.langgraph.chat import CHANNEL
from localsessions.adapters.langgraph.records import Thread, place_of
from localsessions.adapters.langgraph.values import Values

if TYPE_CHECKING:
    from localsessions.adapters.langgraph.sdk import SerializerProtocol
    from localsessions.adapters.langgraph.threads import Threads

__all__ = ["Removing"]


class Removing:
    """Removes and copies what the threads of a saver have.

    Args:
        threads: The threads.
        serde: How their values are packed.
    """

    def __init__(self, threads: Threads, serde: SerializerProtocol) -> None:
        self._threads = threads
        self._store = threads.store
        self._records = threads.records
        self._values = Values(serde)
        self._chat = threads.chat(serde)

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Remove the checkpoints of runs."""
        wanted, values = frozenset(run_ids), self._values
        if not wanted:
            return
        for _, thread in [*self._threads.all()]:
            gone = {
                place
                for place, name in thread.puts.items()
                if values.value(thread.data(name)["metadata"]).get("run_id") in wanted
            }
            if gone:
                self._remove(thread, gone)

    def prune(self, thread_ids: Sequence[str], strategy: str) -> None:
        """Remove old checkpoints."""
        if strategy not in ("keep_latest", "delete"):
            raise ValueError(f'strategy must be "keep_latest" or "delete", not {strategy!r}')
        for thread_id in thread_ids:
            thread = self._threads.thread(thread_id)
            kept = self._kept(thread) if strategy == "keep_latest" else set()
            gone = {*thread.puts, *thread.writes} - kept
            if gone:
                self._remove(thread, gone)

    def _kept(self, thread: Thread) -> set[str]:
        """Return the newest checkpoint of each namespace, and what its delta channels are of."""
        kept: set[str] = set()
        values = self._values
        for ns in {ns for ns, _ in thread.ids()}:
            latest = thread.latest(ns)
            record = thread.put(ns, latest)
            if record is None or latest is None:
                continue
            kept.add(place_of(ns, latest))
            counted = values.value(record["metadata"]).get("counters_since_delta_snapshot") or {}
            lacking = {*counted} - self._populated(thread, record)
            for ancestor in thread.ancestors(ns, latest):
                if not lacking:
                    break
                kept.add(place_of(ns, ancestor["id"]))
                lacking -= self._populated(thread, ancestor)
        return kept

    def _populated(self, thread: Thread, record: dict[str, Any]) -> set[str]:
        versions = self._values.value(record["checkpoint"])["channel_versions"]
        held = {channel: thread.holder(record, channel, one) for channel, one in versions.items()}
        return {
            channel
            for channel, holder in held.items()
            if holder is not None and (channel in holder["values"] or channel in holder)
        }

    def _remove(self, thread: Thread, gone: set[str]) -> None:
        """Remove checkpoints; before, those that stay get what they had from them."""
        for place, name in [*thread.puts.items()]:
            if place not in gone and _needs(thread, thread.data(name), gone):
                whole = self._whole(thread, thread.data(name))
                self._records.save(thread.session_id, place, "put", whole, _nothing)
                self._records.delete(thread.session_id, name)
        first = min(
            (thread.position[one] for p, one in thread.puts.items() if p not in gone), default=None
        )
        for place in gone:
            for name in (*thread.writes.get(place, ()), *filter(None, [thread.puts.get(place)])):
                self._records.delete(thread.session_id, name)
        for name in thread.lefts:
            if first is None or thread.position[name] < first:
                self._records.delete(thread.session_id, name)

    def _whole(self, thread: Thread, record: dict[str, Any]) -> dict[str, Any]:
        """Return a record that needs no other."""
        values, chat = self._values, self._chat
        versions = values.value(record["checkpoint"])["channel_versions"]
        whole = {**record, "new": {}, "values": {}, "at": {}}
        whole.pop(CHANNEL, None)
        for channel, version in versions.items():
            holder = thread.holder(record, channel, version)
            if holder is None:
                continue
            whole["new"][channel] = version
            if channel in holder["values"]:
                whole["values"][channel] = holder["values"][channel]
            elif channel == CHANNEL and CHANNEL in holder:
                refs = chat.refs(thread, holder) or []
                if chat.is_as_it_was(thread, holder, refs):
                    whole[CHANNEL] = {"kept": 0, "added": refs}
                else:
                    said, _ = chat.value(thread, holder, is_latest=False)
                    whole["values"][channel] = values.stored(said)
        return whole

    def copy(self, source_id: Any, target_id: Any) -> None:
        """Copy a thread: its messages, then its records in the order of saving."""
        source, make = self._threads.thread(source_id), self._threads.naming(target_id)
        try:
            session = self._store.load(source.session_id)
        except SessionNotFoundError:
            return
        target = self._threads.session_id(target_id)
        if target == source.session_id:
            return
        copied = Session(session_id=target, messages=session.messages, title=session.title)
        make(copied)
        self._store.save(copied)
        for name in sorted(source.position, key=source.position.__getitem__):
            place, _, kind = name.partition(".")
            self._records.save(target, place, kind.partition(".")[0], source.data(name), make)


def _needs(thread: Thread, record: dict[str, Any], gone: set[str]) -> bool:
    """Tell whether a checkpoint has values, or its messages, from one that goes."""
    ns = record["ns"]
    if any(place_of(ns, one) in gone for one in record["at"].values()):
        return True
    held: dict[str, Any] | None = record
    if CHANNEL not in record["new"]:
        held = thread.put(ns, record["at"].get(CHANNEL))
    while held is not None and CHANNEL in held:
        if place_of(ns, held["id"]) in gone:
            return True
        held = thread.put(ns, held[CHANNEL].get("base"))
    return False


def _nothing(session: Session) -> None:
    """Name nothing: the session is there."""
