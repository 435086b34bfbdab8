"""``mcp``, before the SDK: what it does with a client is in tests/mcp_server."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Cli

NOTHING = "sys.modules['mcp'] = None"
OLDER = "sys.modules['mcp'] = mcp = types.ModuleType('mcp'); mcp.__path__ = []"


@pytest.mark.parametrize("there", [NOTHING, OLDER], ids=["nothing", "older"])
def test_without_the_extra_it_says_what_to_install(cli: Cli, there: str) -> None:
    cli.add("a", "hello")
    code = f"import sys, types; {there}; from localsessions.__main__ import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "mcp"],
        env={**os.environ, **cli.env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        6,
        "",
        "error: the MCP server needs mcp 2 or later: pip install 'localsessions[mcp]'\n",
    )
