"""The verbs of a contestant. Only the calls marked as timed are measured.

A verb may be ``async``; it is then awaited inside a running loop, so that no measurement includes
the start of a loop. The workloads in ``Entry.offers`` are those for which a contestant has a class
below.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
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


class InFolder:
    """A store in a folder, as a program that uses it would hold it; many need nothing of this."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def close(self) -> Any:
        """Close everything."""

    def resume(self, session: str) -> Any:
        """Hold a stored session as an agent in the middle of a chat does."""


class Contestant(InFolder, ABC):
    """What every contestant can do. What only some can do is in the classes below."""

    @abstractmethod
    def open(self) -> Any:
        """Open the store, as a program that starts does; timed together with a listing."""

    @abstractmethod
    def begin(self, session: str, messages: Sequence[Said]) -> Any:
        """Store a new session with these messages, in any quick way."""

    @abstractmethod
    def made(self, messages: Sequence[Said]) -> Any:
        """Return messages as its users have them when a turn is over."""

    @abstractmethod
    def turn(self, session: str, made: Any) -> Any:
        """Add to the resumed session; on return the messages are stored. Timed."""

    @abstractmethod
    def load(self, session: str) -> Any:
        """Return all messages of a stored session. Timed."""

    @abstractmethod
    def texts(self, loaded: Any) -> list[str]:
        """Return the texts of the result of ``load`` or ``tail``, for comparison."""


class Tails(Contestant):
    """Can load the end of a session alone."""

    @abstractmethod
    def tail(self, session: str, count: int) -> Any:
        """Return its last messages. Timed."""


class Saves(Contestant):
    """Can store a held session as a whole."""

    def change(self, session: str) -> Any:
        """Change something in the held session, so that ``save`` has a reason."""

    @abstractmethod
    def save(self, session: str) -> Any:
        """Store the held session as a whole. Timed."""


class Lists(Contestant):
    """Can list its sessions."""

    @abstractmethod
    def stock(self, sessions: Sequence[str], messages: Sequence[Said]) -> Any:
        """Make the store hold only these sessions, the last the newest."""

    @abstractmethod
    def newest(self, count: int) -> Any:
        """Return the ids of the newest sessions, the newest first. Timed."""


class Pages(Lists):
    """Can list by user, and from a place in the middle."""

    @abstractmethod
    def newest_of(self, user: str, count: int) -> Any:
        """Return the ids of the newest sessions of a user; see ``user_of``. Timed."""

    @abstractmethod
    def before_page(self, at: int) -> Any:
        """Get what is needed to list from this position on."""

    @abstractmethod
    def page(self, count: int) -> Any:
        """Return the ids that follow that position. Timed."""


class Files(Contestant):
    """Keeps files that other programs change, and derives something from them: floors and ours."""

    @abstractmethod
    def scan(self) -> Any:
        """Return how many sessions there are after a look at each. Timed."""

    @abstractmethod
    def rebuild(self) -> Any:
        """Rebuild everything derived from all sessions; return how many. Timed."""

    @abstractmethod
    def take(self, paths: Sequence[str]) -> Any:
        """Store the session of each transcript, durably; return how many messages. Timed."""
