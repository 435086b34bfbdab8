"""What the tests of the MCP server share. Its client is the SDK's, in an environment of its own.

``make mcp`` makes that environment and runs there what needs the SDK: the frameworks of the tests'
own one need an older one. Elsewhere it is not collected.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def _has_sdk() -> bool:
    try:
        return int(version("mcp").partition(".")[0]) >= 2
    except PackageNotFoundError:
        return False


collect_ignore = [] if _has_sdk() else ["test_serving.py"]
