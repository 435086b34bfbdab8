"""opencode: the tree of the examples, and a database that is made here after its schema.

No freely licensed database was found. The made one has the columns that the program's own schema
has; ``programs/opencode.py`` names it.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localsessions.transcripts import TranscriptFile, read_transcript

from .findings import only, shown

if TYPE_CHECKING:
    from pydantic import JsonValue


TREE = Path(__file__).parents[2] / "examples" / "transcripts" / "opencode" / "storage"
LARGE = TREE / "session" / "proj_test" / "ses_s_stage0_large.json"

_SCHEMA = """
CREATE TABLE session (id text PRIMARY KEY, project_id text, parent_id text, slug text,
  directory text, title text, version text, share_url text, revert text, time_created integer,
  time_updated integer, time_archived integer, agent text, model text,
  fork_session_id text, fork_message_id text);
CREATE TABLE message (id text PRIMARY KEY, session_id text, time_created integer,
  time_updated integer, data text);
CREATE TABLE part (id text PRIMARY KEY, message_id text, session_id text, time_created integer,
  time_updated integer, data text);
CREATE TABLE session_message (id text PRIMARY KEY, session_id text, type text, seq integer,
  time_created integer, time_updated integer, data text);
CREATE TABLE todo (session_id text, content text);
"""


def at(second: int) -> int:
    """Return a time of the program: milliseconds since 1970."""
    return 1_772_359_200_000 + second * 1000


class Database:
    """A database that is being made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(_SCHEMA)

    def add(self, table: str, data: JsonValue = None, **columns: str | int | None) -> None:
        values = columns if data is None else {**columns, "data": json.dumps(data)}
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        with closing(sqlite3.connect(self._path)) as connection, connection:
            connection.execute(
                f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values())
            )

    def session(self, session_id: str = "ses_1", **columns: str | int | None) -> None:
        self.add("session", id=session_id, time_created=1000, time_updated=9000, **columns)

    def message(self, message_id: str, role: str, second: int, *parts: JsonValue) -> None:
        self.add(
            "message",
            {"role": role, "time": {"created": at(second)}},
            id=message_id,
            session_id="ses_1",
            time_created=at(second),
        )
        for number, part in enumerate(parts):
            self.add(
                "part",
                part,
                id=f"prt_{message_id}_{number}",
                message_id=message_id,
                session_id="ses_1",
                time_created=0,
            )

    def newer(self, message_id: str, kind: str, second: int, **data: JsonValue) -> None:
        self.add(
            "session_message",
            {"time": {"created": at(second)}, **data},
            id=message_id,
            session_id="ses_1",
            type=kind,
            seq=second,
            time_created=at(second),
        )

    def read(self) -> TranscriptFile:
        return read_transcript(self._path)


@pytest.fixture
def made(tmp_path: Path) -> Database:
    return Database(tmp_path / "opencode.db")


def text(said: str, **more: JsonValue) -> dict[str, JsonValue]:
    return {"type": "text", "text": said, **more}


# The tree


def test_session_of_the_tree_has_its_messages_and_parts() -> None:
    session = only(read_transcript(LARGE))
    assert session.session_id == "s_stage0_large"
    assert (session.title, session.source["project"]) == ("OpenCode Large", "/tmp/large")
    assert shown(session.messages, "id", "role") == [
        ["m_user_large_1", "user"],
        ["m_assistant_large_1", "assistant"],
        ["p_tool_large_1", "tool"],
        ["m_user_large_2", "user"],
        ["m_assistant_large_2", "assistant"],
    ]
    content = session.messages[1]["content"]
    assert isinstance(content, list)
    kinds = [part["type"] for part in content if isinstance(part, dict)]
    assert kinds == ["text", "file", "thinking", "compaction", "patch"]
    assert "No such file" in str(session.messages[2]["content"])
    assert session.messages[2]["tool_call_id"] == "call_large_1"


def test_pieces_of_a_session_say_that_they_come_in_with_it() -> None:
    for piece in ("message/s_stage0_large/msg_0001.json", "part/m_user_large_1/001.json"):
        report = read_transcript(TREE / piece).report
        assert report.format == "opencode-storage"
        assert "comes in with its session" in str(report.skipped)


def test_torn_piece_is_told_and_the_rest_comes_in(tmp_path: Path) -> None:
    shutil.copytree(TREE, tmp_path / "storage")
    piece = tmp_path / "storage" / "part" / "m_user_large_1" / "001.json"
    piece.write_bytes(piece.read_bytes()[:40])
    found = read_transcript(tmp_path / "storage" / LARGE.relative_to(TREE))
    assert found.report.messages == 5
    (told,) = found.report.bad_lines
    assert told.reason.startswith(f"{piece}: ")


