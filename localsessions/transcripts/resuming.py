"""How a session goes on in the program that it came from: a table, and what a session says.

Nothing here starts a program, or looks for one. What stands in a transcript is a stranger's text:
of it an id becomes an argument, and only if it has the form of the program's own ids. So it is
never an option, a name or words to search for. See docs/resume.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import as_object, as_text
from localsessions.transcripts.reimport import is_changed_here

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localsessions.models import Session

__all__ = ["LAUNCHES", "Launch", "NoResumption", "Resumption", "resumption_of"]

_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


@dataclass(frozen=True, slots=True)
class Launch:
    """How a program is told to go on with one of its sessions.

    Attributes:
        executable: Its name on the PATH.
        arguments: What comes after the name, with "{id}" for the id.
        id_form: The form of its ids, as a regular expression.
        install: How its own documentation says to install it.
        checked: The version whose ``--help`` says so.
    """

    executable: str
    arguments: tuple[str, ...]
    id_form: str
    install: str
    checked: str


LAUNCHES: Mapping[str, Launch] = {
    "claude-code": Launch(
        "claude", ("--resume", "{id}"), _UUID, "npm install -g @anthropic-ai/claude-code", "2.1.332"
    ),
    "codex": Launch("codex", ("resume", "{id}"), _UUID, "npm install -g @openai/codex", "0.171.0"),
    # Its help speaks of numbers, its documentation of ids, too:
    # https://geminicli.com/docs/cli/session-management
    "gemini-cli": Launch(
        "gemini", ("--resume", "{id}"), _UUID, "npm install -g @google/gemini-cli", "0.61.0"
    ),
    "copilot-cli": Launch(
        "copilot", ("--resume={id}",), _UUID, "npm install -g @github/copilot", "1.0.102"
    ),
    # https://github.com/anomalyco/opencode/blob/dev/packages/opencode/src/id/id.ts
    "opencode": Launch(
        "opencode",
        ("--session", "{id}"),
        r"ses_[0-9a-f]{12}[0-9A-Za-z]{14}",
        "npm i -g opencode-ai@latest",
        "1.18.33",
    ),
}
"""By the name of a program in ``Session.source``."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """What starts a session's program again, of what the session says.

    Attributes:
        program: The program, as in ``Session.source``.
        executable: Its name on the PATH, which no transcript can choose.
        arguments: What comes after the name.
        project: The folder that the transcript names; a stranger's text. None if it names none.
        file: The file of the last import; a stranger's text, too. None if it is not known.
        install: How the program is installed.
        is_changed: Whether messages were added, changed or removed here, of which it knows nothing.
    """

    program: str
    executable: str
    arguments: tuple[str, ...]
    project: str | None
    file: str | None
    install: str
    is_changed: bool


@dataclass(frozen=True, slots=True)
class NoResumption:
    """Why no program can go on with a session.

    Attributes:
        reason: Said of the session: "was made here".
        parent: The session that it was made from or started by, if that is known.
    """

    reason: str
    parent: str | None = None


def resumption_of(session: Session) -> Resumption | NoResumption:
    """Return how a session goes on in the program that it came from, or why it cannot."""
    source = session.source
    program, own_id = as_text(source.get("program")), as_text(source.get("session_id"))
    if program is None:
        origin = as_text(session.forked_from.get("session_id"))
        made = "is a fork that was made here" if origin else "was made here"
        return NoResumption(f"{made}, so no program knows it", origin)
    if parent := as_text(as_object(source.get("parent")).get("session_id")):
        return NoResumption(f"is a sub-agent's, which {program} does not open alone", parent)
    launch = LAUNCHES.get(program)
    if launch is None:
        return NoResumption(
            f"came from {program}; how that opens a chat by its id is not known here"
        )
    if own_id is None or not re.fullmatch(launch.id_form, own_id):
        named = "no id" if own_id is None else f"the id {own_id[:80]!r}"
        return NoResumption(f"has {named} in its source, by which {program} opens no chat")
    return Resumption(
        program,
        launch.executable,
        tuple(one.format(id=own_id) for one in launch.arguments),
        as_text(source.get("project")),
        as_text(source.get("file")),
        launch.install,
        is_changed_here(session),
    )
