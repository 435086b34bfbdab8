"""The picker in this process: keys go in, and what is drawn comes out."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from textual._wait import wait_for_idle

from localsessions import SessionStore
from localsessions.cli.picker.app import Picker
from localsessions.cli.picker.listed import Asked, newest
from localsessions.cli.picker.notes import Notes
from localsessions.cli.picker.pane import TextPane
from localsessions.cli.picker.sessions import SessionList

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from textual.pilot import Pilot

    from .conftest import Cli

__all__ = ["Picked", "pick"]

CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""What a terminal may obey, or may draw in another place; a line that is drawn has none of it."""


class Picked:
    """A picker that runs."""

    def __init__(self, app: Picker, pilot: Pilot[str]) -> None:
        self.app, self.pilot = app, pilot

    @property
    def lines(self) -> list[str]:
        """What is drawn, line by line."""
        strips = self.app.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip) for strip in strips]

    @property
    def text(self) -> str:
        """What is drawn."""
        return "\n".join(line.rstrip() for line in self.lines)

    @property
    def note(self) -> str:
        """What the notes say."""
        region = self.app.screen_stack[0].query_one(Notes).region
        return " ".join(" ".join(self.lines[region.y : region.bottom]).split())

    @property
    def titles(self) -> list[str]:
        """The titles of what is listed, also of what is out of view."""
        return [row.summary.title for row in self.list.rows]

    @property
    def list(self) -> SessionList:
        """The list."""
        return self.app.screen_stack[0].query_one(SessionList)

    @property
    def chosen(self) -> str:
        """The id of the chosen session."""
        assert self.list.chosen is not None
        return self.list.chosen.session_id

    @property
    def preview(self) -> TextPane:
        """The preview."""
        return self.app.screen_stack[0].query_one("#preview", TextPane)

    async def press(self, *keys: str) -> None:
        """Press keys."""
        await self.pilot.press(*keys)

    async def type(self, text: str) -> None:
        """Type a text, letter by letter."""
        await self.pilot.press(*("space" if one == " " else one for one in text))

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something is so."""
        for _ in range(600):
            if condition():
                return
            await self.pilot.pause(0.01)
        raise AssertionError(f"it did not come to be:\n{self.text}")

    async def rest(self) -> None:
        """Wait until all is drawn that was asked for."""
        await self.until(lambda: not _works(self.app))
        await self.pilot.pause(0)

    async def says(self, text: str) -> None:
        """Wait until a text is drawn."""
        await self.until(lambda: text in self.text)


def pick(
    cli: Cli,
    play: Callable[[Picked], Awaitable[None]],
    *,
    size: tuple[int, int] = (80, 24),
    asked: Asked | None = None,
    **options: Any,
) -> str | None:
    """Play with a picker on the folder; return the id of the session to go on with."""
    with cli.store() as store:
        asked = asked or Asked()
        listed = newest(store, asked, 2 * size[1])
    app = Picker(lambda: SessionStore(cli.folder, **options), asked, listed)

    async def run() -> None:
        async with settling(app), app.run_test(size=size) as pilot:
            picked = Picked(app, pilot)
            await picked.until(app._opened.done)
            await play(picked)

    try:
        asyncio.run(run())
    finally:
        if app.store is not None:
            app.store.close()
    return app.return_value


@asynccontextmanager
async def settling(app: Picker) -> AsyncIterator[None]:
    """Let a key be waited for until all that came of it is done, and no longer.

    Textual itself sleeps 40 ms after each key, and then for as long as the process computes. That
    is still done while something works in the background: only then there is no telling.
    """

    async def settled(_: float = 0) -> None:
        await _done()
        app.screen._on_timer_update()  # what is drawn sixty times a second
        await _done()
        if _works(app):
            await wait_for_idle(0)

    with patch("textual.app.wait_for_idle", settled):
        yield


def _works(app: Picker) -> bool:
    """Whether it does something in the background."""
    return any(one.is_running for one in app.workers)


async def _done() -> None:
    """Wait until the loop has nothing left to do but what waits for a clock or a thread."""
    ready = getattr(asyncio.get_running_loop(), "_ready")  # noqa: B009
    await asyncio.sleep(0)
    while ready:  # noqa: ASYNC110  (no event tells it)
        await asyncio.sleep(0)
