"""The reference order engine: HTTP in front, one writer with group commit, SQLite or PostgreSQL behind."""
