"""Short videos: traffic pools as an absorbing chain, views over time, and the re-shares of every view.

Tier k shows the video e_k times; it goes on to tier k + 1 if at least the share `threshold` engaged, that is with
P(Binomial(e_k, quality) >= ceil(threshold e_k)). Platforms describe their pools like this; it is a caricature.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from sim.arrays import Floats, Ints
from sim.demand.drawing import QuantileTable
from sim.demand.hawkes import generations
from sim.special import special

CHUNK = 1 << 20


def needed(exposures: int, threshold: float) -> int:
    """How many of `exposures` must engage: the threshold as it is written, 0.05 and not the float nearest to it."""
    return math.ceil(Fraction(str(threshold)) * exposures)


def pass_probability(exposures: int, threshold: float, quality: float) -> float:
    """P(a tier is passed), binomial survival."""
    need = needed(exposures, threshold)
    return 1.0 if need <= 0 else float(special.bdtrc(need - 1, exposures, quality))


def reach(tiers: Sequence[int], threshold: float, quality: float) -> Floats:
    """P(tier k is shown) for each tier, float64[len(tiers)]; the first is 1."""
    passed = [pass_probability(e, threshold, quality) for e in tiers[:-1]]
    return np.asarray(np.cumprod([1.0, *passed]), np.float64)


def expected_exposures(tiers: Sequence[int], threshold: float, quality: float) -> float:
    """Expected number of exposures over all tiers."""
    return math.fsum(p * e for p, e in zip(reach(tiers, threshold, quality), tiers, strict=True))


def draw_tiers(rng: np.random.Generator, tiers: Sequence[int], threshold: float, quality: float) -> int:
    """How many tiers one video is shown in, 1 to len(tiers)."""
    for k, exposures in enumerate(tiers[:-1]):
        if int(rng.binomial(exposures, quality)) < needed(exposures, threshold):
            return k + 1
    return len(tiers)


def exposure_times(
    rng: np.random.Generator, tiers: Sequence[int], publish_us: int, tier_time_us: int
) -> Iterator[Ints]:
    """Times of the exposures of `tiers` in chunks: tier k evenly over the k-th `tier_time_us` after publication."""
    for k, exposures in enumerate(tiers):
        from_us = publish_us + k * tier_time_us
        for start in range(0, exposures, CHUNK):
            yield rng.integers(from_us, from_us + tier_time_us, min(CHUNK, exposures - start), dtype=np.int64)


def views(
    rng_exposure: np.random.Generator,
    rng_cascade: np.random.Generator,
    tiers: Sequence[int],
    publish_us: int,
    tier_time_us: int,
    branching: float,
    delays: QuantileTable,
    until_us: int,
) -> Iterator[Ints]:
    """Times of all views below `until_us` in chunks, unsorted: each exposure is one view, which may be re-shared."""
    for chunk in exposure_times(rng_exposure, tiers, publish_us, tier_time_us):
        yield from generations(rng_cascade, chunk, branching, delays, until_us)
