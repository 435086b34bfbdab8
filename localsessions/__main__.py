"""``localsessions`` and ``python -m localsessions``: the entry point of the command line, no more.

It is here and not in ``cli``: ``cli`` needs click, and this module reports that click is missing.
"""

from __future__ import annotations

import signal
import sys

__all__ = ["main"]

_INTERRUPTED = 130
_EXTRA = frozenset({"click", "platformdirs", "rich"})


def main() -> int:
    """Run the command line with the arguments of the process; return its exit code."""
    try:
        from localsessions.cli import run

        code = run(sys.argv[1:])
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _EXTRA:
            raise
        sys.stderr.write(
            f"error: the command line needs {error.name}: pip install 'localsessions[cli]'\n"
        )
        return 1
    except KeyboardInterrupt:  # while modules are loading; afterwards ``run`` catches it
        code = _INTERRUPTED
    if code == _INTERRUPTED:
        # Whoever presses Ctrl-C again while Python ends gets no traceback, and the same code.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return code


if __name__ == "__main__":
    sys.exit(main())
