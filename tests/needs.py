"""What a test needs of the system, by name: ``@pytest.mark.needs("modes")``.

Where it is not there the test is left out, and the end of a run says how many were and why.
Whether it is there is found out by trying, wherever it can be tried. A test is marked for what it
is about, never because it fails: what other systems have under another name, a test uses by the
name of the system that it runs on.

With ``LOCALSESSIONS_NO_SKIPS`` set nothing is left out: a test that lacks what it needs fails.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import select
import shutil
import subprocess
import sys
import tempfile
import zoneinfo
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from _pytest.mark.structures import ParameterSet

__all__ = [
    "NEEDS",
    "OF_FIXTURES",
    "Need",
    "chromium",
    "is_here",
    "marked",
    "need_of",
    "needed",
    "of_module",
    "told",
]


class Need(NamedTuple):
    """Something that not every system has.

    Attributes:
        reason: Why a system may lack it, and its tests with it.
        is_here: Tells whether this system has it.
    """

    reason: str
    is_here: Callable[[], bool]


def _in_a_folder(act: Callable[[Path], bool]) -> Callable[[], bool]:
    """Try an act in a folder that is removed afterwards; what raises an OSError is not there."""

    def tried() -> bool:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            try:
                return act(Path(folder))
            except (OSError, NotImplementedError, ValueError):
                return False

    return tried


def _keeps_modes(folder: Path) -> bool:
    folder.chmod(0o711)
    return folder.stat().st_mode & 0o777 == 0o711


def _makes_links(folder: Path) -> bool:
    (folder / "file").write_bytes(b"")
    (folder / "link").symlink_to("file")
    return (folder / "link").is_symlink()


def _makes_hard_links(folder: Path) -> bool:
    (folder / "file").write_bytes(b"")
    os.link(folder / "file", folder / "twin")
    return (folder / "twin").stat().st_nlink == 2


def _removes_what_is_open(folder: Path) -> bool:
    with (folder / "file").open("wb"):
        (folder / "file").unlink()
        (folder / "file").write_bytes(b"")
    return True


def _takes_any_name(folder: Path) -> bool:
    (folder / 'a:b "?" <c>|*\a.').write_bytes(b"")
    return os.listdir(folder) == ['a:b "?" <c>|*\a.']


def _takes_bytes_as_names(folder: Path) -> bool:
    name = os.fsencode(folder) + b"/\xff"
    with open(name, "wb"):
        pass
    return os.listdir(os.fsencode(folder)) == [b"\xff"]


def _is_told(path: str) -> Callable[[], bool]:
    """Under Wine, drive Z is all of Linux: its /proc is there, and tells of Wine."""
    return lambda: os.name == "posix" and os.path.exists(path)


def _has_module(name: str) -> Callable[[], bool]:
    return lambda: importlib.util.find_spec(name) is not None


def _has_adk() -> bool:
    return _has_module("google")() and _has_module("google.adk")()


def _has_zstd() -> bool:
    if _has_module("compression")():
        return True
    return _has_module("backports")() and _has_module("backports.zstd")()


def _has_call(name: str) -> Callable[[], bool]:
    return lambda: hasattr(os, name)


def _syncs_folders(folder: Path) -> bool:
    found = os.open(folder, os.O_RDONLY)
    os.close(found)
    return True


def _runs(program: str) -> Callable[[], bool]:
    return lambda: shutil.which(program) is not None


def chromium() -> str | None:
    """Return the path of the browser."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def _has_browser() -> bool:
    return chromium() is not None and _has_module("playwright")()


