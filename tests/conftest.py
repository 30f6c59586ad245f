"""For all tests: one cache of compiled kernels, kept beside pytest's own; interrupts; and the order of long runs."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

os.environ.setdefault("LIVERUSH_CACHE", str(Path(__file__).resolve().parent.parent / ".pytest_cache" / "kernels"))

# A shell has its jobs behind `&` ignore Ctrl-C, and their children inherit that: those of tests are to listen.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

#: Half an hour each and more: were one begun last, the other cores would wait for it.
LONGEST = ("test_kill.py", "test_schemathesis.py", "test_stateful.py")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`make soak` begins with the longest files."""
    if config.option.markexpr == "soak":
        items.sort(key=lambda item: item.path.name not in LONGEST)
