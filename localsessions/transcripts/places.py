"""Where programs keep their chats on this system.

Nothing here reads a file of a program. The places are those of the programs' own documentation or
source; a program that was told to use another folder by its environment variable is found there.
"""

from __future__ import annotations

import glob
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from localsessions.transcripts.files import FileState

__all__ = ["EXTENSIONS", "PROGRAMS", "Place", "known_places"]


@dataclass(frozen=True, slots=True)
class Place:
    """A file or folder that is there.

    Attributes:
        program: The program that keeps its chats there, as in ``Session.source``.
        path: The file or folder.
        spans: Whether a session stands in several files there, so that a change of a file may be
            one of a session in another.
    """

    program: str
    path: str
    spans: bool = False

    def changed(
        self, before: Mapping[str, FileState], now: Mapping[str, FileState]
    ) -> Sequence[str]:
        """Return the paths to import when its files went from one state to another."""
        found = [path for path, state in now.items() if before.get(path) != state]
        return [self.path] if found and self.spans else found


EXTENSIONS: Mapping[str, tuple[str, ...]] = {
    "cline": ("saoudrizwan.claude-dev", "saoudrizwan.cline-nightly"),
    "roo": ("rooveterinaryinc.roo-cline", "rooveterinaryinc.roo-code-nightly"),
    "kilo": ("kilocode.kilo-code",),
}
"""The extensions of VS Code that a program is, which are the names of their folders."""

# A root, and what follows it; a place with "*" is many places. Editors made of VS Code (Insiders,
# VSCodium, Cursor, ...) keep all that is of them in a folder of their name,
# https://github.com/microsoft/vscode/blob/main/src/vs/platform/environment/node/userDataPath.ts.
_PLACES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "claude-code": (("claude", "projects"),),
    "codex": (("codex", "sessions"), ("codex", "archived_sessions")),
    "gemini-cli": (("gemini", "tmp/*/chats"),),
    "copilot-chat": (
        ("config", "*/User/workspaceStorage/*/chatSessions"),
        ("config", "*/User/globalStorage/emptyWindowChatSessions"),
    ),
    "copilot-cli": (("copilot", "session-state"),),
    "cline": (("cline", "tasks"), ("cline-sessions", "")),
    "roo": (("home", ".vscode-mock/global-storage/tasks"),),
    "kilo": (("home", ".kilocode/cli/global/tasks"),),
    "cursor": (
        ("config", "Cursor/User/globalStorage/state.vscdb"),
        ("config", "Cursor/User/workspaceStorage/*/state.vscdb"),
    ),
    "opencode": (("data", "opencode/opencode.db"), ("data", "opencode/storage")),
}
# What follows the root of the tasks of an extension: of an editor on this machine, and of one that
# only serves a window on another.
_OF_EXTENSIONS = (
    ("config", "*/User/globalStorage/{}/tasks"),
    ("home", ".*-server*/data/User/globalStorage/{}/tasks"),
)
_SPANNING = frozenset({("data", "opencode/storage")})
# A root in the home folder, and the variables that move it, each with what follows; the first that
# is set counts.
_ROOTS: Mapping[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "home": ("", ()),
    "claude": (".claude", (("CLAUDE_CONFIG_DIR", ""),)),
    "codex": (".codex", (("CODEX_HOME", ""),)),
    "gemini": (".gemini", ()),
    "copilot": (".copilot", (("COPILOT_HOME", ""),)),
    # https://github.com/cline/cline/blob/main/sdk/packages/shared/src/storage/paths.ts
    "cline": (".cline/data", (("CLINE_DATA_DIR", ""), ("CLINE_DIR", "data"))),
    "cline-sessions": (
        ".cline/data/sessions",
        (
            ("CLINE_SESSION_DATA_DIR", ""),
            ("CLINE_DATA_DIR", "sessions"),
            ("CLINE_DIR", "data/sessions"),
        ),
    ),
    "data": (".local/share", (("XDG_DATA_HOME", ""),)),
}
# Where programs with a window keep their files, by system.
_CONFIGS: Mapping[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "win32": ("AppData/Roaming", (("APPDATA", ""),)),
    "darwin": ("Library/Application Support", ()),
}
_CONFIG = (".config", (("XDG_CONFIG_HOME", ""),))

PROGRAMS = tuple(_PLACES)
"""The programs whose places are known."""


def known_places(
    *,
    environment: Mapping[str, str] | None = None,
    home: str | None = None,
    system: str = sys.platform,
) -> list[Place]:
    """Return the places that are there, in the order of ``PROGRAMS``.

    Args:
        environment: The environment variables; None means those of this process.
        home: The home folder; None means that of this user.
        system: ``sys.platform`` of the system whose places are meant.
    """
    variables = os.environ if environment is None else environment
    home = os.path.expanduser("~") if home is None else home
    roots = {**_ROOTS, "config": _CONFIGS.get(system, _CONFIG)}

    def matching(root: str, rest: str) -> list[str]:
        default, moved = roots[root]
        set_to = (os.path.join(to, then) for name, then in moved if (to := variables.get(name)))
        begin = next(set_to, os.path.join(home, default))
        # The name of a folder may hold characters that a pattern takes for its own.
        found = glob.glob(os.path.join(glob.escape(begin), rest))
        return sorted(map(os.path.normpath, found))

    return [
        Place(program, path, (root, rest) in _SPANNING)
        for program in PROGRAMS
        for root, rest in (*_tasks_of(program), *_PLACES[program])
        for path in matching(root, rest)
    ]


def _tasks_of(program: str) -> list[tuple[str, str]]:
    """Return the places of the tasks of a program that is an extension; none if it is none."""
    extensions = EXTENSIONS.get(program, ())
    return [(root, rest.format(name)) for name in extensions for root, rest in _OF_EXTENSIONS]
