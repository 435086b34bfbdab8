"""Contestants that take turns, round by round, and what each took.

Each is a process of its own in an environment of its own. In each round each does the same, in an
order that changes from round to round, so that a busy moment of the machine meets all of them.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.contestants import Entry
from benchmarks.environments import Environments, InstallError, version
from benchmarks.material import write_material
from benchmarks.player import ContestantError, Player

__all__ = ["SHORT", "Rounds"]

ROOT = Path(__file__).resolve().parent.parent
SHORT = 10


class Rounds:
    """The contestants that take part, and what each took: seconds by (kind, contestant).

    Args:
        folder: Where each has a folder.
        long: So many messages has the long session; the short one has ``SHORT``.
        listed: So many sessions are in the store that is listed.
    """

    def __init__(self, folder: Path, *, long: int, listed: int) -> None:
        self._folder, self._long, self._listed = folder, long, listed
        self.took: dict[tuple[str, str], list[float]] = {}
        self.versions: dict[str, str] = {}
        self.wrong: list[str] = []
        self._failed: set[tuple[str, str]] = set()
        self.material = folder / "material.json"
        write_material(self.material, ROOT / "examples" / "transcripts")

    def run(self, entries: Sequence[Entry], rounds: int) -> None:
        """Let all do everything."""
        with ExitStack() as stack:
            players = [one for entry in entries if (one := self._player(entry, stack))]
            for player in players:
                self._try(player, "filled", "fill", session="short", count=SHORT)
                self._try(player, "filled", "fill", session="long", count=self._long)
                if "list" in player.entry.offers:
                    self._try(player, "filled", "stock", count=self._listed)
            for number in range(rounds):
                self._round(random.Random(number).sample(players, len(players)))
            for player in players:
                for session in ("short", "long"):
                    self._try(player, "checked", "check", session=session)

    def _round(self, players: Sequence[Player]) -> None:
        for player in players:
            self._try(player, "short", "turn", session="short")
            self._try(player, "long", "turn", session="long")
            if "list" in player.entry.offers:
                self._try(player, "list", "newest", count=self._listed, warm=True)

    def _player(self, entry: Entry, stack: ExitStack) -> Player | None:
        try:
            python = Environments(ROOT / ".bench" / "environments").ready(entry)
        except InstallError as error:
            self.wrong.append(f"{entry.label}: {error}")
            return None
        if entry.kind == "peer":
            self.versions[entry.name] = version(python, entry.distribution)
        folder = self._folder / entry.name
        folder.mkdir()
        self.prepare(folder)
        return stack.enter_context(Player(entry, python, folder, self.material))

    def prepare(self, folder: Path) -> None:
        """Put into the folder of a contestant what it needs."""

    def _try(self, player: Player, kind: str, verb: str, **arguments: object) -> None:
        """Ask a contestant; what it took is a figure of that kind, and an error is told once."""
        if (player.entry.name, kind) in self._failed:
            return
        try:
            answer = player.ask(verb, **arguments)
        except ContestantError as error:
            self._failed.add((player.entry.name, kind))
            self.wrong.append(f"{player.entry.label}: {verb}: {error}")
            return
        if "seconds" in answer:
            self.took.setdefault((kind, player.entry.name), []).append(answer["seconds"])

    def median(self, kind: str, name: str) -> float | None:
        """Return the median of the milliseconds, if there are any."""
        found = self.took.get((kind, name))
        return 1e3 * statistics.median(found) if found else None

    def behind(self, ours: str, theirs: str, explained: Collection[str] = ()) -> Iterator[str]:
        """Yield where ours was slower than theirs, or one of them has no figure.

        Args:
            ours: A contestant.
            theirs: Another one.
            explained: The kinds in which ours may be slower.
        """
        for kind in dict.fromkeys(kind for kind, name in self.took if name == theirs):
            mine, other = self.median(kind, ours), self.median(kind, theirs)
            if mine is None or other is None:
                yield f"{kind!r} of {ours} or {theirs} has no figure"
            elif other < mine and kind not in explained:
                yield f"{theirs} is ahead in {kind!r}: {other:.2f} ms, and {ours} {mine:.2f} ms"
