"""``mcp``: the sessions, for an agent that is an MCP client."""

from __future__ import annotations

import os

import click

from localsessions.cli.exits import ExitCode, stop
from localsessions.cli.folder import opened
from localsessions.cli.options import examples
from localsessions.mcp import client_folder, client_session_ids
from localsessions.mcp import serve as serve_store

__all__ = ["mcp"]


@click.command(
    epilog=examples(
        "claude mcp add localsessions -- localsessions mcp",
        "localsessions mcp --exclude 0199a213-81c0-7800-8aa1-bbab2a035a53",
    )
)
@click.option(
    "--exclude",
    "left_out",
    metavar="ID",
    multiple=True,
    help="Leave this session out, as the one in which the agent asks; repeatable.",
)
@click.option("--no-redact", is_flag=True, help="Hand keys, tokens and passwords out as they are.")
def mcp(*, left_out: tuple[str, ...], no_redact: bool) -> None:
    """Let an agent search and read sessions, over MCP.

    Over standard input and output; the agent's program starts and ends it. Read-only:
    search_sessions, list_sessions and get_messages, each answer at most 20 kB. The session that
    Claude Code or Copilot CLI names in the environment is left out; another one of the same folder
    that was active in the last two minutes is marked as live. What looks like a secret is replaced,
    which is no guarantee.
    """
    with opened() as store:
        try:
            serve_store(
                store,
                left_out=(*left_out, *client_session_ids(os.environ)),
                folder=client_folder(os.environ),
                redacts=not no_redact,
            )
        except ImportError as error:
            stop(str(error), ExitCode.SYSTEM)
