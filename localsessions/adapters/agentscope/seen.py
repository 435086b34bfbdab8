"""What the modules of this process have seen of sessions. No storage lives here.

An agent in memory may be older than the file. So a save must tell what the agent changed from what
others changed meanwhile: what it did not change is as the file says.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

__all__ = ["Seen", "Sights"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a module has seen of a session.

    Attributes:
        place: The path of the session's file.
        created_at: When the session began: another one may be at the same place.
        last: The id of the last message that was there when the module was loaded. None: there was
            none, or it was not loaded.
        digests: Of each Msg that it was given or saved, by id.
        heard: The ids of those Msgs that others said.
    """

    place: str
    created_at: datetime | None = None
    last: str | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    heard: frozenset[str] = frozenset()


class Sights:
    """What each module has seen of the session that it was last loaded from or saved to."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[weakref.ref[object], Seen]] = {}

    def of(self, module: object, place: str) -> Seen:
        """Return what a module has seen of the session at a place."""
        _, seen = self._seen.get(id(module), (None, None))
        return seen if seen is not None and seen.place == place else Seen(place)

    def note(self, module: object, seen: Seen) -> None:
        """Remember what a module has seen, as long as the module lives.

        A module that cannot be referred to weakly counts as one that has seen nothing.
        """
        own, all_seen = id(module), self._seen
        try:
            reference = weakref.ref(module, lambda _: all_seen.pop(own, None))
        except TypeError:
            return
        all_seen[own] = (reference, seen)
