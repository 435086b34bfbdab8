"""A run: which contestant does what, in which order, how often.

All children live for the whole run. For each workload and size all contestants prepare; then the
rounds go over all contestants, in another order each time, so that disturbances of the machine
affect all of them. Before a write is timed, the disk may come to rest: otherwise a contestant's
sync would pay for what another contestant left in the cache.

A contestant that has spent its budget does fewer rounds, at least three unless that takes very
long. If its next size would take even longer, it is left out there, and the page says so.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import bulk
from benchmarks.contestants import ENTRIES, Entry
from benchmarks.durability import durability_of
from benchmarks.environments import Environments, InstallError, version
from benchmarks.imports import BASE, BASE_STATEMENT, import_seconds
from benchmarks.material import Material, write_material, write_transcripts
from benchmarks.plan import Plan
from benchmarks.player import ROOT, ContestantError, Player
from benchmarks.results import REAL, Results

FEWEST_ROUNDS = 3
Act = Callable[[int], dict[str, Any]]
"""Does the work of a round, and returns how many seconds it took."""
Ask = Callable[[Player, int], dict[str, Any]]
"""Asks a player to do it."""
WHOLE = 1_000
"""Messages of the session that is saved as a whole: 1 MB."""


class Contest:
    """A run in a folder, which is emptied.

    Args:
        plan: How much of everything.
        folder: Where all contestants store; decides which file system is measured.
        environments: Where the peers are installed.
        results: Receives the results during the run.
    """

    def __init__(
        self, plan: Plan, folder: Path, environments: Environments, results: Results
    ) -> None:
        self.plan = plan
        self.folder = folder
        self.environments = environments
        self.results = results
        self.players: dict[str, Player] = {}
        self.pythons: dict[str, Path] = {}
        self.wrong: list[str] = []
        self._paces: dict[tuple[str, str], tuple[int, float]] = {}
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.material = folder / "material.json"
        write_material(self.material, ROOT / "examples" / "transcripts")

    # -- the run -----------------------------------------------------------------------------

    def run(self, entries: Iterable[Entry] = ENTRIES) -> None:
        """Do everything; a failure leaves a gap in the results."""
        try:
            for entry in entries:
                self._start(entry)
            for name in list(self.players):
                self._enter(name)
            self._durability()
            for size in self.plan.sizes:
                self._sessions(size)
            for size in self.plan.stores:
                self._store(size)
            self._real_store()
            self._bulk_import()
            self._many()
            self._imports()
        finally:
            for player in self.players.values():
                player.close()

    def _start(self, entry: Entry) -> None:
        try:
            self.pythons[entry.name] = self.environments.ready(entry)
        except InstallError as error:
            self.results.missing[entry.label] = f"could not be installed: {error}"
            return
        self.players[entry.name] = Player(
            entry, self.pythons[entry.name], self.folder / entry.name, self.material
        )

    def _enter(self, name: str) -> None:
        entry = self.players[name].entry
        try:
            self.players[name].wake()
        except ContestantError as fault:
            self.results.missing[entry.label] = f"did not start: {fault}"
            self.players.pop(name).close()
            return
        told = {"name": name, "label": entry.label, "kind": entry.kind, "way": entry.way}
        if entry.distribution:
            found = version(self.pythons[name], entry.distribution)
            told["version"] = f"{entry.distribution} {found}"
        self.results.contestants.append(told)

    def _durability(self) -> None:
        size = min(100, self.plan.sizes[-1])
        for name in self._offering("turn"):
            player = self.players[name]
            try:
                player.ask("fill", session="traced", count=size)
                player.ask("turn", session="traced")
                found = durability_of(player, "traced")
            except ContestantError as fault:
                self._gap("durability", size, name, fault)
                continue
            if found:
                self.results.durability[name] = found.as_document()

    def _sessions(self, size: int) -> None:
        _say(f"sessions of {size:,} messages")
        # A small session would grow beyond its size; so its turns are spread over several.
        count = 3 if size < 1_000 else 1
        names = [f"turn-{size}-{number}" for number in range(count)]
        able = [name for name in self._offering("turn") if self._fill(name, names, size - 2)]
        self._warm(size, able, names)
        each = -(-self.plan.rounds // count)
        self._rounds(
            "turn",
            size,
            able,
            lambda player, at: player.ask("turn", session=names[at // each]),
            writes=True,
        )
        for name in able:
            self._check(size, name, names)
        self._whole_sessions(size, able)
        self._drop("turn-")

    def _warm(self, size: int, able: Iterable[str], sessions: Iterable[str]) -> None:
        for name in able:
            for session in sessions:
                self._try("turn", size, name, "turn", session=session)

    def _check(self, size: int, name: str, sessions: Iterable[str]) -> None:
        """Remove the figure of a contestant whose sessions are not what the turns made of them."""
        for session in sessions:
            self._try("turn", size, name, "check", session=session)

    def _whole_sessions(self, size: int, able: list[str]) -> None:
        session = f"load-{size}"
        able = [name for name in able if self._fill(name, [session], size)]
        for name in able:
            self._try("load", size, name, "ready", session=session)
        for workload in ("load", "tail", "save"):
            if workload == "save" and size != WHOLE:
                continue
            self._rounds(
                workload,
                size,
                [name for name in self._offering(workload) if name in able],
                asking(workload, session=session),
                writes=workload == "save",
            )
        if self.plan.memory and size == self.plan.sizes[-1]:
            self._memory(size, session, [name for name in self._offering("load") if name in able])
        self._drop("load-")

    def _fill(self, name: str, sessions: Iterable[str], size: int) -> bool:
        """Make a contestant create sessions; return whether it could."""
        for session in sessions:
            workload = "load" if session.startswith("load") else "turn"
            if not self._is_in_time("fill", size, name):
                self.results.gaps[workload, size, name] = "would take too long to make"
                return False
            done = self._try(workload, size, name, "fill", session=session, count=size)
            if done is None:
                return False
            self._paces["fill", name] = (size, done["filled"])
        return True

    def _memory(self, size: int, session: str, able: Iterable[str]) -> None:
        """Load in a child that has done nothing else."""
        for name in able:
            entry = self.players[name].entry
            try:
                with Player(entry, self.pythons[name], self.folder / name, self.material) as player:
                    found = player.ask("memory", session=session)["bytes"]
                self.results.figures["memory", size, name] = [found]
            except ContestantError as fault:
                self._gap("memory", size, name, fault)

    def _store(self, size: int) -> None:
        _say(f"stores of {size:,} sessions")
        able = []
        for name in self._offering("list"):
            if not self._is_in_time("stock", size, name):
                self.results.gaps["list", size, name] = "would take too long to make"
                continue
            done = self._try("list", size, name, "stock", count=size)
            if done:
                self._paces["stock", name] = (size, done["filled"])
                able.append(name)
        os.sync()
        asks: dict[str, Ask] = {
            "list": lambda player, _: player.ask(
                "newest", count=size, warm=self._pace("list", size, player.entry.name) < 1
            ),
            "filter": asking("filtered", count=size),
            "page": asking("page", count=size),
            "open": asking("open", count=size),
            "scan": asking("scan", count=size),
            "rebuild": asking("rebuild", count=size),
        }
        for workload, ask in asks.items():
            offering = [name for name in self._offering(workload) if name in able]
            rounds = self.plan.slow_rounds if workload == "rebuild" else self.plan.rounds
            self._rounds(workload, size, offering, ask, rounds=rounds)
        self._drop("stock-")

    def _real_store(self) -> None:
        """Measure everything with a store of real transcripts; see ``size``."""
        count = self.plan.real
        if not count or "localsessions" not in self.players:
            return
        _say(f"a store of {count:,} real transcripts")
        command = [sys.executable, "-m", "benchmarks.size", str(self.folder / "real")]
        options = ["--sessions", str(count), "--rounds", str(self.plan.real_rounds)]
        done = subprocess.run([*command, *options], cwd=ROOT, stdout=subprocess.PIPE, check=False)
        if done.returncode:
            self.wrong.append(f"a store of {count:,} real transcripts: see above")
            return
        for what, seconds in json.loads(done.stdout).items():
            for name, values in (("localsessions", seconds["ours"]), ("rewrite", seconds["floor"])):
                if values:
                    self.results.figures[f"{REAL}{what}", count, name] = values

    def _bulk_import(self) -> None:
        count = self.plan.files
        _say(f"import of {count:,} transcripts")
        paths = write_transcripts(self.folder / "transcripts", count, Material(self.material))
        self._rounds(
            "import",
            count,
            self._offering("import"),
            lambda player, at: player.ask("take", into=f"import-{at}", paths=paths),
            rounds=self.plan.slow_rounds,
            writes=True,
        )

    def _many(self) -> None:
        """Measure what this store gains from verbs for many sessions at once."""
        if not any(player.entry.kind == "ours" for player in self.players.values()):
            return
        count = self.plan.files
        _say(f"{count:,} sessions together and one by one")
        found = bulk.measure(self.folder / "bulk", count, self.plan.slow_rounds)
        for (verb, way), seconds in found.items():
            self.results.figures[f"{verb} many", count, way] = seconds

    def _imports(self) -> None:
        _say("imports of the packages")

        def importing(python: Path, statement: str) -> Act:
            return lambda _: {"seconds": import_seconds(python, statement, self.folder)}

        acts = {BASE: importing(Path(sys.executable), BASE_STATEMENT)}
        for name, player in self.players.items():
            if player.entry.imports:
                acts[name] = importing(self.pythons[name], player.entry.imports)
        self._rounds_of("package", 0, acts, self.plan.slow_rounds)

    # -- rounds ------------------------------------------------------------------------------

    def _rounds(
        self,
        workload: str,
        size: int,
        names: Iterable[str],
        ask: Ask,
        *,
        rounds: int | None = None,
        writes: bool = False,
    ) -> None:
        """Ask all contestants in turn, as often as planned."""
        acts: dict[str, Act] = {name: partial(ask, self.players[name]) for name in names}
        self._rounds_of(workload, size, acts, rounds or self.plan.rounds, writes)

    def _rounds_of(
        self,
        workload: str,
        size: int,
        acts: dict[str, Act],
        rounds: int,
        writes: bool = False,
    ) -> None:
        spent: dict[str, float] = defaultdict(float)
        able = {name for name in acts if self._is_in_time(workload, size, name)}
        for name in acts.keys() - able:
            self.results.gaps[workload, size, name] = "would take too long"
        for at in range(rounds):
            order = sorted(able)
            random.Random(f"{workload} {size} {at}").shuffle(order)
            for name in order:
                budget = self.plan.budget * (6 if at < FEWEST_ROUNDS else 1)
                if at > 0 and spent[name] * (at + 1) / at > budget:
                    continue
                if writes:
                    os.sync()
                begun = time.perf_counter()
                try:
                    seconds = acts[name](at)["seconds"]
                except ContestantError as fault:
                    self._gap(workload, size, name, fault)
                    able.discard(name)
                    continue
                took = time.perf_counter() - begun
                spent[name] += took
                self._paces[workload, name] = (size, took)
                self.results.figures.setdefault((workload, size, name), []).append(seconds)

    def _try(
        self, workload: str, size: int, name: str, verb: str, **arguments: object
    ) -> dict[str, Any] | None:
        """Ask a contestant for something that is not timed; a failure is a gap of the workload."""
        try:
            return self.players[name].ask(verb, **arguments)
        except ContestantError as fault:
            self._gap(workload, size, name, fault)
            return None

    def _gap(self, workload: str, size: int, name: str, fault: ContestantError) -> None:
        """Note why there is no figure; earlier measurements are discarded too."""
        self.results.figures.pop((workload, size, name), None)
        self.results.gaps[workload, size, name] = str(fault)
        _say(f"  {name}: {workload} at {size:,}: {fault}")
        player = self.players.get(name)
        if fault.wrong or player is None or player.entry.kind != "peer":
            self.wrong.append(f"{name}: {workload} at {size:,}: {fault}")

    def _offering(self, workload: str) -> list[str]:
        return [name for name, player in self.players.items() if workload in player.entry.offers]

    def _pace(self, workload: str, size: int, name: str) -> float:
        """Return the expected duration of a round, from the previous size."""
        former, seconds = self._paces.get((workload, name), (size, 0.0))
        return seconds * max(1.0, size / max(1, former))

    def _is_in_time(self, workload: str, size: int, name: str) -> bool:
        return self._pace(workload, size, name) <= self.plan.patience

    def _drop(self, prefix: str) -> None:
        for player in self.players.values():
            try:
                player.ask("drop", prefix=prefix)
            except ContestantError as fault:
                _say(f"  {player.entry.name}: {fault}")
            for place in player.folder.glob(f"{prefix}*"):
                shutil.rmtree(place, ignore_errors=True)
        os.sync()


def asking(verb: str, **arguments: object) -> Ask:
    """Return a function that asks for the same thing every round."""
    return lambda player, _: player.ask(verb, **arguments)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
