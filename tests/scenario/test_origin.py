"""Fingerprint, provenance, JSON Schema and the reference page."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sim.scenario import json_schema, load_scenario, scenario_from_text
from sim.scenario.fingerprint import canonical_json, scenario_fingerprint
from sim.scenario.load import load_with_source
from sim.scenario.shape import annotation_at
from sim.scenario.writing.provenance import provenance
from sim.scenario.writing.reference import reference
from sim.scenario.writing.sources import ASSUMED, SOURCES
from tests.paths import DOCS, ROOT, SCENARIOS
from tests.scenario.helpers import CATALOGUE, HEAD, MINIMAL, PROGRAMME, load

FLAGSHIP = SCENARIOS / "evening_show.yaml"


def test_form_does_not_change_the_fingerprint() -> None:
    other = scenario_from_text(f"# a comment\n{HEAD}{PROGRAMME}{CATALOGUE}\nhorizon: 720h\nengine: {{workers: 8}}\n")
    assert scenario_fingerprint(other) == scenario_fingerprint(load())


@pytest.mark.parametrize("override", ["seed=2", "catalogue[0].price=12.91 GBP", "engine.workers=9", "description=x"])
def test_any_value_changes_the_fingerprint(override: str) -> None:
    assert scenario_fingerprint(load(override)) != scenario_fingerprint(load())


def test_the_canonical_form_is_plain_json() -> None:
    text = canonical_json(load_scenario(FLAGSHIP))
    assert json.loads(text)["name"] == "evening_show"
    assert text.isascii()


def rows(*overrides: str) -> dict[str, tuple[object, str, str]]:
    scenario, written = load_with_source(FLAGSHIP, overrides)
    return {row.path: (row.value, row.origin, row.source) for row in provenance(scenario, written)}


def test_values_of_the_file_are_yours() -> None:
    found = rows()
    assert found["catalogue[0].price"] == ("12.90 GBP", "yours", "")
    assert found["catalogue[0].skus[1].share"] == ("30 %", "yours", "")
    assert found["programme.broadcasts[0].deals[0].at"] == ("58m", "yours", "")
    assert found["warehouses[0].pick_ups[0].at"] == ("13:00", "yours", "")
    assert found["warehouses[1].pickers.constant"] == (3, "yours", "")


def test_values_of_an_override_name_it() -> None:
    found = rows("engine.workers=9", "fulfilment.pick=20s")
    assert found["engine.workers"] == (9, "yours", "--set engine.workers=9")
    assert found["fulfilment.pick.mean"] == ("20s", "yours", "--set fulfilment.pick=20s")


def test_defaults_carry_their_source() -> None:
    found = {row.path: row for row in provenance(load())}
    assert found["funnel.pitch_lift"].source.startswith("SSRN 4847854")
    assert found["payment.tries"].source == ASSUMED
    assert {row.origin for row in found.values()} == {"default"}


def test_every_value_has_a_row_and_every_default_a_source() -> None:
    scenario, written = load_with_source(FLAGSHIP)
    found = provenance(scenario, written)
    assert len({row.path for row in found}) == len(found)
    assert all(row.source for row in found if row.origin == "default")


def test_sources_are_given_for_values_that_exist() -> None:
    for path in SOURCES:
        assert annotation_at(tuple(0 if word == "*" else word for word in path.split("."))) is not None, path


def test_the_json_schema_knows_the_human_forms() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["name", "catalogue", "programme"]
    duration, zero, _uncertain = schema["properties"]["horizon"]["anyOf"]
    assert (duration["type"], zero) == ("string", {"const": 0})
    number, percent, uncertain = schema["$defs"]["Region"]["properties"]["audience"]["anyOf"]
    assert (number["type"], percent["type"]) == ("number", "string")
    assert uncertain == {"$ref": "#/$defs/Uncertain"}
    assert schema["$defs"]["Money"]["type"] == "string"
    assert "pattern" in schema["properties"]["catalogue"]["anyOf"][1]


def test_the_json_schema_shows_keys_and_defaults_as_people_write_them() -> None:
    text = json.dumps(json_schema())
    assert "_us" not in text
    assert "_min" not in text.replace("per_min", "")
    assert json_schema()["$defs"]["Payment"]["properties"]["hold_window"]["default"] == "15m"


def test_every_reference_inside_the_json_schema_leads_somewhere() -> None:
    schema = json_schema()
    names = {part.split('"')[0] for part in json.dumps(schema).split('"#/$defs/')[1:]}
    assert names <= set(schema["$defs"])


def test_the_reference_page_is_that_of_the_schema() -> None:
    page = (DOCS / "scenario.md").read_text(encoding="utf-8")
    assert page == reference(), "renew it: python -m sim.scenario.writing.reference > docs/scenario.md"


def test_importing_the_package_loads_no_schema() -> None:
    code = "import sim.scenario, sys; sys.exit('pydantic' in sys.modules or 'yaml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_loading_a_scenario_needs_no_heavy_library(tmp_path: Path) -> None:
    (tmp_path / "show.yaml").write_text(MINIMAL, encoding="utf-8")
    code = (
        "import sys; from sim.scenario import load_scenario; load_scenario(sys.argv[1]);"
        "sys.exit(bool({'numpy', 'scipy', 'openpyxl', 'matplotlib'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "show.yaml")]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    import sim.scenario

    with pytest.raises(AttributeError, match="nothing_such"):
        _ = sim.scenario.nothing_such
