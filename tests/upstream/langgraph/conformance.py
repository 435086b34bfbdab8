"""The checks of langgraph-checkpoint-conformance, each as a test, over LocalSaver."""

from __future__ import annotations

import importlib
import inspect
import os
from typing import Any

import pytest
from langgraph.checkpoint.conformance.capabilities import Capability, DetectedCapabilities

from upstream.langgraph.swap import async_saver

CHECKS = [
    pytest.param(one, check, id=f"{one.value}-{name}")
    for one in Capability
    for name, check in vars(
        importlib.import_module(f"langgraph.checkpoint.conformance.spec.test_{one.value}")
    ).items()
    if name.startswith("test_") and inspect.iscoroutinefunction(check)
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("capability", "check"), CHECKS)
async def test_check(capability: Any, check: Any) -> None:
    async with async_saver() as saver:
        if capability not in DetectedCapabilities.from_instance(saver).detected:
            assert "UPSTREAM_OWN" in os.environ, f"LocalSaver has no {capability.value}"
            pytest.skip(f"it has no {capability.value}")
        await check(saver)
