"""The benchmark is right about what it measured: figures, checks, page and pictures.

What anything costs is no matter here. The contest runs at a tiny size with the floors and this
store, in real children; peers are installed by ``make bench`` only.
"""

from __future__ import annotations

import asyncio
import importlib
import math
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))  # behind what is installed, which may be a wheel of this project

from benchmarks import frameworks  # noqa: E402
from benchmarks.aims import aims  # noqa: E402
from benchmarks.child import Child, WrongAnswerError  # noqa: E402
from benchmarks.contest import Contest  # noqa: E402
from benchmarks.contestants import ENTRIES, Contestant, Entry  # noqa: E402
from benchmarks.contestants.contract import (  # noqa: E402
    Files,
    Lists,
    Pages,
    Said,
    Saves,
    Tails,
)
from benchmarks.contestants.rewrite_floor import Store as RewriteFloor  # noqa: E402
from benchmarks.durability import Durability, count  # noqa: E402
from benchmarks.environments import Environments, reason  # noqa: E402
from benchmarks.material import MESSAGE_BYTES, Material, pieces, write_material  # noqa: E402
from benchmarks.plan import Plan  # noqa: E402
from benchmarks.player import ContestantError  # noqa: E402
from benchmarks.plot import LABEL_GAP, Line, plot, spread  # noqa: E402
from benchmarks.report import page, pictures  # noqa: E402
from benchmarks.results import REAL, Results, Spread  # noqa: E402
from benchmarks.rounds import Rounds  # noqa: E402

TINY = Plan((10,), (60,), 3, 1, 720, 1, 3, 5.0, 60.0, memory=True)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("material") / "material.json"
    write_material(path, ROOT / "examples" / "transcripts")
    return path


def contestant(name: str, kind: str = "peer") -> dict[str, str]:
    return {"name": name, "label": name.title(), "kind": kind, "way": "`calls`"}


def results(**medians: float) -> Results:
    """Return the turns of some contestants at 10 and at 100 messages, in milliseconds."""
    made = Results({"cores": "2"}, quick=False)
    kinds = {"localsessions": "ours", "append": "floor", "rewrite": "floor"}
    for name, median in medians.items():
        made.contestants.append(contestant(name, kinds.get(name, "peer")))
        made.durability[name] = durable()
        for size in (10, 100):
            values = [median / 1e3 * share for share in (0.5, 1.0, 4.0)]
            made.figures["turn", size, name] = values
    return made


def durable(*, durable: bool = True) -> dict[str, Any]:
    return Durability(durable, 1, 1, 1, 1_000, "new file, renamed").as_document()


# -- a run ---------------------------------------------------------------------------------------


@pytest.mark.needs("folder syncs")
def test_a_run_has_a_figure_for_whatever_the_floors_and_this_store_offer(tmp_path: Path) -> None:
    entries = [entry for entry in ENTRIES if entry.kind != "peer"]
    found = Results({}, quick=True)
    contest = Contest(TINY, tmp_path / "run", Environments(tmp_path / "envs"), found)
    contest.run(entries)
    assert (contest.wrong, found.gaps, found.missing) == ([], {}, {})
    sizes: dict[str, tuple[int, ...]] = {"import": (TINY.files,), "save": ()}
    of_stores = ("list", "filter", "page", "open", "scan", "rebuild")
    sizes |= dict.fromkeys(of_stores, TINY.stores)
    wanted = {
        (workload, size, entry.name)
        for entry in entries
        for workload in entry.offers
        for size in sizes.get(workload, TINY.sizes)
    }
    assert wanted <= found.figures.keys()
    assert all(len(found.figures[key]) in {TINY.rounds, TINY.slow_rounds} for key in wanted)
    asked = [what.removeprefix(REAL) for what, size in found.real() if size == TINY.real]
    assert asked[:2] == ["list: the newest 50", "list: one user's"]
    assert {"open and list", "rebuild", "after 1 changed", "search", "cleanup of 360"} <= {*asked}
    assert "| rebuild | " in page(found)
    assert ("memory", 10, "localsessions") in found.figures  # so short a session may need none
    assert found.median("package", 0, "localsessions")
    told = [aim for aim in aims(found) if "one by one" in aim.what]
    assert [aim.what.partition(":")[0] for aim in told] == ["create", "save", "delete", "import"]
    is_beside_bare_calls = ["; bare calls" in aim.measured for aim in told]
    assert is_beside_bare_calls == [True, True, False, True]
    assert all(" times as fast" in aim.measured for aim in told)


