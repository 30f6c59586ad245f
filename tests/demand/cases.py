"""The published cases, as data, and how stochastic results are judged."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).resolve().parent.parent / "data" / "cases.json"


@cache
def _all() -> dict[str, dict[str, Any]]:
    return {case["id"]: case for case in json.loads(FILE.read_text(encoding="utf-8"))}


def params(case: str) -> dict[str, Any]:
    return _all()[case]["params"]


def expected(case: str) -> dict[str, Any]:
    return _all()[case]["expected"]


def assert_near(found: float, published: float, digits: int = 6) -> None:
    """1e-6 relative, or half of the last digit in which the case is printed."""
    assert abs(found - published) <= max(1e-6 * abs(published), 0.5000001 * 10**-digits), (found, published)


def assert_mean(draw: Callable[[int], float], truth: float, seeds: int = 20) -> None:
    """The mean over seeds lies within the larger of 1 % and 4 standard errors of the truth."""
    values: Sequence[float] = [draw(seed) for seed in range(seeds)]
    error = float(np.std(values, ddof=1)) / math.sqrt(seeds)
    assert abs(math.fsum(values) / seeds - truth) <= max(0.01 * abs(truth), 4 * error), (
        math.fsum(values) / seeds,
        truth,
    )
