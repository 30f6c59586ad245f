"""Reports: text and figures, pure functions of a run (docs/run-directory.md)."""