@pytest.mark.needs("strace")
def test_what_strace_sees_of_the_floors_is_what_they_do(tmp_path: Path) -> None:
    entries = [entry for entry in ENTRIES if entry.name in {"rewrite", "append"}]
    found = Results({}, quick=True)
    plan = Plan((10,), (), 1, 1, 0, 1, 1, 5.0, 60.0, memory=False)
    Contest(plan, tmp_path / "run", Environments(tmp_path / "envs"), found).run(entries)
    whole, appended = found.durability["rewrite"], found.durability["append"]
    assert (whole["durable"], whole["syncs"], whole["renames"]) == (True, 2, 1)
    assert whole["manner"] == "new file, synced, renamed"
    assert (appended["durable"], appended["syncs"], appended["renames"]) == (True, 1, 0)
    assert appended["manner"] == "appended in place"
    assert 2 * MESSAGE_BYTES < appended["written"] < 3 * MESSAGE_BYTES < whole["written"]


def test_many_together_are_to_be_three_times_as_fast() -> None:
    made = results()
    for verb, alone in (("create", 2.9), ("save", 3.1), ("replace", 1.5)):
        made.figures[f"{verb} many", 1000, "one by one"] = [alone]
        made.figures[f"{verb} many", 1000, "together"] = [1.0]
    found = aims(made)[-3:-1]
    assert [aim.reached for aim in found] == [False, True]
    told = ["2.9 times as fast", "3.1 times as fast; bare calls 1.5"]
    assert [aim.measured for aim in found] == told


class Forgetful(RewriteFloor):
    """Returns all messages but the first."""

    def texts(self, loaded: Any) -> list[str]:
        return super().texts(loaded)[1:]


class Changing(RewriteFloor):
    """Returns another message in the place of the last."""

    def texts(self, loaded: Any) -> list[str]:
        return [*super().texts(loaded)[:-1], "another"]


class Lazy(RewriteFloor):
    """Stores nothing in a turn."""

    def turn(self, session: str, made: Any) -> None:
        pass


@pytest.mark.needs("folder syncs")
@pytest.mark.parametrize("make", [Forgetful, Changing, Lazy])
def test_a_contestant_that_does_not_keep_what_it_was_given_is_wrong(
    make: Callable[[Path], Contestant], tmp_path: Path, material: Path
) -> None:
    async def turn_and(verb: str, child: Child) -> None:
        await child.fill("chat", 10)
        await child.turn("chat")
        await child.ready("chat")
        await getattr(child, verb)("chat")

    for verb in ("load", "check"):
        right, wrong = tmp_path / f"right-{verb}", tmp_path / f"wrong-{verb}"
        asyncio.run(turn_and(verb, Child(RewriteFloor, right, Material(material))))
        with pytest.raises(WrongAnswerError):
            asyncio.run(turn_and(verb, Child(make, wrong, Material(material))))


NEEDED = {
    "tail": Tails,
    "save": Saves,
    "list": Lists,
    "open": Lists,
    "filter": Pages,
    "page": Pages,
    **dict.fromkeys(("scan", "rebuild", "import"), Files),
    **dict.fromkeys(("turn", "load"), Contestant),
}


@pytest.mark.parametrize(
    "entry", [one for one in ENTRIES if one.kind != "peer"], ids=lambda one: one.name
)
def test_what_an_entry_offers_its_class_can_do(entry: Entry) -> None:
    store = importlib.import_module(f"benchmarks.contestants.{entry.module}").Store
    assert all(issubclass(store, NEEDED[workload]) for workload in entry.offers)
    assert NEEDED.keys() >= {workload for one in ENTRIES for workload in one.offers}


def test_a_contestant_without_a_verb_that_it_needs_cannot_be_made(tmp_path: Path) -> None:
    class Mute(RewriteFloor):
        newest = Lists.newest

    with pytest.raises(TypeError, match="newest"):
        Mute(tmp_path)


class Unsorted(RewriteFloor):
    """Lists the newest in the wrong order."""

    def newest(self, count: int) -> list[str]:
        return super().newest(count)[::-1]


def test_a_listing_that_is_not_the_newest_in_order_is_wrong(tmp_path: Path, material: Path) -> None:
    async def stock_and_list(child: Child) -> None:
        await child.stock(60)
        await child.newest(60, warm=False)

    asyncio.run(stock_and_list(Child(RewriteFloor, tmp_path / "right", Material(material))))
    with pytest.raises(WrongAnswerError):
        asyncio.run(stock_and_list(Child(Unsorted, tmp_path / "wrong", Material(material))))


