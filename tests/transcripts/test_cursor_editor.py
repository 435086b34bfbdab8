"""Cursor's databases. The real one is in the examples; those of the newer shape are made here.

No freely licensed database of the newer shape was found. The made ones follow the descriptions that
``programs/cursor.py`` names.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localsessions.store import SessionStore
from localsessions.transcripts import TranscriptFile, import_paths, read_transcript

from .findings import only, said, shown

if TYPE_CHECKING:
    from pydantic import JsonValue


REAL = Path(__file__).parents[2] / "examples" / "transcripts" / "cursor" / "state.vscdb"
COMPOSER = "composer.composerData"


def database(
    path: Path,
    items: dict[str, JsonValue] | None = None,
    rows: dict[str, JsonValue | bytes] | None = None,
) -> Path:
    """Make a database; a row of bytes stands as it is, None is NULL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        for table, values in (("ItemTable", items), ("cursorDiskKV", rows)):
            connection.execute(
                f"CREATE TABLE {table} (key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB)"
            )
            for key, value in (values or {}).items():
                cell = value if isinstance(value, bytes | None) else json.dumps(value)
                connection.execute(f"INSERT INTO {table} VALUES (?, ?)", (key, cell))
    return path


def bubble(kind: int, text: str, **more: JsonValue) -> dict[str, JsonValue]:
    return {"_v": 3, "type": kind, "text": text, "images": [], "context": {}, **more}


def conversation(*texts: str) -> list[JsonValue]:
    return [
        {"type": at % 2 + 1, "bubbleId": f"{text}-id", "text": text}
        for at, text in enumerate(texts)
    ]


def global_database(
    tmp_path: Path, bubbles: dict[str, JsonValue | bytes], **composer: JsonValue
) -> TranscriptFile:
    """Read a global database with a composer whose heads name these bubbles, but not ``x...``."""
    heads: list[JsonValue] = [{"bubbleId": key} for key in bubbles if not key.startswith("x")]
    rows: dict[str, JsonValue | bytes] = {
        "composerData:c": {"fullConversationHeadersOnly": heads, **composer},
        **{f"bubbleId:c:{key}": value for key, value in bubbles.items()},
    }
    return read_transcript(database(tmp_path / "state.vscdb", rows=rows))


# A workspace


def test_real_workspace_gives_its_composers_and_chats() -> None:
    found = read_transcript(REAL)
    assert found.report.format == "cursor-vscdb"
    assert [session.title for session in found.sessions[-3:]] == [
        "by default the dark mode settings is off.",
        "Running a Local Python Server via CLI",
        "Android SDK Not Found Error Fix",
    ]
    composer = found.sessions[6]
    assert composer.session_id == "7ab14174-a536-4e2c-98e9-8c5e28fa2006"
    assert [message["role"] for message in composer.messages] == ["user", "assistant"] * 2
    assert composer.created_at.isoformat() == "2024-11-17T04:44:15.382000+00:00"
    chat = found.sessions[-1]
    assert [message["role"] for message in chat.messages] == ["user", "assistant"]
    assert chat.source["model"] == "claude-3.5-sonnet"
    # What was typed stands in the conversations; the last bubble of a chat is the box to type in.
    assert found.report.bookkeeping == {"prompt": 18, "empty bubble": 2}


def test_importing_a_database_again_changes_nothing(tmp_path: Path) -> None:
    with SessionStore(tmp_path / "store", durability="fast") as store:
        assert import_paths(store, [REAL]).total.imported == 9
        again = import_paths(store, [REAL])
    assert (again.total.unchanged, again.total.added) == (9, 0)


def test_prompt_that_stands_in_no_conversation_is_kept(tmp_path: Path) -> None:
    items: dict[str, JsonValue] = {
        COMPOSER: {
            "allComposers": [{"composerId": "c", "conversation": conversation("hi", "yes")}]
        },
        "aiService.prompts": [
            {"text": "hi ", "commandType": 4},
            {"text": "lost", "commandType": 2},
        ],
    }
    found = read_transcript(database(tmp_path / "3f2a" / "state.vscdb", items))
    prompts = found.sessions[1]
    assert prompts.session_id == "3f2a-prompts"
    assert shown(prompts.messages, "role", "content", "commandType") == [["user", "lost", 2]]
    assert found.report.bookkeeping == {"prompt": 1}


def test_prompts_are_not_doubled_where_conversations_are_in_the_global_database(
    tmp_path: Path,
) -> None:
    items: dict[str, JsonValue] = {
        COMPOSER: {"allComposers": [{"composerId": "c", "name": "only a head"}]},
        "aiService.prompts": [{"text": "hi"}],
    }
    found = read_transcript(database(tmp_path / "state.vscdb", items))
    assert found.sessions == ()
    assert found.report.bookkeeping == {
        "composer, its conversation is in the global database": 1,
        "prompt": 1,
    }


