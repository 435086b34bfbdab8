"""Builds the page into the package, and tests what of it needs no browser.

python page/build.py          checks the types, runs the tests, writes localsessions/server/page
python page/build.py --check  the same, but compares with what is there instead of writing it

Who runs or tests the Python package needs no node: the built page is committed.
"""

from __future__ import annotations

import filecmp
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BUILT = ROOT / "localsessions" / "server" / "page"


def main(arguments: list[str]) -> int:
    """Build the page or compare it; return the exit code."""
    page = Page()
    page.install()
    page.test()
    if arguments != ["--check"]:
        page.build(BUILT)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        page.build(Path(folder))
        different = differing(Path(folder), BUILT)
    if different:
        print(f"not what page/ builds: {', '.join(different)}; run make page and commit that")
    return int(bool(different))


def differing(made: Path, kept: Path) -> list[str]:
    """Return the names of files that are not the same in both folders."""
    names = sorted({one.name for folder in (made, kept) for one in folder.iterdir()})
    _, unlike, missing = filecmp.cmpfiles(made, kept, names, shallow=False)
    return [*unlike, *missing]


class Page:
    """The folder of the page, and the programs that work in it."""

    def __init__(self) -> None:
        self._node, self._npm = _client_make().node_and_npm()
        paths = (os.path.dirname(self._node), os.environ["PATH"])
        self._env = {**os.environ, "PATH": os.pathsep.join(paths)}

    def install(self) -> None:
        """Install what the lock file names, unless that is done."""
        lock, done = HERE / "package-lock.json", HERE / "node_modules" / ".of-lock"
        if done.exists() and done.read_bytes() == lock.read_bytes():
            return
        command = [*self._npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=HERE, check=True, env=self._env)
        done.write_bytes(lock.read_bytes())

    def test(self) -> None:
        """Check the types, and run the tests that need no browser."""
        self._run("typescript/bin/tsc", "--noEmit")
        self._run("vitest/vitest.mjs", "run")

    def build(self, folder: Path) -> None:
        """Build the page into a folder."""
        self._run("vite/bin/vite.js", "build", "--outDir", str(folder), "--logLevel", "warn")

    def _run(self, script: str, *arguments: str) -> None:
        command = [self._node, str(HERE / "node_modules" / script), *arguments]
        subprocess.run(command, cwd=HERE, check=True, env=self._env)


def _client_make() -> ModuleType:
    """Return the script of the TypeScript client: it knows where node is."""
    path = ROOT / "clients" / "typescript" / "make.py"
    spec = importlib.util.spec_from_file_location("client_make", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
