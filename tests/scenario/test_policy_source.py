"""A policy of the user's own, wherever it lies: its source counts, and so does what it imports of theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.scenario.fingerprint import scenario_fingerprint
from sim.scenario.load import load_scenario
from sim.scenario.policy_source import policy_sources
from sim.scenario.schema import Scenario
from sim.scenario.writing.as_run import write_as_run
from tests.scenario.helpers import MINIMAL

POLICY = """
import math
import numpy.linalg
from {helper} import level

class Own:
    def __init__(self, scenario):
        from {helper} import late
"""


def scenario(folder: Path, policy: str) -> Scenario:
    (folder / "show.yaml").write_text(f'{MINIMAL}\nstock: {{policy: "{policy}"}}\n', encoding="utf-8")
    return load_scenario(folder / "show.yaml")


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def test_a_policy_on_pythons_path_counts_and_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path / "mod"))
    write(tmp_path / "mod" / "far_policy.py", POLICY.format(helper="far_levels"))
    write(tmp_path / "mod" / "far_levels.py", "from far_deep import *\nlevel = 1\n")
    write(tmp_path / "mod" / "far_deep.py", "late = 2\n")
    found = scenario(tmp_path, "far_policy:Own")
    names = [source.module for source in policy_sources(found)]
    assert names == ["far_policy", "far_levels", "far_deep"]
    seen = {scenario_fingerprint(found)}
    for name in names:
        write(tmp_path / "mod" / f"{name}.py", (tmp_path / "mod" / f"{name}.py").read_text("utf-8") + "# changed\n")
        seen.add(scenario_fingerprint(found))
    assert len(seen) == 4
    write_as_run(tmp_path, found, None)
    assert {path.name for path in (tmp_path / "policy").iterdir()} == {f"{name}.py" for name in names}


def test_modules_of_a_package_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path / "mod"))
    write(tmp_path / "mod" / "far_shop" / "__init__.py", "")
    write(tmp_path / "mod" / "far_shop" / "own.py", "from . import levels\nfrom .deep.more import x\n")
    write(tmp_path / "mod" / "far_shop" / "levels.py", "")
    write(tmp_path / "mod" / "far_shop" / "deep" / "more.py", "from ..levels import y\n")
    found = {source.path.as_posix() for source in policy_sources(scenario(tmp_path, "far_shop.own:Own"))}
    assert found == {"far_shop/__init__.py", "far_shop/own.py", "far_shop/levels.py", "far_shop/deep/more.py"}


def test_a_policy_beside_the_scenario_comes_first_and_stays_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path / "mod"))
    write(tmp_path / "near_policy.py", "import far_help\n")
    write(tmp_path / "mod" / "near_policy.py", "")
    write(tmp_path / "mod" / "far_help.py", "")
    found = scenario(tmp_path, "near_policy:Own")
    assert [(source.module, source.beside) for source in policy_sources(found)] == [
        ("near_policy", True),
        ("far_help", False),
    ]
    out = tmp_path / "run"
    out.mkdir()
    write_as_run(out, found, None)
    assert (out / "near_policy.py").is_file()
    assert (out / "policy" / "far_help.py").is_file()


def test_a_policy_that_is_nowhere_or_ours_has_no_source(tmp_path: Path) -> None:
    assert policy_sources(scenario(tmp_path, "no_such_module_of_mine:Own")) == []
    assert policy_sources(scenario(tmp_path, "none")) == []
