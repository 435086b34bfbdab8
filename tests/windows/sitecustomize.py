"""What Wine 8 lacks or does wrong and Python would use without a way round, mended before all else.

It is copied among the packages of the Windows Python. Each line can go when Wine has what it names.
"""

import _overlapped  # type: ignore[import-not-found]
import _winapi

# shutil copies by it wherever Python has it. Wine's kernel32 has no CopyFile2: the call fails
# with ERROR_PROC_NOT_FOUND. Without it shutil reads and writes.
del _winapi.CopyFile2  # type: ignore[attr-defined]

# asyncio waits by it until a thread wakes it. Once in some ten thousand times Wine wakes nobody,
# and the loop would wait for ever; after a moment without anything it looks by itself.
_LONGEST_MS = 200
_wait = _overlapped.GetQueuedCompletionStatus


def _wait_a_moment(port: int, milliseconds: int) -> object:
    return _wait(port, min(milliseconds, _LONGEST_MS))


_overlapped.GetQueuedCompletionStatus = _wait_a_moment
