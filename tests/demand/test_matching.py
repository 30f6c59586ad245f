"""The matching knob: case V28 and click probabilities."""

import math

import numpy as np
import pytest
from scipy import integrate, special, stats

from sim.demand import matching
from sim.demand.streams import stream
from tests.demand.cases import assert_mean, assert_near, expected, params


def test_v28_the_selection_differential() -> None:
    p, want = params("V28"), expected("V28")
    assert_near(matching.intensity(0.10), want["i(.10)"])
    assert_near(matching.intensity(0.01), want["i(.01)"])
    assert_near(matching.mean_match(p["r"], p["top"]), want["E[z|selected]"])


@pytest.mark.parametrize(("r", "top"), [(0.5, 0.1), (0.9, 0.01), (0.2, 0.5), (1.0, 0.3)])
def test_simulated_selection_has_the_stated_differential(r: float, top: float) -> None:
    truth = r * stats.norm.pdf(stats.norm.ppf(top)) / top
    assert matching.mean_match(r, top) == pytest.approx(truth, rel=1e-9)
    assert_mean(lambda seed: float(matching.select(stream(seed, 0, "match"), 20_000, r, top).mean()), truth)


def test_click_probabilities_of_the_best_tenth_rise_with_the_knob() -> None:
    found = [matching.click_probability(-3, 0.8, r, 0.1) for r in (0, 0.3, 0.6, 0.9)]
    assert found == pytest.approx([0.061, 0.087, 0.120, 0.159], abs=5e-4)
    assert matching.click_probability(-3.16, 0, 0.7, 0.1) == pytest.approx(0.0405, abs=5e-4)


def test_click_probability_agrees_with_an_integral_and_with_simulation() -> None:
    b0, s, r, top = -2.0, 1.3, 0.4, 0.25
    cut = -stats.norm.ppf(top)
    numeric, _ = integrate.dblquad(
        lambda e, y: special.expit(b0 + s * (r * y + math.sqrt(1 - r * r) * e)) * stats.norm.pdf(e) * stats.norm.pdf(y),
        cut, 8, -8, 8, epsabs=1e-9,
    )  # fmt: skip
    assert matching.click_probability(b0, s, r, top) == pytest.approx(numeric / top, rel=1e-6)
    assert_mean(
        lambda seed: float(special.expit(b0 + s * matching.select(stream(seed, 0, "m"), 20_000, r, top)).mean()),
        numeric / top,
    )


def test_a_table_over_the_knob_ends_in_a_perfect_match() -> None:
    table = matching.click_table(-3, 0.8, 0.1, 10)
    cut = -stats.norm.ppf(0.1)
    perfect, _ = integrate.quad(lambda z: special.expit(-3 + 0.8 * z) * stats.norm.pdf(z) / 0.1, cut, 9)
    assert np.all(np.diff(table) > 0)
    assert table[-1] == pytest.approx(perfect, rel=1e-6)


def test_showing_everybody_selects_nobody() -> None:
    assert matching.intensity(1.0) == 0
    with pytest.raises(ValueError, match="share shown"):
        matching.intensity(0.0)


def test_those_who_click_match_better_and_so_order_more_than_at_a_match_of_zero() -> None:
    click, order = matching.funnel((-3.0, 0.8), (-5.2, 0.8), 0.0, 0.1)
    assert (click, order) == (pytest.approx(0.0612, abs=5e-5), pytest.approx(0.013, abs=5e-5))
    assert special.expit(-5.2) == pytest.approx(0.0055, abs=5e-5)
