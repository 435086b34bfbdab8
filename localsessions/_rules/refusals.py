"""The errors of a verb on many sessions, raised together as a group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from localsessions.errors import DurabilityUnknownError

__all__ = ["raise_first", "raise_refusals"]


def raise_refusals(errors: Mapping[str, Exception], session_ids: Sequence[str], done: str) -> None:
    """Raise the errors of the sessions together, in the order of the sessions, if there are any.

    Raises:
        ExceptionGroup: With the error of each; its message says how many sessions were not
            ``done``, such as "saved".
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
    """Raise the first error in the order of the sessions; a note counts the other errors."""
    found = [errors[one] for one in session_ids if one in errors]
    if len(found) > 1:
        found[0].add_note(f"{len(found) - 1} more sessions failed")
    if found:
        raise found[0]
