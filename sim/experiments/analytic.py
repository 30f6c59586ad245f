"""Answers that formulas give to what a search looks for, as points to be tried beside those that it proposes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sim.operations.strategies.levels import LEVELS, Levels, Stocked
from sim.scenario.parts.comparing import FORMULA
from sim.scenario.schema import Scenario
from sim.scenario.studies.search import Search
from sim.scenario.tables import sku_table

_FITTED = (
    "demand is steady until the last show ends, as pilots of this scenario want it, and each warehouse serves its own"
    " regions; what is short is lost; what is left at the end loses its cost less salvage; every wish to"
    " cancel comes in time"
)
#: What each policy's formula assumes, in words.
ASSUMES = {
    "none": "the newsvendor's stock for the whole horizon, bought once: demand as pilots of this scenario want it, each"
    " warehouse serves its own regions, each unit is a parcel of its own, returns that are sold again come back in"
    " time, and so does every wish to cancel",
    "base_stock": f"the newsvendor's balance over a review and a lead time: {_FITTED}; an order costs nothing",
    "s_S": f"s as base stock balances a review and a lead time, S an economic order quantity above it: {_FITTED}",
    "r_Q": f"Q the economic order quantity, r the balance over a lead time: {_FITTED}",
}


class Answer(NamedTuple):
    """What a formula says: values by dotted path, in the units of the knobs or as choices, and what it assumes."""

    name: str
    values: Mapping[str, float | str]
    assumes: str


def answers(search: Search) -> list[Answer]:
    """The answers of all formulas that say something of the search's knobs: of the policy that the scenario has, or
    of each that a knob `stock.policy` may choose."""
    scenario = search.started.scenario
    chooser = next((knob for knob in search.knobs if knob.name == "stock.policy" and knob.choices), None)
    policies = chooser.labels if chooser else (scenario.stock.policy,)
    fitted, found = Levels(scenario), []
    for policy in policies:
        values: dict[str, float | str] = dict(_of_policy(search, scenario, policy, fitted))
        if values:
            chosen: dict[str, float | str] = {"stock.policy": policy} if chooser else {}
            found.append(Answer(f"{FORMULA}{policy}", chosen | values, ASSUMES[policy]))
    return found


def _of_policy(search: Search, scenario: Scenario, policy: str, fitted: Levels) -> Iterator[tuple[str, float]]:
    formulas = LEVELS.get(policy, {})
    for knob in search.knobs:
        if knob.choices:
            continue
        match knob.path:
            case ("catalogue", str(listing), "stock", str(house)) if policy == "none":
                shares = _in_listing(scenario, listing, house)
                if shares:
                    yield knob.name, fitted.season_stock(shares)
            case ("stock", str(level)) if level in formulas:
                taken = {path[2] for each in search.knobs if (path := each.path)[:2] == ("stock", "levels")}
                items = [item for item in fitted.items() if not _own(scenario, item, level, taken)]
                if items:
                    yield knob.name, formulas[level](fitted, items)
            case ("stock", "levels", str(name), str(level)) if level in formulas:
                items = [item for item in fitted.items() if name in _names(scenario, item)]
                if items:
                    yield knob.name, formulas[level](fitted, items)


def _own(scenario: Scenario, item: Stocked, level: str, taken: set[str | int]) -> bool:
    """Whether an item has a level of its own, so that the common one is not for it."""
    levels, names = scenario.stock.levels, _names(scenario, item)
    given = [getattr(levels[name], level) for name in names if name in levels]
    return bool(taken & set(names)) or any(each is not None for each in given)


def _names(scenario: Scenario, item: Stocked) -> tuple[str, str]:
    row = sku_table(scenario)[item.sku]
    return row.name, scenario.catalogue[row.listing].name


def _in_listing(scenario: Scenario, listing: str, house: str) -> Sequence[tuple[Stocked, float]]:
    """The SKUs of a listing at a warehouse, and their shares of its stock there."""
    houses = [each.name for each in scenario.warehouses]
    rows = [
        (number, row)
        for number, row in enumerate(sku_table(scenario))
        if scenario.catalogue[row.listing].name == listing and row.components == ((number, 1),)
    ]
    total = sum(row.share for _, row in rows)
    if house not in houses or not total or any(sku.stock for each in scenario.catalogue for sku in each.skus):
        return []
    return [(Stocked(number, (houses.index(house),)), row.share / total) for number, row in rows]
