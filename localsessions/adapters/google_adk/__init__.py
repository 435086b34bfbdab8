"""Sessions of Google's ADK in session files: ``LocalSessionService`` for ``session_service=``.

Needs ``pip install "localsessions[google-adk]"``. A session is ``<session_id>@<user_id>@<app>``.
The shape of the data::

    messages     each event of the session once, in order; an event without content is an event
    state        the state of the session, without that of its user and its app
    source       ``program`` "google-adk", ``project`` the app, ``session_id``
    user_id      the user
    google_adk   in a message: what of the event the message does not say

The state of an app is the session ``state@<app>``, that of a user ``state@user@<user_id>@<app>``:
both are pinned, have no messages, and say what they are in their titles.
"""

from localsessions.adapters.google_adk.session_service import LocalSessionService

__all__ = ["LocalSessionService"]
