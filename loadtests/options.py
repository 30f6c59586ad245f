"""What a load run is asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.choosing import Choice
from sim.scenario.reading.nodes import Node
from sim.scenario.schema import Scenario

REFERENCE = "loadtests.targets.reference:ReferenceEngine"


@dataclass(frozen=True)
class LoadOptions:
    """One `liverush load`. `url` empty: the target starts what it loads. `trace_file`: the user's own curve."""

    scenario: Scenario
    out: Path
    choice: Choice = field(default_factory=Choice)
    written: Node | None = None
    command: str = ""
    seed: int | None = None
    trace_file: Path | None = None
    target: str = REFERENCE
    url: str = ""
    store: str = "sqlite"
    target_options: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)  # name -> value, from the environment; never written
    ca_file: str = ""
    workers: int = 1
    client_timeout_us: int = 10_000_000
    attempts: int = 3
    backoff_us: int = 500_000
    allow_host: tuple[str, ...] = ()
    max_per_s: float = 0.0
    max_orders: int = 0
    abort_on: tuple[str, ...] = ()
    ladder: tuple[float, ...] = ()
    audit_sql: str = ""
    notes: tuple[str, ...] = ()  # what a reader of the result must know

    @property
    def seed_used(self) -> int:
        return self.scenario.seed if self.seed is None else self.seed
