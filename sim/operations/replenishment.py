"""Ordering stock from suppliers: what a policy sees and may do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator

import simpy

from sim.flow.environment import FlowEnvironment
from sim.operations import front_state as fs
from sim.operations.front import FrontFlow

RANK_STEP = 1000  # ranks of one kind of control event, for its warehouses
RECEIPTS, REVIEWS = 7 * RANK_STEP, 9 * RANK_STEP


class Replenishment:
    """Stock as a policy sees it, and its open orders."""

    def __init__(self, env: FlowEnvironment, front: FrontFlow) -> None:
        self._env, self._front = env, front
        self._on_order: defaultdict[tuple[int, int], int] = defaultdict(int)

    def position(self, sku: int, house: int) -> int:
        """Available units plus those on order."""
        return int(self._front.state.stock[fs.AVAILABLE, sku, house]) + self._on_order[sku, house]

    def order(self, sku: int, house: int, units: int, lead_time_us: int) -> None:
        """Order units; they are available `lead_time_us` from now."""
        if lead_time_us == 0:
            self._receive(sku, house, units)
            return
        self._on_order[sku, house] += units
        self._env.process(self._arrive(int(self._env.now) + lead_time_us, sku, house, units))

    def _arrive(self, time_us: int, sku: int, house: int, units: int) -> Generator[simpy.Event, None, None]:
        yield self._env.at(time_us, RECEIPTS)
        self._on_order[sku, house] -= units
        self._receive(sku, house, units)

    def _receive(self, sku: int, house: int, units: int) -> None:
        stock = self._front.state.stock
        for field in (fs.AVAILABLE, fs.ON_HAND, fs.RECEIVED):
            stock[field, sku, house] += units
        self._front.receipts.append((int(self._env.now), sku, house, units))