@pytest.mark.parametrize(
    ("uri", "folder"),
    [
        ("file:///home/dev/my%20app", "/home/dev/my app"),
        ("file:///c%3A/Users/dev/app", "c:/Users/dev/app"),
        ("vscode-remote://wsl/home/dev", None),
        (7, None),
    ],
)
def test_folder_of_a_workspace_is_the_project(
    tmp_path: Path, uri: JsonValue, folder: str | None
) -> None:
    composers: JsonValue = [{"composerId": "c", "conversation": conversation("hi")}]
    path = database(tmp_path / "state.vscdb", {COMPOSER: {"allComposers": composers}})
    (tmp_path / "workspace.json").write_text(json.dumps({"folder": uri}))
    assert only(read_transcript(path)).source.get("project") == folder


def test_database_of_another_editor_is_not_cursors(tmp_path: Path) -> None:
    path = tmp_path / "state.vscdb"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE ItemTable (key TEXT, value BLOB)")
        connection.execute("INSERT INTO ItemTable VALUES ('interactive.sessions', '[]')")
    assert read_transcript(path).report.format is None


def test_table_of_other_columns_is_not_that_of_all_workspaces(tmp_path: Path) -> None:
    items: dict[str, JsonValue] = {"aiService.prompts": [{"text": "hi"}]}
    path = database(tmp_path / "state.vscdb", items)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE cursorDiskKV")
        connection.execute("CREATE TABLE cursorDiskKV (k, v)")
    assert said(read_transcript(path)) == [("hi",)]


# The global database


def test_bubbles_stand_in_the_order_of_their_heads(tmp_path: Path) -> None:
    bubbles: dict[str, JsonValue | bytes] = {
        "b": bubble(1, "first", createdAt="2026-03-01T10:00:00.000Z"),
        "a": bubble(2, "second", createdAt="2026-03-01T10:00:05.000Z"),
    }
    session = only(global_database(tmp_path, bubbles, name="A title", createdOnBranch="main"))
    assert session.session_id == "c"
    assert (session.title, session.source["branch"]) == ("A title", "main")
    assert shown(session.messages, "id", "role", "content", "created_at") == [
        ["b", "user", "first", "2026-03-01T10:00:00.000Z"],
        ["a", "assistant", "second", "2026-03-01T10:00:05.000Z"],
    ]
    assert session.messages[0].keys() == {"id", "role", "content", "created_at", "_v"}


def test_call_of_a_tool_and_its_result_are_messages(tmp_path: Path) -> None:
    call: JsonValue = {
        "name": "read_file",
        "toolCallId": "t1",
        "rawArgs": '{"path":"a.py"}',
        "status": "completed",
        "result": '{"contents":"quokka"}',
    }
    failed: JsonValue = {"name": "run", "toolCallId": "t2", "params": {"x": 1}, "error": "no shell"}
    running: JsonValue = {"name": "run", "toolCallId": "t3", "rawArgs": "{}", "status": "loading"}
    bubbles: dict[str, JsonValue | bytes] = {
        "a": bubble(2, "", toolFormerData=call),
        "b": bubble(2, "", toolFormerData=failed),
        "c": bubble(2, "", toolFormerData=running),
    }
    session = only(global_database(tmp_path, bubbles))
    assert shown(session.messages, "id", "role", "content", "tool_call_id") == [
        ["a", "assistant", None, None],
        ["a.result", "tool", '{"contents":"quokka"}', "t1"],
        ["b", "assistant", None, None],
        ["b.result", "tool", "no shell", "t2"],
        ["c", "assistant", None, None],
    ]
    assert session.messages[0]["tool_calls"] == [
        {
            "id": "t1",
            "type": "function",
            "function": {"name": "read_file", "arguments": '{"path":"a.py"}'},
        }
    ]
    assert session.messages[0]["toolFormerData"] == {"status": "completed"}


def test_thoughts_are_content(tmp_path: Path) -> None:
    thinking: JsonValue = {"text": "hm", "signature": "s"}
    session = only(global_database(tmp_path, {"a": bubble(2, "so", thinking=thinking)}))
    assert session.messages[0]["content"] == [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "so"},
    ]
    assert session.messages[0]["thinking"] == {"signature": "s"}


def test_copy_of_a_text_in_the_editors_own_shape_is_left_out(tmp_path: Path) -> None:
    def rich(*nodes: JsonValue) -> str:
        paragraph: JsonValue = {"type": "paragraph", "children": [*nodes]}
        return json.dumps({"root": {"type": "root", "children": [paragraph]}})

    word: JsonValue = {"type": "text", "text": "see"}
    mention: JsonValue = {"type": "mention", "mentionName": "a.py"}
    bubbles: dict[str, JsonValue | bytes] = {
        "a": bubble(1, "see @a.py", richText=rich(word)),
        "b": bubble(1, "see @a.py", richText=rich(word, mention)),
    }
    first, second = only(global_database(tmp_path, bubbles)).messages
    assert "richText" not in first
    assert "mentionName" in str(second["richText"])


