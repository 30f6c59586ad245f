"""The committed fingerprints of the shipped scenarios' traces: `python -m tests.demand.fingerprints` renews them.

A change of what is generated shows as a change of `scenarios/fingerprints.json`.
"""

from __future__ import annotations

import json

from sim.demand.generate import generate
from sim.scenario import load_scenario
from tests.paths import SCENARIOS

FILE = SCENARIOS / "fingerprints.json"

Print = dict[str, str | int]


def shipped() -> list[str]:
    """Names of the shipped scenarios."""
    return sorted(path.stem for path in SCENARIOS.glob("*.yaml"))


def committed() -> dict[str, Print]:
    """What the file says, by scenario."""
    prints: dict[str, Print] = json.loads(FILE.read_text(encoding="utf-8"))
    return prints


def generated(name: str) -> Print:
    """The fingerprint of the first replication's trace with the scenario's own seed, its rows and its carts."""
    scenario = load_scenario(SCENARIOS / f"{name}.yaml")
    trace = generate(scenario, scenario.seed)
    return {"fingerprint": trace.fingerprint(), "rows": trace.rows, "orders": trace.orders}


def main() -> None:
    """Write the file anew; double11 takes some seconds and 1.2 GB."""
    prints = {name: generated(name) for name in shipped()}
    FILE.write_text(json.dumps(prints, indent=1) + "\n", encoding="utf-8", newline="\n")
    print(f"{len(prints)} fingerprints written")


if __name__ == "__main__":
    main()
