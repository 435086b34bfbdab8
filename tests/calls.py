"""Putting another function in the place of a call of the operating system."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from localsessions import _system

__all__ = ["put_in_place_of", "real"]

# The store has these calls of ``os`` from ``_system``, where each system has its own.
_OWN = {
    "fchmod": "make_private",
    "fstat": "fstat",
    "lstat": "lstat",
    "mkdir": "make_folder",
    "open": "open_file",
    "replace": "rename",
    "scandir": "scandir",
    "unlink": "unlink",
    "utime": "set_modified",
}


def real(call: str) -> Callable[..., Any]:
    """Return what the store calls, by the name that the call has in ``os``."""
    found: Callable[..., Any] = getattr(_system, _OWN[call]) if call in _OWN else getattr(os, call)
    return found


def put_in_place_of(patch: pytest.MonkeyPatch, call: str, act: Callable[..., Any]) -> None:
    """Let the store call ``act`` where it would call ``os.<call>``."""
    if call in _OWN:
        patch.setattr(_system, _OWN[call], act)
    else:
        patch.setattr(os, call, act)
