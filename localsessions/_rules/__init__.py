"""Rules of any engine, pure: what a verb changes, what a merge says, what a cleanup does."""
