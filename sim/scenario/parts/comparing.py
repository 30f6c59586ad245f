"""What a scenario says for `liverush compare` and `liverush optimise`: strategies, and knobs to search over."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from sim.scenario.parts.base import Name, Part

#: What a study calls the scenario as it is written, and a search what it found and what formulas answer.
AS_WRITTEN, FOUND, FORMULA = "as written", "best found", "formula for "


class Strategy(Part):
    """One way to run the shop: what it changes in the scenario. `set` holds `dotted.path: value`, as for `--set`.

    A strategy that changes nothing (`{name: today}`) is the scenario as written.
    """

    name: Name
    changes: dict[str, Any] = Field(default_factory=dict, alias="set", description="such as `{stock.policy: none}`")


class SearchSpace(Part):
    """What `liverush optimise` searches over. `knobs` holds `dotted.path: LOW:HIGH`, `LOW:HIGH:STEP` or `one|other`.

    `subject_to` are limits on metrics that a strategy has to keep, such as `ldr <= 4 %` or `fill_rate >= 95 %`.
    """

    knobs: dict[str, str] = Field(default_factory=dict, description="such as `{stock.S: 500:5000:100}`")
    subject_to: tuple[str, ...] = ()
