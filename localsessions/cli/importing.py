"""``import``: sessions from other programs, from files or from where the programs keep them."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

import click

from localsessions.addresses import is_address
from localsessions.cli.asking import agrees, refuse_unasked
from localsessions.cli.exits import ExitCode, stop
from localsessions.cli.folder import chosen_folder, opened
from localsessions.cli.import_report import emit_file, emit_report, verdict
from localsessions.cli.options import examples, folder_of_project, json_option, yes_option
from localsessions.cli.progress import progress
from localsessions.cli.screen.envelope import emit_json
from localsessions.cli.screen.safe import counted, one_line
from localsessions.cli.screen.streams import note
from localsessions.cli.times import instant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from localsessions.models import Session
    from localsessions.store import SessionStore
    from localsessions.transcripts import FileReport, FileState, ImportReport, Place

__all__ = ["import_files"]

# Between two looks at the places: as many times what a look takes, and a second at least.
_REST, _LEAST = 20, 1.0
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


@click.command(
    "import",
    epilog=examples(
        "localsessions import",
        "localsessions import --from codex,claude-code --since 30d --yes",
        "localsessions import ~/Downloads/export.zip notes/chat.jsonl",
    ),
)
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(readable=False))
@click.option(
    "--from",
    "programs",
    metavar="PROGRAM,...",
    help="Without PATH: only what these programs keep.",
)
@click.option(
    "--since",
    type=instant,
    metavar="TIME",
    help="Only sessions active since: yesterday, 2026-01-31 or an age (30d).",
)
@click.option(
    "--project",
    type=folder_of_project,
    metavar="FOLDER",
    help="Only sessions of this project folder.",
)
@click.option("--again", is_flag=True, help="Bring back sessions that were deleted here, too.")
@click.option(
    "--watch", is_flag=True, help="Then bring in what grows there, until Ctrl-C; without PATH."
)
@click.option(
    "--verbose", "-v", is_flag=True, help="Name each file without a session, and each bad line."
)
@yes_option
@json_option
@click.pass_context
def import_files(
    ctx: click.Context,
    *,
    paths: tuple[str, ...],
    programs: str | None,
    since: datetime | None,
    project: str | None,
    again: bool,
    watch: bool,
    verbose: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Store the sessions of other programs.

    Without PATH, it looks where the programs of this system keep theirs, shows what is there and
    asks. The content of a file tells its format. Folders are walked.

    Importing again brings sessions up to what their source says now; what was changed here stays,
    and what was deleted here stays deleted. Ends with 1 if a named file gave nothing, or the store
    refused a session; everything that can be imported is imported all the same.
    """
    if paths and (programs or watch):
        raise click.UsageError("--from and --watch go without PATH")
    if watch and as_json:
        raise click.UsageError("--watch and --json exclude each other")
    if missing := [path for path in paths if not os.path.lexists(path)]:
        stop(f"there is no such file or folder: {', '.join(missing)}", ExitCode.NOT_FOUND)
    wanted = _Wanted(since, project)
    chosen = _chosen_programs(programs)
    places = [] if paths else _places_of(chosen)
    if not paths and not places:
        stop(
            f"nothing of {', '.join(chosen)} is on this system; give the PATH of a file or folder",
            ExitCode.NOT_FOUND,
        )
    if not paths:
        refuse_unasked("import", yes=yes)
        _show_places(places)
        if not agrees("Import them?", yes=yes):
            stop("nothing was imported", ExitCode.NO)
    seen = _states(places)  # before they are read: what is written meanwhile is new
    with opened(make=True) as store:
        report = _imported(store, paths or [one.path for one in places], wanted, again=again)
        if as_json:
            emit_json(report.files, totals=report.totals, total=report.total)
        else:
            emit_report(report, paths, verbose=verbose)
        if watch:
            _watch(store, chosen, seen, wanted, again=again)
    ctx.exit(verdict(report, paths))


class _Wanted:
    """Which files and sessions a person wants."""

    def __init__(self, since: datetime | None, project: str | None) -> None:
        self._since = since
        self._project = project

    def file(self, path: str) -> bool:
        """Tell whether a file may hold what is wanted: it was written since then."""
        from localsessions.transcripts import file_state

        state = file_state(path)
        if self._since is None or state is None:
            return True  # of a file that is gone, the import says so
        return state.modified_ns >= self._since.timestamp() * 1e9

    def session(self, session: Session) -> bool:
        """Tell whether a session is wanted."""
        is_young = self._since is None or session.last_activity >= self._since
        return is_young and self._project in (None, session.source.get("project"))


