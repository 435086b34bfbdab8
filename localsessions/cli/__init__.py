"""The command line: what a person types becomes one verb of the store, and its answer a text.

What may live here: options, questions, layouts, exit codes. What may not: rules about sessions,
which are the store's. Standard output carries data, everything else goes to standard error.

::

    program     the group of all commands, and the one door that ends in an exit code
    exits       exit codes, and the one place that makes them of exceptions
    folder      which folder, opening it, SESSION arguments
    times       ages (2d) and instants as arguments
    output      texts made safe for a terminal, JSON, tables, styles
    progress    bars on standard error
    listing  reading  changing  editing  removing  exchange  care  watching  serving  completion
                the commands
"""

from localsessions.cli.program import program, run

__all__ = ["program", "run"]
