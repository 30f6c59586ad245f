"""One cache of compiled kernels for all tests, made at the first use and kept beside pytest's own."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("LIVERUSH_CACHE", str(Path(__file__).resolve().parent.parent / ".pytest_cache" / "kernels"))
