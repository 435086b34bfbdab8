"""The engine that keeps sessions in a folder: a readable file for each, and a derived index."""
