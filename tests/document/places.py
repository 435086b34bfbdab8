"""Where the sessions of an adapter's test are: in a folder, or on a server."""

from __future__ import annotations

from pathlib import Path

import cluster
import needs

__all__ = ["PLACES", "place_of"]

PLACES = needs.marked(["folder", "postgres"], {"postgres": "postgres"})
"""The kinds of places as parameters."""


def place_of(kind: str, folder: Path) -> str:
    """Return a folder or an address that nobody has used."""
    return str(folder / "sessions") if kind == "folder" else cluster.shared().new_store()
