"""What several attacks share, because it is costly to make."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from proof.injecting import Zygote, zygote


@pytest.fixture(scope="session")
def warm() -> Iterator[Zygote]:
    """A warm Python whose children's calls are made to fail: to warm it takes seconds."""
    with zygote() as started:
        yield started
