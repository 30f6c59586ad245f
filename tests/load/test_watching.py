"""Once a second: how busy the busiest one was."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from loadtests.replay import watching
from loadtests.replay.plan import ReplayPlan
from loadtests.replay.watching import Watch

PLAN = ReplayPlan(schedule="", state="", folder="", target="")


def watch_of(**steps: Any) -> Watch:
    """A watch of steps that are not there."""
    return Watch(PLAN, SimpleNamespace(**steps), np.zeros(0, np.int64), lambda _rule: None)  # type: ignore[arg-type]


def test_the_busiest_second_is_kept_and_a_short_one_makes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPU and clock in seconds: a tenth used, then nine tenths, then nothing; then all of a tenth of a second."""
    readings = iter([(0.0, 0.0), (0.1, 1.0), (1.0, 2.0), (1.0, 3.0), (1.1, 3.1)])
    monkeypatch.setattr(watching, "_now", lambda: next(readings))
    watch = watch_of()
    for _ in range(4):
        watch._look_at_cpu()
    assert watch._busiest_share == pytest.approx(0.9)
