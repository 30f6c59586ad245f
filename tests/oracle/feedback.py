"""Buyers answer to slow checkouts and stockouts: at the end of a period the factor of every SKU is set anew."""

from __future__ import annotations

from collections import Counter

from sim.scenario.schema import Scenario
from tests.oracle.clock import CONTROL, FEEDBACK, Clock, Grid, priority

MILLION = 1_000_000


class Feedback:
    """Hears how every round of checkout ended; `factors[sku]` decide which intents go ahead."""

    def __init__(self, env: Clock, scenario: Scenario, factors: list[int], met: Counter[str]) -> None:
        self.env, self.options, self.met = env, scenario.funnel.feedback, met
        self.neutral, self.factors = tuple(factors), factors
        self.times_us: list[int] = []  # of the rounds that were over in this period
        self.asked: Counter[int] = Counter()  # first rounds answered, by SKU of the first line
        self.sold_out: Counter[int] = Counter()
        period_us = 1 if self.options is None else self.options.period_us
        self.periods = Grid(env, period_us, priority(CONTROL, FEEDBACK), self._look_back)

    def hear(self, response_us: int) -> None:
        """A round is over, answered or given up."""
        if self.options is not None:
            self.times_us.append(response_us)
            self.periods.due(self.env.now + 1)

    def hear_first_answer(self, sku: int, sold_out: bool) -> None:
        """The first round of an order whose first line is `sku` was answered."""
        self.asked[sku] += 1
        self.sold_out[sku] += sold_out

    def crash(self) -> None:
        """Clients may give up at this instant, before the period ends at it."""
        if self.options is not None:
            self.periods.due(self.env.now)

    def _look_back(self) -> None:
        assert self.options is not None
        slow = 0
        if self.times_us:
            mean_us = sum(self.times_us) // len(self.times_us)
            if mean_us > self.options.tolerated_us:
                slow = (mean_us - self.options.tolerated_us) * self.options.loss_per_s // MILLION
                slow = min(slow, self.options.most)
        for sku, neutral in enumerate(self.neutral):
            share = self.sold_out[sku] * MILLION // self.asked[sku] if self.asked[sku] else 0
            lost = share * self.options.sold_out // MILLION
            self.factors[sku] = neutral * (MILLION - slow) // MILLION * (MILLION - lost) // MILLION
            self.met["sold_out_told"] += lost > 0
        self.met["slow_told"] += slow > 0
        if self.times_us:
            self.periods.due(self.env.now + 1)  # when the factors may rise again
        self.times_us.clear()
        self.asked.clear()
        self.sold_out.clear()
