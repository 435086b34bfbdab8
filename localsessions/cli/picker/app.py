"""The picker as an app of textual: what is on the screen, and what a key does.

A question that is no longer wanted is given up, and an error is a sentence in the notes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import Input, Static

from localsessions.cli.exits import message_of
from localsessions.cli.picker.acting_app import ActingApp
from localsessions.cli.picker.background import given_up_at_will
from localsessions.cli.picker.entry import Answer, SearchLine
from localsessions.cli.picker.keys import footer, help_of
from localsessions.cli.picker.listed import Asked, Listed, get_ready, newest, searched
from localsessions.cli.picker.notes import KeyLine, Notes
from localsessions.cli.picker.pane import TextPane
from localsessions.cli.picker.preview import Shown, head_of, named, previewed, read
from localsessions.cli.picker.reader import Reader
from localsessions.cli.picker.rows import Row
from localsessions.cli.picker.sessions import SessionList
from localsessions.cli.picker.shape import shape_of
from localsessions.cli.picker.store_app import ERRORS
from localsessions.cli.screen.safe import clean
from localsessions.errors import SearchGivenUpError

if TYPE_CHECKING:
    from textual import events
    from textual.geometry import Size

    from localsessions.cli.picker.looks import Look
    from localsessions.engine import IsWanted, Progress
    from localsessions.store import SessionStore

__all__ = ["Picker"]

# Seconds. A letter that follows another at once is asked together with it.
_TYPING, _MOVING, _PROGRESS = 0.01, 0.04, 0.1
# Between a change of the folder and a look at it: this long, or this many times what a look takes.
_REST, _SHARE = 0.2, 5
_FEW, _MOST = 30, 1 << 30  # sessions that are asked for at first, and when all are


class Picker(ActingApp):
    """Chooses a session; returns the id of the one to resume, or None.

    Args:
        open_store: Opens the store; called in a thread. Close ``store`` when the app has ended.
        asked: What is listed first.
        listed: The answer to that, which was found already.
        on_drawn: Called when the terminal is the app's.
    """

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c,ctrl+q", "leave", priority=True, show=False),
        Binding("ctrl+z", "suspend_process", priority=True, show=False),
    ]
    CSS = """
    Screen, Static, Container, SessionList, TextPane {
        background: ansi_default; color: ansi_default;
    }
    SessionList, TextPane {
        overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; scrollbar-gutter: stable;
    }
    #search { height: 1; layout: horizontal; }
    #search Static { width: 2; }
    #body { height: 1fr; layout: vertical; }
    SessionList { height: 1fr; }
    #preview { display: none; }
    .below #preview { border-top: solid ansi_bright_black; }
    .beside #body { layout: horizontal; }
    .beside #preview { border-left: solid ansi_bright_black; padding-left: 1; }
    Notes { height: auto; max-height: 4; }
    KeyLine { height: 1; }
    #body { overflow: hidden; }
    """

    def __init__(
        self,
        open_store: Callable[[], SessionStore],
        asked: Asked,
        listed: Listed,
        *,
        on_drawn: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(open_store, on_drawn)
        self._asked, self._listed = asked, listed
        self._count = max(len(listed.rows), _FEW)
        self._is_previewed: bool | None = None  # None: where there is room
        self._is_listing = self._is_due = False
        self._is_awaited, self._waiting = False, list[Callable[[], object]]()
        self._took = 0.0

    def compose(self) -> ComposeResult:
        """Make what is on the screen."""
        # Kept, and not looked for: work may end when the screen is gone.
        self._line, self._list = SearchLine(), SessionList(self._listed)
        self._pane = TextPane(id="preview")
        self._notes, self._keys = Notes(self._asked.told(self._listed)), KeyLine(footer("line"))
        self._answer = Answer()
        with Container(id="search"):
            yield Static(Text("> "))
            yield self._line
        with Container(id="body"):
            yield self._list
            yield self._pane
        yield self._notes
        yield self._keys
        yield self._answer

    def on_mount(self) -> None:
        """Open the store, and follow it."""
        self._begin_all()
        self._fit(self.size)
        self.action_search()  # at once: keys may have been typed already
        self._begin(self._get_ready, "ready")

    def _say(self, sentence: str, look: Look = "plain") -> None:
        self._notes.say(sentence, look)

    # -- where things are --------------------------------------------------------------------

    def on_resize(self, event: events.Resize) -> None:
        """Put the preview where there is room."""
        self._fit(event.size)

    def _fit(self, size: Size) -> None:
        shape = shape_of(size.width, size.height, self._is_previewed)
        self._is_shown = shape.preview_rows > 0
        screen = self.screen_stack[0]
        screen.set_class(shape.is_beside, "beside")
        screen.set_class(self._is_shown and not shape.is_beside, "below")
        listed, preview = self._list, self._pane
        listed.styles.width, listed.styles.height = shape.list_columns, shape.list_rows
        preview.display = self._is_shown
        preview.styles.width, preview.styles.height = shape.preview_columns, shape.preview_rows
        self._preview()

    def action_preview(self) -> None:
        """Show the preview, or hide it."""
        self._is_previewed = not self._is_shown
        self._fit(self.size)

    def on_descendant_focus(self) -> None:
        """Show the keys that work where one is now; a question that was left is given up."""
        if isinstance(self.focused, SearchLine | SessionList):
            self._answer.give_up()
        place = "line" if isinstance(self.focused, SearchLine) else "list"
        self._keys.tell(footer("answer" if self._answer.display else place))

    def action_other(self) -> None:
        """Go from the search line to the list, or back.

        To the list only when what was typed is listed: there, letters act.
        """
        if isinstance(self.focused, SearchLine):
            self._when_asked(lambda: self.screen.set_focus(self._list))
        else:
            self.action_search()

    def action_search(self) -> None:
        """Go to the search line."""
        self.screen.set_focus(self._line)

    # -- what is listed ----------------------------------------------------------------------

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search for what is typed."""
        self._ask(self._asked._replace(words=event.value))

    def _ask(self, asked: Asked) -> None:
        if asked != self._asked:
            self._asked, self._count = asked, max(_FEW, self._list.in_view)
            self._is_awaited, self._waiting = True, []
            # While a search goes on, more letters may come before it is given up for the last one.
            self._list_anew(first=True, pause=_TYPING if self._is_listing else 0.0)

    def _when_asked(self, act: Callable[[], object]) -> None:
        """Do something once what is listed is what was typed."""
        if self._line.message_queue_size:  # letters that were typed before this key wait there
            self._line.call_later(self._when_listed, act)
        else:
            self._when_listed(act)

    def _when_listed(self, act: Callable[[], object]) -> None:
        self._ask(self._asked._replace(words=self._line.value))
        if self._is_awaited:
            self._waiting.append(act)
        else:
            act()

    def _on_chosen(self, act: Callable[[Row], object]) -> None:
        """Do something with the chosen session, but for one that is not what was asked for."""
        if self._is_awaited:
            self._notes.say("still searching: press the key again")
        elif (row := self._list.chosen) is not None:
            act(row)

    def _is_listed(self) -> None:
        """Do what waited for what is listed now."""
        self._is_awaited, waiting = False, self._waiting
        self._waiting = []
        for act in waiting:
            act()

    def _list_anew(self, *, first: bool = False, last: bool = False, pause: float = 0.0) -> None:
        work = partial(self._listing, first=first, last=last, pause=pause)
        self._begin(work, "list")

    async def _listing(self, *, first: bool, last: bool, pause: float) -> None:
        """List what is asked for now; the worker is cancelled when something else is asked."""
        await asyncio.sleep(pause)
        self._is_listing, begun = True, time.monotonic()
        try:
            store = await self._opened
            work = partial(self._found, store, self._asked, self._count)
            self._listed = await given_up_at_will(work)
        except SearchGivenUpError:
            return
        except ERRORS as error:
            self._say_error(error)
            self._is_awaited, self._waiting = False, []
            return
        finally:
            self._is_listing = False
        self._took = time.monotonic() - begun
        self._list.show(self._listed, first=first)
        if first:
            self._notes.settle()
        self._notes.tell(self._asked.told(self._listed))
        if last:
            self._move(len(self._listed.rows))
        self._is_listed()

    def _found(self, store: SessionStore, asked: Asked, count: int, is_wanted: IsWanted) -> Listed:
        """Find in a thread what is listed."""
        if not asked.words.strip():
            return newest(store, asked, count)
        return searched(store, asked, count, is_wanted, self._teller(is_wanted))

    def _teller(self, is_wanted: IsWanted) -> Progress:
        """Return what tells now and then how much a search has read."""
        told_at = time.monotonic()

        def tell(done: int, total: int) -> None:
            nonlocal told_at
            if time.monotonic() - told_at > _PROGRESS and is_wanted():
                told_at = time.monotonic()
                self._call_soon(self._tell_reading, done, total)

        return tell

    async def _get_ready(self) -> None:
        """Prepare the first search, so that it answers at once; then follow the folder."""
        try:
            store = await self._opened
            await given_up_at_will(lambda wanted: get_ready(store, wanted, self._teller(wanted)))
        except SearchGivenUpError:
            return  # the app ends
        except ERRORS as error:
            self._say_error(error)
        # Not before: to begin a watch takes longer than the first letter may wait.
        self._begin(self._follow, "follow")

    def _tell_reading(self, done: int, total: int) -> None:
        self._notes.say(f"reading for the first search: {done:,} of {total:,} sessions", "dim")

    def on_session_list_neared(self) -> None:
        """List twice as many, if there are more."""
        rows = len(self._listed.rows)
        if self._count <= rows < self._listed.total:
            self._count = 2 * rows
            self._list_anew()

    def action_only_project(self) -> None:
        """List only sessions of the project of the chosen one, or all again."""
        self._on_chosen(self._only_project)

    def _only_project(self, row: Row) -> None:
        if self._asked.project is not None:
            self._ask(self._asked._replace(project=None))
        elif row.summary.project:
            self._ask(self._asked._replace(project=row.summary.project))
        else:
            self._notes.say("this session has no project")

    def action_only_program(self) -> None:
        """List only sessions of the program of the chosen one, or all again."""
        self._on_chosen(self._only_program)

    def _only_program(self, row: Row) -> None:
        if self._asked.program is not None:
            self._ask(self._asked._replace(program=None))
        elif row.summary.program:
            self._ask(self._asked._replace(program=row.summary.program))
        else:
            self._notes.say("this session came from no other program")

    def action_hidden(self) -> None:
        """List archived sessions, too, or hide them again."""
        self._ask(self._asked._replace(archived=not self._asked.archived))

    # -- what changes meanwhile --------------------------------------------------------------

    async def _follow(self) -> None:
        """List again after each change of the folder, also by other programs."""
        try:
            store = await self._opened
            changed = partial(self._call_soon, self._changed)
            await asyncio.to_thread(store.watch, lambda _: changed())
        except ERRORS as error:
            self._say_error(error)
        else:
            self._changed()

    def _changed(self) -> None:
        if not self._is_due:
            self._is_due = True
            self.set_timer(max(_REST, _SHARE * self._took), self._look)

    def _look(self) -> None:
        self._is_due = False
        if self._is_listing:  # what is asked for now is not given up for a change
            self._changed()
        else:
            self._list_anew()

    # -- moving ------------------------------------------------------------------------------

    def _move(self, to: int) -> None:
        self._notes.settle()
        self._list.move(to)

    def action_up(self) -> None:
        """Choose the session above."""
        self._move(self._list.at - 1)

    def action_down(self) -> None:
        """Choose the session below."""
        self._move(self._list.at + 1)

    def action_page_up(self) -> None:
        """Move a screen up."""
        self._move(self._list.at - self._list.in_view)

    def action_page_down(self) -> None:
        """Move a screen down."""
        self._move(self._list.at + self._list.in_view)

    def action_first(self) -> None:
        """Choose the first session."""
        self._move(0)

    def action_last(self) -> None:
        """Choose the last of all sessions."""
        self._count = _MOST
        self._list_anew(last=True)

    # -- reading -----------------------------------------------------------------------------

    def on_session_list_chosen(self) -> None:
        """Preview the session that was chosen."""
        self._preview()

    def _preview(self) -> None:
        if self._is_shown:
            self._begin(partial(self._previewing, self._list.chosen), "preview")

    async def _previewing(self, row: Row | None) -> None:
        await asyncio.sleep(_MOVING)
        if row is None:
            shown = Shown([])
        else:
            try:
                store = await self._opened
                shown = await asyncio.to_thread(previewed, store, row)
            except ERRORS as error:
                fault = Text(clean(message_of(error)), style="red")
                shown = Shown([head_of(row.summary), fault])
        self._pane.show(*shown)

    def on_session_list_opened(self) -> None:
        """Read the session that was clicked."""
        self.action_open()

    def action_open(self) -> None:
        """Read the chosen session."""
        self._when_asked(partial(self._on_chosen, self._read))

    def _read(self, row: Row) -> None:
        self._begin(partial(self._reading, row), "reading")

    async def _reading(self, row: Row) -> None:
        try:
            store = await self._opened
            shown, whole = await asyncio.to_thread(read, store, row)
        except ERRORS as error:
            self._say_error(error)
        else:
            title, resume = named(row.summary), self.action_resume
            await self.push_screen(Reader(title, shown, whole=whole, resume=resume))

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(Reader(Text("keys", "bold"), Shown([help_of()])))

    # -- the end -----------------------------------------------------------------------------

    def action_leave(self) -> None:
        """End, when what was begun is done; asked again, end at once."""
        self._begin(partial(self._leave, None), "leaving")

    def action_resume(self) -> None:
        """End, to go on with the chosen session in its own program; or say why it cannot be."""
        self._when_asked(partial(self._on_chosen, self._resume))

    def _resume(self, row: Row) -> None:
        self._begin(partial(self._resuming, row), "leaving")

    async def _resuming(self, row: Row) -> None:
        from localsessions.transcripts import NoResumption, resumption_of

        try:
            store = await self._opened
            way = await asyncio.to_thread(lambda: resumption_of(store.load(row.session_id)))
        except ERRORS as error:
            self._say_error(error)
            return
        if isinstance(way, NoResumption):
            self._say(f"this session {way.reason}", "fault")
        else:
            await self._leave(row.session_id)
