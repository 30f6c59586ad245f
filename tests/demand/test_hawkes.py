"""Re-share cascades: cases V10 to V13, and other parameters."""

import math
from itertools import islice

import numpy as np
import pytest
from scipy import integrate

from sim.demand import hawkes
from sim.demand.arrivals import arrivals, curve
from sim.demand.drawing import tabulate
from sim.demand.kernels import ExponentialKernel, FlatPowerKernel, Kernel, PowerLawKernel, from_scenario
from sim.demand.streams import stream
from sim.scenario.parts.programme import Kernel as KernelPart
from tests.demand.cases import assert_mean, assert_near, expected, params

S = 1e6


def counted(mu: float, n: float, beta: float, from_s: float, window_s: float, seed: int) -> int:
    """Events in [0, window) of a process that starts empty at `from_s`; one unit of time is a second."""
    roots = arrivals(stream(seed, 0, "roots"), curve([(from_s * S, mu), (window_s * S, mu)]))
    delays = tabulate(ExponentialKernel(S / beta))
    times = hawkes.simulate(stream(seed, 0, "children"), roots, n, delays, int(window_s * S))
    assert np.all(np.diff(times) >= 0)
    return int((times >= 0).sum())


def test_v10_the_closed_forms_of_the_exponential_kernel() -> None:
    p, want = params("V10"), expected("V10")
    law = (p["mu"], p["n"], p["beta"])
    assert_near(hawkes.stationary_rate(p["mu"], p["n"]), want["rate"])
    assert_near(hawkes.mean_rate_from_empty(*law, 1.0), want["E lam(1) from empty"])
    assert_near(hawkes.mean_count_from_empty(*law, 10.0), want["E N(0,10) empty"], 3)
    assert_near(hawkes.stationary_variance(*law, 10.0), want["Var N(10) stationary"], 4)
    assert_near(hawkes.fano(*law, 10.0), want["Fano(10)"], 3)
    assert_near(hawkes.fano(*law, math.inf), want["Fano(inf)"])


def test_v10_the_simulation_has_the_mean_and_variance_of_the_closed_form() -> None:
    p, want = params("V10"), expected("V10")
    law = (p["mu"], p["n"], p["beta"])
    assert_mean(lambda seed: counted(*law, 0, 10, seed), want["E N(0,10) empty"], seeds=400)
    counts = np.array([counted(*law, -40, 10, seed) for seed in range(2000)])
    spread = (counts - counts.mean()) ** 2
    assert counts.mean() == pytest.approx(40, abs=4 * counts.std() / math.sqrt(2000))
    assert abs(spread.mean() - want["Var N(10) stationary"]) <= 4 * spread.std() / math.sqrt(2000)


def test_other_parameters_of_the_exponential_kernel_agree_with_an_integral_and_a_simulation() -> None:
    mu, n, beta = 5.0, 0.8, 3.0
    numeric, _ = integrate.quad(lambda t: hawkes.mean_rate_from_empty(mu, n, beta, t), 0, 7)
    assert hawkes.mean_count_from_empty(mu, n, beta, 7.0) == pytest.approx(numeric, rel=1e-9)
    assert_mean(lambda seed: counted(mu, n, beta, 0, 7, seed), numeric, seeds=200)
    # a window far longer than the memory forgets its ends
    assert hawkes.fano(mu, n, beta, 1e6) == pytest.approx(hawkes.fano(mu, n, beta, math.inf), rel=1e-4)


def test_v11_cluster_sizes_follow_borels_law() -> None:
    want = expected("V11")
    for found, published in zip(hawkes.borel_pmf(0.8, [1, 2, 3, 4]), want["P(1..4)"], strict=True):
        assert_near(found, published)
    assert hawkes.cluster_mean(0.8) == pytest.approx(want["mean"])
    assert hawkes.cluster_variance(0.8) == pytest.approx(want["var"])
    sizes = hawkes.cluster_sizes(stream(1, 0, "borel"), 0.8, 200_000)
    for k, published in enumerate(want["P(1..4)"], start=1):
        assert abs((sizes == k).mean() - published) <= 4 * math.sqrt(published / 200_000)
    assert abs(sizes.mean() - want["mean"]) <= 4 * 10 / math.sqrt(200_000)


@pytest.mark.parametrize("n", [0.0, 0.3, 0.6])
def test_borels_law_adds_up_at_other_branching_ratios(n: float) -> None:
    k = np.arange(1, 400)
    pmf = hawkes.borel_pmf(n, k)
    assert pmf.sum() == pytest.approx(1, rel=1e-9)
    assert pmf @ k == pytest.approx(hawkes.cluster_mean(n), rel=1e-9)
    assert pmf @ k**2 - (pmf @ k) ** 2 == pytest.approx(hawkes.cluster_variance(n), rel=1e-6, abs=1e-9)
    simulated = hawkes.cluster_sizes(stream(2, 0, "borel"), n, 50_000)
    error = math.sqrt(hawkes.cluster_variance(n) / 50_000)
    assert abs(simulated.mean() - hawkes.cluster_mean(n)) <= 4 * error + 1e-12


