"""Many tasks of one event loop work on one session and are cancelled at random.

A cancelled call has an unknown outcome, as a killed one has; whatever it began in its thread ends
there. No lock stays taken, the next verb works, and what everybody saw has a legal order.
"""

from __future__ import annotations

import asyncio
import random
import threading
from concurrent import futures
from pathlib import Path
from typing import Any

import pytest
from inside import local

from localsessions import AsyncSessionStore, SessionError
from proof.counting import sized, tried
from proof.history import Recorder, assert_linearizable, rows_of, version_of
from proof.register import OK

TASKS = 24  # with more of unknown outcome the search for an order takes too long


class Task:
    """A caller of the asynchronous store; what is cancelled gets no result in the history.

    Whoever is cancelled does verbs that leave a message behind, by which one can see whether they
    took effect.
    """

    def __init__(
        self,
        store: AsyncSessionStore,
        recorder: Recorder,
        names: list[str],
        seed: object,
        *,
        is_cancelled: bool,
    ) -> None:
        self._store = store
        self._recorder = recorder
        self._names = names
        self._chance = random.Random(str(seed))
        self._verbs = ["load", "append", "edit", "edit", "list"]
        if not is_cancelled:
            self._verbs += ["rename", "save", "delete", "restore", "create", "create"]

    async def act(self) -> None:
        name = self._chance.choice(self._names)
        verb = self._chance.choice(self._verbs)
        if verb == "save":
            await self._save(name)
            return
        mark = self._recorder.mark()
        argument: object = mark if verb in ("append", "edit", "rename", "create") else None
        number = self._recorder.begin(
            verb, None if verb == "list" else name, False if verb == "list" else argument
        )
        try:
            result = await getattr(self, f"_{verb}")(name, mark)
        except SessionError as error:
            self._recorder.end(number, type(error).__name__, str(error))
        else:
            self._recorder.end(number, OK, result)

    async def _save(self, name: str) -> None:
        session = await self._store.get(name)
        if session is None:
            return
        base, mark = version_of(session), self._recorder.mark()
        session.title = mark
        number = self._recorder.begin("save", name, [mark, base])
        try:
            await self._store.save(session)
        except SessionError as error:
            self._recorder.end(number, type(error).__name__, str(error))
        else:
            self._recorder.end(number, OK, version_of(session))

    async def _load(self, name: str, _: str) -> object:
        return await self._store.load(name)

    async def _append(self, name: str, mark: str) -> object:
        await self._store.append(name, {"role": "user", "content": mark})
        return True

    async def _edit(self, name: str, mark: str) -> object:
        async with self._store.edit(name) as session:
            found = version_of(session)
            session.title = mark
            await asyncio.sleep(self._chance.choice([0, 0, 0.001]))
            session.messages.append({"role": "user", "content": mark})
        return found

    async def _rename(self, name: str, mark: str) -> object:
        return await self._store.rename(name, mark)

    async def _list(self, _: str, __: str) -> object:
        return rows_of((await self._store.list(limit=1000)).items)

    async def _delete(self, name: str, _: str) -> object:
        return await self._store.delete(name)

    async def _restore(self, name: str, _: str) -> object:
        return await self._store.restore(name)

    async def _create(self, name: str, mark: str) -> object:
        return await self._store.create(name, title=mark)


@pytest.mark.parametrize("names", [["s"], ["s", "t", "u"]], ids=["one session", "several"])
def test_cancelled_tasks_leave_nothing_taken_and_a_legal_order(
    folder: Path, tmp_path: Path, names: list[str]
) -> None:
    for seed in range(sized(1, 15)):
        histories = tmp_path / str(seed)
        histories.mkdir()
        cancelled = asyncio.run(work(folder / str(seed), histories, names, seed))
        assert cancelled > 0
        checked, calls = assert_linearizable(histories, names, folder / str(seed))
        tried("tasks", "tasks cancelled", cancelled)
        tried("tasks", "histories found linearizable", checked)
        tried("tasks", "calls in these histories", calls)


async def work(folder: Path, histories: Path, names: list[str], seed: int) -> int:
    """Let the tasks work, cancel every other one at random; return how many were."""
    chance = random.Random(seed)
    recorder = Recorder(histories, f"w{seed}")
    async with AsyncSessionStore(folder, lock_timeout=60) as store:

        async def calls(number: int) -> None:
            is_cancelled = number % 2 == 0
            task = Task(store, recorder, names, (seed, number), is_cancelled=is_cancelled)
            for _ in range(4):
                await task.act()

        tasks = [asyncio.create_task(calls(number)) for number in range(TASKS)]
        for task in tasks[::2]:
            await asyncio.sleep(chance.uniform(0, 0.01))  # the moment is what is random
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        errors = [one for one in results if isinstance(one, Exception)]
        assert errors == []
        await nothing_is_taken(store, names)
        recorder.close()
    return sum(isinstance(one, asyncio.CancelledError) for one in results)


async def nothing_is_taken(store: AsyncSessionStore, names: list[str]) -> None:
    """Find each session free: what was cancelled has ended, though nobody waited for it."""
    for name in names:
        if await store.get(name) is None:
            await store.create(name)
        await store.rename(name, "free")
    for stripe in local(store).folder._locks._stripes.values():
        assert not stripe._mutex.locked()
        assert not stripe.file.is_held


def test_leaving_an_edit_that_is_cancelled_before_it_begins_lets_go_of_the_lock(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()

    class Busy(futures.ThreadPoolExecutor):
        """Has something else to do before it leaves the block."""

        def submit(self, *arguments: Any, **options: Any) -> futures.Future[Any]:
            if getattr(arguments[0], "func", None) is not None:
                super().submit(gate.wait)
            return super().submit(*arguments, **options)

    async def edit(store: AsyncSessionStore) -> None:
        async with store.edit("s") as session:
            session.title = "edited"
            task = asyncio.current_task()
            assert task is not None
            asyncio.get_running_loop().call_soon(task.cancel)

    async def scenario() -> None:
        async with AsyncSessionStore(folder, lock_timeout=5) as store:
            await store.create("s")
            monkeypatch.setattr(futures, "ThreadPoolExecutor", Busy)
            result = (await asyncio.gather(edit(store), return_exceptions=True))[0]
            monkeypatch.undo()
            gate.set()
            assert isinstance(result, asyncio.CancelledError)
            assert (await store.rename("s", "free")).title == "free"

    asyncio.run(scenario())
