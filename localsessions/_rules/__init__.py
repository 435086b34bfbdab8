"""Rules that hold for every engine, pure: no disk, no lock.

edits      what the verbs change in a session in memory
drafts     a session encoded for writing, with the stamps of a write
merging    two versions of a session merged into a single version, or the places of conflict
retention  what a cleanup does with a session, and why
words      how a text is folded for the search, and how a snippet is made
arguments  the checks of arguments; an argument with a wrong type is refused by name
"""
