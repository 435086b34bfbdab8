"""Rules that hold for every engine, pure: no disk, no lock.

edits        what the verbs change in a session in memory
drafts       a session encoded for writing, with the stamps of a write; the refusal of a save
merging      two versions of a session merged into a single version, or the places of conflict
differences  what a change tells of a session
retention    what a cleanup does with a session, and why
texts        the texts of a session that a search looks at
words        how a text is cut into words for the search
question     what a person types into a search, taken apart; which other words may be meant
finder       where a text has what is asked for; the snippet that shows it
beginnings   how much of an id a person needs to type
cursor       the opaque text that asks for the next page of a listing, and the key it keeps
arguments    the checks of arguments; an argument with a wrong type is refused by name
refusals     the errors of a verb on many sessions, raised together
"""