def test_bubble_that_no_head_names_any_more_was_taken_back(tmp_path: Path) -> None:
    def at(second: int) -> str:
        return f"2026-03-01T10:00:0{second}.000Z"

    bubbles: dict[str, JsonValue | bytes] = {
        "a": bubble(1, "one", createdAt=at(1)),
        "b": bubble(1, "three", createdAt=at(3)),
        "x1": bubble(1, "two", createdAt=at(2)),
        "x2": bubble(2, "late", createdAt=at(4)),
    }
    session = only(global_database(tmp_path, bubbles))
    assert shown(session.messages, "content", "taken_back") == [
        ["one", None],
        ["two", True],
        ["three", None],
        ["late", True],
    ]


def test_rows_without_a_value_are_counted(tmp_path: Path) -> None:
    bubbles: dict[str, JsonValue | bytes] = {"a": bubble(1, "hi"), "b": None, "c": bubble(2, "")}
    found = global_database(tmp_path, bubbles)
    assert only(found).messages[0]["content"] == "hi"
    assert found.report.bookkeeping == {
        "bubble without content": 1,
        "bubble that is gone": 1,
        "empty bubble": 1,
    }


def test_bubbles_of_a_composer_that_lost_its_value_are_kept(tmp_path: Path) -> None:
    rows: dict[str, JsonValue | bytes] = {
        "composerData:c": None,
        "bubbleId:c:b": bubble(2, "two", createdAt="2026-03-01T10:00:02.000Z"),
        "bubbleId:c:z": bubble(1, "one", createdAt="2026-03-01T10:00:01.000Z"),
        "bubbleId:other:y": bubble(1, "its composer was deleted"),
        "checkpointId:c:1": {},
    }
    found = read_transcript(database(tmp_path / "state.vscdb", rows=rows))
    assert shown(only(found).messages, "content", "taken_back") == [["one", None], ["two", None]]
    assert found.report.bookkeeping == {"bubbleId": 1, "checkpointId": 1}


def test_conversation_inside_its_composer_is_read(tmp_path: Path) -> None:
    found = global_database(tmp_path, {}, conversation=conversation("hi", "yes"))
    assert shown(only(found).messages, "role", "content") == [["user", "hi"], ["assistant", "yes"]]


def test_sub_agent_names_the_session_that_started_it(tmp_path: Path) -> None:
    task: JsonValue = {"name": "task_v2", "toolCallId": "t1", "rawArgs": "{}"}
    rows: dict[str, JsonValue | bytes] = {
        "composerData:p": {"conversation": [{"bubbleId": "a", "type": 2, "toolFormerData": task}]},
        "composerData:task-t1": {"conversation": conversation("do it")},
    }
    found = read_transcript(database(tmp_path / "state.vscdb", rows=rows))
    parents = {one.session_id: one.source.get("parent") for one in found.sessions}
    assert parents == {"p": None, "task-t1": {"session_id": "p"}}


def test_torn_value_is_told_with_its_key_and_the_rest_comes_in(tmp_path: Path) -> None:
    found = global_database(tmp_path, {"a": bubble(1, "hi"), "b": b'{"type": 2, "te'})
    assert only(found).messages[0]["content"] == "hi"
    (told,) = found.report.bad_lines
    assert told.reason.startswith("bubbleId:c:b: ")
    assert not told.taken


def test_time_of_a_composer_counts_where_no_bubble_has_one(tmp_path: Path) -> None:
    session = only(
        global_database(
            tmp_path, {"a": bubble(1, "hi")}, createdAt=1772359200000, lastUpdatedAt=1772359260000
        )
    )
    assert session.created_at.isoformat() == "2026-03-01T10:00:00+00:00"
    assert session.last_activity.isoformat() == "2026-03-01T10:01:00+00:00"
    assert "undated" not in session.source


def test_timing_of_a_bubble_is_its_time_where_it_is_one_of_the_calendar(tmp_path: Path) -> None:
    timing: JsonValue = {"clientStartTime": 4745281.3, "clientEndTime": 1772359200000}
    found = global_database(tmp_path, {"a": bubble(2, "yes", timingInfo=timing)})
    assert only(found).messages[0]["created_at"] == "2026-03-01T10:00:00.000Z"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("type", "text", "thinking", "toolFormerData", "name", "rawArgs", "result"),
                    *("uri", "timingInfo", "clientEndTime", "createdAt", "modelInfo", "richText"),
                    *("workspaceIdentifier", "root", "children"),
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=25)
@given(st.dictionaries(st.sampled_from(["type", "text", "richText", "toolFormerData"]), values))
def test_any_bubble_is_read_without_an_error(found: dict[str, JsonValue]) -> None:
    with TemporaryDirectory() as folder:
        read = global_database(Path(folder), {"a": {**found}, "xb": {**found}}, **found)
        assert read.report.skipped in (None, "holds no messages")
