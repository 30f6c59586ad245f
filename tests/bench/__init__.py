"""Speed and memory of LiveRush: `python -m tests.bench`, see docs in `tests/bench/__main__.py`."""
