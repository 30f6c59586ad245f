"""Whatever a scenario says, it loads or is refused: nothing else is ever raised."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.errors import ScenarioError
from sim.scenario import Scenario, scenario_from_text
from sim.scenario.calendar import capacity_changes, dispatch_day_ends, pick_up_times
from sim.scenario.fingerprint import scenario_fingerprint
from sim.scenario.load import load_with_source
from sim.scenario.quantiles import quantile_table
from sim.scenario.reading.nodes import Path as NodePath
from sim.scenario.reading.nodes import leaves, plain
from sim.scenario.tables import deal_table, lane_table, nearest_warehouses, sku_table
from sim.scenario.writing.provenance import provenance
from tests.paths import SCENARIOS


def tree(name: str) -> tuple[Any, list[NodePath]]:
    """A shipped scenario in dicts and lists, and the path of everything in it."""
    written = load_with_source(SCENARIOS / f"{name}.yaml").written
    paths = {path[:end] for path, _ in leaves(written) for end in range(1, len(path) + 1)}
    return plain(written), sorted(paths, key=str)


TREES = [tree("evening_show"), tree("mega_live")]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**40), 10**40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(
        ["0", "1us", "3660d", "0 %", "100 %", "0.00 GBP", "9 USD", "lipstick", "serum", "UTC", "24:00", "s_S"]
    ),
    st.just([]),
    st.just({}),
    st.lists(st.integers(0, 5), max_size=3),
    st.dictionaries(st.sampled_from(["name", "at", "dist", "mean", "x"]), st.text(max_size=3), max_size=3),
)


def replaced(value: Any, path: NodePath, new: Any) -> Any:
    """A copy of `value` with `new` at `path`; `...` takes it away."""
    if not path:
        return new
    copied: Any = dict(value) if isinstance(value, dict) else list(value)
    inside = replaced(copied[path[0]], path[1:], new)
    if inside is ...:
        del copied[path[0]]
    else:
        copied[path[0]] = inside
    return copied


def read_by_everyone(scenario: Scenario) -> None:
    """What every model asks of a loaded scenario."""
    provenance(scenario)
    scenario_fingerprint(scenario)
    sku_table(scenario)
    deal_table(scenario)
    nearest_warehouses(scenario)
    for row in lane_table(scenario):
        for lane in row:
            quantile_table(lane.lead_time)
    for house in scenario.warehouses:
        pick_up_times(scenario, house)
        capacity_changes(scenario, house.pickers)
    dispatch_day_ends(scenario)


@pytest.mark.parametrize("which", [0, 1])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_changed_scenario_loads_or_is_refused(which: int, data: st.DataObject) -> None:
    content, paths = TREES[which]
    for path in data.draw(st.lists(st.sampled_from(paths), min_size=1, max_size=3)):
        with suppress(KeyError, IndexError, TypeError):  # an earlier change may have taken the place away
            content = replaced(content, path, data.draw(VALUES | st.just(...)))
    with suppress(ScenarioError):
        scenario = scenario_from_text(json.dumps(content))
        read_by_everyone(scenario)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | st.text("[]{}:,-?!&*#|>'\"%@` \n\tab1", max_size=60))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(ScenarioError):
        scenario_from_text(text)
