"""Where all this is measured."""

from __future__ import annotations

import os
import platform
import sqlite3
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path


def machine(folder: Path) -> dict[str, str]:
    """Return what a reader needs to compare results, as words in the order of the page."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "cores": f"{len(os.sched_getaffinity(0))} ({_processor()})",
        "file system": _file_system(folder),
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "orjson": version("orjson"),
        "pydantic": version("pydantic"),
        "SQLite": sqlite3.sqlite_version,
        "load when it began": f"{os.getloadavg()[0]:.1f}",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(folder: Path) -> str:
    mounts = [line.split()[1:4] for line in Path("/proc/mounts").read_text().splitlines()]
    under = [mount for mount in mounts if folder.resolve().is_relative_to(mount[0])]
    _, kind, options = max(under, key=lambda mount: len(mount[0]))
    told = [option for option in options.split(",") if option.startswith(("data=", "nobarrier"))]
    return " ".join([kind, *told])
