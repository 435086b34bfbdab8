"""The program a contestant runs in: ``python -m benchmarks.child MODULE FOLDER MATERIAL``.

A request is a line of JSON on standard input, ``{"verb": ..., arguments}``. The answer is a line on
standard output: ``{"seconds": ...}`` if something was timed, ``{"fault": ...}`` if it failed or
returned a wrong result. Everything that is not timed is checked before the answer: a contestant
that did not do the work has no figure.

Each session of a given size is alone in its own store, so that the other sessions do not influence
the measurement.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import importlib
import inspect
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.contestants.contract import (
    USERS,
    Contestant,
    Files,
    Lists,
    Pages,
    Saves,
    Tails,
    user_of,
)
from benchmarks.material import TRANSCRIPT_MESSAGES, Material

TAIL = 10
PAGE = 50
STORED_MESSAGES = 2
_PR_SET_PTRACER, _ANY = 0x59616D61, ctypes.c_ulong(-1)


class WrongAnswerError(AssertionError):
    """A contestant returned something that was not stored, or not everything."""


async def done(answer: Any) -> Any:
    """Return the result of a verb, async or not."""
    return await answer if inspect.isawaitable(answer) else answer


async def timed(act: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """Return how many seconds a verb took, and what it returned."""
    gc.collect()
    begun = time.perf_counter_ns()
    answer = act(*arguments)
    if inspect.isawaitable(answer):
        answer = await answer
    return (time.perf_counter_ns() - begun) / 1e9, answer


class Child:
    """The requests that a child understands, a method for each."""

    def __init__(self, make: Callable[[Path], Contestant], folder: Path, material: Material):
        self.make = make
        self.folder = folder
        self.material = material
        self.stores: dict[str, Contestant] = {}
        self.sizes: dict[str, int] = {}

    async def _opened(self, name: str) -> Contestant:
        store = self.make(self.folder / name)
        await done(store.open())
        return store

    async def fill(self, session: str, count: int) -> dict[str, Any]:
        """Store a session of so many messages, alone in its store, and hold it."""
        begun = time.perf_counter()
        store = self.stores[session] = await self._opened(session)
        await done(store.begin(session, self.material.messages(0, count)))
        await done(store.resume(session))
        self.sizes[session] = count
        return {"filled": time.perf_counter() - begun}

    async def turn(self, session: str) -> dict[str, Any]:
        """Add the next two messages."""
        store, size = self.stores[session], self.sizes[session]
        made = store.made(self.material.messages(size, size + 2))
        seconds, _ = await timed(store.turn, session, made)
        self.sizes[session] = size + 2
        return {"seconds": seconds}

    async def check(self, session: str) -> dict[str, Any]:
        """Compare the whole session with what was stored, through a store that was just opened."""
        reader = await self._opened(session)
        self._compare(reader.texts(await done(reader.load(session))), 0, self.sizes[session])
        await done(reader.close())
        return {}

    async def ready(self, session: str) -> dict[str, Any]:
        """Create another session beside it, with which readers warm up."""
        messages = self.material.messages(0, STORED_MESSAGES)
        await done(self.stores[session].begin("another", messages))
        return {}

    async def load(self, session: str) -> dict[str, Any]:
        """Load it through a store that was just opened and has loaded another session."""
        reader = await self._opened(session)
        await done(reader.load("another"))
        seconds, loaded = await timed(reader.load, session)
        self._compare(reader.texts(loaded), 0, self.sizes[session])
        await done(reader.close())
        return {"seconds": seconds}

    async def tail(self, session: str) -> dict[str, Any]:
        """Load its last messages."""
        store, size = self.stores[session], self.sizes[session]
        assert isinstance(store, Tails)
        seconds, loaded = await timed(store.tail, session, TAIL)
        self._compare(store.texts(loaded), size - TAIL, size)
        return {"seconds": seconds}

    async def save(self, session: str) -> dict[str, Any]:
        """Store the whole session again."""
        store = self.stores[session]
        assert isinstance(store, Saves)
        await done(store.change(session))
        seconds, _ = await timed(store.save, session)
        self._compare(store.texts(await done(store.load(session))), 0, self.sizes[session])
        return {"seconds": seconds}

    def _compare(self, found: Sequence[str], begin: int, end: int) -> None:
        wanted = [text for _, _, text in self.material.messages(begin, end)]
        if list(found) != wanted:
            raise WrongAnswerError(
                f"{len(found)} messages came back, or others than the {len(wanted)} stored"
            )

    async def memory(self, session: str) -> dict[str, Any]:
        """Load it in a process that has loaded nothing else; return the peak of its memory."""
        store = self.stores[session] = await self._opened(session)
        await done(store.load("another"))
        before = _reset_peak()
        loaded = await done(store.load(session))
        peak = _status("VmHWM") - before
        size = len(store.texts(loaded))
        self._compare(store.texts(loaded), 0, size)
        return {"bytes": peak, "messages": size}

    async def stock(self, count: int) -> dict[str, Any]:
        """Create a store of so many sessions, and hold it."""
        begun = time.perf_counter()
        store = self.stores[f"stock-{count}"] = await self._opened(f"stock-{count}")
        assert isinstance(store, Lists)
        ids = [_session(number) for number in range(count)]
        await done(store.stock(ids, self.material.messages(0, STORED_MESSAGES)))
        return {"filled": time.perf_counter() - begun}

    async def newest(self, count: int, warm: bool) -> dict[str, Any]:
        """List its newest sessions; ``warm`` lists twice and times the second."""
        store = self.stores[f"stock-{count}"]
        assert isinstance(store, Lists)
        if warm:
            await done(store.newest(PAGE))
        seconds, ids = await timed(store.newest, PAGE)
        _compare_ids(ids, range(count))
        return {"seconds": seconds}

    async def filtered(self, count: int) -> dict[str, Any]:
        """List the newest sessions of a user, twice; the second time is timed."""
        store = self.stores[f"stock-{count}"]
        assert isinstance(store, Pages)
        await done(store.newest_of(user_of(1), PAGE))
        seconds, ids = await timed(store.newest_of, user_of(1), PAGE)
        _compare_ids(ids, range(1, count, USERS))
        return {"seconds": seconds}

    async def page(self, count: int) -> dict[str, Any]:
        """List sessions in the middle of the order."""
        store = self.stores[f"stock-{count}"]
        assert isinstance(store, Pages)
        await done(store.before_page(count // 2))
        seconds, ids = await timed(store.page, PAGE)
        _compare_ids(ids, range(count - count // 2))
        return {"seconds": seconds}

    async def open(self, count: int) -> dict[str, Any]:
        """Open it and list its newest sessions."""
        store = self.make(self.folder / f"stock-{count}")
        assert isinstance(store, Lists)

        async def act() -> Any:
            await done(store.open())
            return await done(store.newest(PAGE))

        seconds, ids = await timed(act)
        _compare_ids(ids, range(count))
        await done(store.close())
        return {"seconds": seconds}

    async def scan(self, count: int) -> dict[str, Any]:
        """Look at each of its files."""
        store = self.stores[f"stock-{count}"]
        assert isinstance(store, Files)
        return await self._counting(store.scan, count)

    async def rebuild(self, count: int) -> dict[str, Any]:
        """Read each of its files."""
        store = self.stores[f"stock-{count}"]
        assert isinstance(store, Files)
        return await self._counting(store.rebuild, count)

    async def take(self, into: str, paths: list[str]) -> dict[str, Any]:
        """Import transcripts into an empty store."""
        store = await self._opened(into)
        assert isinstance(store, Files)
        answer = await self._counting(lambda: store.take(paths), len(paths) * TRANSCRIPT_MESSAGES)
        await done(store.close())
        return answer

    async def _counting(self, act: Callable[[], Any], count: int) -> dict[str, Any]:
        seconds, found = await timed(act)
        if found != count:
            raise WrongAnswerError(f"{found} of {count}")
        return {"seconds": seconds}

    async def drop(self, prefix: str) -> dict[str, Any]:
        """Close the stores whose names begin so; the harness removes their folders."""
        for name in [name for name in self.stores if name.startswith(prefix)]:
            await done(self.stores.pop(name).close())
        return {}


def _session(number: int) -> str:
    return f"session-{number:06}"


def _compare_ids(found: Sequence[str], numbers: range) -> None:
    """Raise unless the ids are those of the last of these numbers, the last first."""
    wanted = [_session(number) for number in reversed(numbers[-PAGE:])]
    if list(found) != wanted:
        raise WrongAnswerError(
            f"{len(found)} ids came back, or others than the {len(wanted)} asked for"
        )


def _reset_peak() -> int:
    """Reset the peak of this process, see proc(5); return its present memory in bytes."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(field: str) -> int:
    """Return a size of this process in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise OSError(f"/proc/self/status names no {field}")


async def serve(module: str, folder: Path, material: Material, answers: Any) -> None:
    """Answer requests until standard input ends."""
    child = Child(_contestant(module), folder, material)
    _say(answers, {"ready": True})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = await getattr(child, request.pop("verb"))(**request)
        # The verb is code of another project, which may raise any exception. It ends only this
        # request: the traceback is printed, the page shows the fault in place of a figure, and the
        # other contestants are measured. Ctrl-C and SystemExit end the child.
        except Exception as error:  # noqa: BLE001
            traceback.print_exc()
            answer = {"fault": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
            answer["wrong"] = isinstance(error, WrongAnswerError)
        _say(answers, {**answer, "threads": threading.active_count()})


def _contestant(module: str) -> Callable[[Path], Contestant]:
    made: Callable[[Path], Contestant]
    made = importlib.import_module(f"benchmarks.contestants.{module}").Store
    return made


def _say(answers: Any, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def main() -> None:
    """Keep standard output for the answers: output of a peer goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    if sys.platform == "linux":  # allow strace to attach, on systems that allow only ancestors
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANY, 0, 0, 0)
    module, folder, material = sys.argv[1:]
    asyncio.run(serve(module, Path(folder), Material(Path(material)), answers))


if __name__ == "__main__":
    main()
