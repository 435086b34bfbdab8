"""What a verb promises, whichever engine keeps the sessions; see ``conftest``."""
