"""Everything that needs several parts of a scenario at once, collected from the modules beside this one."""

from __future__ import annotations

from collections.abc import Iterator

from sim.scenario.check_limits import check_limits
from sim.scenario.check_money import check_money
from sim.scenario.check_names import check_names
from sim.scenario.check_programme import check_programme
from sim.scenario.check_rows import check_rows
from sim.scenario.findings import Finding
from sim.scenario.schema import Scenario


def crosscheck(scenario: Scenario) -> Iterator[Finding]:
    """Every finding. Checks that count on names and rates wait until those are right."""
    named = list(check_names(scenario))
    money = list(check_money(scenario))
    yield from named
    yield from money
    yield from check_limits(scenario)
    yield from check_programme(scenario, priced=not named and not money)
    if not named:
        yield from check_rows(scenario)
