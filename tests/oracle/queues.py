"""Exact figures of classical queues, each from its own law: what the flow's stations and batches are held to.

Time has any unit; rates are per that unit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def erlang_b(servers: int, load: float) -> float:
    """Share of arrivals refused by `servers` without a queue at an offered `load` (Erlang 1917), by recursion."""
    refused = 1.0
    for k in range(1, servers + 1):
        refused = load * refused / (k + load * refused)
    return refused


def erlang_c(servers: int, load: float) -> float:
    """Probability of having to wait in M/M/c; 1 when the load is not below `servers`."""
    if load >= servers:
        return 1.0
    refused = erlang_b(servers, load)
    return servers * refused / (servers - load * (1 - refused))


@dataclass(frozen=True)
class Steady:
    """Steady state of a queue: P(wait > 0), mean wait, mean number waiting, mean number in the system."""

    p_wait: float
    wait: float
    waiting: float
    present: float


def mmc(arrivals: float, services: float, servers: int) -> Steady:
    """M/M/c with arrival rate `arrivals` and `services` a server."""
    load = arrivals / services
    p_wait = erlang_c(servers, load)
    wait = p_wait / (servers * services - arrivals)
    return Steady(p_wait, wait, arrivals * wait, arrivals * wait + load)


def pollaczek_khinchine(arrivals: float, service: float, squared_cv: float) -> float:
    """Mean wait in M/G/1 with mean `service` and squared coefficient of variation `squared_cv`."""
    busy = arrivals * service
    return busy * service * (1 + squared_cv) / (2 * (1 - busy))


def mdc_wait(arrivals: float, service: float, servers: int) -> float:
    """Mean wait in M/D/c (Crommelin 1932), by the same sums as a batch station: X' = max(X + A - c, 0)."""
    behind, _ = left_behind(arrivals * service, servers)
    return behind / arrivals


def left_behind(mean: float, capacity: int, terms: int = 6000) -> tuple[float, float]:
    """(mean, probability of 0) of the steady state of X' = max(X + A - C, 0), A Poisson: Spitzer's identity (1956).

    E X = sum of E(S_n - nC)+ / n and P(X = 0) = exp(-sum of P(S_n > nC) / n), S_n Poisson with mean n x `mean`.
    """
    total = above = 0.0
    for n in range(1, terms + 1):
        aim, load = n * capacity, n * mean
        width = int(40 * math.sqrt(load)) + 60
        k = np.arange(aim + 1, aim + width)
        log_pmf = k * math.log(load) - load - log_factorials(aim + 1, width - 1)
        pmf = np.exp(log_pmf)
        part = float(pmf @ (k - aim)) / n
        total += part
        above += float(pmf.sum()) / n
        if part < 1e-14:
            break
    return total, math.exp(-above)


def log_factorials(first: int, count: int) -> Floats:
    """log k! for k = first, first + 1, ..."""
    steps = np.log(np.arange(first + 1, first + count, dtype=np.float64))
    return math.lgamma(first + 1) + np.concatenate(([0.0], np.cumsum(steps)))


@dataclass(frozen=True)
class Periodic:
    """An Mt/M/c queue in its periodic steady state, at `times` over one period: rate, P(all busy), mean waiting."""

    times: Floats
    rates: Floats
    p_delay: Floats
    waiting: Floats

    @property
    def p_delay_of_arrivals(self) -> float:
        """P(wait) of the arrivals."""
        return float(self.rates @ self.p_delay / self.rates.sum())

    @property
    def p_delay_over_time(self) -> float:
        """Share of time with all servers busy."""
        return float(self.p_delay.mean())

    @property
    def mean_waiting(self) -> float:
        """Mean number waiting over time."""
        return float(self.waiting.mean())

    @property
    def mean_wait(self) -> float:
        """Mean wait of the arrivals (Little)."""
        return float(self.waiting.mean() / self.rates.mean())


def periodic_mmc(
    rate: Callable[[float], float],
    services: float,
    servers: int,
    period: float,
    *,
    states: int = 160,
    step: float = 0.02,
) -> Periodic:
    """Mt/M/c from its differential equations (Runge-Kutta of order 4), cut off at `states`, after five periods."""
    steps = math.ceil(period / step)
    h = period / steps
    half = np.array([rate(k * h / 2) for k in range(2 * steps + 1)])
    number = np.arange(states + 1)
    leave = services * np.minimum(number, servers)

    def flow(p: Floats, arrivals: float) -> Floats:
        up = arrivals * p[:-1]
        down = leave[1:] * p[1:]
        change = np.zeros_like(p)
        change[:-1] += down - up
        change[1:] += up - down
        return change

    p = np.zeros(states + 1)
    p[0] = 1.0
    delay, waiting = np.empty(steps), np.empty(steps)
    for _ in range(6):
        for k in range(steps):
            delay[k], waiting[k] = p[servers:].sum(), p @ np.maximum(number - servers, 0)
            first, middle, last = half[2 * k], half[2 * k + 1], half[2 * k + 2]
            a = flow(p, first)
            b = flow(p + h / 2 * a, middle)
            c = flow(p + h / 2 * b, middle)
            p = p + h / 6 * (a + 2 * b + 2 * c + flow(p + h * c, last))
    return Periodic(np.linspace(0, period, steps, endpoint=False), half[:-1:2], delay, waiting)


@dataclass(frozen=True)
class Burst:
    """A fluid queue through a burst: largest backlog, time to drain it after the burst, delay of who meets it."""

    backlog: float
    drain: float
    max_delay: float
    mean_delay: float


def fluid_burst(base: float, burst: float, length: float, capacity: float) -> Burst:
    """Rate `burst` > `capacity` for `length`, `base` < `capacity` before and after."""
    backlog = (burst - capacity) * length
    most = backlog / capacity
    return Burst(backlog, backlog / (capacity - base), most, most / 2)


@dataclass(frozen=True)
class Holds:
    """Unpaid orders as M/G/inf (Palm 1943): mean time of a hold, mean number held, its deviation, share paid."""

    hold: float
    held: float
    deviation: float
    paid: float


def unpaid_holds(arrivals: float, pays: float, delay: float, window: float) -> Holds:
    """Buyers pay with probability `pays` after an exponential `delay`, or the hold ends after `window`."""
    in_time = 1 - math.exp(-window / delay)
    hold = pays * delay * in_time + (1 - pays) * window
    return Holds(hold, arrivals * hold, math.sqrt(arrivals * hold), pays * in_time)
