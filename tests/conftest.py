"""One cache of compiled kernels for all tests, made at the first use and kept beside pytest's own."""

from __future__ import annotations

import os
from pathlib import Path

# All kernels are known before the first is compiled: the name of the cache is made of their sources.
import sim.operations.simulate  # noqa: F401

os.environ.setdefault("LIVERUSH_CACHE", str(Path(__file__).resolve().parent.parent / ".pytest_cache" / "kernels"))