# -- where programs keep theirs ------------------------------------------------------------------


def _chosen_programs(programs: str | None) -> Sequence[str]:
    from localsessions.transcripts import PROGRAMS

    chosen = [name.strip() for name in programs.split(",")] if programs else [*PROGRAMS]
    if unknown := [name for name in chosen if name not in PROGRAMS]:
        raise click.UsageError(
            f"it is not known where {', '.join(unknown)} keeps its chats: give a PATH, or choose "
            f"of {', '.join(PROGRAMS)}"
        )
    return chosen


def _places_of(programs: Sequence[str]) -> Sequence[Place]:
    from localsessions.transcripts import known_places

    return [place for place in known_places() if place.program in programs]


def _show_places(places: Sequence[Place]) -> None:
    sizes: dict[str, list[int]] = {}
    for place, states in _states(places).items():
        sizes.setdefault(place.program, []).extend(one.size_bytes for one in states.values())
    folder = there = chosen_folder()
    here = dict.fromkeys(sizes, 0)
    if is_address(folder) or os.path.isdir(folder):
        with opened() as store:
            here = {program: store.count(program=program) for program in sizes}
            folder = store.save_dir
    for program, each in sizes.items():
        found = f"{counted(len(each), 'file')}, {_size(sum(each))}"
        note(one_line(f"{program}: {found}; {counted(here[program], 'session')} here already"))
    if is_address(there):
        note(one_line(f"into {folder}"))
        return
    while not os.path.isdir(there):
        there = os.path.dirname(there)
    note(one_line(f"into {folder}, which has {_size(shutil.disk_usage(there).free)} free"))


def _states(places: Sequence[Place]) -> Mapping[Place, Mapping[str, FileState]]:
    """Return the state of each file that an import of these places would read."""
    from localsessions.transcripts import file_state, files_in

    return {
        place: {path: state for path in files_in([place.path]) if (state := file_state(path))}
        for place in places
    }


def _size(count: float) -> str:
    for unit in _UNITS:
        if count < 1000 or unit == _UNITS[-1]:
            return f"{count:.0f} {unit}" if unit == _UNITS[0] else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError(count)


# -- the import ----------------------------------------------------------------------------------


def _imported(
    store: SessionStore, paths: Sequence[str], wanted: _Wanted, *, again: bool
) -> ImportReport:
    from localsessions.transcripts import import_paths

    done = 0
    with progress("files") as show:
        total: int | None = None

        def begin(count: int) -> None:
            nonlocal total
            total = count

        def count(_: FileReport) -> None:
            nonlocal done
            done += 1
            show(min(done, total or done), total)  # an archive has a report for each file in it

        return import_paths(
            store,
            paths,
            again=again,
            wants_file=wanted.file,
            wants_session=wanted.session,
            on_found=begin,
            on_progress=count,
        )


def _watch(
    store: SessionStore,
    programs: Sequence[str],
    seen: Mapping[Place, Mapping[str, FileState]],
    wanted: _Wanted,
    *,
    again: bool,
) -> None:
    """Import what changes in the places of these programs, new places too, until Ctrl-C."""
    note("watching for more; Ctrl-C ends")
    while True:
        begun = time.monotonic()
        found = _states(_places_of(programs))
        changed = [path for one in found for path in one.changed(seen.get(one, {}), found[one])]
        seen = found
        for file in _changed(store, changed, wanted, again=again):
            if file.imported or file.grown:
                emit_file(file)
        time.sleep(max(_LEAST, _REST * (time.monotonic() - begun)))


def _changed(
    store: SessionStore, paths: Sequence[str], wanted: _Wanted, *, again: bool
) -> Iterator[FileReport]:
    """Import what changed; of a file without a session, what stands in its folder.

    Such a file may say more of the sessions beside it: a title, or what a person saw.
    """
    found = _imported(store, paths, wanted, again=again).files if paths else ()
    yield from found
    folders = {os.path.dirname(file.path) for file in found if file.skipped is not None}
    if folders:
        yield from _imported(store, sorted(folders), wanted, again=again).files
