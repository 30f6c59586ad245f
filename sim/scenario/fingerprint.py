"""The fingerprint of a scenario: equal for files that mean the same, whatever their form, comments or order of keys."""

from __future__ import annotations

import hashlib
import json

from sim.scenario.policy_source import policy_sources
from sim.scenario.schema import Scenario


def canonical_json(scenario: Scenario) -> str:
    """The loaded scenario, defaults included, as JSON with sorted keys and no blanks."""
    data = scenario.model_dump(mode="json", by_alias=True)
    for part, empty in (("strategies", []), ("optimise", {"knobs": {}, "subject_to": []})):
        if data[part] == empty:
            del data[part]  # so that scenarios without any keep the name that they have
    own = [hashlib.sha256(source.file.read_bytes()).hexdigest() for source in policy_sources(scenario)]
    if own:
        data["stock"]["policy_source"] = own[0]
    if own[1:]:
        data["stock"]["policy_imports"] = sorted(own[1:])
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def scenario_fingerprint(scenario: Scenario) -> str:
    """SHA-256 of the canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical_json(scenario).encode("ascii")).hexdigest()
