"""A bare shelf with backorders or lost sales, on which the product's policies are run against theory.

Time units are seconds. Nothing but demand, the policy, and the supplier: what textbooks assume.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from types import SimpleNamespace

import numpy as np

from sim.flow.environment import FlowEnvironment
from sim.operations.front import state as fs
from sim.operations.replenishment import Item, Process, Replenishment
from sim.operations.suppliers import Supplier
from sim.scenario.parts.base import Duration

UNIT_US = 1_000_000
_DEMAND = 1 << 60  # after everything else of an instant


class _Front:
    """What replenishment asks of the front."""

    def __init__(self, stock: int) -> None:
        self.units, self.receipts = stock, list[tuple[int, int, int, int]]()
        self.state = SimpleNamespace(
            reg=np.zeros(fs.REGISTERS, np.int64), threshold=np.full((1, 1), fs.NO_THRESHOLD, np.int64)
        )
        self.on_crossing: Callable[[int], None] | None = None

    def available(self, _sku: int, _house: int) -> int:
        """Units on hand, or (below 0) backordered."""
        return self.units

    def waited_for(self, _sku: int, _house: int) -> int:
        """Backorders count as units below 0."""
        return 0

    def low_cells(self) -> list[tuple[int, int]]:
        """The only one."""
        return [(0, 0)]

    def receive(self, now_us: int, sku: int, house: int, units: int) -> None:
        """Ordered units arrive."""
        self.units += units
        self.receipts.append((now_us, sku, house, units))

    def serve_waiting(self, _sku: int, _now_us: int) -> None:
        """Nobody waits: backorders are served as units come."""


class Shelf:
    """One SKU in one warehouse. After `run`, means over time and shares over demand are there."""

    def __init__(self, stock: int, lead_time: float, review: float = 0.0, lost: bool = False) -> None:
        self.env, self.lost = FlowEnvironment(), lost
        self.front = _Front(stock)
        law = Duration.model_validate(f"{round(lead_time * UNIT_US)}us")
        supplier = Supplier("supplier", law, (0, 0), 0, 0, UNIT_US)
        reviews = round(review * UNIT_US), 0
        self.stock = Replenishment(self.env, self.front, supplier, None, reviews)  # type: ignore[arg-type]
        self.item = self.stock.add(0, "mug/main", (0,))
        self.since_us = self._orders_before = 0
        self.demand = self.filled = self.on_hand_us = self.backordered_us = 0

    @property
    def level(self) -> int:
        """Units on hand, or (below 0) backordered."""
        return self.front.units

    def follow(self, policy: Callable[[Item], Process]) -> None:
        """Start a policy."""
        self.env.process(policy(self.item))

    def sell(self, times: Sequence[float], sizes: Sequence[int] | None = None) -> None:
        """Demand at these times, of one unit each or of `sizes`."""
        for k, time in enumerate(times):
            event = self.env.at(round(time * UNIT_US), _DEMAND)
            units = 1 if sizes is None else int(sizes[k])
            event.callbacks.append(partial(self._take, units))

    def measure_from(self, time: float) -> None:
        """What is before this time is a warm-up: forget it."""

        def forget() -> None:
            self.account()
            self.demand = self.filled = self.on_hand_us = self.backordered_us = 0
            self._orders_before = len(self.stock.purchases)

        self.env.at(round(time * UNIT_US), 0).callbacks.append(lambda _: forget())

    def _take(self, units: int, _event: object) -> None:
        self.account()
        self.demand += units
        filled = min(units, max(self.level, 0))
        self.filled += filled
        self.front.units -= filled if self.lost else units
        if self.front.state.reg[fs.WATCHED] and self.level <= self.front.state.threshold[0, 0]:
            assert self.front.on_crossing is not None
            self.front.on_crossing(int(self.env.now) + 1)

    def account(self) -> None:
        """Count units x time until now. Receipts between demands are accounted for by when they came."""
        now, level = int(self.env.now), self.level
        for time_us, _, _, units in reversed(self.front.receipts):
            if time_us <= self.since_us:
                break
            self._count(now - time_us, level)
            now, level = time_us, level - units
        self._count(now - self.since_us, level)
        self.since_us = int(self.env.now)

    def _count(self, length_us: int, level: int) -> None:
        self.on_hand_us += max(level, 0) * length_us
        self.backordered_us += max(-level, 0) * length_us

    def run(self, until: float) -> Shelf:
        """Let it happen."""
        self.env.run(until=round(until * UNIT_US))
        self.account()
        return self

    @property
    def orders(self) -> int:
        """Orders placed."""
        return len(self.stock.purchases) - self._orders_before
