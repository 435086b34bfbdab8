"""Runs the tests in a Windows Python under Wine.

python -m windows                     what stands on the calls of Windows first, in four minutes
python -m windows --all               everything
python -m windows --proof             the attacks at full size; writes their counts down
python -m windows tests/x.py -k name  what pytest is told

The exit code is pytest's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from proof.report import write_counts

from windows.setting_up import PROJECT, Windows, set_up

QUICK = (
    *("tests/system", "tests/local/test_two_views.py", "tests/local/test_locks.py"),
    *("tests/local/test_reconcile.py", "tests/local/test_names.py"),
    "tests/contract/test_one_session.py",
)
"""The calls of Windows, and what stands on them first: locks, names, listings, verbs."""

PROOF = (
    *("tests/proof/test_hostile_names.py", "tests/proof/test_kill_loops.py"),
    *("tests/proof/test_linearizability.py", "tests/proof/test_traffic.py"),
    *("tests/proof/test_state_machine.py", "tests/proof/test_clocks.py"),
    "tests/local/test_watch.py::test_when_the_queue_of_events_runs_over_nothing_is_lost",
)
"""The attacks that are the same on each system; a minute's traffic would be too long for others."""

ALWAYS = (
    *("-q", "--instafail", "--color", "no", "-p", "no:cacheprovider", "--basetemp", r"C:\t"),
    # A worker that hangs is ended, and a new one takes its place: so one test is lost, not the run.
    *("--numprocesses", "2", "--dist", "worksteal", "--max-worker-restart", "100"),
    *("--timeout-method", "thread"),
)
QUICK_SECONDS, ALL_SECONDS = 720, 3600
"""After so long no test is begun any more, and what hangs is ended soon after: three times what the
tests may take, for a machine that is three times slower."""
AT_THE_END = 25


def main(arguments: list[str]) -> int:
    """Set up what is not, run the tests, and return the exit code of pytest."""
    folder = os.environ.get("LOCALSESSIONS_WINDOWS", PROJECT / ".windows")
    windows = set_up(Path(folder).absolute())
    try:
        if arguments == ["--proof"]:
            return prove(windows)
        seconds = ALL_SECONDS if arguments else QUICK_SECONDS
        begin, test = str(seconds - AT_THE_END), "120" if arguments else "60"
        limits = ("--session-timeout", begin, "--timeout", test)
        chosen = [one for one in arguments if one != "--all"] if arguments else QUICK
        return run(windows, seconds, *limits, *chosen)
    finally:
        windows.end()


def prove(windows: Windows) -> int:
    """Run the attacks at full size; write their counts into docs/testing.md if all went well."""
    counts = windows.folder / "proof"
    shutil.rmtree(counts, ignore_errors=True)
    counts.mkdir()
    windows.environment = {**windows.environment, "LOCALSESSIONS_PROOF": f"Z:{counts}"}
    code = run(windows, ALL_SECONDS, "--timeout", "900", *PROOF)
    if code == 0:
        asked = "import platform, sqlite3; print(platform.python_version(), sqlite3.sqlite_version)"
        python, sqlite = said(windows, *windows.command("-c", asked)).split()
        wine = said(windows, "wine", "--version").split()[0].removeprefix("wine-")
        day = f"{datetime.now(UTC):%Y-%m-%d}"
        versions = f"Python {python} for Windows, SQLite {sqlite}, Wine {wine}"
        write_counts(counts, "windows", f"`make windows WINDOWS=--proof` of {day}: {versions}.")
    return code


def said(windows: Windows, *command: str) -> str:
    """Return what a command says."""
    ended = subprocess.run(
        command, env=windows.environment, stdin=subprocess.DEVNULL, capture_output=True, check=True
    )
    return ended.stdout.decode()


def run(windows: Windows, seconds: int, *arguments: str) -> int:
    """Run pytest, and show what it writes: Wine's streams have to be pipes or files.

    When it has ended all else in Wine is ended too: a program that a test left behind, as one does
    whose worker was ended, would keep the pipe open for ever.
    """
    process = subprocess.Popen(
        windows.command("-m", "pytest", *ALWAYS, *arguments),
        cwd=PROJECT,
        env=windows.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    is_late = threading.Event()

    def give_up() -> None:
        is_late.set()
        windows.end()

    def end_the_rest() -> None:
        process.wait()
        windows.end()

    overdue = threading.Timer(seconds, give_up)
    overdue.start()
    threading.Thread(target=end_the_rest, daemon=True).start()
    with process.stdout:
        for line in process.stdout:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
    overdue.cancel()
    code = process.wait()
    if is_late.is_set():
        print(f"make windows: not done after {seconds} s, and ended")
    return code or is_late.is_set()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
