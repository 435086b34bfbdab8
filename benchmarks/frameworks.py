"""What a turn costs through each adapter, beside the framework's own store, in the same run.

    python benchmarks/frameworks.py [--quick] [--folder FOLDER] [FRAMEWORK ...]

Both of a framework are a process each in the same environment; they take turns, round by round, and
what comes back is compared with what was stored. It writes docs/benchmarks/frameworks.md; a quick
run, or one of some frameworks, writes nothing. The exit status is 1 if one answered wrong. For
Linux.
"""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.contestants import Entry  # noqa: E402
from benchmarks.rounds import SHORT, Rounds  # noqa: E402

PAGE = ROOT / "docs" / "benchmarks" / "frameworks.md"
_KINDS = {"turn": ("short", "long"), "list": ("list",)}
"""The figures of each of ``Pair.offers``."""
_CORE = ("orjson", "filelock", "watchdog", "pydantic>=2")


class Plan(NamedTuple):
    """How much is done; ``long`` is in messages, ``listed`` in sessions."""

    long: int
    rounds: int
    listed: int


FULL = Plan(long=1_000, rounds=40, listed=5_000)
QUICK = Plan(long=100, rounds=5, listed=200)


class Pair(NamedTuple):
    """A framework: its own store, ours, and why ours takes longer, by what it takes longer for."""

    name: str
    label: str
    own: str
    ours: str
    way: str
    requirements: Sequence[str]
    offers: frozenset[str] = frozenset({"turn"})
    why: Mapping[str, str] = MappingProxyType({})

    @property
    def entries(self) -> tuple[Entry, Entry]:
        """Both as contestants."""
        return self._entry(self.own, "peer"), self._entry(self.ours, "ours")

    def _entry(self, module: str, kind: str) -> Entry:
        return Entry(
            name=module,
            label=f"{self.label}, {'its own' if kind == 'peer' else 'ours'}",
            module=module,
            kind="peer" if kind == "peer" else "ours",
            offers=self.offers,
            way=self.way,
            environment=f"framework-{self.name}",
            requirements=(*self.requirements, *_CORE),
        )


PAIRS = (
    Pair(
        name="openai-agents",
        label="OpenAI Agents",
        own="openai_agents",
        ours="openai_agents_here",
        way="`SQLiteSession`; `LocalSession`: `add_items` with both",
        requirements=("openai-agents>=0.24",),
        why={
            "turn": "Its own turn is one sync of SQLite's log. Ours syncs the new end of the file "
            "and its name in the folder, since the file that people read is whole at each moment, "
            "and takes three times the processor, 0.9 ms: for the readable shape and for the line "
            "by which the session is listed, searched and told to who watches."
        },
    ),
    Pair(
        name="google-adk",
        label="Google ADK",
        own="google_adk",
        ours="google_adk_here",
        way="`DatabaseSessionService`; `LocalSessionService`: `append_event` twice; "
        "`list_sessions`, which has no limit: all of them, with their states",
        requirements=("google-adk>=2.13,<3", "sqlalchemy[asyncio]", "aiosqlite", "greenlet"),
        offers=frozenset({"turn", "list"}),
    ),
    Pair(
        name="langgraph",
        label="LangGraph",
        own="langgraph_sqlite",
        ours="langgraph_here",
        way="`SqliteSaver`; `LocalSaver`: `update_state` with both",
        requirements=("langgraph-checkpoint-sqlite>=3", "langgraph>=1.2.24,<1.3"),
        why={
            "turn": "Its own checkpoint is one row of one database, with all messages in it. Ours "
            "is a record beside the session, with what is new, and the new end of the session's "
            "file: two files with two syncs each. With the length of the chat its own grows, "
            "on the disk too; ours reads the chat to see what others said and changed."
        },
    ),
    Pair(
        name="pydantic-ai",
        label="pydantic-ai",
        own="pydantic_ai_file",
        ours="pydantic_ai_here",
        way="all messages by `ModelMessagesTypeAdapter` into one file, synced; "
        "`LocalConversationStore`: `save`",
        requirements=("pydantic-ai-slim>=2.68",),
        why={
            "turn": "Its own store keeps nothing on a disk, so a list that one process writes "
            "whole stands beside ours. `save` first asks for the record. Then it locks the session "
            "and reads it, to see that no other program wrote to it. Then it writes the file and "
            "the row of the index."
        },
    ),
    Pair(
        name="strands",
        label="Strands Agents",
        own="strands_files",
        ours="strands_here",
        way="`FileSessionManager`; `LocalSessionRepository`: `append_message` and `sync_agent`",
        requirements=("strands-agents>=1.62,<1.63",),
        why={
            "turn": "Its own files are written without a sync, so a power cut may take a turn that "
            "was told to be stored. Each message of ours waits for the disk by itself, since "
            "Strands adds them one by one."
        },
    ),
)

