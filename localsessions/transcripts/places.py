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

__all__ = ["PROGRAMS", "Place", "known_places"]


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


# A root, and what follows it; a place with "*" is many places.
_PLACES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "claude-code": (("claude", "projects"),),
    "codex": (("codex", "sessions"), ("codex", "archived_sessions")),
    "gemini-cli": (("gemini", "tmp/*/chats"),),
    "copilot-chat": (
        ("config", "Code/User/workspaceStorage/*/chatSessions"),
        ("config", "Code/User/globalStorage/emptyWindowChatSessions"),
    ),
    "copilot-cli": (("copilot", "session-state"),),
    "cline": (
        ("config", "Code/User/globalStorage/saoudrizwan.claude-dev/tasks"),
        ("cline", "data/tasks"),
        ("cline", "data/sessions"),
    ),
    "roo": (("config", "Code/User/globalStorage/rooveterinaryinc.roo-cline/tasks"),),
    "cursor": (
        ("config", "Cursor/User/globalStorage/state.vscdb"),
        ("config", "Cursor/User/workspaceStorage/*/state.vscdb"),
    ),
    "opencode": (("data", "opencode/opencode.db"), ("data", "opencode/storage")),
}
_SPANNING = frozenset({("data", "opencode/storage")})
# The variable that moves a root, and the root in the home folder without it.
_ROOTS: Mapping[str, tuple[str, str]] = {
    "claude": ("CLAUDE_CONFIG_DIR", ".claude"),
    "codex": ("CODEX_HOME", ".codex"),
    "gemini": ("", ".gemini"),
    "copilot": ("COPILOT_HOME", ".copilot"),
    "cline": ("CLINE_DIR", ".cline"),
    "data": ("XDG_DATA_HOME", ".local/share"),
}
# Where programs with a window keep their files, by system.
_CONFIGS: Mapping[str, tuple[str, str]] = {
    "win32": ("APPDATA", "AppData/Roaming"),
    "darwin": ("", "Library/Application Support"),
}
_CONFIG = ("XDG_CONFIG_HOME", ".config")

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
        variable, default = roots[root]
        begin = variables.get(variable) or os.path.join(home, default)
        # The name of a folder may hold characters that a pattern takes for its own.
        found = glob.glob(os.path.join(glob.escape(begin), rest))
        return sorted(map(os.path.normpath, found))

    return [
        Place(program, path, (root, rest) in _SPANNING)
        for program, places in _PLACES.items()
        for root, rest in places
        for path in matching(root, rest)
    ]
