"""A scenario as a file again: every value that was used, defaults included, in the units that people write."""

from __future__ import annotations

import json
import pathlib
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from sim.scenario.parts.base import Duration
from sim.scenario.policy_source import policy_sources
from sim.scenario.reading.nodes import Node, Path, dotted
from sim.scenario.schema import Scenario
from sim.scenario.shape import field_names, fields_by_key
from sim.scenario.units import Money
from sim.scenario.writing.human import field_text, value_text
from sim.scenario.writing.provenance import provenance
from sim.scenario.writing.yaml_text import scalar_text

#: Where a run directory keeps modules of the user's that Python's path led to.
POLICY_FOLDER = "policy"
_EMPTY: tuple[Any, ...] = (None, "", (), {})


def scenario_yaml(scenario: Scenario, notes: Mapping[str, str] | None = None) -> str:
    """YAML that `load_scenario` reads back to an equal scenario; `notes` are comments by dotted path."""
    lines = _lines(_plain(scenario), (), "", notes or {})
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> Any:
    """Parts as mappings, with values as people write them; empty ones that are so by default are left out."""
    if isinstance(value, BaseModel) and not isinstance(value, Money):
        names = field_names(type(value))
        unused = value.unused() if isinstance(value, Duration) else set()
        result = {}
        for key, info in fields_by_key(type(value)).items():
            held = getattr(value, names[key])
            default = info.default_factory() if info.default_factory is dict else info.default
            empty = held in _EMPTY and default is not PydanticUndefined and held == default
            if names[key] not in unused and not empty:
                text = field_text(info, held)
                plain = isinstance(text, str) and text == repr(held)  # a share without a short form is a number
                result[key] = held if plain else _plain(text)
        return result
    if isinstance(value, tuple | list):
        return [_plain(element) for element in value]
    if isinstance(value, dict):
        return {key: _plain(element) for key, element in value.items()}
    return value_text(value)


def _lines(value: Any, path: Path, indent: str, notes: Mapping[str, str]) -> Iterator[str]:
    """The lines of a mapping or list, each scalar with its note."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, element in pairs:
        here = (*path, key)
        head = f"{indent}{scalar_text(key)}:" if isinstance(value, dict) else f"{indent}-"
        if isinstance(element, dict | list) and element:
            inner = list(_lines(element, here, indent + "  ", notes))
            if isinstance(value, dict):
                yield head
                yield from inner
            else:  # the first line of an element stands behind its dash
                yield f"{head} {inner[0].lstrip()}"
                yield from inner[1:]
        else:
            note = notes.get(dotted(here), "")
            yield f"{head} {scalar_text(element)}" + (f"  # {note}" if note else "")


def write_as_run(directory: pathlib.Path, scenario: Scenario, written: Node | None) -> None:
    """Write `scenario.yaml` and `provenance.json` into a run directory: what ran, and whose each value is.

    A stock policy of the user's own goes with it: one that lies beside the scenario at the same place, so that the copy
    runs again; one on Python's path, and what either imports, into POLICY_FOLDER.
    """
    rows = provenance(scenario, written)
    notes = {row.path: "default" for row in rows if written is not None and row.origin == "default"}
    notes |= {row.path: row.source for row in rows if row.source.startswith("--set")}
    head = f"# {scenario.name} as run; where each value comes from: provenance.json\n"
    (directory / "scenario.yaml").write_text(head + scenario_yaml(scenario, notes), encoding="utf-8", newline="\n")
    for source in policy_sources(scenario):
        target = directory / source.path if source.beside else directory / POLICY_FOLDER / source.path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source.file, target)
    given = {} if written is not None else {"origin": "given", "source": ""}  # made in Python: nobody can tell
    text = json.dumps([{**row._asdict(), **given} for row in rows], indent=1, ensure_ascii=False, allow_nan=False)
    (directory / "provenance.json").write_text(text + "\n", encoding="utf-8", newline="\n")
