"""The seam is whole: an engine of a dict keeps it, and it knows no other engine."""

from __future__ import annotations

from pathlib import Path

from contract import dict_engine

SOURCE = Path(dict_engine.__file__).read_text("utf-8")


def test_an_engine_of_a_dict_takes_300_lines_that_are_not_blank() -> None:
    assert sum(bool(line.strip()) for line in SOURCE.splitlines()) <= 300


def test_it_names_no_room_of_the_other_engine() -> None:
    assert "_local" not in SOURCE