@pytest.mark.parametrize(
    "name", ["../../elsewhere", "{tmp_path}/elsewhere", "./s_stage0_large", "."]
)
def test_id_of_a_session_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    shutil.copytree(TREE, tmp_path / "storage")
    shutil.copytree(TREE / "message" / "s_stage0_large", tmp_path / "elsewhere")
    path = tmp_path / "storage" / LARGE.relative_to(TREE)
    named = {"id": name.format(tmp_path=tmp_path)}
    path.write_text(json.dumps(json.loads(path.read_text()) | named))
    assert read_transcript(path).sessions == ()


@pytest.mark.needs("links")
def test_link_among_the_pieces_is_not_followed(tmp_path: Path) -> None:
    shutil.copytree(TREE, tmp_path / "storage")
    messages = tmp_path / "storage" / "message" / "s_stage0_large"
    (tmp_path / "elsewhere.json").write_bytes((messages / "msg_0001.json").read_bytes())
    (messages / "msg_0000.json").symlink_to(tmp_path / "elsewhere.json")
    assert read_transcript(tmp_path / "storage" / LARGE.relative_to(TREE)).report.messages == 5


# The database


def test_database_gives_the_same_messages_as_the_tree(tmp_path: Path) -> None:
    made = Database(tmp_path / "opencode.db")
    # The files of the example are named by number, those of the program by their id.
    shutil.copytree(TREE, tmp_path / "storage")
    tree = tmp_path / "storage" / LARGE.relative_to(TREE)
    for piece in [*(tmp_path / "storage" / "part").glob("*/*.json")]:
        piece.rename(piece.with_name(json.loads(piece.read_text())["id"] + ".json"))
    info = json.loads(LARGE.read_text())
    made.session(info["id"], title=info["title"], directory=info["directory"], version="1.3.17")
    for path in sorted((TREE / "message" / info["id"]).iterdir()):
        value = json.loads(path.read_text())
        key, created = value.pop("id"), value["time"]["created"]
        del value["sessionID"]
        made.add("message", value, id=key, session_id=info["id"], time_created=created)
        for piece in sorted((TREE / "part" / key).iterdir()):
            part = json.loads(piece.read_text())
            del part["sessionID"], part["messageID"]
            own = part.pop("id")
            made.add("part", part, id=own, message_id=key, session_id=info["id"])
    of_tree, of_database = only(read_transcript(tree)), only(made.read())
    assert of_database.messages == of_tree.messages
    assert of_database.title == of_tree.title


def test_session_of_the_database_has_its_facts(made: Database) -> None:
    made.session(
        title="A title",
        directory="/work",
        version="1.4.0",
        parent_id="ses_0",
        fork_session_id="ses_old",
        fork_message_id="msg_old",
        model='{"id": "m-1", "providerID": "p"}',
        time_archived=5,
    )
    made.message("msg_1", "user", 2, text("hi"))
    made.add("todo", session_id="ses_1", content="x")
    found = made.read()
    session = only(found)
    assert (session.session_id, session.title) == ("ses_1", "A title")
    assert session.forked_from == {"session_id": "ses_old", "message_id": "msg_old"}
    assert session.source["parent"] == {"session_id": "ses_0"}
    assert session.source["model"] == "m-1"
    assert session.source["facts"] == {"cli_version": "1.4.0", "archived": True}
    assert found.report.bookkeeping == {"todo": 1}


def test_messages_stand_in_the_order_of_their_time(made: Database) -> None:
    made.session()
    made.message("msg_a", "assistant", 5, text("second"))
    made.message("msg_b", "user", 4, text("first"))
    assert shown(only(made.read()).messages, "role", "content", "created_at") == [
        ["user", "first", "2026-03-01T10:00:04.000Z"],
        ["assistant", "second", "2026-03-01T10:00:05.000Z"],
    ]


def test_tool_of_the_database_is_a_call_and_its_result(made: Database) -> None:
    made.session()

    def tool(call: str, **state: JsonValue) -> JsonValue:
        return {"type": "tool", "tool": "bash", "callID": call, "state": {"input": {}, **state}}

    made.message(
        "msg_1",
        "assistant",
        2,
        tool("c1", status="completed", output="quokka", metadata={"exit": 0}),
        tool("c2", status="error", error="denied"),
        tool("c3", status="running", time={"start": 1}),
        {"type": "step-finish", "reason": "stop"},
    )
    found = made.read()
    session = only(found)
    assert shown(session.messages, "id", "role", "content", "tool_call_id") == [
        ["msg_1", "assistant", None, None],
        ["prt_msg_1_0", "tool", "quokka", "c1"],
        ["prt_msg_1_1", "tool", "denied", "c2"],
    ]
    calls = session.messages[0]["tool_calls"]
    assert isinstance(calls, list)
    states = [call.get("state") for call in calls if isinstance(call, dict)]
    assert states == [None, None, {"status": "running", "time": {"start": 1}}]
    assert session.messages[1]["metadata"] == {"exit": 0}
    assert found.report.bookkeeping == {"part step-finish": 1}


