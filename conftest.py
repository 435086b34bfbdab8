"""Runs examples of documents as tests: fences marked ``python``, in a folder of their own."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser


def setup(namespace: dict[str, Any]) -> None:
    """Go into a new folder: the examples make a store where they are."""
    namespace["_folder"], namespace["_home"] = TemporaryDirectory(), Path.cwd()
    os.chdir(namespace["_folder"].name)


def teardown(namespace: dict[str, Any]) -> None:
    """Leave it and remove it."""
    os.chdir(namespace["_home"])
    namespace["_folder"].cleanup()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser()],
    patterns=["README.md", "agents.md", "library.md"],
    setup=setup,
    teardown=teardown,
).pytest()
