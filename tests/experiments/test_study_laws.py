"""What a study promises, held to through the code that every study runs: hundreds of small ones with known answers."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sim.experiments import compare as experiment
from sim.experiments.compare import Plan, replications_of
from sim.experiments.journal import Journal
from sim.experiments.study_summary import METRIC, values_of
from sim.stats.best import all_pairs
from sim.stats.sequential import WIDENED, Precision

STUDIES = 500


def pair_of(folder: Path, patch: pytest.MonkeyPatch, plan: Plan, gap: float, seed: int) -> tuple[float, float, int]:
    """Low and high of B less A after one study, in which B earns `gap` more on average, and its replications."""
    rng = np.random.default_rng(seed)

    def replicate(_study: object, _seed: int, _runs: int, replication: int, **_pilots: object) -> dict[str, Any]:
        shared = rng.normal(100, 3)
        values = (shared + rng.normal(0, 0.5), shared + gap + rng.normal(0, 0.5))
        return {"replication": replication, "strategies": [{"values": {METRIC: value}} for value in values]}

    patch.setattr(experiment, "replicate_study", replicate)
    patch.setattr(experiment, "check_own", lambda _scenario: None)
    patch.setattr(experiment, "pilots_for", lambda _scenario: {})
    patch.setattr(experiment, "compiles", lambda *_asked: False)
    study: Any = SimpleNamespace(
        scenario=None, names=["A", "B"], strategies=[SimpleNamespace(scenario=None)] * 2, uncertain={}
    )
    results, _ = replications_of(study, plan, seed, Journal(folder, f"{seed:064d}"), lambda _done, _of: None)
    widened = 1.0 if plan.precision is None else WIDENED
    found = all_pairs(values_of(study, results), widened=widened).of(0, 1)
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high, len(results)


@pytest.mark.parametrize(
    ("plan", "gap", "least", "most"),
    [
        (Plan(replications=12, workers=1), 0.4, 0.93, 0.97),
        (Plan(precision=Precision(absolute=0.3), most=60, workers=1), 0.4, 0.93, 1.0),
        (Plan(precision=Precision(relative=0.003), most=60, workers=1), 0.0, 0.93, 1.0),
    ],
    ids=["fixed", "stopped", "stopped without a difference"],
)
def test_studies_cover_the_true_difference_and_rarely_see_one_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: Plan, gap: float, least: float, most: float
) -> None:
    found = [pair_of(tmp_path, monkeypatch, plan, gap, seed) for seed in range(STUDIES)]
    covered = sum(low <= gap <= high for low, high, _ in found) / STUDIES
    assert least <= covered <= most
    fixed = [2 * 1.96 * math.sqrt(0.5 / n) for _, _, n in found]  # the spread is known: no interval is narrower
    assert np.mean([high - low for low, high, _ in found]) <= 1.5 * np.mean(fixed)
    if gap == 0:
        assert sum(not low <= 0 <= high for low, high, _ in found) / STUDIES <= 0.05
