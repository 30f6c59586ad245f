"""A scenario to be compared: its strategies, and its uncertain inputs, drawn at one quantile for all of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any

from sim.errors import ScenarioError, UsageError
from sim.scenario.fingerprint import canonical_json
from sim.scenario.load import Loaded, read_root, validate_root, validate_tree
from sim.scenario.parts.comparing import AS_WRITTEN
from sim.scenario.reading.nodes import Node
from sim.scenario.reading.vary import put
from sim.scenario.schema import Scenario
from sim.scenario.shape import listing_of, suggestion
from sim.scenario.studies.grid import with_grid
from sim.scenario.studies.uncertain import Uncertain, take_uncertain
from sim.scenario.studies.variants import Variant, add_strategies, of_strategy, variants

#: Parts that the trace does not depend on: strategies that differ in these only share it.
_NOT_DEMAND = (
    "allocation",
    "description",
    "dispatch",
    "fees",
    "lanes",
    "optimise",
    "seed",
    "slos",
    "stock",
    "strategies",
    "warehouses",
)
_DEMAND_OF = {
    "engine": ("service",),
    "confirmation": ("work",),
    "after_sales": ("cancel_on_hold", "default", "categories", "restock"),
}


@dataclass(frozen=True)
class Strategist:
    """One strategy: its name, the scenario as it changes it (modes in place of uncertain inputs), and these inputs."""

    name: str
    tree: Node
    scenario: Scenario
    uncertain: tuple[Uncertain, ...]

    def draw(self, uniform: Callable[[str], float]) -> dict[str, float]:
        """A number for each of its uncertain inputs, by its own law, from `uniform(dotted path)` in [0, 1)."""
        return {each.name: each.number(uniform(each.name)) for each in self.uncertain}

    def at(self, numbers: Mapping[str, float]) -> Scenario:
        """The scenario with uncertain inputs at `numbers` (by dotted path). Raises UsageError where they do not fit."""
        if not self.uncertain:
            return self.scenario
        tree = self.tree
        for each in self.uncertain:
            tree = put(tree, each.path, Node(each.place, each.value(numbers[each.name])))
        scenario, problems = validate_tree(tree)
        if scenario is None or problems:
            drawn = ", ".join(f"{each.name} = {each.value(numbers[each.name])}" for each in self.uncertain)
            raise UsageError(f"strategy {self.name}: inputs that do not go together ({drawn}): {problems[0]}")
        return scenario

    def content(self) -> list[Any]:
        """All that its results depend on but seed and replication, as plain values."""
        return [canonical_json(self.scenario), [[each.name, list(each.numbers), each.unit] for each in self.uncertain]]


@dataclass(frozen=True)
class Study:
    """What is compared. The first strategy is the base of all differences."""

    loaded: Loaded
    strategies: tuple[Strategist, ...]

    @property
    def scenario(self) -> Scenario:
        """The scenario as written."""
        return self.loaded.scenario

    @property
    def names(self) -> list[str]:
        """The strategies' names, in order."""
        return [strategy.name for strategy in self.strategies]

    @cached_property
    def uncertain(self) -> list[tuple[Uncertain, list[str]]]:
        """Every law of an uncertain input, with the strategies that have it: two may have two for one path."""
        found: dict[tuple[Any, ...], tuple[Uncertain, list[str]]] = {}
        for strategy in self.strategies:
            for each in strategy.uncertain:
                found.setdefault(each.law, (each, []))[1].append(strategy.name)
        return list(found.values())

    def fingerprint(self) -> str:
        """SHA-256 of all that the results depend on but seed and replications, in hexadecimal."""
        parts = [[strategy.name, *strategy.content()] for strategy in self.strategies]
        return hashlib.sha256(json.dumps(parts).encode("ascii")).hexdigest()


def load_study(
    path: str | FilePath,
    overrides: Sequence[str] = (),
    strategies: Sequence[str] = (),
    only: Sequence[str] = (),
    vary: Sequence[str] = (),
) -> Study:
    """Read a scenario and its strategies; `strategies` adds some, `NAME=KEY=VALUE,...`; `only` takes some by name;
    `vary` makes one of each at each value, `KEY=LOW:HIGH:STEP`.

    Where one strategy is named, the scenario as written comes first. Raises ScenarioError or UsageError.
    """
    loaded, found = read_variants(path, overrides, strategies, only, vary)
    if not found:
        raise UsageError("nothing to compare: name strategies in `strategies:` or with --strategy NAME=KEY=VALUE")
    return study_of(loaded, found)


def read_variants(
    path: str | FilePath,
    overrides: Sequence[str],
    strategies: Sequence[str],
    only: Sequence[str],
    vary: Sequence[str] = (),
) -> tuple[Loaded, list[Variant]]:
    """The scenario and the trees of its strategies, chosen as for `load_study`. Raises ScenarioError or UsageError."""
    root, folder, problems = read_root(path, overrides)
    root = add_strategies(root, strategies)
    loaded = validate_root(root, folder, str(path), problems)
    found = variants(root, folder)
    if only:
        found = _chosen(found, only)
    if vary:
        root = with_grid(root, vary, only)
        loaded = validate_root(root, folder, str(path), problems)
        found = variants(root, folder)
    return loaded, found


def load_strategy(path: str | FilePath, name: str, overrides: Sequence[str] = ()) -> Loaded:
    """The scenario as its strategy of this name changes it. Raises ScenarioError or UsageError."""
    variant = read_variants(path, overrides, (), [name])[1][0]
    return Loaded(strategist(name, variant.tree).scenario, variant.tree)


def study_of(loaded: Loaded, found: Sequence[Variant]) -> Study:
    """The study of these strategies; of none or one the scenario as written comes first. Raises ScenarioError."""
    as_written = [Variant(AS_WRITTEN, loaded.written, [])] if len(found) < 2 else []
    return Study(loaded, tuple(strategist(name, tree) for name, tree, _ in [*as_written, *found]))


def strategist(name: str, tree: Node) -> Strategist:
    """The strategy whose scenario is this tree, uncertain inputs as written. Raises ScenarioError."""
    with_modes, uncertain, _ = take_uncertain(tree)
    scenario, problems = validate_tree(with_modes)
    if scenario is None or problems:
        raise ScenarioError([of_strategy(name, problem) for problem in problems])
    return Strategist(name, with_modes, scenario, tuple(uncertain))


def _chosen(found: Sequence[Variant], names: Sequence[str]) -> list[Variant]:
    by_name = {variant.name: variant for variant in found}
    for name in names:
        if name not in by_name:
            known = listing_of(by_name) if by_name else "none"
            raise UsageError(f"no strategy is called {name!r}{suggestion(name, by_name)}; there are: {known}")
    return [by_name[name] for name in dict.fromkeys(names)]


def demand_key(scenario: Scenario) -> str:
    """A fingerprint of what the trace depends on: equal for scenarios of which one seed makes the same trace."""
    data = json.loads(canonical_json(scenario))
    kept = {key: value for key, value in data.items() if key not in _NOT_DEMAND}
    for key, names in _DEMAND_OF.items():
        kept[key] = {name: data[key][name] for name in names}
    kept["funnel"].pop("feedback", None)
    (kept["funnel"].get("questions") or {}).pop("wage_per_hour", None)
    for region in kept["regions"]:
        region.pop("allocation", None)
    for listing in kept["catalogue"]:
        for part in (listing, *listing["skus"]):
            part.pop("stock", None)
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode("ascii")).hexdigest()
