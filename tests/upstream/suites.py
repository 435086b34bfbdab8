"""Fetches the tests of the frameworks, makes their environments, runs them over our adapters."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["ROOT", "Counts", "Suite", "environment", "suites"]

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".frameworks"
_BUILDERS = ["hatchling", "setuptools", "wheel", "hatch-vcs", "setuptools-scm", "poetry-core"]
_BUILDERS += ["flit-core", "uv-build"]


@dataclass(frozen=True)
class Counts:
    """How a run ended."""

    passed: int
    failed: int
    skipped: int
    seconds: float


@dataclass(frozen=True)
class Suite:
    """The tests of a framework; the fields are those of frameworks.toml.

    The tests come with the sources of ``package``; where these have none, from ``folders`` of a
    ``repository`` at a ``revision``.
    """

    name: str
    extra: str
    package: str
    requires: list[str]
    files: list[str]
    passed: int
    options: list[str] = field(default_factory=list)
    skipped: int = 0
    repository: str = ""
    revision: str = ""
    folders: list[str] = field(default_factory=list)

    def run(self, *, own: bool = False) -> Counts:
        """Run the tests over our class, or over the framework's own."""
        python, tests = self.python(), self._tests()
        counts = HOME / f"{self.name}.json"
        counts.unlink(missing_ok=True)
        plugins = ("upstream.per_file", f"upstream.{self.name}.swap")
        command = [str(python), "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider"]
        command += [part for one in plugins for part in ("-p", one)]
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT / "tests"),
            "UPSTREAM_COUNTS": str(counts),
        }
        environment.pop("UPSTREAM_OWN", None)
        if own:
            environment["UPSTREAM_OWN"] = "1"
        began = time.monotonic()
        subprocess.run(
            [*command, "--timeout", "120", *self.options, *self.files], cwd=tests, env=environment
        )
        found = json.loads(counts.read_text(encoding="utf-8")) if counts.exists() else {}
        passed, failed, skipped = (found.get(one, 0) for one in ("passed", "failed", "skipped"))
        return Counts(passed, failed, skipped, time.monotonic() - began)

    def is_as_it_should_be(self, counts: Counts) -> bool:
        """Tell whether as many passed as always, and nothing failed or was skipped instead."""
        return (counts.passed, counts.failed, counts.skipped) == (self.passed, 0, self.skipped)

    def python(self) -> Path:
        """Return the Python of an environment with the framework and this project."""
        wanted = [f"{ROOT}[{self.extra}]", self.package, *self.requires]
        return environment(self.name, ["--editable", *wanted])

    def _tests(self) -> Path:
        """Return the folder of the framework's tests, fetched when they are first run."""
        name, _, version = self.package.partition("==")
        folder = HOME / "suites" / f"{name.replace('-', '_')}-{self.revision or version}"
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            # Made beside, then renamed: half of it is never taken for the whole.
            with tempfile.TemporaryDirectory(dir=folder.parent) as beside:
                made = Path(beside, folder.name)
                (self._fetch if self.repository else self._unpack)(made)
                made.rename(folder)
        return folder

    def _fetch(self, made: Path) -> None:
        """Fetch some folders of the repository."""
        made.mkdir()
        git = ["git", "-C", str(made)]
        subprocess.run([*git, "init", "--quiet"], check=True)
        wanted = ["--quiet", "--depth", "1", "--filter", "blob:none", self.repository]
        subprocess.run([*git, "fetch", *wanted, self.revision], check=True)
        subprocess.run([*git, "remote", "add", "origin", self.repository], check=True)
        subprocess.run([*git, "checkout", "-q", "FETCH_HEAD", "--", *self.folders], check=True)
        Path(made, "pytest.ini").write_text("[pytest]\n")  # so that ours is not taken
        Path(made, ".git").rename(made.with_suffix(".git"))

    def _unpack(self, made: Path) -> None:
        """Unpack the sources of the package, whose folder has this name."""
        python = environment("builders", _BUILDERS)
        pip = [str(python), "-m", "pip", "download", "-q", "--no-deps", "--no-build-isolation"]
        name, _, _ = self.package.partition("==")
        into = str(made.parent)
        subprocess.run([*pip, "--no-binary", name, "-d", into, self.package], check=True)
        with tarfile.open(f"{made}.tar.gz") as opened:
            opened.extractall(made.parent, filter="data")


def suites() -> list[Suite]:
    """Return all that frameworks.toml says."""
    told: dict[str, dict[str, Any]] = tomllib.loads(
        Path(__file__).with_name("frameworks.toml").read_text(encoding="utf-8")
    )
    return [Suite(name, **fields) for name, fields in told.items()]


def environment(name: str, packages: list[str]) -> Path:
    """Return the Python of an environment; it is made again if other packages are wanted."""
    folder = HOME / name
    asked = "\n".join(
        [sys.version, *packages, (ROOT / "pyproject.toml").read_text(encoding="utf-8")]
    )
    seal = hashlib.sha256(asked.encode()).hexdigest()
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = folder / ".ready"
    if not ready.exists() or ready.read_text() != seal:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, *packages], check=True, stdout=subprocess.DEVNULL)
        ready.write_text(seal)
    return python
