"""The command line: a command becomes a verb of the store, and its answer becomes text.

This package holds options, questions, layouts and exit codes. It may not hold rules about sessions;
those are the store's. Standard output carries data, everything else goes to standard error.

::

    program     the group of all commands, and the only entry point; it ends in an exit code
    commands    name and help of each command; its module is imported when it is run
    exits       exit codes, and the only place that makes them from exceptions
    words       what an error says to a person; misuse: what click refuses
    telling     what the library logs, told to the person
    folder      which folder, opening it, SESSION arguments
    here        which project a person stands in
    times       ages (2d) and instants as arguments
    screen/     what is seen: texts made safe, the two streams, tables, JSON, messages, the pager
    picker/     what the program's name alone does on a terminal
    progress    bars on standard error
    files       a file that a command writes: whole or not at all
    selection   which messages of a session are shown
    saving      the images of messages as files
    following   the messages of a session as they come
    typed       commands that a person can type next
    choosing    which sessions a command on many is about, and an act on each of them
    trusting    the folders that a person agreed to start programs in
    listing  reading  resuming  changing  marking  editing  removing  cleaning  exporting
    backing_up  moving  care  watching  serving  completion  helping
                the commands
"""

from localsessions.cli.program import program, run

__all__ = ["program", "run"]
