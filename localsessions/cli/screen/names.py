"""Names short enough for a column, which still tell what they name apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

__all__ = ["project_names"]


def project_names(folders: Iterable[str]) -> dict[str, str]:
    """Return for each folder its name; with the folders above where two have the same name."""
    left, depth, names = {*folders}, 1, dict[str, str]()
    while left:
        ends = {one: _end(one, depth) for one in left}
        seen = Counter(ends.values())
        told = {one: end for one, end in ends.items() if seen[end] == 1 or _is_whole(one, depth)}
        names |= told
        left -= told.keys()
        depth += 1
    return names


def _parts(folder: str) -> list[str]:
    # A chat may come from another system, whose folders are parted otherwise.
    return [one for one in re.split(r"[/\\]", folder) if one]


def _end(folder: str, depth: int) -> str:
    return "/".join(_parts(folder)[-depth:]) or folder


def _is_whole(folder: str, depth: int) -> bool:
    return depth >= len(_parts(folder))
