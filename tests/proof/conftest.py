"""What several attacks share, because it is costly to make."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from proof.injecting import Zygote, zygote
from proof.mounts import leave_the_others


@pytest.fixture(scope="session", autouse=True)
def _mounts_of_our_own() -> None:
    """Before any child starts that has to see what the tests mount; for those that need no mount
    it does not matter whether it may."""
    leave_the_others()


@pytest.fixture(scope="session")
def warm() -> Iterator[Zygote]:
    """A warm Python whose children's calls are made to fail: to warm it takes seconds."""
    with zygote() as started:
        yield started
