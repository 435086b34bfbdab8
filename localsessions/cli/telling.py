"""What the library logs, told to the person: warnings, and at a terminal what it waits for.

It says the latter to the logger ``localsessions.waiting``, once another process has held a lock
for half a second.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from localsessions.cli.screen.safe import one_line
from localsessions.cli.screen.streams import note

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator

__all__ = ["logs_told"]

_ALL, _WAITING = "localsessions", "localsessions.waiting"


@contextmanager
def logs_told() -> Iterator[None]:
    """Tell what is logged in the block; a text of others in it is made safe."""
    import logging

    class Teller(logging.Handler):  # here, since logging takes long to import
        def emit(self, record: logging.LogRecord) -> None:
            _tell(record)

    log, waiting, teller = logging.getLogger(_ALL), logging.getLogger(_WAITING), Teller()
    former = waiting.level
    log.addHandler(teller)
    if sys.stderr is not None and sys.stderr.isatty():
        waiting.setLevel(logging.INFO)
    try:
        yield
    finally:
        waiting.setLevel(former)
        log.removeHandler(teller)


def _tell(record: logging.LogRecord) -> None:
    if record.name == _WAITING:
        note(one_line(f"{record.getMessage()}; Ctrl-C gives up"))
    else:
        note(one_line(f"warning: {record.getMessage()}"))
