"""Putting another function in the place of a call of the operating system."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from localsessions import _system

__all__ = ["put_in_place_of"]

# The store has these calls of ``os`` under names of its own, see ``_system``.
_OWN = {"open": "open_file", "fstat": "fstat", "lstat": "lstat", "scandir": "scandir"}


def put_in_place_of(patch: pytest.MonkeyPatch, call: str, act: Callable[..., Any]) -> None:
    """Let ``act`` be called where the store, or anybody, calls ``os.<call>``."""
    patch.setattr(os, call, act)
    if call in _OWN:
        patch.setattr(_system, _OWN[call], act)
