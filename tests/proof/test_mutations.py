"""The list of deliberate breakages fits the code; `make mutations` runs it."""

from __future__ import annotations

import ast

import pytest

from proof.breakages import BREAKAGES
from proof.mutations import ROOT, Mutation, broken


@pytest.mark.parametrize("mutation", BREAKAGES, ids=lambda mutation: mutation.what)
def test_a_breakage_is_of_code_that_is_there_and_names_a_test_that_is_there(
    mutation: Mutation,
) -> None:
    source = (ROOT / mutation.file).read_text("utf-8")
    ast.parse(broken(source, mutation))
    path, _, name = mutation.test.partition("::")
    assert f"def {name.partition('[')[0]}(" in (ROOT / path).read_text("utf-8")


def test_a_breakage_of_code_that_is_not_there_once_is_refused() -> None:
    mutation = Mutation("", "some.py", "fsync", "", "")
    with pytest.raises(ValueError, match="2 times, not once"):
        broken("fsync(fd)\nfsync(folder)\n", mutation)
