"""``verify`` and ``reindex``."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from localsessions import Finding, LockTimeoutError, SessionStore

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Cli

TORN = '{"title": "t", "messages": [{"role": "user", "content": "hi"}, {"ro'


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
    (finding,) = json.loads(result.stdout)["items"]
    assert list(finding) == list(Finding.__dataclass_fields__)
    assert (finding["kind"], finding["session_id"]) == ("unreadable", "torn")


def test_reindex_counts_the_sessions(cli: Cli) -> None:
    cli.add("s")
    assert cli.item("reindex") == {"sessions": 1}
    result = cli("reindex")
    assert (result.stdout, result.stderr) == ("", "indexed 1 sessions\n")


# verify --repair


def snapshot(cli: Cli) -> dict[str, bytes]:
    found = [path for path in cli.folder.rglob("*") if ".localsessions" not in path.parts]
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in found}


def temp_file(cli: Cli) -> Path:
    path = cli.folder / ".localsessions" / "tmp" / "00-1234.tmp"
    path.touch()
    return path


def break_all(cli: Cli) -> None:
    """One finding of each kind that can be repaired; temp files are swept when a store opens."""
    cli.add("s")
    (cli.folder / "orphan.checkpoints").mkdir()
    cli.write("copy", '{"session_id": "original"}')
    cli.write("torn", TORN)
    cli("list")


def test_verify_says_what_repair_can_do_and_changes_nothing(cli: Cli) -> None:
    break_all(cli)
    cli.write("odd", "{")
    cli("list")
    before = snapshot(cli)
    result = cli("verify")
    repairs = [line for line in result.stdout.splitlines() if line.startswith("  repair: ")]
    assert [line.endswith(" (--repair does it)") for line in repairs] == [True, False, True, True]
    assert (
        "  repair: recover 1 whole messages as session 'torn-recovered'; this file stays "
        "(--repair does it)"
    ) in repairs
    findings = json.loads(cli("verify", "--json").stdout)["items"]
    assert [one["automatic"] for one in findings] == [True, False, True, True]
    assert snapshot(cli) == before


def test_repair_shows_the_findings_and_says_what_it_did(cli: Cli) -> None:
    break_all(cli)
    shown = cli("verify").stdout
    result = cli("verify", "--repair", "--yes")
    assert result.exit_code == 5  # the torn file stays
    assert result.stdout.startswith(shown)
    done = result.stdout.removeprefix(shown).splitlines()
    folder = cli.folder
    assert done[0] == f"{folder / 'copy.json'}: wrote the id 'copy' into the file"
    assert done[1] == (
        f"{folder / 'torn.json'}: recovered 1 messages as session 'torn-recovered'; the file stays"
    )
    start = f"{folder / 'orphan.checkpoints'}: moved the checkpoints to the trash, {folder}"
    assert done[2].startswith(start)
    assert len(done) == 3
    assert len(cli.item("show", "torn-recovered")["messages"]) == 1
    assert (folder / "torn.json").read_text() == TORN


def test_a_second_repair_has_nothing_to_do(cli: Cli) -> None:
    break_all(cli)
    cli("verify", "--repair", "--yes")
    before = snapshot(cli)
    result = cli("verify", "--repair", "--yes")
    assert (result.exit_code, result.stderr) == (5, "nothing was repaired\n")
    assert "--repair does it" not in result.stdout
    assert snapshot(cli) == before


def test_repairing_all_ends_with_0(cli: Cli) -> None:
    cli.add("s")
    (cli.folder / "orphan.checkpoints").mkdir()
    assert cli("verify").exit_code == 1
    assert cli("verify", "--repair", "--yes").exit_code == 0
    result = cli("verify", "--repair")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "all is well\n")


def test_a_temp_file_is_swept_by_opening_the_store(cli: Cli) -> None:
    cli.add("s")
    path = temp_file(cli)
    assert cli("verify", "--repair", "--yes").exit_code == 0
    assert not path.exists()


def test_repair_as_json_says_what_was_done(cli: Cli) -> None:
    break_all(cli)
    cli.write("odd", "{")
    cli("list")
    result = cli("verify", "--repair", "--yes", "--json")
    assert (result.exit_code, result.stderr) == (5, "")
    found = {one["session_id"]: one for one in json.loads(result.stdout)["items"]}
    assert list(found["torn"]) == [*Finding.__dataclass_fields__, "done", "failed"]
    assert found["torn"]["done"].startswith("recovered 1 messages")
    assert (found["odd"]["done"], found["odd"]["failed"]) == (None, None)


@pytest.mark.parametrize("arguments", [["--repair"], ["--repair", "--json"]])
def test_nothing_is_repaired_where_nobody_can_be_asked(cli: Cli, arguments: list[str]) -> None:
    break_all(cli)
    before = snapshot(cli)
    result = cli("verify", *arguments)
    assert result.exit_code == 2
    assert "there is no terminal to ask whether to repair them: give --yes" in result.stderr
    assert "orphan checkpoints: " in result.output
    assert snapshot(cli) == before


def test_yes_without_repair_is_misuse(cli: Cli) -> None:
    cli.add("s")
    assert cli("verify", "--yes").exit_code == 2


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied", "/x"), "locked"])
def test_a_repair_that_fails_is_told_and_the_others_go_on(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, error: OSError | str
) -> None:
    cli.add("s")
    cli.write("a", '{"session_id": "original"}')
    cli.write("b", '{"session_id": "original"}')
    cli("list")
    repair = SessionStore.repair

    def failing(store: SessionStore, finding: Finding) -> str:
        if finding.session_id == "a":
            raise LockTimeoutError(1.0, session_id="a") if isinstance(error, str) else error
        return repair(store, finding)

    monkeypatch.setattr(SessionStore, "repair", failing)
    result = cli("verify", "--repair", "--yes")
    assert result.exit_code == 6
    assert f"error: cannot repair {cli.folder / 'a.json'}: " in result.stderr
    assert json.loads((cli.folder / "b.json").read_text())["session_id"] == "b"
    result = cli("verify", "--repair", "--yes", "--json")
    (outcome,) = json.loads(result.stdout)["items"]
    assert (outcome["done"], bool(outcome["failed"])) == (None, True)


@pytest.mark.needs("terminals")
@pytest.mark.parametrize("arguments", [["--repair"], ["--repair", "--json"]])
def test_repair_asks_once_and_does_what_is_answered(cli: Cli, arguments: list[str]) -> None:
    break_all(cli)
    before = snapshot(cli)
    code, shown = cli.terminal("verify", *arguments, answers={"[y/N]: ": "n\n"})
    assert code == 5
    assert shown.count("[y/N]") == 1
    assert re.search(r"orphan checkpoints: .*Repair 3 findings\? \[y/N\]: n\n", shown, re.DOTALL)
    assert "nothing was repaired" in shown
    assert snapshot(cli) == before
    code, shown = cli.terminal("verify", *arguments, answers={"[y/N]: ": "y\n"})
    assert code == 5
    assert shown.count("[y/N]") == 1
    assert "recovered 1 messages as session 'torn-recovered'" in shown
    assert (cli.folder / "torn-recovered.json").exists()


def test_checkpoints_in_the_trash_are_listed_restored_and_purged(cli: Cli) -> None:
    cli.add("s")
    for name in ("a", "b"):
        (cli.folder / f"{name}.checkpoints").mkdir()
    cli("verify", "--repair", "--yes")
    rows = cli("restore", "--list").stdout.splitlines()
    found = sorted((row.split("\t")[0], row.split("\t")[3]) for row in rows)
    assert found == [("a", "checkpoints"), ("b", "checkpoints")]
    assert cli("restore", "a").exit_code == 3
    cli.add("a")
    assert cli("restore", "a").stderr == "restored a\n"
    assert (cli.folder / "a.checkpoints").is_dir()
    assert "removed b for good" in cli("cleanup", "--empty-trash", "--yes").stdout
    assert cli("restore", "--list").stderr == "the trash is empty\n"


def test_the_latest_is_a_session_rather_than_checkpoints(cli: Cli) -> None:
    cli.add("s")
    cli("delete", "s", "--yes")
    (cli.folder / "a.checkpoints").mkdir()
    cli("verify", "--repair", "--yes")
    assert cli("restore", "latest").stderr == "restored s\n"
