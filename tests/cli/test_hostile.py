"""What stands in a session never acts on a terminal, whatever it is and whichever command shows it.

Every field of a session is full of what acts: escape sequences, C1, bidi controls, markup of rich.
Each command that shows something runs on a pseudo-terminal, and what arrives there is parsed.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from localsessions import Session
from localsessions.cli import program
from localsessions.cli.screen.safe import UNSAFE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from .conftest import Cli

pytestmark = pytest.mark.needs("terminals")

# Blinking and true colours are none of ours: if one arrives, a session sent it.
SEQUENCES = (
    "\x1b[5mblink\x1b[38;2;1;2;3mcolour\x1b[2J\x1b[H",
    "\x1b]0;a title\x07\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\",
    "\x1b]52;c;ZXZpbA==\x07\x1bP$qm\x1b\\\x1b_apc\x1b\\\x1bc\x1b(0",
    "\x9b5mC1\x9d0;title\x9c\x90dcs\x9c\x85",
    "\u202ereversed\u2066isolated\u200f\u2028\u2029\u061c",
    "NUL\x00 BEL\x07 BS\b\b VT\x0b FF\x0c DEL\x7f SO\x0e",
    "over\rwritten\r",
    "\ud800 lone \udfff",
)
MARKUP = "[bold]x[/bold] [link=http://evil.example]y[/link] [/] [red :smile: [@click=app.bell]"
EVIL = " ".join(SEQUENCES) + f" {MARKUP} z{chr(0x301) * 300}"
# An argument of a command line can hold no NUL, and no surrogate; an id no control character.
TYPED = "typed\x1b[5m\x9b5m\u202e\x07"
ID = "evil [bold]\u202e\u2066 $(x) 'quoted"
NEEDLE = "needle"

MARKDOWN = f"""{NEEDLE} # {EVIL}

## head \x1b[5m

<b onclick="x">{EVIL}</b> &#x1b;[5m &#27; &#x202e; &#155; &#x9b;5m <!-- hidden \x1b[5m -->

