"""What the adapters of frameworks share: how a framework's things become a session file and back.

Nothing here knows a framework. The rooms::

    escapes    values that JSON cannot hold, as JSON
    ids        a framework's ids, in parts and with any characters, as ids of the store
    opening    the store that an adapter was given, and who closes it
    edited     messages that a person changed so that their framework cannot read them
    remembered what an adapter found lately, for any number of threads
    listing    all sessions that fit, from the index
    growing    adding messages to a session that may not be there yet
    finishing  writes in worker threads: finished before a cancellation, in the order of the calls
    remainder  what one object has beyond another, to be laid over it again
    messages   a native item as a message: what everybody reads, and the rest under one key
    speech     what a stored message says, whichever program wrote it

A native item is one message: ``role``, ``content``, ``tool_calls``, ``tool_call_id``, ``run_id``,
and one key named after the framework. That key holds only what the other fields cannot say. So an
edit of the fields reaches the framework, and a message of another framework is history here.
"""

from localsessions.adapters.document.edited import unreadable_message
from localsessions.adapters.document.escapes import Typed, escaped, unescaped
from localsessions.adapters.document.finishing import InOrder, finished
from localsessions.adapters.document.growing import add_messages
from localsessions.adapters.document.ids import session_id_for, standing_id
from localsessions.adapters.document.listing import summaries
from localsessions.adapters.document.messages import Shape
from localsessions.adapters.document.opening import Given, held_store, hold
from localsessions.adapters.document.remembered import Remembered
from localsessions.adapters.document.speech import Speech, source_of, speech_of

__all__ = [
    "Given",
    "InOrder",
    "Remembered",
    "Shape",
    "Speech",
    "Typed",
    "add_messages",
    "escaped",
    "finished",
    "held_store",
    "hold",
    "session_id_for",
    "source_of",
    "speech_of",
    "standing_id",
    "summaries",
    "unescaped",
    "unreadable_message",
]
