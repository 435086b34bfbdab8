"""What the tests share: a folder, an open store, child programs, and how hypothesis runs."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias, cast

import needs
import pytest
import skipped
from hypothesis import HealthCheck, settings
from proof.counting import IS_FULL
from proof.nursery import unmeasured
from unsynced import synced, unsynced

from localsessions import SessionStore

# What is about Windows alone; `make windows` runs it.
_OF_WINDOWS = ["system/test_windows.py", "cli/test_windows.py"]
collect_ignore = [] if sys.platform == "win32" else _OF_WINDOWS

# A shell starts what runs in the background with Ctrl-C ignored, and every child inherits that:
# then no interrupt arrives, and no test of one can fail.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# HYPOTHESIS_PROFILE=night pytest tests/proof/test_state_machine.py --timeout 0
settings.register_profile(
    "night",
    deadline=None,
    max_examples=5000,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "dev"))

PROGRAMS = Path(__file__).parent / "programs"

Child: TypeAlias = subprocess.Popen[str]
Start: TypeAlias = Callable[..., Child]


AsOtherUser: TypeAlias = Callable[[Path, Callable[[], object]], object]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what needs something that this system lacks; where nothing may be, it fails."""
    names = [name for marker in item.iter_markers("needs") for name in marker.args]
    fixtures: list[str] = getattr(item, "fixturenames", [])
    names += [needs.OF_FIXTURES[name] for name in fixtures if name in needs.OF_FIXTURES]
    if reason := needs.needed(names):
        if "LOCALSESSIONS_NO_SKIPS" in os.environ:
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what is marked ``proof`` to ``make proof``."""
    if IS_FULL:
        return
    left_out = [item for item in items if item.get_closest_marker("proof")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
) -> Generator[None, None, None]:
    """Say at the very end what was left out by which need, what else, and what brings it."""
    yield
    reasons = [
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.getreports("skipped")
        if isinstance(report.longrepr, tuple)
    ]
    if reasons:
        terminalreporter.section("left out for want of something", yellow=True)
        terminalreporter.write_line("\n".join([*needs.told(reasons), *skipped.told(reasons)]))


@pytest.fixture(scope="session", autouse=True)
def no_syncs() -> Iterator[None]:
    """Let no test of this process wait for the disk, but those marked ``synced``."""
    with pytest.MonkeyPatch.context() as patch:
        if not IS_FULL:
            unsynced(patch)
        yield


@pytest.fixture(autouse=True)
def syncs(request: pytest.FixtureRequest) -> Iterator[None]:
    """Sync as ever where a test is marked ``synced``: the disk is what it is about."""
    with pytest.MonkeyPatch.context() as patch:
        if request.node.get_closest_marker("synced"):
            synced(patch)
        yield


@pytest.fixture(autouse=True)
def trace(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let coverage look away where a test is marked ``untraced``: others run the same lines."""
    if request.node.get_closest_marker("untraced") is None:
        yield
        return
    tracer, of_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(cast("Any", None))
    yield
    threading.settrace(cast("Any", of_threads))
    sys.settrace(tracer)


@pytest.fixture
def as_other_user() -> AsOtherUser:
    """Return what an act returns for a user whom modes concern; root is above them.

    As root it runs in a forked child of another user, to whom the way to the folder is opened.
    """

    def run(folder: Path, act: Callable[[], object]) -> object:
        if os.geteuid() != 0:
            return act()
        # What a watch imports: the other user may perhaps not read Python's own files.
        import_module("watchdog.observers")
        for parent in folder.parents:
            if parent.stat().st_uid == 0 and parent.stat().st_mode & 0o077 == 0:
                parent.chmod(0o711)
        context = multiprocessing.get_context("fork")
        here, there = context.Pipe()

        def be_another() -> None:
            os.setgid(1234)
            os.setuid(1234)
            there.send(act())

        process = context.Process(target=be_another)
        process.start()
        there.close()
        try:
            return here.recv()
        finally:
            process.join()
            here.close()

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The save_dir of a store; nobody has made it yet."""
    return tmp_path / "sessions"


@pytest.fixture
def store(folder: Path) -> Iterator[SessionStore]:
    """An open store of ``folder``."""
    with SessionStore(folder) as opened:
        yield opened


@pytest.fixture
def start() -> Iterator[Start]:
    """Start programs of tests/programs by name; they are killed when the test ends.

    Coverage does not measure them: it would make each start and each line of theirs slower, and
    what they run is run in the tests' own process too.

    Lines go in through ``stdin`` and come out through ``stdout``; whatever comes out through
    stderr belongs to the test's own.
    """
    children: list[Child] = []

    def start(name: str, *arguments: object) -> Child:
        command = [sys.executable, "-W", "error", str(PROGRAMS / name), *map(str, arguments)]
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=unmeasured(),
        )
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.communicate()
