"""The list of contestants, in the order of the tables."""

from __future__ import annotations

from benchmarks.contestants.entry import Entry

__all__ = ["ENTRIES"]

_AGNO = ("agno>=3,<4", "sqlalchemy>=2", "greenlet>=3")  # greenlet is an undeclared import
_MICROSOFT = ("agent-framework-core>=1.20",)

ENTRIES = (
    Entry(
        name="rewrite",
        label="floor: whole file",
        module="rewrite_floor",
        kind="floor",
        offers=frozenset({"turn", "load", "save", "list", "open", "scan", "rebuild", "import"}),
        way="`orjson.dumps` of everything, write, `fsync`, `os.replace`, `fsync` of the folder; "
        "`os.read` and `orjson.loads`; `os.scandir` and `stat`",
    ),
    Entry(
        name="append",
        label="floor: line appended",
        module="append_floor",
        kind="floor",
        offers=frozenset({"turn", "load", "tail"}),
        way="`orjson.dumps` of the two messages, one `write`, `fdatasync`; reads lines",
    ),
    Entry(
        name="localsessions",
        label="localsessions",
        module="localsessions_store",
        kind="ours",
        offers=frozenset(
            {"turn", "load", "tail", "save", "list", "filter", "page", "open", "scan", "rebuild"}
            | {"import"}
        ),
        way="`append`; `load`; `tail`; `save`; `list(limit=50)`",
        imports="from localsessions import SessionStore",
    ),
    Entry(
        name="localsessions-fast",
        label='localsessions, durability="fast"',
        module="localsessions_fast",
        kind="ours",
        offers=frozenset({"turn", "save", "import"}),
        way='the same, `durability="fast"`',
    ),
    Entry(
        name="openai-agents",
        label="OpenAI Agents SQLiteSession",
        module="openai_agents",
        kind="peer",
        offers=frozenset({"turn", "load", "tail"}),
        way="`add_items` with both; `get_items`; `get_items(limit)`",
        environment="openai-agents",
        requirements=("openai-agents>=0.24",),
        imports="from agents import SQLiteSession",
    ),
    Entry(
        name="agno-sqlite",
        label="agno SqliteDb",
        module="agno_sqlite",
        kind="peer",
        offers=frozenset({"turn", "load", "tail", "list", "open"}),
        way="`upsert_run` and `upsert_session`, as its agent does at the end of a run; "
        "`get_session`; `get_sessions(limit=50, include_runs=False)`",
        environment="agno",
        requirements=_AGNO,
        imports="from agno.db.sqlite import SqliteDb",
    ),
    Entry(
        name="agno-json",
        label="agno JsonDb",
        module="agno_json",
        kind="peer",
        offers=frozenset({"turn", "load", "list", "open"}),
        way="as SqliteDb; `get_sessions(limit=50)`",
        environment="agno",
        requirements=_AGNO,
        imports="from agno.db.json import JsonDb",
    ),
    Entry(
        name="agentscope",
        label="AgentScope 1 JSONSession",
        module="agentscope_json",
        kind="peer",
        offers=frozenset({"turn", "load", "save"}),
        way="`memory.add` and `save_session_state`; `load_session_state`",
        environment="agentscope",
        # 1.0.21 uses greenlet and tqdm without declaring them, and cannot be imported with mcp 2.
        requirements=("agentscope>=1.0.21,<1.1", "greenlet>=3", "tqdm>=4", "mcp>=1.13,<2"),
        imports="from agentscope.session import JSONSession",
    ),
    Entry(
        name="langgraph",
        label="LangGraph SqliteSaver",
        module="langgraph_sqlite",
        kind="peer",
        offers=frozenset({"turn", "load", "save"}),
        way="`update_state` with both (one checkpoint; a run of a graph writes several); "
        "`get_state`",
        environment="langgraph",
        requirements=("langgraph-checkpoint-sqlite>=3", "langgraph>=1"),
        imports="from langgraph.checkpoint.sqlite import SqliteSaver",
    ),
    Entry(
        name="adk",
        label="Google ADK DatabaseSessionService",
        module="google_adk",
        kind="peer",
        offers=frozenset({"turn", "load", "tail", "list", "open"}),
        way="`append_event` twice; `get_session`; `list_sessions`, which has no limit",
        environment="adk",
        requirements=("google-adk>=2", "sqlalchemy>=2", "aiosqlite>=0.20", "greenlet>=3"),
        imports="from google.adk.sessions import DatabaseSessionService",
    ),
    Entry(
        name="strands",
        label="Strands FileSessionManager",
        module="strands_files",
        kind="peer",
        offers=frozenset({"turn", "load", "tail"}),
        way="`append_message` and `sync_agent` for each, as its hooks do; `initialize`; "
        "`list_messages(offset)`",
        environment="strands",
        requirements=("strands-agents>=1.60",),
        imports="from strands.session.file_session_manager import FileSessionManager",
    ),
    Entry(
        name="microsoft-store",
        label="Microsoft FileSessionStore",
        module="microsoft_store",
        kind="peer",
        offers=frozenset({"turn", "load", "save"}),
        way="messages in the session's state, `set`; `get`",
        environment="agent-framework",
        requirements=_MICROSOFT,
        imports="from agent_framework import FileSessionStore",
    ),
    Entry(
        name="microsoft-history",
        label="Microsoft FileHistoryProvider",
        module="microsoft_history",
        kind="peer",
        offers=frozenset({"turn", "load"}),
        way="`save_messages` with both; `get_messages`",
        environment="agent-framework",
        requirements=_MICROSOFT,
        imports="from agent_framework import FileHistoryProvider",
    ),
)
