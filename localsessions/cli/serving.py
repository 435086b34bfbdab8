"""``serve``: the HTTP service for programs on this machine."""

from __future__ import annotations

import os
import sys
import webbrowser

import click

from localsessions.cli.exits import ExitCode, stop
from localsessions.cli.folder import opened
from localsessions.cli.options import examples
from localsessions.cli.screen.safe import one_line
from localsessions.cli.screen.streams import note
from localsessions.server import DEFAULT_PORT, HOSTS, PREFIX, ReadyService
from localsessions.server import serve as serve_store
from localsessions.server.discovery import page_of_running

__all__ = ["serve"]


@click.command(
    epilog=examples(
        "localsessions serve --open",
        "localsessions serve",
        "localsessions serve --port 8001 --no-token",
        "localsessions serve --allow-origin 'vscode-webview://*'",
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
    help="The address; only this machine's own are taken.",
)
@click.option(
    "--no-token",
    is_flag=True,
    help="Answer every program of this machine, but only the three GETs of the guide.",
)
@click.option(
    "--allow-origin",
    "origins",
    metavar="ORIGIN",
    multiple=True,
    help="A page or webview that may ask with the token; may be repeated.",
)
@click.option(
    "--open",
    "opens",
    is_flag=True,
    help="Open the page in your browser; that of a service of this folder that runs already, too.",
)
def serve(*, host: str, port: int, no_token: bool, origins: tuple[str, ...], opens: bool) -> None:
    """Answer HTTP requests of programs on this machine, until Ctrl-C.

    Requests carry a token, which is new at each start. A client finds it, and the address, in
    .localsessions/server.json in the folder of the sessions. docs/service.md has what it answers.
    """
    if no_token and origins:
        raise click.UsageError("--allow-origin needs the token; leave out --no-token")
    if no_token and opens:
        raise click.UsageError("the page needs the token; leave out --no-token")
    with opened(make=True) as store:
        if opens and (page := page_of_running(store.save_dir)) is not None:
            note(f"a service of {one_line(store.save_dir)} runs already")
            show_page(page)
            return

        def say(ready: ReadyService) -> None:
            note(f"serving {one_line(store.save_dir)} at {ready.url}{PREFIX}; Ctrl-C ends")
            if ready.advert is None:
                note("without a token: every program of this machine can read the sessions")
            else:
                note(f"the token is in {one_line(ready.advert)}")
            if opens and ready.page is not None:
                show_page(ready.page)

        try:
            serve_store(
                store,
                host,
                port,
                with_token=not no_token,
                allow_origins=origins,
                page=not no_token,
                on_ready=say,
            )
        except ImportError as error:
            stop(str(error), ExitCode.SYSTEM)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        note("stopped")


def show_page(address: str) -> None:
    """Open the page in the person's browser; where there is none, say where it is."""
    # A browser at a terminal would take the terminal, and wait here until it ends.
    graphical = os.name == "nt" or sys.platform == "darwin" or _has_display()
    if graphical and webbrowser.open(address):
        note("the page opens in your browser")
    else:
        note(f"open within a minute: {address}")


def _has_display() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
