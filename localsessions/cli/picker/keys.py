"""The keys of the picker: one table, for the bindings, the footer, the help and the docs.

A key is bound to an act by the name of the act; what it does is in ``app``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len

from localsessions.cli.picker.looks import Line, Piece

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from rich.text import Text
    from textual.binding import Binding

__all__ = ["KEYS", "READING", "Key", "bindings_in", "footer", "help_of", "keys_line"]


class Key(NamedTuple):
    """A key, or several that do the same.

    Attributes:
        names: The names that textual has for them, parted by commas.
        shown: How a person reads them.
        act: The name of what they do.
        says: What they do, in a few words.
        place: Where they work: in the list, in the search line, or in both.
        brief: What the footer says; empty leaves it out.
    """

    names: str
    shown: str
    act: str
    says: str
    place: str = "both"
    brief: str = ""


KEYS = (
    Key("enter", "Enter", "open", "read the session; Esc comes back"),
    Key("ctrl+r", "Ctrl-R", "resume", "go on in the program that it came from"),
    Key("tab", "Tab", "other", "from the search line to the list, and back"),
    Key("up,ctrl+p", "Up, Ctrl-P", "up", "the session above"),
    Key("down,ctrl+n", "Down, Ctrl-N", "down", "the session below"),
    Key("pageup", "PgUp", "page_up", "a screen up"),
    Key("pagedown", "PgDn", "page_down", "a screen down"),
    Key("ctrl+o", "Ctrl-O", "preview", "show or hide the preview"),
    Key("ctrl+z", "Ctrl-Z", "suspend_process", "back to the shell; fg comes back"),
    Key("f1", "F1", "help", "show the keys"),
    Key("escape,ctrl+c", "Esc, Ctrl-C", "leave", "end"),
    Key("k", "k", "up", "the session above", "list"),
    Key("j", "j", "down", "the session below", "list"),
    Key("home,g", "Home, g", "first", "the first session", "list"),
    Key("end,G", "End, G", "last", "the last session", "list"),
    Key("r", "r", "resume", "as Ctrl-R", "list", "resume"),
    Key("n,f2", "n, F2", "rename", "give it another title", "list", "name"),
    Key("t", "t", "tag", "change its tags", "list", "tags"),
    Key("p", "p", "pin", "pin it, so that no cleanup takes it; unpin it", "list", "pin"),
    Key(
        "a", "a", "archive", "archive it, so that it is not listed; take it back", "list", "archive"
    ),
    Key("d,delete", "d, Del", "delete", "move it to the trash", "list", "delete"),
    Key("u", "u", "undo", "undo the last act, then the one before it", "list", "undo"),
    Key("f", "f", "only_project", "only those of its project folder; all", "list"),
    Key("s", "s", "only_program", "only those of its program; all", "list"),
    Key("h", "h", "hidden", "show archived ones, too; hide them", "list"),
    Key("y", "y", "copy", "copy its id", "list"),
    Key("v", "v", "preview", "as Ctrl-O", "list"),
    Key("slash", "/", "search", "back to the search line", "list", "search"),
    Key("question_mark", "?", "help", "as F1", "list", "help"),
    Key("q", "q", "leave", "end", "list", "end"),
)
READING = (
    Key("up,k", "Up, k", "up", "a line up"),
    Key("down,j", "Down, j", "down", "a line down"),
    Key("pageup,b", "PgUp, b", "page_up", "a screen up"),
    Key("pagedown,space", "PgDn, Space", "page_down", "a screen down", brief="on"),
    Key("home,g", "Home, g", "first", "the beginning"),
    Key("end,G", "End, G", "last", "the end"),
    Key("w", "w", "whole", "everything whole, or folded again", brief="whole"),
    Key(
        "ctrl+r,r", "Ctrl-R, r", "resume", "go on in the program that it came from", brief="resume"
    ),
    Key("escape,q", "Esc, q", "back", "back to the list", brief="back"),
)
"""The keys while a session is read."""

_OF_LINES: Mapping[str, Sequence[tuple[str, str]]] = {
    "line": (
        *(("Enter", "read"), ("Ctrl-R", "resume"), ("Tab", "to the list")),
        *(("F1", "help"), ("Esc", "end")),
    ),
    "answer": (("Enter", "take it"), ("Esc", "leave it as it is")),
}


def bindings_in(place: str) -> list[Binding]:
    """Return the bindings of the list or of the search line: each calls an act of the app.

    They have priority, and so the focus has moved before the next key comes: letters that follow
    a slash at once are searched for, and do not act.
    """
    from textual.binding import Binding

    return [
        Binding(name, f"app.{key.act}", key.says, priority=True)
        for key in KEYS
        if key.place in ("both", place)
        for name in key.names.split(",")
    ]


def footer(place: str, without: Collection[str] = ()) -> list[tuple[str, str]]:
    """Return what the footer shows: keys and what they do, the most wanted first.

    Args:
        place: ``line``, ``list``, ``reading`` or ``answer``.
        without: Acts that cannot be done there now.
    """
    if place in _OF_LINES:
        return [*_OF_LINES[place]]
    keys = READING if place == "reading" else [one for one in KEYS if one.place == place]
    return [
        (one.shown.partition(",")[0], one.brief)
        for one in keys
        if one.brief and one.act not in without
    ]


def keys_line(keys: list[tuple[str, str]], width: int) -> Line:
    """Return the keys that fit into a line."""
    pieces: list[Piece] = []
    for shown, says in keys:
        more = [Piece(shown, "strong"), Piece(f" {says}  ", "dim")]
        if sum(cell_len(one.text) for one in (*pieces, *more)) > width + 2:
            break
        pieces += more
    return pieces


def help_of() -> Text:
    """Return the keys with what they do."""
    from rich.text import Text

    made = Text()
    for title, keys in (
        ("everywhere", [one for one in KEYS if one.place == "both"]),
        ("in the list, which Tab goes to", [one for one in KEYS if one.place == "list"]),
        ("while reading", READING),
    ):
        made.append(f"{title}\n", style="bold")
        for key in keys:
            made.append(f"  {key.shown:14}", style="bold")
            made.append(f"{key.says}\n")
        made.append("\n")
    made.append(_WORDS)
    return made


_WORDS = """\
What is typed is searched for in titles, messages, calls and tags, also half a word: 'race
condition' in double quotes is a phrase, -word leaves out, and fields narrow: program:, project:,
tag:, branch:, after:, before:. Archived sessions are searched when h shows them.
Where nothing is typed, the newest are listed, those of this folder first.
"""
