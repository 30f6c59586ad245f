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
    own = policy_file(scenario)
    if own is not None:
        source = Path(scenario.origin.folder, own).read_bytes()
        data["stock"]["policy_source"] = hashlib.sha256(source).hexdigest()
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def policy_file(scenario: Scenario) -> Path | None:
    """The file of the user's own stock policy, relative to the scenario's folder; None where it is not beside it."""
    if not is_own(scenario.stock.policy):
        return None
    file = Path(*scenario.stock.policy.partition(":")[0].split(".")).with_suffix(".py")
    return file if Path(scenario.origin.folder, file).is_file() else None


def scenario_fingerprint(scenario: Scenario) -> str:
    """SHA-256 of the canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical_json(scenario).encode("ascii")).hexdigest()
