"""The verbs of a contestant. Only the calls marked as timed are measured.

A verb may be ``async``; it is then awaited inside a running loop, so that no measurement includes
the start of a loop. A verb that a contestant lacks is missing from ``Entry.offers`` and never
called.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple


class Said(NamedTuple):
    """A message of the harness: its place in the session, role and text of 1,000 bytes."""

    number: int
    role: str
    text: str


USERS = 7


def user_of(number: int) -> str:
    """Return the user of session number ``number`` of a stocked store."""
    return f"user-{number % USERS}"


class Contestant:
    """A store in a folder, as a program that uses it would hold it.

    A contestant implements the verbs that ``Entry.offers`` names for it, and no others: the append
    floor cannot list. So verbs are not abstract. The harness asks ``offers`` first; a verb that it
    calls all the same raises ``NotImplementedError``, and no figure is made up.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self) -> Any:
        """Open the store, as a program that starts does; timed together with a listing."""
        raise NotImplementedError

    def close(self) -> Any:
        """Close everything."""

    def begin(self, session: str, messages: Sequence[Said]) -> Any:
        """Store a new session with these messages, in any quick way."""
        raise NotImplementedError

    def resume(self, session: str) -> Any:
        """Hold a stored session as an agent in the middle of a chat does."""

    def made(self, messages: Sequence[Said]) -> Any:
        """Return messages as its users have them when a turn is over."""
        raise NotImplementedError

    def turn(self, session: str, made: Any) -> Any:
        """Add to the resumed session; on return the messages are stored. Timed."""
        raise NotImplementedError

    def load(self, session: str) -> Any:
        """Return all messages of a stored session. Timed."""
        raise NotImplementedError

    def tail(self, session: str, count: int) -> Any:
        """Return its last messages. Timed."""
        raise NotImplementedError

    def texts(self, loaded: Any) -> list[str]:
        """Return the texts of the result of ``load`` or ``tail``, for comparison."""
        raise NotImplementedError

    def change(self, session: str) -> Any:
        """Change something in the held session, so that ``save`` has a reason."""

    def save(self, session: str) -> Any:
        """Store the held session as a whole. Timed."""
        raise NotImplementedError

    def stock(self, sessions: Sequence[str], messages: Sequence[Said]) -> Any:
        """Make the store hold only these sessions, the last the newest."""
        raise NotImplementedError

    def newest(self, count: int) -> Any:
        """Return the ids of the newest sessions, the newest first. Timed."""
        raise NotImplementedError

    def newest_of(self, user: str, count: int) -> Any:
        """Return the ids of the newest sessions of a user; see ``user_of``. Timed."""
        raise NotImplementedError

    def before_page(self, at: int) -> Any:
        """Get what is needed to list from this position on."""

    def page(self, count: int) -> Any:
        """Return the ids that follow that position. Timed."""
        raise NotImplementedError

    def scan(self) -> Any:
        """Return how many sessions there are after a look at each. Timed; floors and ours."""
        raise NotImplementedError

    def rebuild(self) -> Any:
        """Rebuild everything derived from all sessions; return how many. Timed."""
        raise NotImplementedError

    def take(self, paths: Sequence[str]) -> Any:
        """Store the session of each transcript, durably; return how many messages. Timed."""
        raise NotImplementedError
