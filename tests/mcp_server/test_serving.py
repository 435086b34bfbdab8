"""``localsessions mcp``: real processes, asked by the SDK's own client, and line by line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

import anyio
import pytest
from mcp import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client

from localsessions import SessionStore
from localsessions.mcp import MOST_BYTES
from localsessions.mcp.answers import NOTICE

COMMAND = [sys.executable, "-m", "localsessions"]
TOKEN = "ghp_iK2ZWeqhFWCEPyYngFb51yBMWXaSCrUZoL8g"  # made up
VERSION = "2025-11-25"
PAGE = (Path(__file__).parents[2] / "docs" / "mcp.md").read_text("utf-8")

Result = TypeVar("Result")


def measured(**environment: str) -> dict[str, str]:
    """Return the environment of a server, with what coverage needs beside what it inherits."""
    of_coverage = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
    return {**of_coverage, **environment}


@asynccontextmanager
async def client_of(
    folder: Path, *options: str, cwd: Path | None = None, **environment: str
) -> AsyncIterator[Any]:
    server = StdioServerParameters(
        command=COMMAND[0],
        args=[*COMMAND[1:], "--dir", str(folder), "mcp", *options],
        env=measured(**environment),
        cwd=cwd,
    )
    async with stdio_client(server) as streams, ClientSession(*streams) as client:
        await client.initialize()
        yield client


def run(act: Callable[[], Awaitable[Result]]) -> Result:
    result: Result = anyio.run(act)
    return result


def asked(folder: Path, tool: str, arguments: dict[str, Any], *options: str, **more: Any) -> Any:
    """Return the result of one call, from a server of its own."""

    async def ask() -> Any:
        async with client_of(folder, *options, **more) as client:
            return await client.call_tool(tool, arguments)

    return run(ask)


def add(folder: Path, session_id: str, *texts: str) -> None:
    with SessionStore(folder) as store:
        store.create(session_id)
        store.append(session_id, *({"role": "user", "content": text} for text in texts))


def test_there_are_three_tools_that_only_read(folder: Path) -> None:
    add(folder, "a", "hello")

    async def ask() -> Any:
        async with client_of(folder) as client:
            return await client.list_tools()

    tools = {tool.name: tool for tool in run(ask).tools}
    assert sorted(tools) == ["get_messages", "list_sessions", "search_sessions"]
    for tool in tools.values():
        assert tool.annotations.read_only_hint is True
        assert tool.output_schema["required"][0] == "notice"
        assert "\n    " not in tool.description
        for name, parameter in tool.input_schema["properties"].items():
            assert parameter.get("description"), (tool.name, name)
            (row,) = (line for line in PAGE.splitlines() if line.startswith(f"| `{tool.name}`"))
            assert f"`{name}`" in row


def test_a_client_finds_a_session_and_reads_it(folder: Path) -> None:
    add(folder, "a", *(f"message {number}" for number in range(30)), "the connection was refused")

    async def ask() -> tuple[Any, Any]:
        async with client_of(folder) as client:
            found = await client.call_tool("search_sessions", {"query": "refused"})
            (hit,) = found.structured_content["hits"]
            window = {"session_id": hit["session"]["session_id"], "start": hit["position"] - 2}
            return found, await client.call_tool("get_messages", window)

    found, read = run(ask)
    for result in (found, read):
        assert not result.is_error
        assert json.loads(result.content[0].text) == result.structured_content
        assert result.structured_content["notice"] == NOTICE
    assert [said["text"] for said in read.structured_content["messages"]] == [
        "message 28",
        "message 29",
        "the connection was refused",
    ]


def test_secrets_are_hidden_unless_they_are_wanted(folder: Path) -> None:
    add(folder, "a", f"use {TOKEN}")
    hidden = asked(folder, "get_messages", {"session_id": "a"})
    assert TOKEN not in hidden.model_dump_json()
    assert "[REDACTED:github-token]" in hidden.model_dump_json()
    shown = asked(folder, "get_messages", {"session_id": "a"}, "--no-redact")
    assert TOKEN in shown.model_dump_json()


def test_the_session_of_the_client_is_left_out(folder: Path, tmp_path: Path) -> None:
    for session_id in ("first", "second", "third"):
        add(folder, session_id, "hello")
    result = asked(
        folder, "list_sessions", {}, "--exclude", "first", CLAUDE_CODE_SESSION_ID="second"
    )
    (line,) = result.structured_content["sessions"]
    assert line["session_id"] == "third"


def test_the_folder_of_the_client_tells_what_is_live(folder: Path, tmp_path: Path) -> None:
    with SessionStore(folder) as store, store.edit(store.create("a").session_id) as session:
        session.source = {"program": "claude-code", "project": str(tmp_path)}

    def is_live(**more: Any) -> bool:
        (line,) = asked(folder, "list_sessions", {}, **more).structured_content["sessions"]
        return "live" in line

    assert is_live(cwd=tmp_path)
    assert is_live(CLAUDE_PROJECT_DIR=str(tmp_path))
    assert not is_live(CLAUDE_PROJECT_DIR=str(tmp_path.parent / "other"))


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("get_messages", {"session_id": "nobody"}, "list_sessions tells the ids"),
    ("get_messages", {"session_id": "broken"}, "localsessions verify"),
    ("get_messages", {"session_id": "../a"}, "use a name that one file can have"),
    ("get_messages", {"session_id": "a", "start": -1}, "start"),
    ("get_messages", {"session_id": "a", "count": 10**9}, "count"),
    ("get_messages", {}, "session_id"),
    ("list_sessions", {"cursor": "forged"}, "not made by this store"),
    ("list_sessions", {"since": "long ago"}, "long ago"),
    ("search_sessions", {"query": "x" * 2_000}, "query"),
]


def test_a_wrong_call_is_told_what_is_wrong(folder: Path) -> None:
    add(folder, "a", "hello")
    (folder / "broken.json").write_text("{", encoding="utf-8")

    async def ask() -> list[Any]:
        async with client_of(folder) as client:
            return [await client.call_tool(tool, arguments) for tool, arguments, _ in WRONG]

    for result, (_, _, says) in zip(run(ask), WRONG, strict=True):
        assert result.is_error
        assert says in result.content[0].text


def test_two_clients_read_at_once_while_a_program_writes(folder: Path) -> None:
    add(folder, "a", "deploy 0")

    async def ask() -> list[int]:
        counts: list[int] = []

        async def read(client: Any) -> None:
            for _ in range(10):
                found = await client.call_tool("search_sessions", {"query": "deploy"})
                assert len(found.structured_content["hits"]) == 1
                said = await client.call_tool("get_messages", {"session_id": "a", "count": 200})
                counts.append(len(said.structured_content["messages"]))

        async with client_of(folder) as one, client_of(folder) as other:
            async with anyio.create_task_group() as group:
                for client in (one, one, other):
                    group.start_soon(read, client)
                with SessionStore(folder) as store:
                    for number in range(1, 20):
                        store.append("a", {"role": "user", "content": f"deploy {number}"})
                        await anyio.sleep(0.01)
            last = await other.call_tool("get_messages", {"session_id": "a", "count": 200})
            counts.append(len(last.structured_content["messages"]))
        return counts

    counts = run(ask)
    assert len(counts) == 31
    assert counts[-1] == 20
    assert all(1 <= count <= 20 for count in counts)


# -- line by line --------------------------------------------------------------------------------


class Raw:
    """A server whose lines are looked at as they are."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "--dir", str(folder), "mcp", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        hello = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": _CLIENT}
        self.line_of("initialize", hello)
        self.say({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def say(self, message: object) -> None:
        stdin: IO[bytes] | None = self.process.stdin
        assert stdin is not None
        stdin.write(json.dumps(message).encode() + b"\n")
        stdin.flush()

    def line_of(self, method: str, params: object) -> bytes:
        """Ask, and return the line that answers."""
        assert self.process.stdout is not None
        self.say({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
        line = self.process.stdout.readline()
        assert json.loads(line)["id"] == 7
        return line

    def call(self, tool: str, **arguments: Any) -> bytes:
        return self.line_of("tools/call", {"name": tool, "arguments": arguments})


_CLIENT = {"name": "test", "version": "1"}


def test_an_answer_as_it_is_sent_is_never_too_long(folder: Path) -> None:
    add(folder, "a", *('"\\\n漢\x1b' * 5_000 for _ in range(5)))
    for number in range(60):
        add(folder, f"session-{number}", '"\\漢\x1b deploy' * 500)
    raw = Raw(folder, "--no-redact")
    lines = [
        raw.call("list_sessions", limit=50),
        raw.call("search_sessions", query="deploy", limit=20),
        *(raw.call("get_messages", session_id="a", start=0, offset=at) for at in (0, 9_999)),
    ]
    raw.process.communicate(timeout=60)
    for line in lines:
        assert MOST_BYTES // 3 < len(line) <= MOST_BYTES
        assert json.loads(line)["result"]["structuredContent"]["more"]["arguments"]


def test_the_end_of_its_input_ends_it(folder: Path) -> None:
    add(folder, "a", "hello")
    raw = Raw(folder)
    raw.call("list_sessions")
    shown, noted = raw.process.communicate(timeout=60)
    assert (raw.process.returncode, shown, noted) == (0, b"", b"")


@pytest.mark.needs("signals")
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_while_it_waits(folder: Path, sent: signal.Signals) -> None:
    add(folder, "a", "hello")
    raw = Raw(folder)
    raw.call("search_sessions", query="hello")
    raw.process.send_signal(sent)
    assert raw.process.wait(timeout=60) == -sent
    assert raw.process.stdout is not None
    assert raw.process.stdout.read() == b""
    with SessionStore(folder) as store:
        assert store.verify() == []
    raw.process.communicate()


def test_what_is_no_protocol_is_answered_or_passed_over(folder: Path) -> None:
    add(folder, "a", "hello")
    raw = Raw(folder)
    assert raw.process.stdin is not None
    raw.process.stdin.write(b'{"half": \n[1, 2]\n\xff\xfe\n' + b"x" * 1_000_000 + b"\n")
    line = raw.call("get_messages", session_id="a")
    assert json.loads(line)["result"]["isError"] is False
    shown, _ = raw.process.communicate(timeout=60)
    assert shown == b""
    assert raw.process.returncode == 0


def test_a_folder_that_is_not_there_is_told_and_not_made(tmp_path: Path) -> None:
    made = subprocess.run(
        [*COMMAND, "--dir", str(tmp_path / "none"), "mcp"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    assert (made.returncode, made.stdout) == (3, b"")
    assert b"there is no folder of sessions" in made.stderr
    assert not (tmp_path / "none").exists()
