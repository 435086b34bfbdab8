"""pytest -p upstream.langgraph_graphs.swap: the same as for LangGraph's savers and stores."""

from upstream.langgraph.swap import pytest_collection_modifyitems

__all__ = ["pytest_collection_modifyitems"]
