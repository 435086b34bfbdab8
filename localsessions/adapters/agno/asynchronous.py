"""AsyncAgnoDb: agno's ``AsyncBaseDb``, every method of AgnoDb in a worker thread."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Self

from localsessions import SessionStore
from localsessions.adapters.agno.database import AgnoDb
from localsessions.adapters.agno.objects import AsyncBaseDb, BaseDb
from localsessions.adapters.agno.remainder import offloaded, with_every_method_of

__all__ = ["AsyncAgnoDb"]


@with_every_method_of(AsyncBaseDb, offloaded)
class AsyncAgnoDb(AsyncBaseDb):
    """``AgnoDb`` for asynchronous agents: every method runs in a worker thread.

    ``Agent.arun`` also takes ``AgnoDb``, but then the event loop waits for the disk.

    Args:
        store: As for ``AgnoDb``, and so are the others.
        session_table: See there.
        others: See there; a database whose methods are not async.
        id: See there.
    """

    def __init__(
        self,
        store: SessionStore | str | os.PathLike[str],
        session_table: str | None = "sessions",
        *,
        others: BaseDb | None = None,
        id: str | None = None,  # noqa: A002  # agno's name
    ) -> None:
        self.db = AgnoDb(store, session_table, others=others, id=id)
        super().__init__(session_table=self.db.session_table_name, id=self.db.id)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"Async{self.db!r}"

    def to_dict(self) -> dict[str, Any]:
        """Return what ``from_dict`` needs."""
        return self.db.to_dict()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Open the folder that ``to_dict`` returned."""
        made = cls(data["save_dir"], data.get("session_table"), id=data.get("id"))
        made.db.close()
        made.db = AgnoDb.from_dict(data)
        return made
