"""The engine that keeps sessions in PostgreSQL, for more than one machine; see ``engine``."""
