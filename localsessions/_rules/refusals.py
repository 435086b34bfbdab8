"""What became of many sessions that were done together: the errors of some, raised as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from localsessions.errors import DurabilityUnknownError

__all__ = ["raise_first", "raise_refusals"]


def raise_refusals(errors: Mapping[str, Exception], session_ids: Sequence[str], done: str) -> None:
    """Raise the errors of some sessions, if there are any, in the order of the sessions.

    Raises:
        ExceptionGroup: With the error of each; ``done`` is what the others are.
    """
    found = [errors[one] for one in session_ids if one in errors]
    doubtful = sum(isinstance(error, DurabilityUnknownError) for error in found)
    refused, count = len(found) - doubtful, len(session_ids)
    told = [f"{refused} of {count} sessions were not {done}"] if refused else []
    if doubtful:
        told.append(f"{doubtful} of {count} sessions were {done}, perhaps not durably")
    if found:
        raise ExceptionGroup("; ".join(told), found)


def raise_first(errors: Mapping[str, Exception], session_ids: Sequence[str]) -> None:
    """Raise the error of the first session that has one, with a note of how many others have."""
    found = [errors[one] for one in session_ids if one in errors]
    if len(found) > 1:
        found[0].add_note(f"{len(found) - 1} more sessions failed")
    if found:
        raise found[0]