class Failing:
    """A player that does its work twice and then is wrong."""

    entry = ENTRIES[-1]
    asked = 0

    def ask(self, verb: str, **_: object) -> dict[str, float]:
        self.asked += 1
        if self.asked > 2:
            raise ContestantError("nothing came back", wrong=True)
        return {"seconds": 1.0}


def test_who_was_wrong_once_has_no_figure_and_is_named(tmp_path: Path) -> None:
    found = Results({}, quick=True)
    contest = Contest(TINY, tmp_path / "run", Environments(tmp_path / "envs"), found)
    contest.players["peer"] = Failing()  # type: ignore[assignment]
    contest._rounds("load", 10, ["peer"], lambda player, _: player.ask("load"))
    assert found.figures == {}
    assert found.gaps == {("load", 10, "peer"): "nothing came back"}
    assert contest.wrong == ["peer: load at 10: nothing came back"]


class Unkept(Failing):
    """A player that is quick, and has not kept it."""

    def ask(self, verb: str, **_: object) -> dict[str, float]:
        if verb == "check":
            raise ContestantError("8 messages came back", wrong=True)
        return {"seconds": 1.0, "filled": 1.0}


@pytest.mark.needs("folder syncs")
def test_turns_whose_messages_are_not_there_afterwards_have_no_figure(tmp_path: Path) -> None:
    found = Results({}, quick=True)
    contest = Contest(TINY, tmp_path / "run", Environments(tmp_path / "envs"), found)
    contest.players["peer"] = Unkept()  # type: ignore[assignment]
    contest.players["peer"].folder = tmp_path
    contest._sessions(100)
    assert ("turn", 100, "peer") not in found.figures
    assert len(found.figures["load", 100, "peer"]) == TINY.rounds
    assert contest.wrong[0] == "peer: turn at 100: 8 messages came back"


def test_what_would_take_too_long_is_left_out_and_said(tmp_path: Path) -> None:
    found = Results({}, quick=True)
    contest = Contest(TINY, tmp_path / "run", Environments(tmp_path / "envs"), found)
    contest.players["peer"] = Failing()  # type: ignore[assignment]
    contest._paces["load", "peer"] = (10, TINY.patience / 10 + 1)
    contest._rounds("load", 100, ["peer"], lambda player, _: player.ask("load"))
    assert found.gaps == {("load", 100, "peer"): "would take too long"}


def test_every_message_has_the_same_size_and_is_the_same_every_time(material: Path) -> None:
    messages = Material(material)
    said = messages.messages(0, 3_000)
    assert {len(one.text.encode()) for one in said} == {MESSAGE_BYTES}
    assert len({one.text for one in said}) == len(said)
    assert said == Material(material).messages(0, 3_000)
    assert messages.message(7) == Said(7, "assistant", said[7].text)
    assert pieces("Смысл " * 1_000) == pieces("Смысл " * 1_000)


def test_a_peer_that_cannot_be_installed_gives_its_reason_and_no_host() -> None:
    printed = (
        "WARNING: Retrying\n"
        "ERROR: Could not find a version that satisfies the requirement agno>=99 "
        "(from versions: 1, 2)\nERROR: No matching distribution found for agno>=99\n"
    )
    assert reason(printed) == "Could not find a version that satisfies the requirement agno>=99"
    assert "example.org" not in reason("ERROR: HTTP error 403 for https://example.org/agno/\n")
    assert reason("killed") == "pip failed"


# -- what strace told ----------------------------------------------------------------------------

