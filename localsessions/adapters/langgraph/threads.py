"""The threads of a saver: their checkpoints in records, their chats in sessions.

The shape of the data, of a checkpoint of the graph::

    ns, id, parent    which checkpoint, and after which
    checkpoint        LangGraph's object without its values
    metadata          LangGraph's
    new               the versions of the channels that are new
    values            the values of those, except of ``messages``
    messages          which messages of the session it has, see ``chat``
    at                of each other channel, the checkpoint that has its value
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from localsessions import Session, SessionNotFoundError
from localsessions.adapters.document import (
    Given,
    Remembered,
    hold,
    session_id_for,
    standing_id,
    summaries,
)
from localsessions.adapters.langgraph.chat import CHANNEL, Chat, Last
from localsessions.adapters.langgraph.records import Records, Thread, place_of, readable
from localsessions.adapters.langgraph.sdk import (
    WRITES_IDX_MAP,
    CheckpointTuple,
    RunnableConfig,
    get_checkpoint_id,
    writes_sort_key,
)
from localsessions.adapters.langgraph.shape import KEY
from localsessions.adapters.langgraph.steps import SEEN, Step, record_of
from localsessions.adapters.langgraph.values import Values
from localsessions.format import encode_value

if TYPE_CHECKING:
    from localsessions.adapters.langgraph.sdk import SerializerProtocol

__all__ = ["PROGRAM", "Threads"]

PROGRAM = "langgraph"
_BEFORE_ALL = "00000000-0000-6000-8000-000000000000"
"""The checkpoint of a session in which no graph has spoken."""
_FIRST = f"{1:032}.0"
_IDS = 4096
_RUNS = 1024
_CHATS = 64


class Threads:
    """See the module.

    Args:
        given: The store that the saver was given.
    """

    def __init__(self, given: Given) -> None:
        self.store, self._close = hold(self, given)
        self.records = Records(self.store)
        self._ids: Remembered[str, str] = Remembered(_IDS)
        self._last: Remembered[str, Last] = Remembered(_CHATS)
        self._begun: Remembered[tuple[str, str], bool] = Remembered(_RUNS)

    def close(self) -> None:
        """Close the store if it was opened here."""
        self._close()

    def chat(self, serde: SerializerProtocol) -> Chat:
        """Return the chats, as a serializer packs what is odd in them."""
        return Chat(self.store, self.records, Values(serde))

    def session_id(self, thread_id: Any) -> str:
        """Return the id of the session of a thread."""
        own = str(thread_id)
        known = self._ids.get(own)
        return self._ids.put(own, standing_id(self.store, own)) if known is None else known

    def thread(self, thread_id: Any) -> Thread:
        """Return the records of a thread."""
        return self.records.thread(self.session_id(thread_id))

    def naming(self, thread_id: Any) -> Any:
        """Return what names a new session of a thread."""

        def name(session: Session) -> None:
            session.source = {"program": PROGRAM}
            if session.session_id != str(thread_id):
                session.extra[KEY] = {"thread_id": str(thread_id)}

        return name

    # -- writing -----------------------------------------------------------------------------------

    def put(
        self,
        serde: SerializerProtocol,
        config: RunnableConfig,
        checkpoint: Any,
        metadata: Any,
        new_versions: Mapping[str, Any],
    ) -> RunnableConfig:
        """Store a checkpoint: first what is new in the chat, then the record that names it."""
        named = config["configurable"]
        thread_id, ns = named["thread_id"], named.get("checkpoint_ns", "")
        parent = None if named.get("checkpoint_id") == _BEFORE_ALL else named.get("checkpoint_id")
        thread, make = self.thread(thread_id), self.naming(thread_id)
        before, new = thread.put(ns, parent), {**new_versions}
        if parent is None and checkpoint["channel_versions"].get(CHANNEL) == _FIRST:
            new[CHANNEL] = _FIRST  # what others said before is in no checkpoint yet
        record = record_of(Values(serde), checkpoint, metadata, (ns, parent, before), new)
        place = place_of(ns, checkpoint["id"])
        step = Step(self.chat(serde), thread, place, make)
        values = {name: one for name, one in checkpoint["channel_values"].items() if name in new}
        seen, plan = self._seen(thread, ns, parent, checkpoint), None
        if not ns and CHANNEL in values:
            last = self._taken(thread)  # a put that fails may leave the chat otherwise
            plan = step.plan(before, last if seen is not None else None, values[CHANNEL], metadata)
        record["values"] = {
            channel: Values(serde).stored(value)
            for channel, value in values.items()
            if plan is None or channel != CHANNEL
        }
        if not ns:  # what the record is refused for is refused before the chat changes
            encode_value({"data": record}, session_id=thread.session_id)
        done = step.do(plan, seen) if plan is not None else None
        if done is not None:
            record.update(done.holder)
        elif not ns and seen is None and CHANNEL not in new:
            step.go_back(before)
        self.records.save(thread.session_id, place, "put", record, make)
        if done is not None:
            last = done._replace(holder=record)
            self._last.put(thread.session_id, last)
        self._goes_on(thread, ns, parent, checkpoint["id"])
        if (replaced := thread.puts.get(place)) is not None:
            self.records.delete(thread.session_id, replaced)
        return _config(thread_id, ns, checkpoint["id"])

    def _seen(
        self, thread: Thread, ns: str, parent: str | None, checkpoint: Any
    ) -> Iterable[str] | None:
        """Return which messages of others a run knew; None if it goes on from an old checkpoint."""
        seen: Iterable[str] | None = checkpoint.get("versions_seen", {}).get(SEEN)
        if seen is not None:
            return seen
        is_begun = parent is None or (thread.session_id, parent) in self._begun
        is_gone = parent is not None and place_of(ns, parent) not in thread.puts
        return () if is_begun or is_gone or parent == thread.latest(ns) else None

    def _taken(self, thread: Thread) -> Last | None:
        """Return what was put last into a thread by this process, and forget it."""
        return self._last.pop(thread.session_id)

    def _begins(self, thread: Thread, checkpoint: Any) -> None:
        """Remember that a run may begin at the newest checkpoint, if that does not say so."""
        run = thread.session_id, checkpoint["id"]
        if checkpoint["id"] != thread.latest(""):
            self._begun.pop(run)
        elif SEEN not in checkpoint.get("versions_seen", {}):
            self._begun.put(run, True)

    def _goes_on(self, thread: Thread, ns: str, parent: str | None, checkpoint_id: str) -> None:
        """Remember where the runs are that began at the newest checkpoint, or at none."""
        if ns:
            return
        is_begun = parent is None or (thread.session_id, parent) in self._begun
        if is_begun:
            self._begun.put((thread.session_id, checkpoint_id), True)

    def put_writes(
        self,
        serde: SerializerProtocol,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str,
    ) -> None:
        """Store what a task wrote, as one record."""
        named = config["configurable"]
        values = Values(serde)
        told = [
            [WRITES_IDX_MAP.get(channel, at), channel, values.stored(value)]
            for at, (channel, value) in enumerate(writes)
        ]
        if not told:
            return
        place = place_of(named.get("checkpoint_ns", ""), named["checkpoint_id"])
        record = {"task_id": task_id, "task_path": task_path, "writes": told}
        thread_id = named["thread_id"]
        self.records.save(
            self.session_id(thread_id), place, "writes", record, self.naming(thread_id)
        )

    # -- reading -----------------------------------------------------------------------------------

    def get(self, serde: SerializerProtocol, config: RunnableConfig) -> CheckpointTuple | None:
        """Return a checkpoint, or the newest."""
        named = config["configurable"]
        ns = named.get("checkpoint_ns", "")
        thread = self.thread(named["thread_id"])
        chosen = get_checkpoint_id(config)
        checkpoint_id = chosen or thread.latest(ns)
        if checkpoint_id is None or chosen == _BEFORE_ALL:
            return None if ns else self._of_others(serde, thread, named["thread_id"])
        made = self.tuple_of(serde, (named["thread_id"], thread), ns, checkpoint_id)
        if made is not None and not ns:
            self._begins(thread, made.checkpoint)
        return made._replace(config=config) if made is not None and chosen else made

    def tuple_of(
        self, serde: SerializerProtocol, of: tuple[Any, Thread], ns: str, checkpoint_id: str
    ) -> CheckpointTuple | None:
        """Return a checkpoint of a thread; None if it is not there."""
        thread_id, thread = of
        values = Values(serde)
        try:
            record = thread.put(ns, checkpoint_id)
            if record is None:
                return None
            checkpoint = values.value(record["checkpoint"])
            channel_values = self._channel_values(serde, thread, record, checkpoint)
            writes = self._writes(values, thread, ns, checkpoint_id)
        except SessionNotFoundError:  # deleted just now
            return None
        parent = record["parent"]
        return CheckpointTuple(
            config=_config(thread_id, ns, checkpoint_id),
            checkpoint={**checkpoint, "channel_values": channel_values},
            metadata=values.value(record["metadata"]),
            parent_config=_config(thread_id, ns, parent) if parent else None,
            pending_writes=[(task_id, channel, value) for task_id, channel, value, _ in writes],
        )

    def _of_others(
        self, serde: SerializerProtocol, thread: Thread, thread_id: Any
    ) -> CheckpointTuple | None:
        """Return what a graph begins with in a session in which only others spoke."""
        if not Values(serde).is_readable:
            return None
        said, new = self.chat(serde).value(thread, None, is_latest=True)
        if not said:
            return None
        checkpoint: Any = {
            "v": 2,
            "id": _BEFORE_ALL,
            "ts": "1970-01-01T00:00:00+00:00",
            "channel_values": {CHANNEL: said},
            "channel_versions": {CHANNEL: _FIRST},
            "versions_seen": {SEEN: dict.fromkeys(new, "")},
            "updated_channels": None,
        }
        metadata: Any = {"source": "input", "step": -2, "parents": {}}
        return CheckpointTuple(_config(thread_id, "", _BEFORE_ALL), checkpoint, metadata, None, [])

    def _channel_values(
        self, serde: SerializerProtocol, thread: Thread, record: dict[str, Any], checkpoint: Any
    ) -> dict[str, Any]:
        values, found = Values(serde), {}
        for channel, version in checkpoint["channel_versions"].items():
            holder = thread.holder(record, channel, version)
            if holder is None:
                continue
            if channel in holder["values"]:
                found[channel] = values.value(holder["values"][channel])
            elif channel == CHANNEL and CHANNEL in holder:
                is_latest = record["id"] == thread.latest("")
                said, new = self.chat(serde).value(thread, holder, is_latest=is_latest)
                found[channel] = said
                if is_latest:
                    checkpoint["versions_seen"] = {
                        **checkpoint["versions_seen"],
                        SEEN: dict.fromkeys(new, ""),
                    }
        return found

    def _writes(
        self, values: Values, thread: Thread, ns: str, checkpoint_id: str
    ) -> list[tuple[str, str, Any, str]]:
        """Return what the tasks after a checkpoint wrote, in LangGraph's order."""
        found: dict[tuple[str, int], tuple[str, str, Any, str]] = {}
        for name in thread.writes.get(place_of(ns, checkpoint_id), ()):
            record = thread.data(name)
            task_id, path = record["task_id"], record["task_path"]
            there = set(found)
            for at, channel, value in record["writes"]:
                if at < 0 or (task_id, at) not in there:
                    found[task_id, at] = (task_id, channel, value, path)
        ordered = sorted(found, key=lambda one: writes_sort_key(found[one][3], *one))
        return [
            (task_id, channel, values.value(value), path)
            for task_id, channel, value, path in (found[one] for one in ordered)
        ]

    def history(
        self, serde: SerializerProtocol, config: RunnableConfig, channels: Sequence[str]
    ) -> dict[str, Any]:
        """Return what was written to channels since the last ancestor that has their values."""
        named = config["configurable"]
        ns = named.get("checkpoint_ns", "")
        thread, values = self.thread(named["thread_id"]), Values(serde)
        told: dict[str, Any] = {channel: {"writes": []} for channel in channels}
        remaining = {*channels}
        for record in thread.ancestors(ns, get_checkpoint_id(config) or thread.latest(ns)):
            if not remaining:
                break
            for write in reversed(self._writes(values, thread, ns, record["id"])):
                if write[1] in remaining:
                    told[write[1]]["writes"].insert(0, write[:3])
            checkpoint = values.value(record["checkpoint"])
            of_these = {
                channel: version
                for channel, version in checkpoint["channel_versions"].items()
                if channel in remaining
            }
            asked = {**checkpoint, "channel_versions": of_these}
            for channel, value in self._channel_values(serde, thread, record, asked).items():
                told[channel]["seed"] = value
                remaining.discard(channel)
        return told

    # -- many --------------------------------------------------------------------------------------

    def chosen(
        self, config: RunnableConfig | None, before: RunnableConfig | None
    ) -> Iterator[tuple[tuple[Any, Thread], str, str]]:
        """Yield which checkpoints are asked for, the newest first."""
        named = config["configurable"] if config else {}
        limit = get_checkpoint_id(before) if before else None
        wanted = get_checkpoint_id(config) if config else None
        of = [(named["thread_id"], self.thread(named["thread_id"]))] if config else self.all()
        found = [
            (one, ns, checkpoint_id)
            for one in of
            for ns, checkpoint_id in one[1].ids(named.get("checkpoint_ns"))
            if wanted in (None, "", checkpoint_id) and (not limit or checkpoint_id < limit)
        ]
        found.sort(key=lambda one: one[2], reverse=True)
        yield from found

    def all(self) -> Iterator[tuple[Any, Thread]]:
        """Yield the threads of the store: any session may have checkpoints.

        Those that cannot be read are left out, with a warning in the log.
        """
        for one in summaries(self.store):
            thread = self.records.thread(one.session_id)
            thread_id = self._thread_id(one.session_id) if thread.puts else None
            if thread_id is not None:
                yield thread_id, thread

    def _thread_id(self, session_id: str) -> str | None:
        """Return of which thread a session is; None if it cannot be read."""
        session = readable(self.store, session_id)
        if session is None or session_id_for(session_id) == session_id:
            return None if session is None else session_id
        named = session.extra.get(KEY)
        own = named.get("thread_id") if isinstance(named, dict) else None
        return own if isinstance(own, str) else session_id

    # -- removing ----------------------------------------------------------------------------------

    def delete(self, thread_id: Any) -> None:
        """Move a thread to the trash."""
        self.store.delete(self.session_id(thread_id))
        self._ids.pop(str(thread_id))


def _config(thread_id: Any, ns: str, checkpoint_id: str) -> RunnableConfig:
    named = {"thread_id": thread_id, "checkpoint_ns": ns, "checkpoint_id": checkpoint_id}
    return {"configurable": named}
