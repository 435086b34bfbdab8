"""The commands: name, help and place of each; a command is imported when it is run or completed.

A module of commands takes milliseconds to import, and a line on the terminal names one command.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import NamedTuple

import click

from localsessions.cli.folder import folder_option

__all__ = ["COMMANDS", "COMMANDS_BY_TASK", "PLACES", "command_named", "loaded"]


class _Place(NamedTuple):
    """Where a command is, in this package, and the first paragraph of its help."""

    name: str
    place: str
    help: str


_BY_TASK = {
    "find and read": (
        _Place("list", "listing.list_sessions", "List sessions, the last active first."),
        _Place("search", "listing.search", "Find sessions by their words, the best first."),
        _Place("show", "reading.show", "Show the facts of a session and its last messages."),
        _Place("history", "reading.history", "Print the messages of a session in order."),
        _Place("watch", "watching.watch", "Print each change as it happens, until Ctrl-C."),
        _Place("count", "listing.count", "Count sessions."),
        _Place("stats", "listing.stats", "Show sizes and counts of the folder."),
        _Place(
            "path", "listing.where", "Print the path of a session's file, or of the whole folder."
        ),
    ),
    "go on with a chat": (
        _Place(
            "resume",
            "resuming.resume_session",
            "Go on with a session in the program that it came from.",
        ),
    ),
    "bring in and write": (
        _Place("import", "importing.import_files", "Store the sessions of other programs."),
        _Place(
            "new", "changing.new", "Create a new session, and the folder if needed; print its id."
        ),
        _Place(
            "append",
            "changing.append",
            "Add a message at the end of a session; print the message's id.",
        ),
        _Place("edit", "editing.edit", "Open a session in your editor and store your changes."),
        _Place(
            "fork", "changing.fork", "Copy a session up to some message; print the id of the copy."
        ),
    ),
    "keep in order": (
        _Place("rename", "changing.rename", "Set the title of a session."),
        _Place("tag", "marking.tag", "Add tags to sessions and remove some."),
        _Place("pin", "marking.pin", "Keep sessions from every cleanup."),
        _Place(
            "archive",
            "marking.archive",
            "Set the status of sessions to archived.",
        ),
        _Place(
            "delete", "removing.delete", "Move sessions to the trash; 'restore' brings them back."
        ),
        _Place("restore", "removing.restore", "Bring a deleted session back, or list the trash."),
        _Place(
            "cleanup",
            "cleaning.cleanup",
            "Move old or expired sessions to the trash, or empty the trash.",
        ),
    ),
    "take along": (
        _Place(
            "export", "exporting.export_session", "Write sessions for people or for other programs."
        ),
        _Place("backup", "backing_up.backup", "Write all sessions into one file, byte for byte."),
        _Place(
            "restore-backup",
            "backing_up.restore",
            "Bring the sessions of a backup into a folder, byte for byte.",
        ),
        _Place("mv", "moving.mv", "Move sessions with their checkpoints to another folder."),
        _Place(
            "copy", "copying.copy", "Copy all sessions of a folder or an address into another one."
        ),
        _Place(
            "serve",
            "serving.serve",
            "Answer HTTP requests of programs on this machine, until Ctrl-C.",
        ),
        _Place("mcp", "answering.mcp", "Let an agent search and read sessions, over MCP."),
    ),
    "check and repair": (
        _Place(
            "verify",
            "care.verify",
            "Check every file and name each repair; change nothing unless --repair is given.",
        ),
        _Place("reindex", "care.reindex", "Delete the index and rebuild it from the files."),
    ),
    "get help": (
        _Place("help", "helping.show_help", "Show all commands, or the help of one."),
        _Place("completion", "completion.completion", "Print the completion script of a shell."),
    ),
}
PLACES = tuple(place for places in _BY_TASK.values() for place in places)

COMMANDS_BY_TASK = {
    task: tuple(click.Command(one.name, help=one.help) for one in places)
    for task, places in _BY_TASK.items()
}
"""What stands for each command until it is ``loaded``: enough to list it and complete its name.

Keys are what a person wants to do, in the order of the help.
"""

COMMANDS = tuple(one for commands in COMMANDS_BY_TASK.values() for one in commands)


def loaded(known: click.Command) -> click.Command:
    """Return the command that one of ``COMMANDS`` stands for; a command itself is returned."""
    return _loaded(known.name) if known in COMMANDS else known


def command_named(name: str) -> click.Command:
    """Return a command by its name."""
    return _loaded(name)


@cache
def _loaded(name: str | None) -> click.Command:
    (place,) = (one.place for one in PLACES if one.name == name)
    module, _, function = place.partition(".")
    command: click.Command = getattr(import_module(f"localsessions.cli.{module}"), function)
    command.params.append(folder_option())
    return command