F = "/bench/peer"
FILE = f"{F}/chat.json"
TRACES = {
    "replaced, file and folder synced": (
        [
            f'7  openat(AT_FDCWD</x>, "{FILE}.tmp", O_WRONLY|O_TRUNC, 0600) = 3<{FILE}.tmp>',
            f'7  write(3<{FILE}.tmp>, ""..., 500) = 500',
            f"7  fsync(3<{FILE}.tmp>) = 0",
            f'7  rename("{FILE}.tmp", "{FILE}") = 0',
            f"7  fsync(3<{F}>) = 0",
        ],
        Durability(True, 2, 1, 0, 500, "new file, synced, renamed"),
    ),
    "replaced, the folder not synced": (
        [f"7  fsync(3<{FILE}.tmp>) = 0", f'7  rename("{FILE}.tmp", "{FILE}") = 0'],
        Durability(False, 1, 1, 0, 0, "new file, synced, renamed"),
    ),
    "replaced, another file synced": (
        [f"7  fsync(3<{F}/index-wal>) = 0", f'7  rename("{FILE}.tmp", "{FILE}") = 0'],
        Durability(False, 1, 1, 0, 0, "new file, renamed"),
    ),
    "a second inode": (
        [
            f'7  pwrite64(4<{F}/tmp/b>, ""..., 90, 10) = 90',
            f"7  fdatasync(4<{F}/tmp/b>) = 0",
            f'7  link("{F}/tmp/b", "{F}/tmp/c") = 0',
            f'7  rename("{F}/tmp/c", "{FILE}") = 0',
            f"7  fsync(5<{F}>) = 0",
        ],
        Durability(True, 2, 1, 0, 90, "second inode lengthened, synced, renamed"),
    ),
    "a database, two threads that interrupt each other": (
        [
            f'7  pwrite64(4<{F}/a.db-wal>, ""..., 4096, 0 <unfinished ...>',
            f"8  fcntl(5<{F}/a.db-shm>, F_SETLK, {{l_type=F_WRLCK, l_start=120}}) = 0",
            "7  <... pwrite64 resumed>) = 4096",
            f"8  fdatasync(4<{F}/a.db-wal>) = 0",
            f"7  fcntl(5<{F}/a.db-shm>, F_SETLK, {{l_type=F_RDLCK, l_start=120}}) = 0",
        ],
        Durability(True, 1, 0, 1, 4_096, "SQLite, write-ahead log"),
    ),
    "written over": (
        [
            f'7  openat(AT_FDCWD</x>, "{FILE}", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 3<{FILE}>',
            f'7  write(3<{FILE}>, ""..., 500) = 500',
        ],
        Durability(False, 0, 0, 0, 500, "written over in place"),
    ),
    "appended under a lock; the pipe to the harness is nobody's": (
        [
            f"7  flock(3<{F}/lock>, LOCK_EX) = 0",
            f'7  write(3<{FILE}>, ""..., 10) = 10',
            '7  write(1<pipe:[77]>, ""..., 999) = 999',
            f"7  fsync(9<{F}/gone>) = -1 EIO (Input/output error)",
        ],
        Durability(False, 0, 0, 1, 10, "appended in place"),
    ),
}


@pytest.mark.parametrize("case", TRACES)
def test_durability_is_read_from_the_calls(case: str) -> None:
    lines, wanted = TRACES[case]
    assert count(lines, F) == wanted


# -- results -------------------------------------------------------------------------------------


def test_results_come_back_from_their_file(tmp_path: Path) -> None:
    made = results(localsessions=1.0, append=0.5)
    made.gaps["load", 10, "append"] = "it ended"
    made.write(tmp_path / "results.json")
    assert Results.read(tmp_path / "results.json") == made


def test_a_figure_has_its_median_its_quartiles_and_its_ratio() -> None:
    made = results(localsessions=1.0, append=0.5)
    made.figures["turn", 10, "localsessions"] = [5.0, 1.0, 2.0, 4.0, 3.0]
    made.figures["turn", 10, "append"] = [2.0]
    assert made.spread("turn", 10, "localsessions") == Spread(2.0, 3.0, 4.0)
    assert made.spread("turn", 10, "append") == Spread(2.0, 2.0, 2.0)
    assert made.spread("turn", 10, "nobody") is None
    assert made.ratio(("turn", 10, "localsessions"), ("turn", 10, "append")) == 1.5
    assert made.ratio(("turn", 10, "localsessions"), ("turn", 10, "nobody")) is None


def test_an_aim_is_reached_or_not_by_the_ratio() -> None:
    reached = {aim.what: aim.reached for aim in aims(results(localsessions=1.0, append=0.5))}
    missed = {aim.what: aim.reached for aim in aims(results(localsessions=1.0, append=0.3))}
    against = "a turn at 100 messages, against a line appended"
    assert (reached[against], missed[against]) == (True, False)


def test_only_a_durable_peer_can_be_faster_than_this_store() -> None:
    made = results(localsessions=1.0, append=0.5, peer=0.6)
    (faster,) = [aim for aim in aims(made) if "every durable peer" in aim.what]
    assert (faster.reached, faster.measured) == (False, "slower than Peer at 10, Peer at 100")
    made.durability["peer"] = durable(durable=False)
    (faster,) = [aim for aim in aims(made) if "every durable peer" in aim.what]
    assert faster.reached


