"""What each carrier took, of what it could take, and what it cost."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.operations.outcome import Outcome
from sim.scenario.calendar import pick_up_times
from sim.scenario.schema import Scenario
from sim.scenario.tables import carrier_table


def carriers(scenario: Scenario, outcome: Outcome) -> list[dict[str, Any]]:
    """Result `carriers`, a row for each: what it collected, lost and left for want of room, up to the horizon.

    `capacity_parcels` is what its pick-ups could have taken together, None where one has no limit.
    """
    parcels, rows = outcome.parcels, carrier_table(scenario)
    by = parcels.get("carrier", parcels["warehouse"])
    collected = np.bincount(by[parcels["collected_us"] >= 0], minlength=len(rows))
    lost = np.bincount(by[parcels["lost"] == 1], minlength=len(rows))
    found = []
    for number, row in enumerate(rows):
        house = scenario.warehouses[row.warehouse]
        limits = [capacity for _, capacity in pick_up_times(scenario, house, row.carrier)]
        room = sum(limits) if all(limits) else None
        found.append(
            {
                "warehouse": house.name,
                "carrier": row.name,
                "collected": int(collected[number]),
                "lost": int(lost[number]),
                "carried_over": outcome.carried[number],
                "capacity_parcels": room,
            }
        )
    return found
