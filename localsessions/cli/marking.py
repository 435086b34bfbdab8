"""``tag``, ``pin``, ``archive``: mark sessions, one or many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from localsessions.cli.choosing import (
    Chosen,
    each_of,
    end_if_refused,
    some_sessions,
    some_sessions_and_tags,
    tell_first,
    tell_refused,
)
from localsessions.cli.folder import opened
from localsessions.cli.options import examples, json_option
from localsessions.cli.screen.envelope import emit_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from localsessions.models import SessionSummary
    from localsessions.store import SessionStore

__all__ = ["archive", "pin", "tag"]


@click.command(
    epilog=examples(
        "localsessions tag latest +work +urgent --remove draft",
        "localsessions tag --project . +work",
        "localsessions search deploy | localsessions tag - +deploy",
    )
)
@click.option("--remove", "-r", metavar="TAG", multiple=True, help="Remove this tag; repeatable.")
@some_sessions_and_tags
@json_option
def tag(*, chosen: Chosen, tags: tuple[str, ...], remove: tuple[str, ...], as_json: bool) -> None:
    """Add tags to sessions and remove some.

    A word that begins with + is a tag to add: +work.
    """
    if not tags and not remove:
        raise click.UsageError("give a tag to add as +TAG, or --remove TAG")
    if "" in tags:
        raise click.UsageError("a tag is empty")
    _change(
        "tagging",
        chosen,
        lambda store, session_id: store.tag(session_id, *tags, remove=remove),
        lambda changed: f"tags: {', '.join(changed.tags) or 'none'}",
        as_json=as_json,
    )


@click.command(
    epilog=examples(
        "localsessions pin latest", "localsessions list --tag work | localsessions pin -"
    )
)
@click.option("--off", is_flag=True, help="Let cleanups have them again.")
@some_sessions
@json_option
def pin(*, chosen: Chosen, off: bool, as_json: bool) -> None:
    """Keep sessions from every cleanup."""
    _change(
        "unpinning" if off else "pinning",
        chosen,
        lambda store, session_id: store.pin(session_id, pinned=not off),
        lambda changed: "pinned" if changed.pinned else "no longer pinned",
        as_json=as_json,
    )


@click.command(epilog=examples("localsessions archive latest", "localsessions archive --until 90d"))
@click.option("--off", is_flag=True, help="Set the status back to active.")
@some_sessions
@json_option
def archive(*, chosen: Chosen, off: bool, as_json: bool) -> None:
    """Set the status of sessions to archived."""
    if off and chosen.filters.get("archived") is False:
        chosen.filters["archived"] = True
    _change(
        "unarchiving" if off else "archiving",
        chosen,
        lambda store, session_id: store.archive(session_id, archived=not off),
        lambda changed: f"status: {changed.status}",
        as_json=as_json,
    )


def _change(
    doing: str,
    chosen: Chosen,
    act: Callable[[SessionStore, str], SessionSummary],
    told: Callable[[SessionSummary], str],
    *,
    as_json: bool,
) -> None:
    """Change each session that was chosen, and tell what became of it."""
    with opened() as store:
        session_ids = chosen.ids(store)
        changed, errors = each_of(doing, session_ids, lambda one: act(store, one))
    if as_json:
        emit_json(changed)
    else:
        tell_first([f"{one.session_id}: {told(one)}" for one in changed])
    tell_refused(errors)
    end_if_refused(errors)
