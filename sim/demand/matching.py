"""How well a platform matches viewers and products, with one knob.

The match z and the platform's score y are standard normal with correlation r; the best share `top` by score is shown.
Then E[z | shown] = r i(top), i(k) = phi(z_k) / k, the intensity of selection (Cochran 1951).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from sim.arrays import Floats
from sim.special import special

_SPAN = 9.0  # standard deviations on either side: the mass beyond is 2e-19
_POINTS = 8001


def intensity(top: float) -> float:
    """i(top), mean score of the best share `top`; 0 when all are shown. Raises ValueError outside (0, 1]."""
    if not 0 < top <= 1:
        raise ValueError("the share shown lies above 0 and at most at 1")
    if top == 1:
        return 0.0
    cut = float(special.ndtri(top))
    return math.exp(-cut * cut / 2) / math.sqrt(2 * math.pi) / top


def mean_match(r: float, top: float) -> float:
    """E[z | shown] = r i(top)."""
    return r * intensity(top)


def click_probability(b0: float, s: float, r: float, top: float) -> float:
    """P(click | shown) = E[1 / (1 + exp(-b0 - s z)) | shown], by the trapezoidal rule over z."""
    return _mean_of_shown(lambda z: np.asarray(special.expit(b0 + s * z)), r, top)


def funnel(click: tuple[float, float], order: tuple[float, float], r: float, top: float) -> tuple[float, float]:
    """P(click | shown) and P(order | click, shown), both logit-normal in one z.

    `click` and `order` are (log-odds at z = 0, log-odds a standard deviation). One z for both makes the two rates move
    together, the chain pCTCVR = pCTR x pCVR of ESMM (Ma et al. 2018, SIGIR).
    """
    clicks = click_probability(*click, r, top)
    both = _mean_of_shown(
        lambda z: np.asarray(special.expit(click[0] + click[1] * z) * special.expit(order[0] + order[1] * z)), r, top
    )
    return clicks, both / clicks


def _mean_of_shown(value: Callable[[Floats], Floats], r: float, top: float) -> float:
    """E[value(z) | shown], by the trapezoidal rule over z."""
    if not 0 <= r <= 1:
        raise ValueError("the correlation lies between 0 and 1")
    # With a perfect score exactly those above the cut are shown; a smooth integrand starts there.
    z = np.linspace(-_SPAN if r < 1 else -float(special.ndtri(top)), _SPAN, _POINTS)
    shown = shown_given_match(z, r, top) * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return float(np.trapezoid(shown * value(z), z)) / top


def shown_given_match(z: Floats, r: float, top: float) -> Floats:
    """P(shown | z), same shape as z."""
    cut = -float(special.ndtri(top))
    if r >= 1:
        return np.where(z >= cut, 1.0, 0.0)
    return np.asarray(special.ndtr((r * z - cut) / math.sqrt(1 - r * r)))


def click_table(b0: float, s: float, top: float, steps: int) -> Floats:
    """`click_probability` at r = 0, 1/steps ... 1, float64[steps + 1], for table interpolation."""
    return np.array([click_probability(b0, s, k / steps, top) for k in range(steps + 1)])


def select(rng: np.random.Generator, candidates: int, r: float, top: float) -> Floats:
    """The matches z of those shown out of `candidates` drawn pairs: the best share `top` by score."""
    score = rng.standard_normal(candidates)
    match = r * score + math.sqrt(1 - r * r) * rng.standard_normal(candidates)
    shown = max(1, round(top * candidates))
    return match[np.argsort(-score, kind="stable")[:shown]]
