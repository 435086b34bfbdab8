"""The picker: bare ``localsessions`` on a terminal, to find a session, read it and go on with it.

::

    opening     the command: whether there is a picker, the first screen, what comes after
    app         what is on the screen, and what a key does
    acting_app  an app whose keys do something to the chosen session
    store_app   an app with a store: work in threads, acts in turn, undo, the end
    keys        the table of keys, for the bindings, the footer, the help and the docs
    listed      what is listed: the newest, this folder's first, or what a search finds
    rows        a session as lines;  looks: how their parts look;  shape: where the panes are
    sessions    the list;  pane: a text, laid out where it is in view
    preview     what is read of a session;  reader: a page to read
    entry       lines that are typed into;  notes: the two lines at the bottom
    acts        what is done to a session, and how it is undone
    background  work in threads

Keys. People come from fzf and from the resume lists of agents: what they type is searched for at
once, the arrows move without leaving the search line, Enter takes, Esc and Ctrl-C end. So letters
belong to the search line, and there is one more thing to learn: Tab goes to the list, where letters
act as in lazygit (d deletes, u undoes, / is back in the search line). Only what one came for has a
key in the search line, too: Enter reads, Ctrl-R resumes. Deleting asks nothing, as u undoes it.

Texts of sessions are not trusted. Each goes through ``screen.safe`` into a ``Text`` or ``Segment``
object. So it cannot be markup, a link or a command.
"""
