"""The engine that keeps sessions in a folder: one readable file a session, and a derived index."""
