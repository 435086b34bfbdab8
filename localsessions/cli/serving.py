"""``serve``: the HTTP service for programs on this machine."""

from __future__ import annotations

import click

from localsessions.cli.exits import ExitCode, stop
from localsessions.cli.folder import opened
from localsessions.cli.options import examples
from localsessions.cli.screen.safe import one_line
from localsessions.cli.screen.streams import note
from localsessions.server import DEFAULT_PORT, HOSTS
from localsessions.server import serve as serve_store

__all__ = ["serve"]


@click.command(
    epilog=examples(
        "localsessions serve --port 8001",
        "curl http://localhost:8001/api/v1/sessions",
    )
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="The port; 0 takes a free one.",
)
@click.option(
    "--host",
    type=click.Choice(HOSTS),
    default=HOSTS[0],
    show_default=True,
    help="The address. There is no password, so only this machine's own are taken.",
)
def serve(*, host: str, port: int) -> None:
    """Answer HTTP requests of programs on this machine, until Ctrl-C.

    Read-only: all sessions, a session's history and its current agent, as JSON under /api/v1.
    """
    with opened(make=True) as store:

        def say(url: str) -> None:
            note(f"serving {one_line(store.save_dir)} at {url}; Ctrl-C ends")

        try:
            serve_store(store, host, port, on_ready=say)
        except ImportError as error:
            stop(str(error), ExitCode.SYSTEM)
        note("stopped")
