"""Strategies that a scenario names for `liverush compare`."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from sim.scenario.base import Name, Part


class Strategy(Part):
    """One way to run the shop: what it changes in the scenario. `set` holds `dotted.path: value`, as for `--set`.

    A strategy that changes nothing (`{name: today}`) is the scenario as written.
    """

    name: Name
    changes: dict[str, Any] = Field(default_factory=dict, alias="set", description="such as `{stock.policy: none}`")