@pytest.mark.parametrize(("n", "name"), [(1.0, "1"), (0.5, ".5"), (0.9, ".9")])
def test_v12_the_response_to_a_shock_falls_with_the_published_exponent(n: float, name: str) -> None:
    times = hawkes.response_grid(1e-3, 1e5, 1200)
    found = hawkes.slope(times, hawkes.response(PowerLawKernel(0.4, 1.0), n, times), 1e4, 1e5)
    assert found == pytest.approx(expected("V12")[f"numeric slope n={name} (1e4-1e5)"], abs=5e-4)


def test_v12_the_exponents_of_crane_and_sornette() -> None:
    want = expected("V12")
    found = hawkes.response_exponents(0.4)
    assert_near(found["exogenous_critical"], want["critical n=1 exo"])
    assert_near(found["exogenous_subcritical"], want["subcritical exo"])
    assert_near(found["endogenous_critical"], want["endo critical"])


def test_v12_a_critical_burst_from_inside_falls_more_slowly_than_one_from_outside() -> None:
    times = hawkes.response_grid(1e-2, 1e10, 1200)
    response = hawkes.response(PowerLawKernel(0.4, 1.0), 1.0, times)
    at = np.concatenate(([0.0], np.geomspace(1e3, 1e4, 20)))
    found = hawkes.slope(at, hawkes.endogenous_response(times, response, at), 1e3, 1e4)
    assert found == pytest.approx(-expected("V12")["endo critical"], abs=0.015)


def test_the_response_to_an_exponential_kernel_is_the_known_one() -> None:
    # R(t) = n beta e^(-beta (1 - n) t)
    times = hawkes.response_grid(1e-3, 4.0, 2000)
    found = hawkes.response(ExponentialKernel(0.5), 0.7, times)
    assert found == pytest.approx(0.7 * 2 * np.exp(-2 * 0.3 * times), rel=1e-4)


def test_the_response_integrates_to_the_mean_number_of_descendants() -> None:
    times = hawkes.response_grid(1e-3, 1e9, 1500)
    found = hawkes.response(FlatPowerKernel(0.6, 300.0), 0.5, times)
    assert np.trapezoid(found, times) == pytest.approx(hawkes.cluster_mean(0.5) - 1, rel=1e-3)


def test_v13_the_seismic_kernel_has_the_published_masses() -> None:
    p, want = params("V13"), expected("V13")
    kernel = FlatPowerKernel(p["theta"], float(p["s0"]))
    assert_near(kernel.height, want["c"], 10)
    masses = kernel.mass(np.array([300.0, 3600.0, 86400.0]))
    for found, name in zip(masses, ("mass<5min", "mass<1h", "mass<24h"), strict=True):
        assert_near(found, want[name])
    assert_near(float(kernel.quantile(np.array(0.5))), want["median_s"], 2)


def test_v13_simulated_delays_have_the_published_median() -> None:
    delays = tabulate(from_scenario(KernelPart()))
    roots = np.zeros(20_000, np.int64)

    def median_s(seed: int) -> float:
        children = next(islice(hawkes.generations(stream(seed, 0, "seismic"), roots, 1.0, delays, 10**17), 1, None))
        return float(np.median(children)) / S

    assert_mean(median_s, expected("V13")["median_s"])


@pytest.mark.parametrize(
    "kernel",
    [
        ExponentialKernel(7.0),
        PowerLawKernel(0.4, 3.0),
        PowerLawKernel(1.0, 3.0),
        PowerLawKernel(1.7, 3.0),
        FlatPowerKernel(0.9, 20.0),
    ],
)
def test_kernel_mass_area_and_quantile_belong_to_its_density(kernel: Kernel) -> None:
    for t in (0.3, 15.0, 60.0):
        points = [20.0] if t > 20 else []
        mass, _ = integrate.quad(lambda u: float(kernel.density(np.array(u))), 0, t, points=points)
        area, _ = integrate.quad(lambda u: float(kernel.mass(np.array(u))), 0, t, points=points)
        assert float(kernel.mass(np.array(t))) == pytest.approx(mass, rel=1e-7)
        assert float(kernel.mass_area(np.array(t))) == pytest.approx(area, rel=1e-7)
        assert float(kernel.quantile(kernel.mass(np.array(t)))) == pytest.approx(t, rel=1e-9)


def test_children_past_the_end_are_cut_off_and_an_empty_start_stays_empty() -> None:
    delays = tabulate(ExponentialKernel(S))
    times = hawkes.simulate(stream(1, 0, "x"), np.zeros(1000, np.int64), 0.9, delays, int(S))
    assert times.max() < S
    assert len(hawkes.simulate(stream(1, 0, "x"), np.empty(0, np.int64), 0.9, delays, int(S))) == 0


def test_a_branching_ratio_that_never_ends_is_refused() -> None:
    with pytest.raises(ValueError, match="below 1"):
        hawkes.cluster_sizes(stream(1, 0, "x"), 1.0, 3)
    with pytest.raises(ValueError, match="between 0 and 1"):
        hawkes.simulate(stream(1, 0, "x"), np.zeros(1, np.int64), 1.2, tabulate(ExponentialKernel(S)), 10)
