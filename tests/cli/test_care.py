"""``verify`` and ``reindex``."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from localsessions import Finding

if TYPE_CHECKING:
    from .conftest import Cli


def test_a_store_that_is_well_ends_with_0(cli: Cli) -> None:
    cli.add("s")
    result = cli("verify")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "all is well\n")


def test_an_unreadable_session_ends_with_5_and_names_the_repair(cli: Cli) -> None:
    path = cli.write("torn", "{")
    cli("list")
    result = cli("verify")
    assert result.exit_code == 5
    assert result.stdout == (
        f"unreadable: {path}: the file ends in the middle, as after a torn write, at line 1, "
        "column 2\n  repair: repair the file by hand, or delete the session\n"
    )


def test_what_else_needs_a_person_ends_with_1(cli: Cli) -> None:
    cli.add("s")
    (cli.folder / "orphan.checkpoints").mkdir()
    result = cli("verify")
    assert result.exit_code == 1
    assert result.stdout.startswith("orphan checkpoints: ")


def test_what_puts_itself_right_ends_with_0(cli: Cli) -> None:
    for number in range(3):
        cli.add(f"s{number}")
    shutil.rmtree(cli.folder / ".localsessions")
    result = cli("verify")
    assert (result.exit_code, result.stdout) == (
        0,
        "index: it had not seen 3 files as they are; it has seen them now\n",
    )


def test_findings_as_json(cli: Cli) -> None:
    cli.write("torn", "{")
    cli("list")
    result = cli("verify", "--json")
    assert result.exit_code == 5
    (finding,) = json.loads(result.stdout)
    assert list(finding) == list(Finding.__dataclass_fields__)
    assert (finding["kind"], finding["session_id"]) == ("unreadable", "torn")


def test_reindex_counts_the_sessions(cli: Cli) -> None:
    cli.add("s")
    assert cli.json("reindex") == {"sessions": 1}
    result = cli("reindex")
    assert (result.stdout, result.stderr) == ("", "indexed 1 sessions\n")
