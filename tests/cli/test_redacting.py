"""``export --redact``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redaction.tokens import TOKENS

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Cli

TOKEN = TOKENS["github-token"][0]
SHOWN = "[REDACTED:github-token]"
ADVICE = "this is a help, no guarantee: look before you share\n"


@pytest.mark.parametrize("kind", ["markdown", "json", "jsonl"])
def test_export_redact_replaces_secrets_in_every_format(cli: Cli, kind: str) -> None:
    cli.add("s", f"use {TOKEN}", f"again: {TOKEN}", title="T")
    before = (cli.folder / "s.json").read_bytes()
    result = cli("export", "s", "--redact", "--format", kind)
    assert result.exit_code == 0
    assert TOKEN not in result.stdout
    assert result.stdout.count(SHOWN) == 2
    assert result.stderr == f"replaced 2: 2 github-token; {ADVICE}"
    assert (cli.folder / "s.json").read_bytes() == before


def test_without_redact_nothing_is_replaced(cli: Cli) -> None:
    cli.add("s", TOKEN)
    assert TOKEN in cli("export", "s").stdout


def test_export_redact_without_a_secret_writes_the_same(cli: Cli, tmp_path: Path) -> None:
    cli.add("s", "text")
    path = tmp_path / "a.json"
    result = cli("export", "s", "--redact", "-o", str(path))
    assert result.stderr == f"found nothing that looks like a secret; {ADVICE}wrote {path}\n"
    assert path.read_bytes() == (cli.folder / "s.json").read_bytes()


def test_preview_shows_a_row_for_each_secret_and_never_the_secret(cli: Cli) -> None:
    cli.add("s", "text", f"use {TOKEN}", title=TOKEN)
    result = cli("export", "s", "--redact", "--preview")
    assert result.exit_code == 0
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["github-token", "", "ghp_… (40 characters)", "title"],
        ["github-token", "2", "ghp_… (40 characters)", "messages[1].content"],
    ]
    assert result.stderr == "would replace 2: 2 github-token\n"
    assert TOKEN[:6] not in result.stdout


def test_preview_of_nothing_has_no_table(cli: Cli) -> None:
    cli.add("s", "text")
    result = cli("export", "s", "--preview")
    assert (result.stdout, result.stderr) == ("", "found nothing that looks like a secret\n")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["-o", "a.md"], "--output"),
        (["--format", "json"], "--format"),
        (["-f", "--format", "jsonl"], "--format and --force"),
    ],
)
def test_preview_refuses_what_says_how_a_file_is_written(
    cli: Cli, options: list[str], named: str
) -> None:
    result = cli.process("export", "s", "--preview", *options)
    assert result.returncode == 2
    assert result.stderr.startswith(
        f"error: --preview writes no file; leave out {named}; ".encode()
    )
    assert not cli.folder.exists()


def test_preview_takes_the_output_that_is_no_file(cli: Cli) -> None:
    cli.add("s", TOKEN)
    assert "messages[0].content" in cli("export", "s", "--preview", "-o", "-").stdout


def test_preview_names_a_kind_as_it_is_called(cli: Cli, tmp_path: Path) -> None:
    cli.add("s", "ACME-77")
    own = tmp_path / "own.txt"
    own.write_text("replaced = ACME-[0-9]+\n")
    result = cli("export", "s", "--preview", "--redact-patterns", str(own))
    assert result.stderr == "would replace 1: 1 replaced\n"


def test_own_patterns_are_added_and_need_no_other_option(cli: Cli, tmp_path: Path) -> None:
    cli.add("s", f"ACME-77 and {TOKEN}")
    own = tmp_path / "own.txt"
    own.write_text("ticket = ACME-[0-9]+\n")
    result = cli("export", "s", "--redact-patterns", str(own))
    assert f"[REDACTED:ticket] and {SHOWN}" in result.stdout
    assert result.stderr == f"replaced 2: 1 github-token, 1 ticket; {ADVICE}"


def test_a_wrong_pattern_is_named_and_nothing_is_written(cli: Cli, tmp_path: Path) -> None:
    cli.add("s", "text")
    own, path = tmp_path / "own.txt", tmp_path / "a.md"
    own.write_text("# mine\nslow = (a+)+b\n")
    result = cli.process("export", "s", "--redact-patterns", str(own), "-o", str(path))
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {own}, line 2: a repeat inside a repeat".encode())
    assert not path.exists()


def test_patterns_that_are_not_there_are_named(cli: Cli, tmp_path: Path) -> None:
    cli.add("s", "text")
    own = tmp_path / "none.txt"
    result = cli.process("export", "s", "--redact-patterns", str(own))
    assert result.returncode == 3
    assert (
        result.stderr
        == f"error: there is no such file or folder: {own}; look at the name\n".encode()
    )
