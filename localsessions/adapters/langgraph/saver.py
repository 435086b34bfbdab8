"""LocalSaver: LangGraph's checkpointer over a store of this package."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from localsessions.adapters.document import Given, finished
from localsessions.adapters.langgraph.removing import Removing
from localsessions.adapters.langgraph.sdk import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    RunnableConfig,
    SerializerProtocol,
    get_checkpoint_metadata,
)
from localsessions.adapters.langgraph.threads import Threads

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["LocalSaver"]

_END = object()


class LocalSaver(BaseCheckpointSaver):
    """Keeps threads of LangGraph, ``compile(checkpointer=LocalSaver(store))``, in readable files.

    A thread is a session, and the channel ``messages`` of its graph is the chat of that session:
    each message once, searched and read by every program. What other programs said in it is in
    the state of the next turn, in its place; an edit of a message reaches the graph. Checkpoints
    stand beside the session, each with what is new in it. What a call did is durable when it
    returns. A deleted thread goes to the trash.

    Args:
        store: An open store; or a folder, or the address of a database: then this object opens and
            closes it.
        serde: LangGraph's serializer by default. With any other one, such as an encrypted one,
            nothing is readable: all values are kept as it packs them, messages too.

    Raises:
        ImportError: LangGraph is missing.
    """

    def __init__(self, store: Given, *, serde: SerializerProtocol | None = None) -> None:
        super().__init__(serde=serde)
        self._threads = Threads(store)
        self.store = self._threads.store

    def __repr__(self) -> str:
        return f"LocalSaver({self.store.save_dir!r})"

    def close(self) -> None:
        """Close the store if this object opened it. Idempotent."""
        self._threads.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await finished(self.close)

    def get_next_version(self, current: Any, channel: None) -> str:  # noqa: ARG002
        """Return a version that is later than ``current``, and that no other branch has."""
        number = current if isinstance(current, int) else int(str(current or 0).split(".")[0])
        return f"{number + 1:032}.{random.random():016}"  # noqa: S311  # no secret

    # -- reading -----------------------------------------------------------------------------------

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return a checkpoint, the newest if the config names none; None if there is none.

        The newest of the root has what other programs said since. A session in which only others
        spoke has a checkpoint with their messages.

        Raises:
            UnreadableSessionError: A file is not a session or not a checkpoint.
        """
        return self._threads.get(self.serde, config)

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002  # LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Yield checkpoints, the newest first; with no config, of all threads.

        Of all, those of sessions that cannot be read are left out, with a warning in the log.

        Args:
            config: Which thread, and if it says so, which namespace and which checkpoint.
            filter: What their metadata must say.
            before: Only those before this checkpoint.
            limit: How many at most.
        """
        found = 0
        for thread, ns, checkpoint_id in self._threads.chosen(config, before):
            if limit is not None and found >= limit:
                return
            made = self._threads.tuple_of(self.serde, thread, ns, checkpoint_id)
            if made is not None and _has(made.metadata, filter):
                found += 1
                yield made

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Return what was written to channels since their last snapshot, and the snapshots."""
        return self._threads.history(self.serde, config, channels)

    # -- writing -----------------------------------------------------------------------------------

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint, durably: only the channels of ``new_versions``.

        If the process is killed meanwhile, the thread is at the checkpoint before.

        Raises:
            TypeError: A value cannot be packed; nothing was written, and so for the next.
            UnstorableValueError: A value cannot be stored without loss.
            LockTimeoutError: Another writer held the session for too long. The chat may have the
                new messages, but no checkpoint has them; call again.
        """
        told = get_checkpoint_metadata(config, metadata)
        return self._threads.put(self.serde, config, checkpoint, told, new_versions)

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Store what a task wrote after a checkpoint, durably, all or none.

        Raises:
            TypeError, UnstorableValueError, LockTimeoutError: As ``put``.
        """
        self._threads.put_writes(self.serde, config, writes, task_id, task_path)

    def delete_thread(self, thread_id: str) -> None:
        """Move the session of a thread to the trash, with all its checkpoints."""
        self._threads.delete(thread_id)

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Remove the checkpoints of runs, of all threads, for good.

        A thread goes back to the newest checkpoint that stays, and no graph sees what the runs
        said after it; a later turn takes that out of the session. If none stays, the chat does.
        A session that cannot be read keeps its checkpoints, with a warning in the log.
        """
        Removing(self._threads, self.serde).delete_for_runs(run_ids)

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread with all its checkpoints and messages; nothing if it is not there."""
        Removing(self._threads, self.serde).copy(source_thread_id, target_thread_id)

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Remove old checkpoints for good.

        Args:
            thread_ids: Of which threads.
            strategy: "keep_latest" keeps the newest of each namespace, and before it what its
                delta channels are made of. "delete" keeps none; the chat stays.

        Raises:
            ValueError: There is no such strategy.
        """
        Removing(self._threads, self.serde).prune(thread_ids, strategy)

    # -- the same, awaited -------------------------------------------------------------------------

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """As ``get_tuple``."""
        return await finished(lambda: self.get_tuple(config))

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """As ``list``."""
        found = self.list(config, filter=filter, before=before, limit=limit)
        while (one := await finished(lambda: next(found, _END))) is not _END:
            yield one

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """As ``put``; cancelled, it is finished first, and so are the next."""
        return await finished(lambda: self.put(config, checkpoint, metadata, new_versions))

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """As ``put_writes``."""
        await finished(lambda: self.put_writes(config, writes, task_id, task_path))

    async def adelete_thread(self, thread_id: str) -> None:
        """As ``delete_thread``."""
        await finished(lambda: self.delete_thread(thread_id))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """As ``delete_for_runs``."""
        await finished(lambda: self.delete_for_runs(run_ids))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """As ``copy_thread``."""
        await finished(lambda: self.copy_thread(source_thread_id, target_thread_id))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """As ``prune``."""
        await finished(lambda: self.prune(thread_ids, strategy=strategy))

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """As ``get_delta_channel_history``."""
        return await finished(
            lambda: self.get_delta_channel_history(config=config, channels=channels)
        )


def _has(metadata: Mapping[str, Any], wanted: dict[str, Any] | None) -> bool:
    return all(metadata.get(name) == value for name, value in (wanted or {}).items())
