"""MCP: an agent reads the sessions of a folder, over standard input and output.

It is read-only. What is handed out is bounded, without secrets unless the person who starts it
wants them, and marked as a record: nothing in an old session is an instruction. The modules, from
the top::

    server    the three tools, and the server that offers them; names the SDK, alone
    reader    what each tool answers: sessions, hits, messages
    hidden    whether a hit of a search rests on what redaction hides
    sight     which sessions the client sees, and how: left out, live, without secrets
    answers   the shapes of the answers; an answer is cut where it would be too long
    saying    what a message says, as one text
    clients   what the environment tells of the client that started the server

The SDK, the extra ``mcp``, is imported at use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from localsessions.mcp.answers import MOST_BYTES
from localsessions.mcp.clients import client_folder, client_session_ids

if TYPE_CHECKING:
    from collections.abc import Collection

    from localsessions.store import SessionStore

__all__ = ["MOST_BYTES", "client_folder", "client_session_ids", "serve"]


def serve(
    store: SessionStore,
    *,
    left_out: Collection[str] = (),
    folder: str | None = None,
    redacts: bool = True,
) -> None:
    """Answer an MCP client over standard input and output, until it closes them.

    While it answers, what anything else prints goes to standard error.

    Args:
        store: What to read; it stays open.
        left_out: Ids of sessions that the client does not see, as the store or as the program that
            they come from names them.
        folder: The client's project folder. A session of it that was active in the last two minutes
            is marked as live.
        redacts: Whether secrets are replaced, see ``localsessions.redaction``.

    Raises:
        ImportError: The extra ``mcp`` is not installed.
    """
    _refuse_missing_extra()
    from localsessions.mcp.reader import Reader
    from localsessions.mcp.server import run
    from localsessions.mcp.sight import Sight

    run(Reader(store, Sight(store, left_out=frozenset(left_out), folder=folder, redacts=redacts)))


def _refuse_missing_extra() -> None:
    try:
        from mcp.server import MCPServer  # noqa: F401  # not in the SDK's first version
    except ImportError as error:
        raise ImportError(
            "the MCP server needs mcp 2 or later: pip install 'localsessions[mcp]'", name="mcp"
        ) from error
