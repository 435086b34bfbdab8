"""Transcripts of Claude's Agent SDK in session files: ``LocalSessionStore`` for ``session_store=``.

Needs ``pip install "localsessions[claude-agent]"``. A transcript is the session
``<session_id>@<project_key>``, and that of a sub-agent a session beside it, with it as its parent.
The shape of the data::

    messages       each entry of the transcript once, in order; entries that nobody says are events
    source         ``program`` "claude-agent", ``project`` the project key, ``session_id``, and
                   ``parent`` of a sub-agent, whose subpath is its ``agent_id``
    claude_agent   in a message: what of the entry the message does not say
"""

from localsessions.adapters.claude_agent.session_store import LocalSessionStore

__all__ = ["LocalSessionStore"]
