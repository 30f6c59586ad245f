"""A scenario made smaller in the same shape: fewer people, and everything that serves them as much smaller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sim.scenario import load_scenario
from sim.scenario.load import load_with_source
from sim.scenario.reading.nodes import plain
from sim.scenario.schema import Scenario
from sim.scenario.writing.as_run import scenario_yaml
from tests.paths import ROOT

#: Numbers that grow with the audience: of people, of units, of hands.
AUDIENCE = ("per_min",)
CAPACITY = ("units", "workers", "servers", "constant", "pickers", "packers", "capacity", "queue_bound", "max_group")


def scenario_file(name: str) -> Path:
    """The file of a shipped scenario."""
    return ROOT / "scenarios" / f"{name}.yaml"


def scaled_scenario(name: str, factor: float, *, capacity: bool = True) -> Scenario:
    """A shipped scenario with `factor` times the audience; its stock and capacity too, unless told not to.

    Strategies stay behind: their levels are written for the whole audience.
    """
    if factor == 1:
        return load_scenario(scenario_file(name))
    written = plain(load_with_source(scenario_file(name)).written)
    tree = {key: part for key, part in written.items() if key not in ("strategies", "optimise")}
    keys = AUDIENCE + CAPACITY if capacity else AUDIENCE
    return Scenario.model_validate(_scaled(tree, "", keys, factor), by_alias=True, by_name=False)


def scaled_text(name: str, factor: float) -> str:
    """The same as a file."""
    return f"# {name} with {factor:g} times the audience\n" + scenario_yaml(scaled_scenario(name, factor), {})


def _scaled(value: Any, key: str, keys: tuple[str, ...], factor: float) -> Any:
    if key == "bundle":  # its units are a recipe
        return value
    if key == "stock" and isinstance(value, dict) and "policy" in value:
        return {
            name: _times(part, factor) if name in ("s", "S") and "units" in keys else part
            for name, part in value.items()
        }
    if key == "stock" and isinstance(value, dict):
        return {house: _times(units, factor) if "units" in keys else units for house, units in value.items()}
    if isinstance(value, dict):
        return {name: _scaled(part, name, keys, factor) for name, part in value.items()}
    if isinstance(value, list):
        return [_scaled(part, key, keys, factor) for part in value]
    if key == "per_min":
        return value * factor
    return _times(value, factor) if key in keys else value


def _times(value: Any, factor: float) -> Any:
    """A whole number scaled, at least 1 unless it was 0."""
    return max(1, round(value * factor)) if isinstance(value, int) and value > 0 else value
