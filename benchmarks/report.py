"""docs/benchmarks.md and its pictures. Pure: the same results give the same text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from textwrap import fill

from benchmarks.aims import aims
from benchmarks.imports import BASE
from benchmarks.plot import Line, plot
from benchmarks.results import REAL, Results, Spread

NOT_DURABLE = "°"


@dataclass(frozen=True, slots=True)
class Table:
    """A workload on the page: heading, description, and the floor for comparison."""

    workload: str
    heading: str
    text: str
    floor: tuple[str, str] | None
    unit: str = "messages"


TABLES = (
    Table(
        "turn",
        "A turn",
        "Two messages of 1 kB are added to a session that is held, and stored. Small sessions "
        "would outgrow their size: the turns of a size go to three of them, after one that is not "
        "counted.",
        ("turn", "append"),
    ),
    Table(
        "load",
        "Loading",
        "All messages of a session, through a store that was just opened and has loaded another "
        "session, so that nothing of it is in its memory. The file is in the page cache.",
        ("load", "rewrite"),
    ),
    Table("tail", "The last ten messages", "Of a session that is held.", ("tail", "append")),
    Table(
        "save",
        "Saving whole",
        "A session of 1,000 messages, 1 MB, in which something changed, where there is a call "
        "that stores all of it.",
        ("save", "rewrite"),
    ),
    Table(
        "list",
        "Listing",
        "The ids of the 50 sessions that were active last, of a store of so many. Each lists "
        "twice and the second is timed, so that no look at the folder is due here, and this store "
        "remembers the rows that it has unpacked. Two messages a "
        "session. Contestants that are not here have no call for it. The floor looks at every "
        "file.",
        None,
        "sessions",
    ),
    Table(
        "filter",
        "Listing one user's",
        "The newest 50 of one of seven users: `list(user_id=..., limit=50)`.",
        None,
        "sessions",
    ),
    Table(
        "page",
        "A page in the middle",
        "The 50 that follow a cursor in the middle of the store.",
        None,
        "sessions",
    ),
    Table(
        "open",
        "Opening and listing",
        "A store is opened, with all that it derives up to date, and lists once.",
        ("scan", "rewrite"),
        "sessions",
    ),
    Table(
        "scan",
        "A look at the whole folder",
        "`list(fresh=True)`, next to `os.scandir` and `stat`: what it costs without a watch to see "
        "what other programs did.",
        ("scan", "rewrite"),
        "sessions",
    ),
    Table(
        "rebuild",
        "The index made anew",
        "`reindex()`, next to reading and parsing every file.",
        ("rebuild", "rewrite"),
        "sessions",
    ),
    Table(
        "import",
        "Importing transcripts",
        "As many files of ten messages, each stored durably as a session of its own.",
        ("import", "rewrite"),
        "files",
    ),
)

HOW = """\
Made by `make bench`; do not edit. The numbers behind it are in
[benchmarks/results.json](benchmarks/results.json), the programs in `benchmarks/`.

Everybody stores the same messages, 1,000 bytes each, cut from the transcripts in
`examples/transcripts`. Each contestant is a process of its own, in a virtual environment of its
own, on the same file system; they take turns, round by round, in an order that changes, and the
disk is let come to rest before each write. What comes back is compared with what was stored; a
contestant that returns anything else has no figure. Peers are called in the way that their
documentation tells their users, through public calls only; models are never asked. Long histories
and big stores of agno and ADK are prepared by copying rows that such calls wrote, since call by
call it would take hours. Who takes very long does fewer rounds, or is left out, and the last
section names it. Milliseconds: median, and in brackets the quartiles. A name with a {mark} gave
back control before its data was synced: after a power cut the turn may be gone."""


WHY = """\
Where the time goes that an aim does not allow for:

A turn is two syncs where a line appended is one, because the name of the version is made durable
too. No database is asked: what happened is a line in a journal that is not synced, which the next
question to the index replays. Without the syncs, a third of a turn is the other calls of the
system (locks, lease, links, the line, and what tells whether anybody else was at the file), and the
rest is Python: checking, writing out, hashing the end.

Saving whole is that, with the whole file to check, to write out and to hash.

Making the index anew is reading and parsing and, of each file, a summary, a hash, a seal, a row and
ten entries in ordered indexes, in one Python process. It happens when the index is lost.

Many sessions together save syncs. "Bare calls" is what the system's calls themselves gain by that:
each file has to be brought to the disk in any case, and what a file replaces has to be freed. The
rest of each session is Python, the same alone and together.

Of the package's import, a quarter of what it adds is what pydantic loads for any program's first
model."""


PROCESSES = """\
## Several processes

What a turn costs where two and four processes append to one session and to many, and how often one
writes a file whole: [benchmarks/handover.md](benchmarks/handover.md). What `.localsessions` takes
while several write, watch and search: [benchmarks/growing.md](benchmarks/growing.md).

## Serving