@pytest.mark.parametrize(
    ("revert", "taken_back"),
    [
        ({"messageID": "msg_2"}, [None, True, True]),
        ({"messageID": "msg_2", "partID": "prt"}, [None, None, True]),
        ({"messageID": "gone"}, [None, None, None]),
    ],
)
def test_messages_from_the_revert_on_were_taken_back(
    made: Database, revert: JsonValue, taken_back: list[JsonValue]
) -> None:
    made.session(revert=json.dumps(revert))
    for number in (1, 2, 3):
        made.message(f"msg_{number}", "user", number, text("x"))
    assert [row[0] for row in shown(only(made.read()).messages, "taken_back")] == taken_back


def test_title_that_only_says_when_is_none(made: Database) -> None:
    made.session(title="New session - 2026-03-22T10:00:00.000Z")
    made.message("msg_1", "user", 1, text("fix the bug"))
    session = only(made.read())
    assert "title" not in session.source
    assert session.title is None


def test_newer_shape_goes_on_where_the_older_ends(made: Database) -> None:
    made.session()
    made.message("msg_1", "user", 1, text("old"))
    made.newer("evt_1", "user", 1, text="old")
    made.newer("evt_2", "agent-switched", 2, agent="plan")
    made.newer("evt_3", "user", 3, text="new")
    done: JsonValue = {
        "type": "tool",
        "id": "t1",
        "name": "bash",
        "state": {
            "status": "completed",
            "input": {"command": "ls"},
            "content": [{"type": "text", "text": "a.txt"}],
        },
    }
    made.newer("evt_4", "assistant", 4, content=[{"type": "reasoning", "text": "hm"}, done])
    made.newer("evt_5", "shell", 5, command="date", output="Monday")
    made.newer("evt_6", "compaction", 6, summary="all of it", reason="auto")
    found = made.read()
    session = only(found)
    assert shown(session.messages, "id", "role", "content") == [
        ["msg_1", "user", "old"],
        ["evt_3", "user", "new"],
        ["evt_4", "assistant", [{"type": "thinking", "thinking": "hm"}]],
        ["t1", "tool", [{"type": "text", "text": "a.txt"}]],
        ["evt_5", "user", [text("date"), text("Monday")]],
        ["evt_6", "system", "all of it"],
    ]
    assert found.report.bookkeeping == {"agent-switched": 1, "session_message, also in message": 1}


def test_torn_row_is_told_and_the_rest_comes_in(made: Database) -> None:
    made.session()
    made.message("msg_1", "user", 1, text("hi"))
    made.add("message", id="msg_2", session_id="ses_1", time_created=2)
    found = made.read()
    assert shown(only(found).messages, "content") == [["hi"]]
    (told,) = found.report.bad_lines
    assert told.reason.startswith("message msg_2: ")


def test_part_without_a_message_is_counted(made: Database) -> None:
    made.session()
    made.message("msg_1", "user", 1, text("hi"))
    made.add("part", text("?"), id="p", message_id="gone", session_id="ses_1", time_created=1)
    assert made.read().report.bookkeeping == {"part without a message": 1}


KEYS = ["id", "type", "text", "state", "status", "output", "input", "error", "time", "created"]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["tool", "text", "completed", ""]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)
    ),
    max_leaves=20,
)
objects = st.dictionaries(st.sampled_from([*KEYS, "content", "role", "model", "share"]), values)


@settings(max_examples=25)
@given(objects, st.lists(objects, max_size=3))
def test_any_message_is_read_without_an_error(
    info: dict[str, JsonValue], parts: list[dict[str, JsonValue]]
) -> None:
    with TemporaryDirectory() as folder:
        made = Database(Path(folder) / "opencode.db")
        made.session(revert=json.dumps(info), model=json.dumps(parts))
        made.message("msg_1", "user", 1, *parts)
        for number, found in enumerate([info, *parts], start=2):
            made.newer(f"evt_{number}", str(found.get("type")), number, **found)
            made.add("message", found, id=f"msg_{number}", session_id="ses_1", time_created=number)
        assert made.read().report.skipped is None
