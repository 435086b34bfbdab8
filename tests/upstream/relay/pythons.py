"""The interpreter of each framework that takes part, with its framework and this project."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from upstream.suites import ROOT, environment, suites

__all__ = ["pythons_of"]

OTHERS = {
    "agno": ["agno>=3,<4"],
    "agentscope": ["agentscope>=1.0.21,<1.1", "greenlet>=3", "tqdm>=4", "mcp>=1.13,<2"],
    "plain": [],
    "pydantic_ai": ["pydantic-ai-slim==2.68.0"],
}
"""Those without a table in frameworks.toml, with what they need beside this project."""


def pythons_of(names: Collection[str]) -> dict[str, Path]:
    """Return the interpreters by name, in the order of the names."""
    known = {one.name: one for one in suites()}
    return {
        name: known[name].python()
        if name in known
        else environment(name, ["--editable", str(ROOT), *OTHERS[name]])
        for name in names
    }
