"""What the system says of a call that fails: each system has words of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

__all__ = ["reason_of"]


def reason_of(act: Callable[[], object]) -> str:
    """Return the words for why an act of the system fails."""
    with pytest.raises(OSError) as caught:  # noqa: PT011  (any of them: it is asked which)
        act()
    assert caught.value.strerror
    return caught.value.strerror
