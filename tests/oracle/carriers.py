"""Who carries a parcel: the first choice among a warehouse's carriers, and who is asked when that one has no room."""

from __future__ import annotations

import math

from sim.scenario.parts.carriage import Carriage, Carrier
from sim.scenario.quantiles import at_u32, derived_u32
from sim.scenario.schema import Scenario
from sim.scenario.tables import to_reporting_minor
from tests.oracle.records import Order, Parcel, law_table

#: Uses of a parcel's uniform of loss.
CARRIER_USE, CUSTOMS_USE, CUSTOMS_DELAY_USE = 1, 2, 3
#: Use of an order's uniforms for the k-th further parcel, less k.
FURTHER_USE = 3


class Carriers:
    """The carriers of one warehouse: `rows` are (row over all warehouses, carrier), None for an only one."""

    def __init__(self, scenario: Scenario, number: int) -> None:
        self.scenario, self.house = scenario, scenario.warehouses[number]
        before = sum(max(len(house.carriers), 1) for house in scenario.warehouses[:number])
        self.rows: list[tuple[int, Carrier | None]] = [(before, None)]
        if self.house.carriers:
            self.rows = [(before + k, carrier) for k, carrier in enumerate(self.house.carriers)]

    def first(self, parcel: Parcel) -> int:
        """The carrier that gets the parcel first."""
        if self.house.carriers and self.house.carrier_choice == "share":
            uniform, total = derived_u32(parcel.loss_u32, CARRIER_USE), 0.0
            for number, carrier in enumerate(self.house.carriers[:-1]):
                total += carrier.share
                if uniform < round(total * 2**32):
                    return number
            return len(self.house.carriers) - 1
        return self._ring(parcel.order.region)[0]

    def after(self, carrier: int, order: Order) -> int:
        """Who is asked next."""
        ring = self._ring(order.region)
        return ring[(ring.index(carrier) + 1) % len(ring)]

    def freight_minor(self, region: int) -> float:
        """What a parcel to a region costs with the carrier that gets it first; by share the mean."""
        if self.house.carriers and self.house.carrier_choice == "share":
            costs = [self._cost_minor(self._terms(number, region)) for number in range(len(self.rows))]
            return math.fsum(carrier.share * cost for carrier, cost in zip(self.house.carriers, costs, strict=True))
        return self._cost_minor(self._terms(self._ring(region)[0], region))

    def _ring(self, region: int) -> list[int]:
        numbers = list(range(len(self.rows)))
        if not self.house.carriers or self.house.carrier_choice == "share":
            return numbers
        cost = self._cost_minor if self.house.carrier_choice == "cheapest" else self._median_us
        return sorted(numbers, key=lambda number: (cost(self._terms(number, region)), number))

    def _terms(self, number: int, region: int) -> Carriage:
        name = self.scenario.regions[region].name
        if self.house.carriers and name in self.house.carriers[number].to:
            return self.house.carriers[number].to[name]
        lanes = [lane for lane in self.scenario.lanes if (lane.warehouse, lane.region) == (self.house.name, name)]
        return lanes[0] if lanes else Carriage()

    def _cost_minor(self, terms: Carriage) -> int:
        customs = terms.customs.cost if terms.customs is not None else None
        return to_reporting_minor(self.scenario, terms.cost) + to_reporting_minor(self.scenario, customs)

    def _median_us(self, terms: Carriage) -> int:
        return at_u32(law_table(terms.lead_time), 1 << 31)
