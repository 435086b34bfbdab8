"""Service: what an application knows of itself, and what it keeps between requests."""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING

from localsessions.models import utc_now
from localsessions.server.codes import Codes
from localsessions.server.repeats import Repeats

if TYPE_CHECKING:
    from localsessions.server.events import Listeners
    from localsessions.server.imports import Imports
    from localsessions.store import SessionStore

__all__ = ["Service"]


class Service:
    """One service of one store.

    Attributes:
        store: What it serves.
        token: What each request must carry.
        has_page: Whether there is a page, for which a code can be made.
        started_at: When it was made.
        codes: The one-time codes.
        repeats: The requests with an Idempotency-Key.
        listeners: Who listens to changes.
        imports: The imports that were started.
    """

    def __init__(self, store: SessionStore, token: str, *, has_page: bool = False) -> None:
        from localsessions.server.events import Listeners
        from localsessions.server.imports import Imports

        self.store = store
        self.token = token
        self.has_page = has_page
        self.pid = os.getpid()
        self.started_at: datetime = utc_now()
        self.codes = Codes()
        self.repeats = Repeats()
        self.listeners: Listeners = Listeners(store)
        self.imports: Imports = Imports(store)
