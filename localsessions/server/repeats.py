"""Idempotency-Key: a POST that is sent again is answered as the first time, and done once.

What was answered is remembered for a day, while the service runs.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from localsessions.server.problems import Problem
from localsessions.server.responses import Answer

__all__ = ["Repeats"]

_SECONDS = 24 * 3600.0
_MOST = 10_000
_LONGEST_KEY = 255


class _Done(NamedTuple):
    asked: bytes
    answer: Answer | None  # None while it is being done
    at: float


class Repeats:
    """The requests of one service that had a key."""

    def __init__(self) -> None:
        self._done: dict[str, _Done] = {}
        self._guard = threading.Lock()

    def once(self, key: str, asked: tuple[str, bytes], act: Callable[[], Answer]) -> Answer:
        """Return what ``act`` answers, or what it answered before.

        Args:
            key: The key of the request.
            asked: What is asked: path and body.
            act: Does it. If it raises, the key may be used again.

        Raises:
            Problem: 422 if the key was used for something else; 409 while it is being done.
        """
        if not 0 < len(key) <= _LONGEST_KEY:
            raise Problem(422, f"Idempotency-Key has 1 to {_LONGEST_KEY} characters")
        mark = hashlib.sha256(asked[0].encode("utf-8", "surrogatepass") + b"\0" + asked[1]).digest()
        known = self._begin(key, mark)
        if known is not None:
            return known
        try:
            answer = act()
        # Whatever ended it: a key that stayed taken would refuse each retry as still in progress.
        except BaseException:
            with self._guard:
                del self._done[key]
            raise
        with self._guard:
            self._done[key] = _Done(mark, answer, time.monotonic())
        return answer

    def _begin(self, key: str, mark: bytes) -> Answer | None:
        now = time.monotonic()
        with self._guard:
            self._forget(now)
            known = self._done.get(key)
            if known is None:
                self._done[key] = _Done(mark, None, now)
                return None
        if known.asked != mark:
            raise Problem(422, "this Idempotency-Key was used for another request", code="key-used")
        if known.answer is None:
            raise Problem(409, "the first request with this key is being done", code="in-progress")
        return known.answer

    def _forget(self, now: float) -> None:
        for key, done in [*self._done.items()]:
            is_old = now - done.at > _SECONDS or len(self._done) >= _MOST
            if done.answer is None:
                continue
            if not is_old:
                break  # they are in the order of their beginning
            del self._done[key]
