"""Everything that needs several parts of a scenario at once, collected from the modules beside this one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from sim.scenario.checks.allocation import check_allocation
from sim.scenario.checks.findings import MAX_COLLECTED, Finding
from sim.scenario.checks.idle import check_idle
from sim.scenario.checks.limits import check_limits
from sim.scenario.checks.logistics import check_logistics
from sim.scenario.checks.money import check_money
from sim.scenario.checks.names import check_names
from sim.scenario.checks.programme import check_programme
from sim.scenario.checks.rows import check_rows
from sim.scenario.schema import Scenario


def crosscheck(scenario: Scenario) -> Iterator[Finding]:
    """Every finding. Checks that count on names and rates wait until those are right."""
    named = list(islice(check_names(scenario), MAX_COLLECTED))
    money = list(islice(check_money(scenario), MAX_COLLECTED))
    yield from named
    yield from check_allocation(scenario, named=not named)
    yield from money
    yield from check_limits(scenario)
    yield from check_logistics(scenario)
    yield from check_programme(scenario, priced=not named and not money)
    if not named:
        yield from check_idle(scenario, priced=not money)
        yield from check_rows(scenario)
