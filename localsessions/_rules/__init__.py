"""Rules that hold for every engine, pure: no disk, no lock.

edits      what the verbs change in a session in memory
drafts     what is to be written of a session, with the stamps of a write
merging    two versions of a session made into one, or the places where they cannot be
retention  what a cleanup does with a session, and why
words      how a text is folded into what is searched, and a snippet made of it
arguments  what callers give, refused by name where it is of another type
"""
