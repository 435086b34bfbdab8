"""The rows of Cursor's databases, each a key and JSON.

Nothing here knows what a conversation is. Which keys there are: ``cursor``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias

from localsessions.transcripts.lines import BadLine, json_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic import JsonValue

    from localsessions.transcripts.databases import Cell, Database

    Row: TypeAlias = dict[str, Cell]

__all__ = ["Rows", "bytes_of", "is_of_all", "items_of", "name_of"]


class Rows:
    """The rows of a database.

    Attributes:
        bad: What was torn or mended in those that were read.
        are_of_all: Whether the database is that of all workspaces.
    """

    def __init__(self, database: Database) -> None:
        self.bad: list[BadLine] = []
        self.are_of_all = is_of_all(database)
        self._database = database

    def value(self, row: Row) -> JsonValue:
        """Return the JSON of a row; None if it is empty, or torn, which is told."""
        number, key, data = row["row"], str(row["key"]), bytes_of(row)
        if not data:
            return None
        line = number if isinstance(number, int) else 0
        try:
            value, faults = json_of(data)
        except json.JSONDecodeError as error:
            self.bad.append(BadLine(line, f"{key}: {error.msg}"))
            return None
        self.bad += [BadLine(line, f"{key}: {fault.reason}", True) for fault in faults]
        return value

    def items(self, keys: Iterable[str]) -> dict[str, JsonValue]:
        """Return the values of a workspace under some keys."""
        return {key: self.value(row) for key, row in items_of(self._database, keys).items()}

    def below(self, prefix: str) -> Iterator[Row]:
        """Yield the rows of all workspaces whose key begins with a prefix; it ends with a colon."""
        return self._database.rows(
            "SELECT rowid AS row, key, value FROM cursorDiskKV"
            " WHERE key >= ? AND key < ? ORDER BY key",
            prefix,
            prefix[:-1] + ";",
        )

    def names(self, kind: str) -> set[str]:
        """Return the names of the rows of a kind."""
        keys = self._database.rows("SELECT key FROM cursorDiskKV WHERE key LIKE ?", f"{kind}:%")
        return {name_of(row) for row in keys}

    def counts(self) -> dict[str, int]:
        """Return how many rows of each kind all workspaces have."""
        rows = self._database.rows(
            "SELECT substr(key, 1, instr(key || ':', ':') - 1) AS kind, count(*) AS number"
            " FROM cursorDiskKV GROUP BY kind"
        )
        numbers = {str(row["kind"]): row["number"] for row in rows}
        return {kind: number for kind, number in numbers.items() if isinstance(number, int)}


def is_of_all(database: Database) -> bool:
    """Tell whether a database has the table of all workspaces."""
    return {"key", "value"} <= database.tables.get("cursorDiskKV", frozenset())


def items_of(database: Database, keys: Iterable[str]) -> dict[str, Row]:
    """Return the rows of a workspace's database with some keys, by key."""
    if not {"key", "value"} <= database.tables.get("ItemTable", frozenset()):
        return {}
    wanted = tuple(keys)
    marks = ", ".join("?" * len(wanted))
    rows = database.rows(
        f"SELECT rowid AS row, key, value FROM ItemTable WHERE key IN ({marks})",  # noqa: S608
        *wanted,
    )
    return {str(row["key"]): row for row in rows}


def name_of(row: Row) -> str:
    """Return the key of a row without what kind of row it is; of a composer, its id."""
    return str(row["key"]).partition(":")[2]


def bytes_of(row: Row) -> bytes:
    """Return the bytes of a row that may be JSON; empty if its value is a number or nothing."""
    cell = row["value"]
    if isinstance(cell, str):
        return cell.encode()
    return cell if isinstance(cell, bytes) else b""
