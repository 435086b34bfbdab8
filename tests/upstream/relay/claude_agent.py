"""A turn of Claude's Agent SDK: its store gets what Claude Code writes, and gives what it reads."""

from __future__ import annotations

import uuid
from typing import Any

from localsessions.adapters.claude_agent import LocalSessionStore
from upstream.relay.step import SESSION, Seen, Step, play

KEY: Any = {"project_key": "-home", "session_id": SESSION}


async def run(step: Step) -> Seen:
    store = LocalSessionStore(step.place)
    entries: Any = await store.load(KEY) or []
    call = {"type": "tool_use", "id": step.call_id, "name": "weather", "input": {"city": step.city}}
    result = {"type": "tool_result", "tool_use_id": step.call_id, "content": step.told}
    said: list[tuple[str, Any]] = [
        ("user", step.asked),
        ("assistant", [call]),
        ("user", [result]),
        ("assistant", [{"type": "text", "text": step.answer}]),
    ]
    await store.append(KEY, [entry(role, content) for role, content in said])
    store.close()
    return [one for given in entries if "message" in given for one in seen(given["message"])]


def entry(role: str, content: Any) -> Any:
    return {
        "type": role,
        "uuid": str(uuid.uuid4()),
        "timestamp": "2026-11-30T12:00:00.000Z",
        "message": {"role": role, "content": content},
    }


def seen(message: dict[str, Any]) -> Seen:
    content = message["content"]
    blocks: Any = [{"type": "text", "text": content}] if isinstance(content, str) else content
    found: Seen = []
    for block in blocks:
        match block["type"]:
            case "text":
                found.append((message["role"], block["text"]))
            case "tool_use":
                found.append(("call", f"{block['name']} {block['input']['city']}"))
            case "tool_result":
                told = block["content"]
                found.append(("result", told if isinstance(told, str) else told[0]["text"]))
    return found


if __name__ == "__main__":
    play(run)