def _traces() -> bool:
    if shutil.which("strace") is None:
        return False
    probe = ["strace", "-qq", "-e", "trace=none", "true"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def _takes_leases() -> bool:
    return _has_module("fcntl")() and hasattr(importlib.import_module("fcntl"), "F_SETLEASE")


def _mounts(folder: Path) -> bool:
    if shutil.which("mount") is None or shutil.which("unshare") is None:
        return False
    # Where no other process sees it, so that nothing is left of it.
    mount = ["unshare", "--mount", "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    return subprocess.run(mount, capture_output=True, check=False).returncode == 0


def _has_zones() -> bool:
    try:
        zoneinfo.ZoneInfo("UTC")
    except zoneinfo.ZoneInfoNotFoundError:
        return False
    return True


def _polls() -> bool:
    return hasattr(select, "poll")


def _serves() -> bool:
    if os.name != "posix" or importlib.util.find_spec("psycopg") is None:
        return False
    found: object = importlib.import_module("cluster").binaries()
    return found is not None


def _becomes_another() -> bool:
    return hasattr(os, "fork") and hasattr(os, "setuid") and os.geteuid() == 0


def _checks_types() -> bool:
    return shutil.which("basedpyright", path=os.path.dirname(sys.executable)) is not None


NEEDS: dict[str, Need] = {
    "agentscope": Need("agentscope is not installed", _has_module("agentscope")),
    "agno": Need("agno is not installed", _has_module("agno")),
    "strands": Need("Strands Agents is not installed", _has_module("strands")),
    "openai agents": Need("OpenAI's Agents SDK is not installed", _has_module("agents")),
    "another user": Need(
        "the process cannot become another user: Windows has no setuid", _becomes_another
    ),
    "bash": Need("bash is not installed", _runs("bash")),
    "browser": Need("Chromium or Playwright, which drives it, is not installed", _has_browser),
    "claude agent": Need("Claude's Agent SDK is not installed", _has_module("claude_agent_sdk")),
    "curl": Need("curl is not installed", _runs("curl")),
    "fcntl": Need("locks and syncs are not fcntl's there: Windows has none", _has_module("fcntl")),
    "fifos": Need("named pipes, sockets and devices are no files there", _has_call("mkfifo")),
    "folder syncs": Need(
        "a folder cannot be opened and synced: Windows has no such call",
        _in_a_folder(_syncs_folders),
    ),
    "fork": Need("a process cannot fork", _has_call("fork")),
    "git": Need("git is not installed", _runs("git")),
    "google adk": Need("Google's ADK is not installed", _has_adk),
    "hard links": Need("the file system has no hard links", _in_a_folder(_makes_hard_links)),
    "inotify": Need("the kernel has no inotify", _is_told("/proc/sys/fs/inotify")),
    "langgraph": Need("LangGraph is not installed", _has_module("langgraph")),
    "leases": Need(
        "nothing tells whether a file is open anywhere, as Linux' leases do",
        _takes_leases,
    ),
    "less": Need("less is not installed", _runs("less")),
    "limits": Need("a process cannot be given limits", _has_module("resource")),
    "links": Need("the user may not make symbolic links", _in_a_folder(_makes_links)),
    "memory limits": Need(
        "a process's memory is neither told by /proc nor limited", _is_told("/proc/self/status")
    ),
    "lock table": Need("the kernel tells of no locks", _is_told("/proc/locks")),
    "modes": Need(
        "files have no permission bits: Windows keeps one, read-only", _in_a_folder(_keeps_modes)
    ),
    "mounts": Need("no file system may be mounted", _in_a_folder(_mounts)),
    "names of bytes": Need(
        "names are Unicode there, not bytes", _in_a_folder(_takes_bytes_as_names)
    ),
    "open files that go": Need(
        "a file that is open cannot be renamed, replaced or removed",
        _in_a_folder(_removes_what_is_open),
    ),
    "poll": Need("there is no poll, which tells of a pipe that its reader is gone", _polls),
    "pydantic ai": Need("pydantic-ai is not installed", _has_module("pydantic_ai")),
    "postgres": Need(
        "PostgreSQL is not installed, or psycopg is not, which the extra postgres installs",
        _serves,
    ),
    "pyright": Need("basedpyright is not installed beside this Python", _checks_types),
    "ruff": Need("ruff is not installed: the code is looked at on Linux", _has_module("ruff")),
    "schemathesis": Need("schemathesis is not installed", _has_module("schemathesis")),
    "signals": Need(
        "a process cannot be stopped, or told to end, by a signal", _has_call("killpg")
    ),
    "strace": Need("strace is not installed, or may not look", _traces),
    "terminals": Need("there are no pseudo-terminals", _has_module("termios")),
    "time zones": Need(
        "there is no database of time zones; on Windows the package tzdata is one", _has_zones
    ),
    "wild names": Need(
        'a name may not hold : " ? < > | * and control characters, nor end with a dot',
        _in_a_folder(_takes_any_name),
    ),
    "zstd": Need("backports.zstd is not installed, and Python is older than 3.14", _has_zstd),
}

OF_FIXTURES: dict[str, str] = {
    "as_other_user": "modes",
    "mounted": "mounts",
    "warm": "strace",
}
"""Fixtures whose tests need something without a marker."""

_PREFIX = "needs "


@functools.cache
def is_here(name: str) -> bool:
    """Tell whether this system has what a need names; found out once."""
    return NEEDS[name].is_here()


def needed(names: Iterable[str]) -> str | None:
    """Return the reason for which a test with these needs is left out, None where it is not."""
    for name in names:
        if not is_here(name):
            return f"{_PREFIX}{name}: {NEEDS[name].reason}"
    return None


def marked(cases: Iterable[str], needs: Mapping[str, str]) -> list[ParameterSet]:
    """Return cases as parameters, each that has a need with its marker."""
    return [
        pytest.param(case, marks=[pytest.mark.needs(needs[case])] if case in needs else [])
        for case in cases
    ]


def of_module(*names: str) -> str | None:
    """Return the reason for which a module cannot be imported here and is left out as a whole.

    It counts as one test, so a marker is better wherever the module can be imported. Where nothing
    may be left out, it is imported all the same, and fails.
    """
    return None if "LOCALSESSIONS_NO_SKIPS" in os.environ else needed(names)


def need_of(reason: str) -> tuple[str, str]:
    """Return the need for which a test was left out and its reason; the need is "" for others."""
    if not reason.startswith(_PREFIX):
        return "", reason
    name, _, bare = reason.removeprefix(_PREFIX).partition(": ")
    return (name, bare) if name in NEEDS else ("", reason)


def told(reasons: Iterable[str]) -> Iterator[str]:
    """Say as a table what was left out by which need, of the reasons for which tests were."""
    counts = Counter(name for name, _ in map(need_of, reasons) if name)
    for name, count in counts.most_common():
        yield f"{count:5} left out, need {name}: {NEEDS[name].reason}"