[text \x1b[5m](http://evil.example/\x1b]8;;x\x07 "title \x1b[5m") <http://evil.example/\x9b5m>
[a](<http://e/\u202e\x1b[5m>) ![alt \x1b[5m](data:image/png;base64,\x1b[5m) ![{MARKUP}](x)

| a \x1b[5m | b |
|---|---|
| \x9b5m | {MARKUP} |

> quote \x1b[5m
1. item \x1b[5m

{"x" * 5_000}

```python\x1b[5m{MARKUP}
code \x1b[5m {EVIL}
"""


def pictures() -> list[Any]:
    data = base64.b64encode(b"\x89PNG" * 10).decode()
    return [
        {"type": "image_url", "image_url": {"url": f"data:image/\x1b[5mpng;base64,{data}"}},
        {"type": "image_url", "image_url": f"https://evil.example/{EVIL}"},
        {
            "type": "image",
            "source": {"type": "base64", "media_type": f"image/{EVIL}", "data": data},
        },
        {"inlineData": {"mimeType": f"../../{EVIL}", "data": f"{data}\x1b[5m"}},
        {"type": "file", "file": {"filename": f"../{EVIL}", "file_data": data}},
        {"type": f"kind {EVIL}", EVIL: EVIL},
        EVIL,
    ]


def messages() -> list[dict[str, Any]]:
    role = {"role": f"role \x1b[5m{MARKUP}", "name": EVIL, "created_at": EVIL}
    arguments = json.dumps({EVIL: EVIL, "path": [EVIL]})
    return [
        {**role, "content": MARKDOWN},
        {"role": "user", "content": [{"type": "text", "text": MARKDOWN}, *pictures()]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": f"{NEEDLE} {EVIL}\n" * 9},
                {"type": "tool_use", "id": EVIL, "name": EVIL, "input": {EVIL: EVIL}},
            ],
            "reasoning": EVIL,
            "tool_calls": [
                {"id": f"c{EVIL}", "function": {"name": EVIL, "arguments": arguments}},
                {"id": "d", "function": {"name": EVIL, "arguments": EVIL}},
            ],
        },
        {"role": "tool", "tool_call_id": f"c{EVIL}", "name": EVIL, "content": MARKDOWN * 3},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": EVIL, "is_error": True, "content": EVIL},
                {"functionResponse": {"name": EVIL, "response": {EVIL: EVIL}}},
                *pictures(),
            ],
        },
        {"role": "model", "content": [{"functionCall": {"name": EVIL, "args": {EVIL: EVIL}}}]},
        {"role": "tool", "tool_call_id": "alone", "name": EVIL, "content": pictures()},
        {"role": "user", "content": f"{'> ' * 40}nested too deep for Markdown {EVIL}"},
    ]


@pytest.fixture
def hostile(cli: Cli) -> Cli:
    """A folder whose sessions, trash and files are all hostile."""
    fields: dict[str, Any] = {
        "title": EVIL,
        "user_id": EVIL,
        "agent_id": EVIL,
        "tags": [EVIL, "t\x1b[5m"],
        "metadata": {EVIL: EVIL},
        "status": EVIL,
        "messages": messages(),
        "source": {
            "program": EVIL,
            "project": f"/home/{EVIL}",
            "branch": EVIL,
            "path": EVIL,
            "parent": {"session_id": f"{ID}-parent"},
        },
    }
    with cli.store() as store:
        store.save(Session(session_id=ID, **fields))
        child = {**fields, "source": {"parent": {"session_id": ID}}}
        store.save(Session(session_id=f"{ID}-child", **child))
        store.save(Session(session_id="gone\u202e", **fields))
        store.delete("gone\u202e")
        old = datetime(2020, 1, 1, tzinfo=UTC)
        store.save(Session(session_id="old\u202e", last_activity=old, title=EVIL))
        torn = store.path("old\u202e").replace("old", "torn")
    cli.folder.joinpath(os.path.basename(torn)).write_text("{ \x1b[5m")
    return cli


def foreign(cli: Cli) -> str:
    """Write a file of another program with a hostile name and content; return its path."""
    path = cli.folder.parent / "from \x1b[5m \u202e.json"
    path.write_text(json.dumps({"messages": messages(), "title": EVIL, "id": EVIL}))
    return str(path)


Answers = dict[str, "str | signal.Signals | Callable[[], str]"]
Row = tuple[list[str], Answers]


def change(cli: Cli) -> Callable[[], str]:
    def changed() -> str:
        with cli.store() as store:
            store.append(ID, {"role": EVIL, "content": f"{EVIL} arrived"})
            store.rename(ID, f"\x1b[5mtwice\u202e {store.last_change()}")
        return ""

    return changed


def following(cli: Cli, said: str) -> Answers:
    return {said: change(cli), "twice" if said == "watching" else "arrived": signal.SIGINT}


def rows(cli: Cli) -> dict[str, list[Row]]:
    """Return for each command the lines that are tried, with what is answered."""

    def plain(*lines: list[str]) -> list[Row]:
        return [(line, {}) for line in lines]

    end: Answers = {"Ctrl-C": signal.SIGINT}
    folder = str(cli.folder.parent / "made \x1b[5m")
    return {
        "list": plain([], ["--all", "--with-archived"], ["--json"], ["--project", TYPED]),
        "search": plain(
            [NEEDLE, "--with-archived", "-C", "5"],
            ["smile", "--with-archived"],
            [f"tag:{TYPED}"],
            [TYPED],
            [NEEDLE, "--with-archived", "--json", "-C", "1"],
        ),
        "show": [
            *plain(
                [ID],
                [ID, "--all"],
                [ID, "--all", "--full"],
                [ID, "--all", "--tools"],
                [ID, "--all", "--reasoning"],
                [ID, "--at", "4", "-C", "2"],
                [ID, "--at", "99"],
                [ID, "--tail", "-n", "9"],
                [ID, "--facts"],
                [ID, "--all", "--save-images", folder],
                [ID, "--json"],
                ["torn\u202e"],
                [f"no {TYPED}"],
            ),
            ([ID, "--follow"], following(cli, "following")),
        ],
        "history": plain([ID], [ID, "--full"], [ID, "--json"], ["evil"]),
        "watch": [([], following(cli, "watching")), ([ID], following(cli, "watching"))],
        "count": plain(["--tag", TYPED], ["--since", TYPED]),
        "stats": plain([]),
        "path": plain([ID], [f"no {TYPED}"]),
        "import": plain([foreign(cli), "--yes", "-v"], [f"/nowhere/{TYPED}"]),
        "new": plain(["--id", f"{ID} new", "--title", TYPED], ["--id", TYPED], ["--id", ID]),
        "append": plain([f"no {TYPED}", "--role", "user", "x"]),
        "edit": plain([ID]),
        "fork": plain([ID], [ID, "--at", f"no {TYPED}"]),
        "rename": plain([ID, TYPED]),
        "tag": plain([ID, f"+{TYPED}"], [f"no {TYPED}", "+x"]),
        "pin": plain([ID]),
        "archive": plain([ID]),
        "delete": [([f"{ID}-child"], {"[y/N]": "y\n"}), ([f"no {TYPED}"], {})],
        "restore": plain(["--list"], ["gone\u202e"], [f"no {TYPED}"]),
        "cleanup": [
            *plain(["--older-than", "30d", "--dry-run"], ["--empty-trash", "--dry-run"]),
            (["--older-than", "30d"], {"[y/N]": "n\n"}),
            (["--empty-trash"], {"[y/N]": "n\n"}),
        ],
        "export": plain(
            [ID],
            [ID, "--format", "json"],
            [ID, "--format", "jsonl"],
            [ID, "--redact", "--preview"],
            [ID, "-o", f"{folder}/x"],
        ),
        "backup": plain([f"{folder}/x.tar.gz"], [f"{folder}/{TYPED}"]),
        "restore-backup": plain([f"/nowhere/{TYPED}"]),
        "mv": plain([ID, "--to", f"{folder}/y", "--dry-run"], [f"no {TYPED}", "--to", folder]),
        "copy": plain(
            [str(cli.folder), f"{folder}/z"],
            [f"/nowhere/{TYPED}", folder],
            [str(cli.folder), f"mysql://{TYPED}"],
            [str(cli.folder), f"postgresql://{TYPED}@host"],
        ),
        "serve": [(["--port", "0"], end)],
        "mcp": [([], end)],
        "completion": plain(["bash"]),
        "resume": plain([ID, "--print"], [ID, "--yes"], [f"no {TYPED}"]),
        "help": plain([], ["show"], [TYPED]),
        "verify": plain([], ["--repair"]),
        "reindex": plain([]),
    }


# Our own styles: bold, dim, italic, underlined, struck, and four colours; those of a bar of rich.
_OURS = {"", "0", "1", "2", "3", "4", "9", "31", "32", "35", "36"}
_STYLE = re.compile(r"\x1b\[([0-9;]*)m")
_OF_A_BAR = re.compile(r"\x1b\[(?:\?25[lh]|2K|1A)|\x1b\[38;5;\d+m|\x1b\[3[3-6]m|\r")


_WITH_BARS = {
    *("search", "import", "verify", "reindex", "export", "tag", "pin", "archive", "delete"),
    *("backup", "restore-backup", "mv", "copy"),
}


def acting(shown: str, *, has_bar: bool) -> list[str]:
    """Return what acts on a terminal and is not ours."""
    if has_bar:
        shown = _OF_A_BAR.sub("", shown)
    foreign = [
        found.group()
        for found in _STYLE.finditer(shown)
        if not {*found.group(1).split(";")} <= _OURS
    ]
    rest = _STYLE.sub("", shown).replace("^C", "")
    return foreign + [found.group() for found in UNSAFE.finditer(rest)]


@pytest.mark.parametrize("name", sorted(program.commands))
def test_nothing_of_a_session_acts_on_a_terminal(hostile: Cli, name: str) -> None:
    for line, answers in rows(hostile)[name]:
        if name == "edit":
            env: Mapping[str, str] = {"EDITOR": "true"}
        else:
            env = {}
        _, shown = hostile.terminal(name, *line, answers=answers, env=env)
        has_bar = name in _WITH_BARS
        assert acting(shown, has_bar=has_bar) == [], (line, shown)
        assert "Traceback" not in shown, (line, shown)


def test_each_command_has_a_row(cli: Cli, tmp_path: Path) -> None:
    cli.folder.mkdir()
    assert sorted(rows(cli)) == sorted(program.commands)
    assert all(rows(cli).values())


def test_the_parser_sees_what_acts() -> None:
    for sequence in SEQUENCES:
        assert acting(sequence.replace("\ud800", "\u202e"), has_bar=False)
    assert acting("\x1b[1;31mx\x1b[0m\n\ty", has_bar=False) == []
    assert acting("\x1b[5m", has_bar=False) == ["\x1b[5m"]
    assert acting("\x1b[1;7m", has_bar=True) == ["\x1b[1;7m"]
    assert acting("a\rb", has_bar=False) == ["\r"]


def test_no_text_of_a_session_is_markup(hostile: Cli) -> None:
    _, shown = hostile.terminal("show", ID, "--all", "--full", columns=250)
    assert "[bold]x[/bold] [link=http://evil.example]y[/link] [/] [red :smile:" in shown
    assert "\N{SMILING FACE WITH OPEN MOUTH AND SMILING EYES}" not in shown


def test_a_pager_gets_no_text_that_acts(hostile: Cli, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    env = {"LOCALSESSIONS_PAGER": f"tee {taken}"}
    code, _ = hostile.terminal("history", ID, "--full", env=env)
    assert code == 0
    text = taken.read_text("utf-8")
    assert "[bold]" in text
    assert acting(text, has_bar=False) == []
