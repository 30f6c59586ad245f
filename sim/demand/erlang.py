"""Queues of people who answer: M/M/n with waiting that may be given up (Erlang A), or not (Erlang C).

Garnett, Mandelbaum and Reiman 2002 (Manufacturing and Service Operations Management 4(3):208-227): arrivals at rate
`rate`, n servers of rate `service`, each waiting customer leaving at rate `leaving`. Rates are per one unit of time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sim.demand.laws import Floats

_SPAN = 12.0  # standard deviations of the number present on either side of its mode
_SPARE = 50  # states more, for small numbers


@dataclass(frozen=True)
class Queue:
    """The steady state: P(an arrival waits), P(an arrival gives up), mean wait of all, share of busy servers, mean
    number waiting and present. Times in the unit of the rates."""

    wait_share: float
    gives_up_share: float
    mean_wait: float
    busy_share: float
    waiting: float
    present: float

    @property
    def answered_share(self) -> float:
        """P(an arrival is served)."""
        return 1 - self.gives_up_share


def erlang_c(rate: float, service: float, servers: int) -> Queue:
    """M/M/n. With more work than the servers can do the queue is infinite, and the share served is what they can."""
    load = rate / service
    if servers == 0 or load >= servers:
        served = servers / load if load > 0 else 1.0
        return Queue(1.0, 1 - served, math.inf, 1.0, math.inf, math.inf)
    blocked = 1.0  # Erlang's loss formula, by its recursion in the number of servers
    for k in range(1, servers + 1):
        blocked = load * blocked / (k + load * blocked)
    waits = blocked / (1 - load / servers * (1 - blocked))
    mean_wait = waits / (servers * service - rate)
    return Queue(waits, 0.0, mean_wait, load / servers, rate * mean_wait, rate * mean_wait + load)


def erlang_a(rate: float, service: float, servers: int, leaving: float) -> Queue:
    """M/M/n+M; Erlang C where nobody leaves."""
    if rate == 0:
        return Queue(0.0 if servers else 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    if leaving == 0:
        return erlang_c(rate, service, servers)
    first, weights = _steady_state(rate, service, servers, leaving)
    numbers, waiting = np.arange(first, first + len(weights)), _mean_waiting(first, weights, servers)
    busy = np.minimum(numbers, servers)
    return Queue(
        wait_share=float(weights[numbers >= servers].sum()),
        gives_up_share=min(1.0, leaving * waiting / rate),
        mean_wait=waiting / rate,
        busy_share=float(weights @ busy) / servers if servers else 1.0,
        waiting=waiting,
        present=float(weights @ numbers),
    )


def share_answered(rate: float, service: float, servers: int, leaving: float) -> float:
    """`erlang_a(...).answered_share`, without the rest."""
    if rate == 0 or leaving == 0:
        return erlang_a(rate, service, servers, leaving).answered_share
    first, weights = _steady_state(rate, service, servers, leaving)
    return 1 - min(1.0, leaving * _mean_waiting(first, weights, servers) / rate)


def _mean_waiting(first: int, weights: Floats, servers: int) -> float:
    return float(weights @ np.maximum(np.arange(first - servers, first - servers + len(weights)), 0))


def _steady_state(rate: float, service: float, servers: int, leaving: float) -> tuple[int, Floats]:
    """The first state that matters, and the probabilities of it and those above it.

    Birth and death balance from one state to the next, so logarithms of the weights add up; only a window around the
    mode is looked at, since all else is below e^-70 of it.
    """
    load = rate / service
    mode = load if load <= servers else servers + (rate - servers * service) / leaving
    reach = _SPAN * math.sqrt(max(load, rate / leaving)) + _SPARE
    first = max(0, math.floor(mode - reach))
    number = np.arange(first + 1, math.ceil(mode + reach) + 1)
    ends = np.minimum(number, servers) * service + np.maximum(number - servers, 0) * leaving
    logs = np.concatenate(([0.0], np.cumsum(math.log(rate) - np.log(ends))))
    weights = np.exp(logs - logs.max())
    return first, weights / weights.sum()
