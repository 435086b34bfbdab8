"""What the contestants that keep sessions in PostgreSQL share: a database for each store.

The file ``server`` in the folder of a contestant has the folder of the server's socket.
"""

from __future__ import annotations

from urllib.parse import quote

import psycopg
from psycopg import sql

from benchmarks.contestants.contract import InFolder

__all__ = ["OnAServer"]


class OnAServer(InFolder):
    """A store in a database that is named as its folder is."""

    @property
    def name(self) -> str:
        """The name of the database."""
        return f"{self.folder.parent.name}_{self.folder.name}"

    def address(self, scheme: str = "postgresql") -> str:
        """Return the address of the database, which is made if it is not there."""
        with psycopg.connect(self._named(name="postgres")) as db:
            db.autocommit = True
            found = db.execute("SELECT FROM pg_database WHERE datname = %s", [self.name])
            if not found.fetchall():
                db.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.name)))
        return self._named(name=self.name, scheme=scheme)

    def _named(self, *, name: str, scheme: str = "postgresql") -> str:
        socket = (self.folder.parent / "server").read_text("utf-8")
        return f"{scheme}://tests@/{name}?host={quote(socket, safe='')}"

    def copy_rows(self, table: str, key: str, session: str, count: int, **columns: str) -> None:
        """Copy the rows of a session for others, so that there are so many sessions.

        Args:
            table: The table; it may have the name of a schema before it.
            key: The column of the session's id.
            session: The id of the first session; the others have the next numbers.
            count: How many sessions there are at the end.
            **columns: What else a copy has, as SQL in which ``n`` is its number.
        """
        stem = session.rpartition("-")[0]
        parts = [f"'{key}', '{stem}-' || lpad(n::text, 6, '0')"]
        parts += [f"'{name}', {value}" for name, value in columns.items()]
        query = (
            f"INSERT INTO {table} SELECT "
            f"(jsonb_populate_record(x, jsonb_build_object({', '.join(parts)}))).* "
            f"FROM {table} x, generate_series(1, {count - 1}) n WHERE x.{key} = '{session}'"
        )
        with psycopg.connect(self._named(name=self.name)) as db:
            db.execute(query.encode())
