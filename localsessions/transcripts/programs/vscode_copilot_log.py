"""The log of a chat of VS Code: how its state changed, entry by entry.

Each line is an entry (https://github.com/microsoft/vscode/blob/main/src/vs/workbench/contrib/chat/common/model/objectMutationLog.ts)::

    {kind: 0, v}         the whole state
    {kind: 1, k, v}      sets what the path ``k`` leads to
    {kind: 2, k, i, v}   cuts the list at ``k`` to ``i`` items, if ``i`` is there, and adds ``v``
    {kind: 3, k}         deletes what ``k`` leads to

The state has a list of requests. One that leaves the list was undone, or asked in other words: it
was said, so its last version is remembered.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import Object, as_list, as_object, as_text
from localsessions.transcripts.lines import BadLine

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import JsonValue

    from localsessions.transcripts.lines import Record

__all__ = ["ChatLog"]

_WHOLE, _SET, _PUSH, _DELETE = range(4)
_KINDS = {_WHOLE: "(whole state)", _SET: "(set)", _PUSH: "(push)", _DELETE: "(delete)"}


@dataclass(slots=True)
class ChatLog:
    """What the entries of a log have said so far.

    Attributes:
        state: The state after the last entry.
        requests: The last version of every request, in the order in which they were made.
        standing: The keys in ``requests`` of those that the state still has.
        entries: How many entries of each kind there were.
        bad_lines: Entries that could not be applied.
    """

    state: Object = field(default_factory=dict)
    requests: dict[str, Object] = field(default_factory=dict)
    standing: frozenset[str] = frozenset()
    entries: Counter[str] = field(default_factory=Counter)
    bad_lines: list[BadLine] = field(default_factory=list)

    def read(self, records: Iterable[Record]) -> None:
        """Apply the entries; the values of the records stay as they are."""
        for record in records:
            entry = record.value
            kind = entry.get("kind")
            # True is no kind, though Python takes it for 1.
            known = _KINDS.get(kind) if isinstance(kind, int) and kind is not True else None
            if known is None:
                self.bad_lines.append(BadLine(record.line, "no entry of a chat log"))
                continue
            state = as_object(entry.get("v")) if kind == _WHOLE else _changed(self.state, entry)
            if state is None:
                reason = "changes what the chat log does not have"
                self.bad_lines.append(BadLine(record.line, reason))
                continue
            self.entries[known] += 1
            self.set(state, _touched(entry))

    def set(self, state: Object, touched: int | None = None) -> None:
        """Take a state.

        Args:
            state: The whole state.
            touched: The position of the only request that may have changed; None if any may.
        """
        self.state = state
        requests = as_list(state.get("requests"))
        if touched is not None and touched < len(requests):
            self._say(touched, requests[touched])
            return
        keys = [self._say(at, request) for at, request in enumerate(requests)]
        self.standing = frozenset(key for key in keys if key is not None)

    def _say(self, at: int, request: JsonValue) -> str | None:
        if not isinstance(request, dict):
            return None
        key = as_text(request.get("requestId")) or f"#{at + 1}"
        self.requests[key] = request
        return key


def _touched(entry: Object) -> int | None:
    path = as_list(entry.get("k"))
    if len(path) > 2 and path[0] == "requests" and type(path[1]) is int and path[1] >= 0:
        return path[1] if path[2] != "requestId" else None
    return None


def _changed(state: Object, entry: Object) -> Object | None:
    """Return the state after an entry; None if the path does not lead anywhere.

    Only what lies on the path is copied.
    """
    path = as_list(entry.get("k"))
    if not path:
        return None
    root = dict(state)
    here: Object | list[JsonValue] = root
    for step in path[:-1]:
        child = _at(here, step)
        copied = dict(child) if isinstance(child, dict) else _copied(child)
        if copied is None or not _put(here, step, copied):
            return None
        here = copied
    return root if _change(here, path[-1], entry) else None


def _copied(child: JsonValue) -> list[JsonValue] | None:
    return list(child) if isinstance(child, list) else None


def _change(here: Object | list[JsonValue], step: JsonValue, entry: Object) -> bool:
    if entry.get("kind") == _DELETE:
        if isinstance(here, dict) and isinstance(step, str):
            here.pop(step, None)
            return True
        return _put(here, step, None)
    if entry.get("kind") == _SET:
        return _put(here, step, entry.get("v"))
    listed, length = as_list(_at(here, step)), entry.get("i")
    kept = listed[:length] if type(length) is int and length >= 0 else listed
    return _put(here, step, [*kept, *as_list(entry.get("v"))])


def _at(here: Object | list[JsonValue], step: JsonValue) -> JsonValue:
    if isinstance(here, dict):
        return here.get(step) if isinstance(step, str) else None
    return here[step] if type(step) is int and 0 <= step < len(here) else None


def _put(here: Object | list[JsonValue], step: JsonValue, value: JsonValue) -> bool:
    """Set an item of an object or a list, or the next one of a list; tell whether it was done."""
    if isinstance(here, dict):
        if not isinstance(step, str):
            return False
        here[step] = value
        return True
    if type(step) is not int or not 0 <= step <= len(here):
        return False
    here[step : step + 1] = [value]
    return True
