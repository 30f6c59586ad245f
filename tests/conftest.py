"""For all tests: one cache of compiled kernels, made at the first use and kept beside pytest's own; and interrupts."""

from __future__ import annotations

import os
import signal
from pathlib import Path

os.environ.setdefault("LIVERUSH_CACHE", str(Path(__file__).resolve().parent.parent / ".pytest_cache" / "kernels"))

# A shell has its jobs behind `&` ignore Ctrl-C, and their children inherit that: those of tests are to listen.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
