"""Steps of defaults: what a sensible change of each kind of value is, and which values have none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sim.scenario.load import load_with_source, read_root
from sim.scenario.reading.nodes import Node
from sim.scenario.studies.steps import Default, defaults, stepped
from sim.scenario.writing.provenance import provenance
from tests.experiments import show
from tests.paths import SCENARIOS


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Node, dict[str, Default]]:
    folder = tmp_path_factory.mktemp("scenario")
    loaded = show.load(folder)
    root, _, _ = read_root(folder / "small.yaml")
    rows = [row._asdict() for row in provenance(loaded.scenario, loaded.written)]
    return root, {each.path: each for each in defaults(rows)}


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("payment.hold_window", ["12m", "18m"]),  # a duration
        ("payment.pays", ["72 %", "95 %"]),  # a share: at most half way to 100 %
        ("payment.tries", ["2", "4"]),  # a whole number moves at least by one
        ("programme.videos[*].kernel.theta", ["0.185187", "0.277781"]),  # a number
        ("funnel.matching.law", ["logit"]),  # a word: the others
        ("funnel.price.elasticity", ["0.1"]),  # a number of 0
        ("lanes[*].lost", ["1 %"]),  # a share of 0
    ],
)
def test_a_default_of_each_kind_has_its_steps(
    found: tuple[Node, dict[str, Default]], path: str, values: list[str]
) -> None:
    root, by_path = found
    told = [value for value, _ in stepped(root, by_path[path])]
    assert told == values


def test_a_default_of_every_element_of_a_list_is_one_and_moves_everywhere(
    found: tuple[Node, dict[str, Default]],
) -> None:
    root, by_path = found
    default = by_path["programme.broadcasts[*].pitches[*].length"]
    assert len(default.places) == 3
    for _, scenario in stepped(root, default):
        (length,) = {pitch.length_us for pitch in scenario.programme.broadcasts[0].pitches}
        assert length in (240_000_000, 360_000_000)


@pytest.mark.parametrize("path", ["funnel.buyers", "catalogue[*].bundle", "seed", "max_rows", "engine.outages"])
def test_switches_empty_values_and_how_a_run_is_made_have_no_step(
    found: tuple[Node, dict[str, Default]], path: str
) -> None:
    root, by_path = found
    assert path not in by_path or stepped(root, by_path[path]) == []


@pytest.mark.parametrize("category", ["T-shirts, etc.", "a.b", 'odd "[0]"=x', " outer ", "12"])
def test_a_default_under_any_name_has_its_steps(tmp_path: Path, category: str) -> None:
    odd = f"catalogue[0].category={json.dumps(category)}", f"after_sales.categories={{{json.dumps(category)}: {{}}}}"
    loaded = show.load(tmp_path, *odd)
    rows = [row._asdict() for row in provenance(loaded.scenario, loaded.written)]
    places = {each.places[0][0]: each for each in defaults(rows)}
    steps = stepped(loaded.written, places["after_sales", "categories", category, "after_delivery"])
    shares = [scenario.after_sales.categories[category].after_delivery for _, scenario in steps]
    assert shares == pytest.approx([0.064, 0.096])


def test_what_the_author_wrote_is_no_default(found: tuple[Node, dict[str, Default]]) -> None:
    _, by_path = found
    assert not any(path.startswith(("fees.creator", "fees.pick_pack", "catalogue[*].price")) for path in by_path)


@pytest.mark.parametrize("name", ["minimal", "evening_show"])
def test_every_step_of_a_shipped_scenario_is_a_scenario(name: str) -> None:
    file = SCENARIOS / f"{name}.yaml"
    loaded = load_with_source(file)
    rows: list[dict[str, Any]] = [row._asdict() for row in provenance(loaded.scenario, loaded.written)]
    steps = [scenario for each in defaults(rows) for _, scenario in stepped(loaded.written, each)]
    assert len(steps) > 20
    assert all(scenario != loaded.scenario for scenario in steps)
