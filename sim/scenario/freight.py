"""Which carrier of a warehouse is asked first, and so what a parcel is expected to cost on its way."""

from __future__ import annotations

import math

from sim.scenario.parts.carriage import Carriage
from sim.scenario.parts.logistics import Warehouse
from sim.scenario.quantiles import quantile_table
from sim.scenario.schema import Scenario
from sim.scenario.tables import carriage_table, carrier_table, freight_minor


def carriage_of(scenario: Scenario, house: int) -> list[list[Carriage]]:
    """`carriage_of(s, warehouse)[carrier of it][region]`."""
    rows = zip(carriage_table(scenario), carrier_table(scenario), strict=True)
    return [terms for terms, row in rows if row.warehouse == house]


def asked_carriers(scenario: Scenario, house: Warehouse, terms: list[Carriage]) -> list[int]:
    """Carriers of a warehouse to one region in the order in which they are asked; ties in the order of the file."""
    if house.carrier_choice == "share":
        return list(range(len(terms)))
    if house.carrier_choice == "cheapest":
        return sorted(range(len(terms)), key=lambda c: freight_minor(scenario, terms[c]))
    return sorted(range(len(terms)), key=lambda c: int(quantile_table(terms[c].lead_time)[512]))


def expected_freight(scenario: Scenario) -> list[list[float]]:
    """`[warehouse][region]`: what a parcel costs on its way with the carrier that gets it first, customs included, in
    minor units of the reporting currency; where carriers have shares, the mean."""
    return [
        [_first_minor(scenario, house, list(terms)) for terms in zip(*carriage_of(scenario, number), strict=True)]
        for number, house in enumerate(scenario.warehouses)
    ]


def _first_minor(scenario: Scenario, house: Warehouse, terms: list[Carriage]) -> float:
    if house.carriers and house.carrier_choice == "share":
        rows = zip(house.carriers, terms, strict=True)
        return math.fsum(carrier.share * freight_minor(scenario, each) for carrier, each in rows)
    return freight_minor(scenario, terms[asked_carriers(scenario, house, terms)[0]])
