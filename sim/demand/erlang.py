"""Queues of people who answer: M/M/n with waiting that may be given up (Erlang A), or not (Erlang C).

Garnett, Mandelbaum and Reiman 2002 (Manufacturing and Service Operations Management 4(3):208-227): arrivals at rate
`rate`, n servers of rate `service`, each waiting customer leaving at rate `leaving`. Rates are per one unit of time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.arrays import Floats

_SPAN = 12.0  # standard deviations of the number present on either side of its mode
_SPARE = 50  # states more, for small numbers
_TOGETHER = 32  # rates looked at side by side


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
    numbers, weights = (found[0] for found in _steady_states(np.array([rate]), service, servers, leaving))
    queued, busy = np.maximum(numbers - servers, 0), np.minimum(numbers, servers)
    waiting = float(weights @ queued)
    return Queue(
        wait_share=float(weights[numbers >= servers].sum()),
        gives_up_share=min(1.0, leaving * waiting / rate),
        mean_wait=waiting / rate,
        busy_share=float(weights @ busy) / servers if servers else 1.0,
        waiting=waiting,
        present=float(weights @ numbers),
    )


def shares_answered(rates: Floats, service: float, servers: int, leaving: float) -> Floats:
    """`erlang_a(rate, ...).answered_share` at each of many rising rates > 0, same shape; the last bit may differ."""
    if leaving == 0:
        return np.array([erlang_c(rate, service, servers).answered_share for rate in rates.tolist()])
    blocks = [rates[k : k + _TOGETHER] for k in range(0, len(rates), _TOGETHER)]  # of windows about as wide
    return np.concatenate([_answered_together(block, service, servers, leaving) for block in blocks])


def _answered_together(rates: Floats, service: float, servers: int, leaving: float) -> Floats:
    numbers, weights = _steady_states(rates, service, servers, leaving)
    waiting = (weights * np.maximum(numbers - servers, 0)).sum(axis=1)
    return np.asarray(1 - np.minimum(1.0, leaving * waiting / rates))


def _steady_states(rates: Floats, service: float, servers: int, leaving: float) -> tuple[npt.NDArray[np.int64], Floats]:
    """The numbers present that matter at each rate, and their probabilities, both [rates, states].

    Birth and death balance from one state to the next, so logarithms of the weights add up. Windows lie side by side,
    as wide as the widest; what is beyond a rate's own weighs nothing.
    """
    first, last = np.array([_window(rate, service, servers, leaving) for rate in rates.tolist()]).T
    number = first[:, None] + np.arange(int((last - first).max()) + 1)
    ends = np.minimum(number, servers) * service + np.maximum(number - servers, 0) * leaving
    ends[:, 0] = rates  # the window's first state has weight 1
    logs = np.cumsum(np.log(rates)[:, None] - np.log(ends), axis=1)
    logs[number > last[:, None]] = -np.inf
    weights = np.exp(logs - logs.max(axis=1, keepdims=True))
    return number, weights / weights.sum(axis=1, keepdims=True)


def _window(rate: float, service: float, servers: int, leaving: float) -> tuple[int, int]:
    """The first and last state that matter: around the mode, since all else is below e^-70 of it."""
    load = rate / service
    mode = load if load <= servers else servers + (rate - servers * service) / leaving
    reach = _SPAN * math.sqrt(max(load, rate / leaving)) + _SPARE
    return max(0, math.floor(mode - reach)), math.ceil(mode + reach)
