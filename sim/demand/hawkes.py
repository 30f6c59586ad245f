"""Re-share cascades: Hawkes processes, simulated as clusters generation by generation, and their closed forms.

Every event has Poisson(n) children, each after a delay from the kernel (Hawkes 1971, Biometrika 58:83-90; Hawkes and
Oakes 1974, J. Appl. Prob. 11:493-503). `branching` is n, the mean number of children.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sim.arrays import Floats, Ints
from sim.demand.drawing import QuantileTable, draw_us
from sim.demand.kernels import Kernel
from sim.special import special

MAX_EVENTS = 200_000_000


def generations(
    rng: np.random.Generator, roots_us: Ints, branching: float, delays: QuantileTable, until_us: int
) -> Iterator[Ints]:
    """The roots, then their children, grandchildren ... as int64 times below `until_us`, each in no order.

    Children of a generation are Poisson(n x size) in number, each with a parent chosen evenly: the same law as
    Poisson(n) each, with one draw fewer an event. Raises ValueError for n outside [0, 1] and OverflowError past
    2 10^8 events.
    """
    if not 0 <= branching <= 1:
        raise ValueError("the branching ratio lies between 0 and 1")
    parents, total = roots_us[roots_us < until_us], 0
    while len(parents):
        yield parents
        total += len(parents)
        children = int(rng.poisson(branching * len(parents)))
        if total + children > MAX_EVENTS:
            raise OverflowError(f"a re-share cascade passed {MAX_EVENTS} events")
        born_us = parents[rng.integers(0, len(parents), children)]
        born_us += draw_us(rng, delays, children)
        parents = born_us[born_us < until_us]


def simulate(rng: np.random.Generator, roots_us: Ints, branching: float, delays: QuantileTable, until_us: int) -> Ints:
    """All events of the cascades of `roots_us` below `until_us`, sorted."""
    parts = list(generations(rng, roots_us, branching, delays, until_us))
    return np.sort(np.concatenate(parts)) if parts else np.empty(0, np.int64)


def cluster_sizes(rng: np.random.Generator, branching: float, clusters: int) -> Ints:
    """Total events of `clusters` independent cascades without a time limit; raises ValueError unless 0 <= n < 1."""
    if not 0 <= branching < 1:
        raise ValueError("clusters are finite for a branching ratio below 1")
    sizes = np.ones(clusters, np.int64)
    living, newest = np.arange(clusters), np.ones(clusters, np.int64)
    while len(living):
        newest = rng.poisson(branching * newest)
        sizes[living] += newest
        living, newest = living[newest > 0], newest[newest > 0]
    return sizes


def borel_pmf(branching: float, sizes: npt.ArrayLike) -> Floats:
    """P(cluster size = k) = e^(-nk) (nk)^(k-1) / k! (Borel 1942), for k = `sizes` >= 1."""
    k = np.asarray(sizes, np.float64)
    return np.asarray(np.exp(special.xlogy(k - 1, branching * k) - branching * k - special.gammaln(k + 1)))


def cluster_mean(branching: float) -> float:
    """1 / (1 - n)."""
    return 1 / (1 - branching)


def cluster_variance(branching: float) -> float:
    """n / (1 - n)^3."""
    return branching / (1 - branching) ** 3


def stationary_rate(immigrants: float, branching: float) -> float:
    """mu / (1 - n), per unit of time of mu."""
    return immigrants / (1 - branching)


def mean_rate_from_empty(immigrants: float, branching: float, beta: float, t: float) -> float:
    """E rate at t of a process that starts empty at 0, exponential kernel of rate beta."""
    k = beta * (1 - branching)
    return stationary_rate(immigrants, branching) * (1 - branching * math.exp(-k * t))


def mean_count_from_empty(immigrants: float, branching: float, beta: float, t: float) -> float:
    """E N(0, t) of a process that starts empty at 0, exponential kernel of rate beta."""
    k = beta * (1 - branching)
    return stationary_rate(immigrants, branching) * (t + branching * math.expm1(-k * t) / k)


def stationary_variance(immigrants: float, branching: float, beta: float, t: float) -> float:
    """Var N over a window t of the stationary process, exponential kernel of rate beta (Hawkes 1971)."""
    k = beta * (1 - branching)
    rate = stationary_rate(immigrants, branching)
    excess = rate * beta * branching * (2 - branching) / (2 * (1 - branching))
    return rate * t + 2 * excess * (t / k + math.expm1(-k * t) / k**2)


def fano(immigrants: float, branching: float, beta: float, t: float) -> float:
    """Variance over mean of the stationary count in a window t; 1 / (1 - n)^2 for t = inf."""
    if math.isinf(t):
        return 1 / (1 - branching) ** 2
    mean = stationary_rate(immigrants, branching) * t
    return stationary_variance(immigrants, branching, beta, t) / mean


def response(kernel: Kernel, branching: float, times: Floats) -> Floats:
    """R(t), the mean rate of all later events that one event at 0 causes, at `times` (rising, the first 0).

    Solves R = n phi + n (phi * R) with R a straight line between the times and phi integrated exactly, so that
    times may be spaced wide where R is smooth, however short the kernel. Per unit of the kernel's time.
    """
    source = branching * kernel.density(times)
    found = np.zeros_like(source)
    found[0] = source[0]
    for i in range(1, len(times)):
        falling, rising = _line_weights(kernel, times[i] - times[:i], times[i] - times[1 : i + 1])
        known = falling @ found[:i] + rising[:-1] @ found[1:i]
        found[i] = (source[i] + branching * known) / (1 - branching * rising[-1])
    return found


def _line_weights(kernel: Kernel, left: Floats, right: Floats) -> tuple[Floats, Floats]:
    """Weights of R at the early and late end of each line, which lie `left` > `right` before now."""
    width = left - right
    mass_left, mass_right = kernel.mass(left), kernel.mass(right)
    area = (kernel.mass_area(left) - kernel.mass_area(right)) / width
    # Differences of masses near 1 lose all their digits far away; there the density is constant along a line.
    even = width * kernel.density((left + right) / 2) / 2
    far = width < 1e-3 * right
    return np.where(far, even, mass_left - area), np.where(far, even, area - mass_right)


def response_grid(first: float, last: float, points: int) -> Floats:
    """0 and then `points` times from `first` to `last` in equal ratios."""
    return np.concatenate(([0.0], np.geomspace(first, last, points)))


def slope(times: Floats, values: Floats, early: float, late: float) -> float:
    """The exponent d log(value) / d log(time) from `early` to `late`: least squares over 101 times in equal ratios."""
    at = np.linspace(math.log(early), math.log(late), 101)
    logs = np.interp(at, np.log(times[1:]), np.log(values[1:]))
    away = at - at.mean()
    return float(away @ logs / (away @ away))


def endogenous_response(times: Floats, values: Floats, at: Floats) -> Floats:
    """How events cluster `at` a lag around a peak that nothing from outside caused: R(t) + integral R(t + u) R(u) du.

    `values` is R at `times`, read as straight lines; what lies past their end is left out.
    """
    shifted = np.interp(at[:, None] + times[None, :], times, values, right=0.0)
    return np.asarray(shifted[:, 0] + np.trapezoid(shifted * values, times, axis=1))


def response_exponents(theta: float) -> dict[str, float]:
    """Exponents p of t^-p for 0 < theta < 1/2 after Crane and Sornette 2008."""
    return {"exogenous_subcritical": 1 + theta, "exogenous_critical": 1 - theta, "endogenous_critical": 1 - 2 * theta}
