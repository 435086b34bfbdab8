"""DictDrafts: what a DictEngine gives to messages that grow: the end of a session, and presence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from contract.shelf import Shelf
from localsessions.engine import Presence
from localsessions.models import Session
from localsessions.models.standing import stand


class DictDrafts(Presence):
    """Who is present on a shelf, and the ends of its sessions."""

    _shelf: Shelf
    _closed: bool
    read: Callable[[str], Session]

    def tail(self, session_id: str, n: int) -> Session:
        session = self.read(session_id)
        session.messages = session.messages[-n:]
        stand(session, None, None)
        return session

    @contextmanager
    def present(self) -> Iterator[str]:
        self._shelf.present.append(self)
        try:
            yield f"{id(self):x}"
        finally:
            self._shelf.present.remove(self)

    def is_present(self, name: str) -> bool:
        return any(f"{id(one):x}" == name and not one._closed for one in self._shelf.present)
