"""The fingerprint of a scenario: equal for files that mean the same, whatever their form, comments or order of keys."""

from __future__ import annotations

import hashlib
import json

from sim.scenario.schema import Scenario


def canonical_json(scenario: Scenario) -> str:
    """The loaded scenario, defaults included, as JSON with sorted keys and no blanks."""
    data = scenario.model_dump(mode="json", by_alias=True)
    if not data["strategies"]:
        del data["strategies"]  # so that scenarios without any keep the name that they have
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def scenario_fingerprint(scenario: Scenario) -> str:
    """SHA-256 of the canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical_json(scenario).encode("ascii")).hexdigest()
