"""Databases behind one protocol: rows by key, and a group's rows in one transaction. SQLite and PostgreSQL."""
