"""A chat of Claude's Agent SDK that goes on when the program is started again.

    pip install "localsessions[claude-agent]"
    python claude_agent_session.py FOLDER "What is the weather in Oslo?"

No network is needed: this very file stands in for Claude Code, which the SDK starts. For the real
one, leave out `cli_path=`, and sign in.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    project_key_for_directory,
    query,
)

from localsessions import SessionStore
from localsessions.adapters.claude_agent import LocalSessionStore


async def main(folder: str, text: str) -> None:
    # The SDK's own files are a copy that nothing here needs any more.
    with SessionStore(folder) as store, tempfile.TemporaryDirectory() as own:
        transcripts = LocalSessionStore(store)
        project = project_key_for_directory(os.getcwd())
        listed = await transcripts.list_sessions(project)
        last = max(listed, key=lambda one: one["mtime"], default=None)
        options = ClaudeAgentOptions(
            session_store=transcripts,
            resume=last["session_id"] if last else None,
            env={"CLAUDE_CONFIG_DIR": own},
            cli_path=stand_in_program(Path(own)),
        )
        async for message in query(prompt=text, options=options):
            if isinstance(message, AssistantMessage):
                print(*(getattr(block, "text", "") for block in message.content))
        for one in store.list():
            print(f"  {one.session_id}: {one.message_count} messages, {one.title!r}")


# -- what stands in for Claude Code --------------------------------------------------------------


def stand_in_program(folder: Path) -> str:
    """Return a program that is this file, called as Claude Code is."""
    program = folder / "claude"
    python, this = sys.executable, Path(__file__).resolve()
    program.write_text(f'#!/bin/sh\nexec "{python}" "{this}" --stand-in "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return str(program)


def stand_in(arguments: list[str]) -> None:
    """Answer one prompt, and tell the SDK what stands in the transcript, as Claude Code does."""
    resumed = [one.partition("=")[2] for one in arguments if one.startswith("--resume=")]
    session_id = resumed[0] if resumed else str(uuid.uuid4())
    projects = Path(os.environ["CLAUDE_CONFIG_DIR"], "projects")
    path = projects / project_key_for_directory(os.getcwd()) / f"{session_id}.jsonl"
    written = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    before = [json.loads(line) for line in written]
    for line in sys.stdin:
        frame = json.loads(line)
        if frame["type"] == "control_request":
            done = {"subtype": "success", "request_id": frame["request_id"], "response": {}}
            say({"type": "control_response", "response": done})
        elif frame["type"] == "user":
            answer(before, frame["message"]["content"], session_id, path)
            return


def answer(before: list[Any], text: str, session_id: str, path: Path) -> None:
    asked = [one["message"]["content"] for one in before if one["type"] == "user"]
    told = f"You asked: {text}" + (f" Before it you asked: {asked[-1]}" if asked else "")
    prompt = entry("user", text, before[-1]["uuid"] if before else None, session_id)
    reply = entry("assistant", [{"type": "text", "text": told}], prompt["uuid"], session_id)
    reply["message"] |= {"model": "stand-in", "id": f"msg_{reply['uuid']}"}
    say({"type": "transcript_mirror", "filePath": str(path), "entries": [prompt, reply]})
    say({"type": "assistant", "message": reply["message"], "session_id": session_id})
    numbers = {"duration_ms": 1, "duration_api_ms": 1, "num_turns": 1, "total_cost_usd": 0.0}
    end = {"type": "result", "subtype": "success", "is_error": False, "result": told}
    say({**end, **numbers, "session_id": session_id})


def entry(role: str, content: Any, parent: str | None, session_id: str) -> dict[str, Any]:
    return {
        "type": role,
        "uuid": str(uuid.uuid4()),
        "parentUuid": parent,
        "sessionId": session_id,
        "timestamp": "2026-11-30T12:00:00.000Z",
        "message": {"role": role, "content": content},
    }


def say(frame: dict[str, Any]) -> None:
    print(json.dumps(frame), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--stand-in"]:
        stand_in(sys.argv[2:])
    else:
        asyncio.run(main(*sys.argv[1:3]))
