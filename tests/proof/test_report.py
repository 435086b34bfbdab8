"""What is published of a run is what was counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from proof import counting
from proof.counting import counts, tried
from proof.mutations import Outcome
from proof.report import counted, mutated, with_section


def test_counts_of_several_tests_are_summed_by_attack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "_FOLDER", str(tmp_path))
    tried("kills", "processes killed", 3)
    tried("crash states", "states opened", 1200)
    tried("kills", "processes killed", 4)
    tried("kills", "saves", 9)
    assert counts(tmp_path) == {
        "kills": {"processes killed": 7, "saves": 9},
        "crash states": {"states opened": 1200},
    }
    assert counted(counts(tmp_path), "Run of today.") == (
        "Run of today.\n\n"
        "| attack | tried | violations |\n"
        "| --- | --- | --- |\n"
        "| crash states | 1,200 states opened | 0 |\n"
        "| kills | 7 processes killed, 9 saves | 0 |\n"
    )


def test_nothing_is_counted_outside_a_full_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(counting, "_FOLDER", None)
    tried("kills", "processes killed", 3)
    assert list(tmp_path.iterdir()) == []


def test_a_section_is_replaced_and_the_rest_stays() -> None:
    page = "# A\n<!-- counts -->\nold\n<!-- end of counts -->\nrest\n"
    assert with_section(page, "counts", "new\n") == (
        "# A\n<!-- counts -->\nnew\n<!-- end of counts -->\nrest\n"
    )
    with pytest.raises(ValueError, match="no section 'other'"):
        with_section(page, "other", "new\n")


def test_each_breakage_is_a_row() -> None:
    rows = mutated([Outcome("no sync", "a.py", "test_a.py::test_it", caught=True)])
    assert rows.splitlines()[2:] == ["| no sync | `a.py` | `test_a.py::test_it` |"]
