"""Checks, tests and packages the example for VS Code; `make vscode` runs it.

The client has to be made before. The tests run the packaged files under node, over a stand-in for
VS Code, against a real service; those of the page run in Chromium.
"""

from __future__ import annotations

import sys
from pathlib import Path

from make import NodePackage, node_and_npm

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Make the extension and run its tests; return the exit code."""
    example = NodePackage(HERE, *node_and_npm())
    example.install()
    for step in ("check", "bundle", "test-bundle", "pack"):
        example.npm("run", "--silent", step)
    return example.test()


if __name__ == "__main__":
    sys.exit(main())
