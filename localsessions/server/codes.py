"""One-time codes: what a page gets in the fragment of its address, and exchanges for the token.

A fragment is sent to no server and stands in no log. A code works once, and for a minute.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time

__all__ = ["Codes"]

_SECONDS = 60.0
_MOST = 16


class Codes:
    """The codes of one service that were not used yet."""

    def __init__(self) -> None:
        self._until: dict[bytes, float] = {}
        self._guard = threading.Lock()

    def make(self) -> str:
        """Return a new code; of more than a few, the oldest are forgotten."""
        code = secrets.token_urlsafe(32)
        with self._guard:
            self._until[_hashed(code)] = time.monotonic() + _SECONDS
            while len(self._until) > _MOST:
                del self._until[next(iter(self._until))]
        return code

    def use(self, code: str) -> bool:
        """Tell whether a code is valid; afterwards it no longer is."""
        with self._guard:
            until = self._until.pop(_hashed(code), None)
        return until is not None and time.monotonic() < until


def _hashed(code: str) -> bytes:
    # Looked up by its hash, so that the time says nothing of a code that is nearly right.
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).digest()
