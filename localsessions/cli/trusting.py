"""The folders that a person agreed to start programs in: a private file in the user's state.

Not in the folder of sessions: a stranger may have made that. Folders are remembered as they
really are, without links, so that a link which leads elsewhere later is asked for again.
"""

from __future__ import annotations

import json
import os

from localsessions.cli.files import write_file
from localsessions.cli.screen.safe import one_line
from localsessions.cli.screen.streams import note

__all__ = ["is_trusted", "trust"]

_NAME = "trusted-folders.json"


def is_trusted(folder: str) -> bool:
    """Tell whether the person agreed to a folder before."""
    return folder in _trusted()


def trust(folder: str) -> None:
    """Remember that the person agreed to a folder; say so if it cannot be written."""
    path = _path()
    told = json.dumps({"folders": sorted({*_trusted(), folder})}, indent=2)
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        write_file(path, [f"{told}\n".encode()], force=True)
    except OSError as error:
        note(one_line(f"{path} cannot be written ({error.strerror}): it is asked for again"))


def _path() -> str:
    import platformdirs

    return os.path.join(platformdirs.user_state_dir("localsessions", appauthor=False), _NAME)


def _trusted() -> list[str]:
    try:
        with open(_path(), "rb") as file:
            folders = json.load(file)["folders"]
        return [str(one) for one in folders]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, LookupError) as error:
        note(one_line(f"{_path()} cannot be read ({error}): it is asked for each folder again"))
        return []
