"""How a file of a program is made and read."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import pytest

from localsessions.transcripts import TranscriptFile, read_transcript

from .records import written_lines

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import JsonValue

Read: TypeAlias = Callable[..., TranscriptFile]


@pytest.fixture
def read(request: pytest.FixtureRequest, tmp_path: Path) -> Read:
    """Return what a file with these lines is read as; its name is ``FILE`` of the tests."""
    usual: str = getattr(request.module, "FILE", "chat.jsonl")

    def read_values(*values: JsonValue, name: str = usual) -> TranscriptFile:
        path = written_lines(tmp_path / name, *values)
        os.utime(path, (1_700_000_000, 1_700_000_000))
        return read_transcript(path)

    return read_values
