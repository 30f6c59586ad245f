"""The audit: every invariant asked of one snapshot of the tables, in SQL."""
