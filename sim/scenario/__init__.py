"""The scenario: one file that describes a live-commerce shop, read, checked and turned into numbers.

`load_scenario` reads a file, `json_schema` describes its form, `new_scenario` writes a first one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.scenario.load import load_scenario, scenario_from_text
    from sim.scenario.schema import Scenario
    from sim.scenario.writing.json_form import json_schema
    from sim.scenario.writing.new import new_scenario

__all__ = ["Scenario", "json_schema", "load_scenario", "new_scenario", "scenario_from_text"]

_HOME = {
    "Scenario": "sim.scenario.schema",
    "json_schema": "sim.scenario.writing.json_form",
    "load_scenario": "sim.scenario.load",
    "new_scenario": "sim.scenario.writing.new",
    "scenario_from_text": "sim.scenario.load",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for, so that importing a sibling module stays cheap."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
