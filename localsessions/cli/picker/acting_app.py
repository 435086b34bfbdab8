"""An app whose keys do something to the chosen session; see ``acts``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from localsessions.cli.picker import acts
from localsessions.cli.picker.store_app import StoreApp
from localsessions.cli.screen.safe import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from localsessions.cli.picker.entry import Answer
    from localsessions.cli.picker.rows import Row

__all__ = ["ActingApp"]


class ActingApp(StoreApp):
    """Acts on the session that ``_on_chosen`` gives, and asks for words in ``_answer``."""

    _answer: Answer

    def _on_chosen(self, act: Callable[[Row], object]) -> None:
        raise NotImplementedError

    def action_delete(self) -> None:
        """Move the chosen session to the trash."""
        self._on_chosen(lambda row: self._act(partial(acts.delete, session_id=row.session_id)))

    def action_pin(self) -> None:
        """Pin the chosen session, or unpin it."""

        def pin(row: Row) -> None:
            pinned = not row.summary.pinned
            self._act(partial(acts.pin, session_id=row.session_id, pinned=pinned))

        self._on_chosen(pin)

    def action_archive(self) -> None:
        """Archive the chosen session, or take it back."""

        def archive(row: Row) -> None:
            archived = row.summary.status != "archived"
            self._act(partial(acts.archive, session_id=row.session_id, archived=archived))

        self._on_chosen(archive)

    def action_rename(self) -> None:
        """Ask for another title."""
        self._on_chosen(self._rename)

    def _rename(self, row: Row) -> None:
        former = one_line(row.summary.title)

        def rename(answer: str) -> None:
            if answer.strip() != former:
                title = answer.strip() or None
                self._act(partial(acts.rename, session_id=row.session_id, title=title))

        self._answer.ask("title:", former, rename)

    def action_tag(self) -> None:
        """Ask for other tags."""
        self._on_chosen(self._tag)

    def _tag(self, row: Row) -> None:
        # A tag that cannot be typed in this line is not shown, and stays.
        former = [one for one in row.summary.tags if one == one_line(one) and "," not in one]

        def tag(answer: str) -> None:
            wanted = [one for part in answer.split(",") if (one := one_line(part))]
            added = [one for one in wanted if one not in former]
            removed = [one for one in former if one not in wanted]
            if added or removed:
                session_id = row.session_id
                self._act(partial(acts.tag, session_id=session_id, added=added, removed=removed))

        self._answer.ask("tags, parted by commas:", ", ".join(former), tag)

    def action_copy(self) -> None:
        """Copy the id of the chosen session, where the terminal takes it, and show it."""

        def copy(row: Row) -> None:
            self.copy_to_clipboard(row.session_id)
            self._say(f"copied: {row.session_id}")

        self._on_chosen(copy)