# -- the page --------------------------------------------------------------------------------------

INTRODUCTION = (
    "Made by `benchmarks/frameworks.py`; do not edit. Each adapter beside the framework's own "
    "store, in the same environment and the same run, on a machine with {cores} cores and a load "
    "of {load:.1f} when it began. A turn is two messages of 1,000 bytes, at the end of a session "
    "of {short} and of {long:,} messages; the list is that of the newest 50 of {listed:,} "
    "sessions. Medians of {rounds} rounds, in milliseconds. On return a turn of ours is on the "
    "disk, in a file that people read, and listed, searched and told to who watches."
)


def page(contest: Rounds, pairs: Sequence[Pair], plan: Plan, load: float) -> str:
    told = {"cores": os.cpu_count(), "load": load, "short": SHORT}
    reasons = [f"**{one.label}.** {why}" for one in pairs for why in one.why.values()]
    lines = [
        "# Frameworks",
        "",
        textwrap.fill(INTRODUCTION.format(**told, **plan._asdict()), 100),
        "",
        f"| | version | at {SHORT} | ours | at {plan.long:,} | ours | list | ours | calls |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
        *(_row(contest, one) for one in pairs),
        *(line for reason in reasons for line in ("", textwrap.fill(reason, 100))),
    ]
    return "\n".join(lines) + "\n"


def _row(contest: Rounds, pair: Pair) -> str:
    found = [
        contest.median(kind, module)
        for kind in ("short", "long", "list")
        for module in (pair.own, pair.ours)
    ]
    told = " | ".join("" if one is None else f"{one:.2f}" for one in found)
    return f"| {pair.label} | {contest.versions.get(pair.own, '')} | {told} | {pair.way} |"


def behind(contest: Rounds, pairs: Sequence[Pair]) -> Iterator[str]:
    """Yield where ours was slower and the page does not say why, or there is no figure."""
    for pair in pairs:
        explained = [kind for offer in pair.why for kind in _KINDS[offer]]
        yield from contest.behind(pair.ours, pair.own, explained)


def main() -> int:
    """Measure, print the page and write it."""
    parser = argparse.ArgumentParser(description="What a turn costs through each adapter.")
    parser.add_argument("pairs", nargs="*", type=_pair, metavar="FRAMEWORK")
    parser.add_argument("--folder", help="where the sessions are while it runs")
    parser.add_argument("--quick", action="store_true", help="a few seconds each, and no page")
    asked = parser.parse_args()
    plan, load = QUICK if asked.quick else FULL, os.getloadavg()[0]
    pairs = asked.pairs or PAIRS
    with TemporaryDirectory(dir=asked.folder) as folder:
        contest = Rounds(Path(folder), long=plan.long, listed=plan.listed)
        contest.run([entry for pair in pairs for entry in pair.entries], plan.rounds)
        text = page(contest, pairs, plan, load)
    print(text)
    if not asked.quick and not asked.pairs:
        PAGE.write_text(text, "utf-8")
    wrong = [*contest.wrong, *behind(contest, pairs)]
    for line in wrong:
        print(f"WRONG: {line}", file=sys.stderr)
    return 1 if wrong else 0


def _pair(name: str) -> Pair:
    for one in PAIRS:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in PAIRS)
    raise argparse.ArgumentTypeError(f"there is no {name!r}; there are {known}")


if __name__ == "__main__":
    sys.exit(main())
