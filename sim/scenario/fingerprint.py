"""The fingerprint of a scenario: equal for files that mean the same, whatever their form, comments or order of keys."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from sim.scenario.schema import Scenario
from sim.scenario.stocking import is_own


def canonical_json(scenario: Scenario) -> str:
    """The loaded scenario, defaults included, as JSON with sorted keys and no blanks."""
    data = scenario.model_dump(mode="json", by_alias=True)
    for part, empty in (("strategies", []), ("optimise", {"knobs": {}, "subject_to": []})):
        if data[part] == empty:
            del data[part]  # so that scenarios without any keep the name that they have
    if is_own(scenario.stock.policy):
        data["stock"]["policy_source"] = _source_of(scenario)
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _source_of(scenario: Scenario) -> str:
    """SHA-256 of the user's own policy beside the scenario; '' where it lies on Python's path."""
    module = scenario.stock.policy.partition(":")[0]
    file = Path(scenario.origin.folder, *module.split(".")).with_suffix(".py")
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


def scenario_fingerprint(scenario: Scenario) -> str:
    """SHA-256 of the canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical_json(scenario).encode("ascii")).hexdigest()
