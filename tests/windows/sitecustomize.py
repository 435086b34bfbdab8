"""What Wine 8 lacks and Python would use without a way round, taken away before anything runs.

It is copied among the packages of the Windows Python. Each line can go when Wine has what it names.
"""

import _winapi

# shutil copies by it wherever Python has it. Wine's kernel32 has no CopyFile2: the call fails
# with ERROR_PROC_NOT_FOUND. Without it shutil reads and writes.
del _winapi.CopyFile2  # type: ignore[attr-defined]
