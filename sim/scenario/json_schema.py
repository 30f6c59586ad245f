"""JSON Schema."""

from __future__ import annotations

from typing import Any

from sim.scenario.schema import Scenario


def json_schema() -> dict[str, Any]:
    """The JSON Schema (Draft 2020-12) of scenario files."""
    return Scenario.model_json_schema()
