"""How a process is killed and stopped on any system, without a word to it."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any

__all__ = ["DIED", "DIES", "stop"]

DIES = "os.kill(os.getpid(), 9)"
"""What a program says to be killed there and then: SIGKILL, or TerminateProcess."""

DIED = -9 if os.name == "posix" else 9
"""What it leaves as its exit code."""


def stop(process: subprocess.Popen[Any]) -> None:
    """Let a process do nothing more until it is killed."""
    if hasattr(signal, "SIGSTOP"):
        process.send_signal(signal.SIGSTOP)
        return
    import ctypes

    handle = ctypes.c_void_p(int(getattr(process, "_handle")))  # noqa: B009
    assert getattr(ctypes, "windll").ntdll.NtSuspendProcess(handle) == 0  # noqa: B009