# -- frameworks ----------------------------------------------------------------------------------


def test_a_framework_that_there_is_not_is_refused() -> None:
    program = ROOT / "benchmarks" / "frameworks.py"
    done = subprocess.run(
        [sys.executable, program, "--quick", "pydantic_ai"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "there is no 'pydantic_ai'; there are openai-agents, google-adk" in done.stderr


def test_a_reason_explains_only_what_it_is_for(tmp_path: Path) -> None:
    pair = frameworks.Pair("f", "F", "theirs", "ours", "", (), why={"turn": "It is durable."})
    contest = Rounds(tmp_path, long=100, listed=200)
    contest.took = {
        (kind, name): [seconds]
        for kind in ("short", "long", "list")
        for name, seconds in (("theirs", 1.0), ("ours", 2.0))
    }
    told = [*frameworks.behind(contest, [pair])]
    assert told == ["theirs is ahead in 'list': 1000.00 ms, and ours 2000.00 ms"]
    del contest.took["short", "ours"]
    assert next(frameworks.behind(contest, [pair])) == "'short' of ours or theirs has no figure"


# -- page and pictures ---------------------------------------------------------------------------


def test_the_page_in_the_docs_is_the_one_of_the_results_beside_it() -> None:
    kept = Results.read(ROOT / "docs" / "benchmarks" / "results.json")
    place = ROOT / "docs"
    assert (place / "benchmarks.md").read_text("utf-8") == page(kept), (
        "run `python -m benchmarks --page-only`"
    )
    for name, picture in pictures(kept).items():
        assert (place / "benchmarks" / name).read_text("utf-8") == picture


def test_the_page_says_who_is_missing_and_what_was_not_measured() -> None:
    made = results(localsessions=1.0, append=0.5)
    made.missing["Another"] = "could not be installed: no such version"
    made.gaps["turn", 1_000, "localsessions"] = "would take too long"
    text = page(made)
    assert "Another is missing: could not be installed: no such version." in text
    assert "- Localsessions, turn at 1,000: would take too long" in text


def test_the_page_marks_who_is_not_durable() -> None:
    made = results(localsessions=1.0, append=0.5, peer=0.25)
    made.durability["peer"] = durable(durable=False)
    rows = [line for line in page(made).splitlines() if line.startswith("| Peer")]
    assert rows[1] == "| Peer° | 0.25 (0.19–0.62) | 0.25 (0.19–0.62) |"
    assert rows[2] == "| Peer° | 0.50 | 0.50 |"


def test_a_quick_run_says_so() -> None:
    made = results(localsessions=1.0)
    assert "Do not quote" not in page(made)
    made.quick = True
    assert "Do not quote" in page(made)


def circles(picture: str) -> list[tuple[float, float]]:
    root = ET.fromstring(picture)
    return [(float(one.attrib["cx"]), float(one.attrib["cy"])) for one in root.iter(f"{SVG}circle")]


def test_ten_times_as_much_is_equally_far_anywhere_in_a_picture() -> None:
    line = Line("one & <all>", [(10, 0.2), (100, 2.0), (1_000, 20.0)])
    (x1, y1), (x2, y2), (x3, y3) = circles(plot("t", "s", "x", "y", [line]))
    assert math.isclose(x2 - x1, x3 - x2, abs_tol=0.2)
    assert math.isclose(y1 - y2, y2 - y3, abs_tol=0.2)
    assert x1 < x2
    assert y1 > y2


def test_a_picture_names_every_line_that_has_points() -> None:
    lines = [Line("here & <there>", [(10, 1.0)]), Line("nowhere", [])]
    root = ET.fromstring(plot("t", "s", "x", "y", lines))
    texts = [one.text for one in root.iter(f"{SVG}text")]
    assert "here & <there>" in texts
    assert "nowhere" not in texts


@pytest.mark.parametrize("places", [[], [100.0], [100.0, 101.0, 102.0], [400.0] * 12])
def test_labels_do_not_meet(places: list[float]) -> None:
    moved = spread(places)
    gaps = [below - above for above, below in pairwise(moved)]
    assert all(gap >= LABEL_GAP - 1e-9 for gap in gaps)
    assert len(moved) == len(places)
