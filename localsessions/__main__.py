"""``localsessions`` and ``python -m localsessions``: the entry point of the command line, no more.

It is here and not in ``cli``: ``cli`` needs click, and this module reports that click is missing.
"""

from __future__ import annotations

import signal
import sys

__all__ = ["main"]

_EXTRA = frozenset({"click", "dateparser", "platformdirs", "rich", "textual"})


def main() -> int:
    """Run the command line with the arguments of the process; return its exit code.

    It is the last act of a process: from its return on, Ctrl-C is ignored.
    """
    code = _run()
    # Python takes a moment to end. Ctrl-C would only show a traceback and change the exit code.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return code


def _run() -> int:
    try:
        from localsessions.cli import run

        return run(sys.argv[1:])
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _EXTRA:
            raise
        sys.stderr.write(
            f"error: the command line needs {error.name.partition('.')[0]}:"
            " pip install 'localsessions[cli]'\n"
        )
        return 6
    except KeyboardInterrupt:  # while modules are loading; afterwards ``run`` catches it
        return 130


if __name__ == "__main__":
    sys.exit(main())
