"""Clusters of PostgreSQL that the tests make for themselves, and never a system's.

Each process has one of its own, as an unprivileged user, in a folder of its own, which only a
socket in that folder leads to. It ends with the process.
"""

from __future__ import annotations

import atexit
import functools
import glob
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

__all__ = ["Cluster", "binaries", "shared", "user"]

_SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "fsync": "off",
    "autovacuum_naptime": "5min",  # what it does has numbers of its own, which a log may wait for
}
_stores = itertools.count(1)


@functools.cache
def binaries() -> Path | None:
    """Return the folder of the server's programs; None if they are not installed."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    folders = [Path(one).parent for one in glob.glob("/usr/lib/postgresql/*/bin/initdb")]
    return max(folders, key=lambda one: int(one.parent.name), default=None)


def user() -> str | None:
    """Return the user that runs a cluster; None if it is who runs the tests. Root may not."""
    if os.geteuid() != 0:
        return None
    import pwd

    names = {one.pw_name for one in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


class Cluster:
    """A server with an empty database.

    Args:
        settings: Settings of the server beside those of every cluster.
        base: Another cluster of which it is a copy, see ``pg_basebackup``.
    """

    def __init__(
        self, settings: Mapping[str, str] | None = None, base: Cluster | None = None
    ) -> None:
        import pwd  # not on every system

        self.folder = Path(tempfile.mkdtemp(prefix="ls-pg-", dir="/tmp"))
        self._data, self._user = self.folder / "data", user()
        self._owner = pwd.getpwnam(self._user or pwd.getpwuid(os.geteuid()).pw_name)
        if self._user is not None:
            os.chown(self.folder, self._owner.pw_uid, self._owner.pw_gid)
            self.folder.chmod(0o755)
        self._settings = {**_SETTINGS, **(settings or {})}
        if base is None:
            self._make()
        else:
            source = ("-d", base.address("postgres"), "--checkpoint=fast", "--no-sync")
            self.run("pg_basebackup", "-D", str(self._data), "-R", *source)
        self.start()
        if base is None:
            self.run("createdb", "-h", str(self.folder), "-U", "tests", "tests")

    def _make(self) -> None:
        options = ("--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "-U", "tests")
        self.run("initdb", "-D", str(self._data), *options)

    def run(self, program: str, *arguments: str) -> str:
        """Run one of the server's programs and return what it says."""
        folder = binaries()
        assert folder is not None
        done = subprocess.run(
            [str(folder / program), *arguments],
            user=self._user,
            group=None if self._user is None else self._owner.pw_gid,
            extra_groups=None if self._user is None else [],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self) -> None:
        """Start the server and wait until it answers."""
        given = {**self._settings, "unix_socket_directories": str(self.folder)}
        options = " ".join(f"-c {name}='{value}'" for name, value in given.items())
        start = (
            "-D",
            str(self._data),
            "-l",
            str(self.folder / "log"),
            "-o",
            options,
            "-w",
            "start",
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                self.run("pg_ctl", *start)
            except AssertionError:  # what is left of a server that was killed is still ending
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def stop(self) -> None:
        """Stop the server; open connections are cut."""
        self.run("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop")

    def kill(self) -> None:
        """Kill the server as a power cut would, but for what its files have."""
        process = self.process
        os.kill(process, signal.SIGSTOP)  # so that it makes no others
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        for one in (process, *map(int, children)):
            os.kill(one, signal.SIGKILL)
        while any(Path(f"/proc/{one}").exists() for one in (process, *children)):
            if all(_is_dead(str(one)) for one in (process, *children)):
                break
            time.sleep(0.005)

    @property
    def process(self) -> int:
        """The id of the server's first process."""
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def promote(self) -> None:
        """Make a standby the primary."""
        self.run("pg_ctl", "-D", str(self._data), "-w", "promote")

    def address(self, database: str = "tests", store: str = "") -> str:
        """Return the address of a store; without a name, of the database."""
        asked = f"host={quote(str(self.folder), safe='')}&user=tests"
        return f"postgresql:///{database}?{asked}" + (f"&store={store}" if store else "")

    def new_store(self) -> str:
        """Return the address of a store that nobody has used."""
        return self.address(store=f"place{next(_stores)}")

    def remove(self) -> None:
        """Stop the server and remove its folder."""
        subprocess.run(
            [
                str((binaries() or Path()) / "pg_ctl"),
                "-D",
                str(self._data),
                "-m",
                "immediate",
                "stop",
            ],
            user=self._user,
            cwd="/",
            capture_output=True,
        )
        shutil.rmtree(self.folder, ignore_errors=True)


def _is_dead(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@functools.cache
def shared() -> Cluster:
    """Return the cluster of this process, which is removed when the process ends."""
    cluster = Cluster()
    atexit.register(cluster.remove)
    return cluster
