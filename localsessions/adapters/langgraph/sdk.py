"""What is taken from LangGraph and LangChain. Only this module says what to do if it is missing."""

from __future__ import annotations

try:
    from langchain_core.messages import (
        AIMessage,
        AIMessageChunk,
        BaseMessage,
        ChatMessage,
        FunctionMessage,
        HumanMessage,
        HumanMessageChunk,
        RemoveMessage,
        SystemMessage,
        ToolMessage,
    )
    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import (
        WRITES_IDX_MAP,
        BaseCheckpointSaver,
        ChannelVersions,
        Checkpoint,
        CheckpointMetadata,
        CheckpointTuple,
        DeltaChannelHistory,
        get_checkpoint_id,
        get_checkpoint_metadata,
        writes_sort_key,
    )
    from langgraph.checkpoint.serde.base import SerializerProtocol
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
    from langgraph.store.base import (
        BaseStore,
        GetOp,
        Item,
        ListNamespacesOp,
        MatchCondition,
        Op,
        PutOp,
        Result,
        SearchItem,
        SearchOp,
    )
except ImportError as error:
    raise ImportError(
        f"localsessions.adapters.langgraph needs LangGraph ({error}); "
        'pip install "localsessions[langgraph]"'
    ) from error

__all__ = [
    "WRITES_IDX_MAP",
    "AIMessage",
    "AIMessageChunk",
    "BaseCheckpointSaver",
    "BaseMessage",
    "BaseStore",
    "ChannelVersions",
    "ChatMessage",
    "Checkpoint",
    "CheckpointMetadata",
    "CheckpointTuple",
    "DeltaChannelHistory",
    "FunctionMessage",
    "GetOp",
    "HumanMessage",
    "HumanMessageChunk",
    "Item",
    "JsonPlusSerializer",
    "ListNamespacesOp",
    "MatchCondition",
    "Op",
    "PutOp",
    "RemoveMessage",
    "Result",
    "RunnableConfig",
    "SearchItem",
    "SearchOp",
    "SerializerProtocol",
    "SystemMessage",
    "ToolMessage",
    "get_checkpoint_id",
    "get_checkpoint_metadata",
    "writes_sort_key",
]