What the service bears, and what a request takes beside the bare call of the store:
[benchmarks/serving.md](benchmarks/serving.md). How quick the page is in a browser:
[benchmarks/page.md](benchmarks/page.md).

## On a server

What a turn, a list, a search and a change cost in PostgreSQL, beside agno, LangGraph and ADK on the
same server: [benchmarks/postgres.md](benchmarks/postgres.md).

## Frameworks

What a turn costs through each adapter, beside the framework's own store:
[benchmarks/frameworks.md](benchmarks/frameworks.md).

## Starting

What a command takes in a new process, and what an import takes:
[benchmarks/starting.md](benchmarks/starting.md)."""


def page(results: Results) -> str:
    """Return docs/benchmarks.md."""
    parts = ["# Benchmarks", HOW.format(mark=NOT_DURABLE)]
    if results.quick:
        parts.append("**From a quick run: few rounds, small sizes. Do not quote.**")
    parts += [_machine(results), _aims(results), _durability(results)]
    parts += [part for table in TABLES for part in _table(results, table)]
    parts += [_real_store(results), _memory(results), _packages(results), PROCESSES]
    parts += _gaps(results)
    return "\n\n".join(_wrapped(part) for part in parts if part) + "\n"


def _wrapped(part: str) -> str:
    """Wrap paragraphs; keep tables, headings, lists and pictures as lines."""
    blocks = part.split("\n\n")
    return "\n\n".join(
        block
        if block.startswith(("|", "#", "-", "!"))
        else fill(block, 100, break_long_words=False, break_on_hyphens=False)
        for block in blocks
    )


def pictures(results: Results) -> dict[str, str]:
    """Return the pictures by file name."""
    return {
        "turn.svg": _picture(results, "turn", "Cost of a turn", "messages in the session"),
        "load.svg": _picture(results, "load", "Loading a session", "messages in the session"),
        "list.svg": _picture(
            results, "list", "Listing the newest 50 sessions", "sessions in the store"
        ),
    }


# -- parts of the page ---------------------------------------------------------------------------


def _machine(results: Results) -> str:
    return " · ".join(f"{name} {value}" for name, value in results.machine.items())


def _aims(results: Results) -> str:
    rows = [
        (aim.what, aim.most, aim.measured, {True: "yes", False: "**no**", None: ""}[aim.reached])
        for aim in aims(results)
    ]
    table = grid(("", "at most", "measured", "reached"), rows)
    return f"## What it has to reach\n\n{table}\n\n{WHY}"


def _durability(results: Results) -> str:
    rows = []
    for one in results.contestants:
        found = results.durability.get(one["name"])
        told = (
            (
                "yes" if found["durable"] else "**no**",
                found["syncs"],
                found["renames"],
                found["locks"],
                f"{found['written']:,}",
            )
            if found
            else ("?",) * 5
        )
        manner = found["manner"] if found else "not traced"
        version = one.get("version", "")
        rows.append((one["label"], version, manner, *map(str, told), one["way"]))
    heads = ("", "version", "a turn", "durable", "syncs", "renames", "locks", "bytes", "calls")
    text = (
        "## Who takes part, and what a turn asks of the system\n\n"
        "Counted by `strace` while two messages of 1 kB were added to a session of 100: whether "
        "what holds them was synced before the call returned; `fsync` and `fdatasync` in all, "
        "renames, locks against other processes, bytes written to files. A SQLite database is "
        "whole after a crash by its log. A file that was renamed into place is whole at every "
        "instant; after a power cut, too, if it was synced; and the last turn is in it if its "
        "folder was. One that is written in place is neither.\n\n"
    )
    absent = "".join(
        f"\n\n{label} is missing: {reason}." for label, reason in results.missing.items()
    )
    return text + grid(heads, rows) + absent


def _table(results: Results, table: Table) -> Iterable[str]:
    sizes = results.sizes(table.workload)
    if not sizes:
        return
    yield f"## {table.heading}"
    yield table.text
    if table.workload in {"turn", "load", "list"}:
        yield f"![{table.heading}](benchmarks/{table.workload}.svg)"
    heads = ("ms", *(f"{size:,} {table.unit}" for size in sizes))
    yield grid(heads, _rows(results, table.workload, sizes, _spread_cell))
    if table.floor:
        floor, name = table.floor
        label = next((c["label"] for c in results.contestants if c["name"] == name), name)
        what = f'times "{label.removeprefix("floor: ")}"'
        if floor != table.workload:
            what = "times a look at every file"

        def cell(workload: str, size: int, contestant: str) -> str:
            ratio = results.ratio((workload, size, contestant), (floor, size, name))
            return "–" if ratio is None else _short(ratio)

        rows = _rows(results, table.workload, sizes, cell)
        yield grid((what, *heads[1:]), rows)


def _rows(
    results: Results,
    workload: str,
    sizes: Sequence[int],
    cell: Callable[..., str],
) -> list[tuple[str, ...]]:
    rows = []
    for one in results.contestants:
        name = one["name"]
        offered = any((workload, size, name) in results.figures for size in sizes)
        if offered or any((workload, size, name) in results.gaps for size in sizes):
            if cell is _spread_cell:
                cells = [_spread_cell(results.spread(workload, size, name)) for size in sizes]
            else:
                cells = [cell(workload, size, name) for size in sizes]
            rows.append((_label(results, one, workload), *cells))
    return rows


def _label(results: Results, one: dict[str, str], workload: str) -> str:
    doubtful = workload in {"turn", "save", "import"} and one["name"] in results.durability
    mark = NOT_DURABLE if doubtful and not results.is_durable(one["name"]) else ""
    name = one["label"] + mark
    return f"**{name}**" if one["kind"] == "ours" else name


def _spread_cell(spread: Spread | None) -> str:
    if spread is None:
        return "–"
    low, high = _short(spread.low * 1e3), _short(spread.high * 1e3)
    if spread.low == spread.high:
        return _short(spread.median * 1e3)
    return f"{_short(spread.median * 1e3)} ({low}–{high})"


def _real_store(results: Results) -> str:
    rows = []
    for what, size in results.real():
        floor = results.spread(what, size, "rewrite")
        ratio = results.ratio((what, size, "localsessions"), (what, size, "rewrite"))
        ours = _spread_cell(results.spread(what, size, "localsessions"))
        rows.append(
            (what.removeprefix(REAL), ours, _spread_cell(floor), _short(ratio) if ratio else "–")
        )
    if not rows:
        return ""
    text = (
        f"## A store of {results.real()[0][1]:,} real transcripts\n\nThe sessions of "
        "`examples/transcripts` over and over, each with an id, a user, an agent and times of its "
        "own. The floor of a listing is a `stat` of the files that it tells; that of opening and "
        "looking, a `stat` of all; after changes by another program, that and reading and parsing "
        "what changed; that of rebuilding, reading and parsing all; that of a cleanup, a rename "
        "and a sync of both folders for each.\n\n"
    )
    return text + grid(("ms", "localsessions", "floor", "times"), rows)


def _memory(results: Results) -> str:
    sizes = results.sizes("memory")
    if not sizes:
        return ""
    size = sizes[-1]
    rows = []
    for one in results.contestants:
        found = results.median("memory", size, one["name"])
        ratio = results.ratio(("memory", size, one["name"]), ("memory", size, "rewrite"))
        if found is not None and ratio is not None:
            rows.append((_label(results, one, "memory"), f"{found / 2**20:.0f}", _short(ratio)))
    text = (
        f"## Memory of a load\n\nBy how much the peak of a process grew that loaded {size:,} "
        "messages once and had done nothing else.\n\n"
    )
    return text + grid(("", "MiB", 'times "whole file"'), rows)


def _packages(results: Results) -> str:
    labels = {BASE: "`from pydantic import BaseModel`"}
    labels |= {one["name"]: _label(results, one, "package") for one in results.contestants}
    rows = []
    for name, label in labels.items():
        spread = results.spread("package", 0, name)
        ratio = results.ratio(("package", 0, name), ("package", 0, BASE))
        if spread and ratio:
            rows.append((label, _spread_cell(spread), _short(ratio)))
    if not rows:
        return ""
    text = (
        "## Importing the package\n\nThe class that a program needs, in a new process; each peer "
        "with what its own environment has.\n\n"
    )
    return text + grid(("", "ms", "times pydantic"), rows)


def _gaps(results: Results) -> Iterable[str]:
    if not results.gaps:
        return
    labels = {one["name"]: one["label"] for one in results.contestants}
    lines = [
        f"- {labels.get(name, name)}, {workload} at {size:,}: {reason}"
        for (workload, size, name), reason in results.gaps.items()
    ]
    yield "## What was not measured"
    yield "\n".join(lines)


def _picture(results: Results, workload: str, title: str, x_title: str) -> str:
    lines = []
    peers = [one["name"] for one in results.contestants if one["kind"] == "peer"]
    for one in results.contestants:
        if one["name"] == "localsessions-fast":
            continue
        points = [
            (size, median * 1e3)
            for size in results.sizes(workload)
            if (median := results.median(workload, size, one["name"])) is not None
        ]
        dotted = workload == "turn" and not results.is_durable(one["name"])
        color = peers.index(one["name"]) if one["kind"] == "peer" else None
        lines.append(Line(one["label"], points, one["kind"], color, dotted))
    told = "milliseconds, median, both axes logarithmic"
    if workload == "turn":
        told += "; dotted: not synced when the call returns"
    return plot(title, told, x_title, "ms", lines)


def grid(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the first column is text, the others are numbers or text."""
    lines = [heads, ["---", *(["---:"] * (len(heads) - 1))], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _short(value: float) -> str:
    """Return a number with three significant digits."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"
