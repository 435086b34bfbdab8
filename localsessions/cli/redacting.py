"""``export --redact``: what leaves the folder without its secrets."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeVar

import click

from localsessions.cli.screen.safe import one_line
from localsessions.cli.screen.streams import note
from localsessions.cli.screen.tables import Column, emit_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from localsessions.models import Session
    from localsessions.redaction import FoundSecret, Redacted

__all__ = ["redact_options", "redacted", "refuse_file_of_preview", "show_secrets"]

Command = TypeVar("Command", bound="Callable[..., object]")


def redact_options(command: Command) -> Command:
    """Give a command ``--redact`` and the two options that belong to it."""
    for option in (
        click.option(
            "--preview", is_flag=True, help="Only show what --redact would replace, and where."
        ),
        click.option(
            "--redact-patterns",
            "patterns_path",
            metavar="FILE",
            type=click.Path(),
            help="Replace also what FILE describes: name = regex, one a line.",
        ),
        click.option(
            "--redact",
            "is_redacted",
            is_flag=True,
            help="Replace what looks like a key, token or password. No guarantee.",
        ),
    ):
        command = option(command)
    return command


def redacted(session: Session, patterns_path: str | None) -> Session:
    """Return the session without its secrets, and say how many there were."""
    found = _redact(session, patterns_path)
    told = _told(found.findings, "replaced")
    note(one_line(f"{told}; this is a help, no guarantee: look before you share"))
    return found.session


def refuse_file_of_preview(*, output: str | None, kind: str | None, force: bool) -> None:
    """Refuse options that say how a file is written, where ``--preview`` writes none."""
    given = {
        "--output": output not in (None, "-"),
        "--format": kind is not None,
        "--force": force,
    }
    if wrong := [name for name, is_given in given.items() if is_given]:
        raise click.UsageError(f"--preview writes no file; leave out {' and '.join(wrong)}.")


def show_secrets(session: Session, patterns_path: str | None) -> None:
    """Show a row for each secret, with no more of it than its beginning."""
    findings = _redact(session, patterns_path).findings
    if findings:
        rows = [(one.kind, str(one.message or ""), one.beginning, one.where) for one in findings]
        kind, message = Column("KIND", is_whole=True), Column("MESSAGE", is_number=True)
        emit_table([kind, message, Column("BEGINS"), Column("WHERE", is_wide=True)], rows)
    note(one_line(_told(findings, "would replace")))


def _redact(session: Session, patterns_path: str | None) -> Redacted:
    from localsessions.redaction import PATTERNS, read_patterns, redact

    own = read_patterns(patterns_path) if patterns_path else ()
    return redact(session, patterns=(*PATTERNS, *own))


def _told(findings: Sequence[FoundSecret], verb: str) -> str:
    if not findings:
        return "found nothing that looks like a secret"
    kinds = Counter(one.kind for one in findings)
    listed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return f"{verb} {len(findings)}: {listed}"
