"""How a process is killed, stopped and interrupted on any system."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import Any

__all__ = ["DIED", "DIES", "INTERRUPTIBLE", "interrupt", "kill", "stop"]

DIES = "os.kill(os.getpid(), 9)"
"""What a program says to be killed there and then: SIGKILL, or TerminateProcess."""

DIED = -9 if os.name == "posix" else 9
"""What it leaves as its exit code."""


INTERRUPTIBLE = (
    ""
    if os.name == "posix"
    else (
        "import os, signal, threading\n"
        "def heed():\n"
        "    if os.read(0, 1): signal.raise_signal(signal.SIGINT)\n"
        "threading.Thread(target=heed, daemon=True).start()\n"
    )
)
"""What a program begins with that is to be interrupted, with a pipe as its standard input.

Windows sends Ctrl-C to a console, and there is none here. What the C library does there when it
comes, to call the handler in a thread of its own, is done here at a byte from the pipe.
"""


def kill(pid: int) -> None:
    """Kill a process that nobody has waited for yet; it may have ended."""
    # Windows ends a process by a signal that is no Ctrl-C, and refuses it of one that has ended.
    with contextlib.suppress(*([] if os.name == "posix" else [PermissionError])):
        os.kill(pid, 9)


def interrupt(process: subprocess.Popen[Any]) -> None:
    """Let Ctrl-C come to a process that is interruptible."""
    if os.name == "posix":
        process.send_signal(signal.SIGINT)
        return
    assert process.stdin is not None
    os.write(process.stdin.fileno(), b"x")


def stop(process: subprocess.Popen[Any]) -> None:
    """Let a process do nothing more until it is killed."""
    if hasattr(signal, "SIGSTOP"):
        process.send_signal(signal.SIGSTOP)
        return
    import ctypes

    handle = ctypes.c_void_p(int(getattr(process, "_handle")))  # noqa: B009
    assert getattr(ctypes, "windll").ntdll.NtSuspendProcess(handle) == 0  # noqa: B009
