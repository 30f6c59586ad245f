"""`--explain`: one default at a time with the same buyers; the differences are those of separate simulations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sim.cli import verbs
from sim.errors import UsageError
from sim.experiments import explain as module
from sim.experiments.explain import Limits, explain
from sim.experiments.simulate import RunPlan, replicate, run
from sim.reports.review.files import write_review
from sim.reports.review.reviewing import review
from sim.reports.review.text import review_text
from sim.scenario.studies.steps import Default, defaults
from tests.experiments import show

TRIED = ("payment.pays", "payment.hold_window", "fees.platform", "engine.linger", "funnel.browse_time.mean")


def few(rows: Any) -> list[Default]:
    return [each for each in defaults(rows) if each.path in TRIED]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    loaded = show.load(tmp_path_factory.mktemp("scenario"))
    return run(loaded.scenario, RunPlan(), tmp_path_factory.mktemp("runs"), written=loaded.written).directory


@pytest.fixture(scope="module")
def found(directory: Path) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "defaults", few)
        return explain(directory, Limits(replications=3, workers=1))


def test_what_chose_a_default_is_not_in_its_interval(tmp_path: Path, found: dict[str, Any]) -> None:
    assert found["base"]["n"] == 3
    base = show.load(tmp_path).scenario
    made = [replicate(base, base.seed, r)["contribution_minor"] for r in (1, 2, 3)]
    assert found["base"]["mean"] == pytest.approx(sum(made) / 3)


def test_a_step_differs_as_separate_simulations_with_the_same_seed_do(tmp_path: Path, found: dict[str, Any]) -> None:
    row = next(row for row in found["values"] if row["path"] == "payment.pays")
    step = row["steps"][0]
    base, other = (show.load(tmp_path, *o).scenario for o in ((), (f"payment.pays={step['value']}",)))
    gaps = [
        replicate(other, base.seed, r)["contribution_minor"] - replicate(base, base.seed, r)["contribution_minor"]
        for r in (1, 2, 3)
    ]
    assert step["mean"] == pytest.approx(sum(gaps) / 3)
    assert step["low"] < step["mean"] < step["high"]


def test_the_largest_stands_first_and_what_moves_nothing_is_named(found: dict[str, Any]) -> None:
    sizes = [row["most_minor"] for row in found["values"]]
    assert sizes == sorted(sizes, reverse=True)
    assert {"payment.pays", "fees.platform"} <= {row["path"] for row in found["values"]}
    assert "funnel.browse_time.mean" not in {row["path"] for row in found["values"]}
    assert found["replications"] == 3


def test_the_number_of_simulations_is_bounded(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "defaults", few)
    told: list[tuple[int, int]] = []
    found = explain(directory, Limits(replications=9, runs=24, workers=1), lambda *a: told.append(a))
    assert found["runs"] <= 24
    assert told[-1] == (found["runs"], found["runs"])
    with pytest.raises(UsageError, match=r"--runs 3: [0-9]+ are needed to try each default once"):
        explain(directory, Limits(runs=3))


def test_results_do_not_depend_on_the_workers_nor_on_who_waits_for_the_compiler(
    directory: Path, found: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(module, "defaults", few)
    monkeypatch.setattr("sim.experiments.ahead.will_compile", lambda _scenario, _runs: True)
    monkeypatch.setattr(module, "is_compiled", lambda: False)
    assert explain(directory, Limits(replications=3, workers=2), say=said.append) == found
    assert set(said) == {"compiling the kernels, once; it takes about 20 s"}


def test_text_page_and_tornado_tell_it(directory: Path, found: dict[str, Any], tmp_path: Path) -> None:
    told = {**review(directory), "explain": found}
    text = review_text(told)
    assert "Defaults that move contribution most" in text
    assert f"{found['defaults']} defaults, each changed alone; the same buyers, 3 replications" in text
    write_review(directory, told, tmp_path)
    assert (tmp_path / "review-defaults.png").is_file()
    assert "Of what nobody set, " in (tmp_path / "review.html").read_text("utf-8")


def test_a_run_of_a_scenario_made_in_python_cannot_be_explained(tmp_path: Path) -> None:
    scenario = show.load(tmp_path).scenario
    made = run(scenario, RunPlan(), tmp_path / "runs").directory
    with pytest.raises(UsageError, match="made in Python"):
        explain(made, Limits())


def test_a_run_that_comes_out_otherwise_now_is_told(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    monkeypatch.setattr(module, "defaults", few)
    other = Path(shutil.copytree(directory, tmp_path / "other"))
    summary = json.loads((other / "summary.json").read_text("utf-8"))
    summary["metrics"]["contribution_minor"] += 1
    (other / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    with pytest.raises(UsageError, match="another version made it"):
        explain(other, Limits(workers=1))


def test_options_of_explain_need_explain(directory: Path) -> None:
    result = CliRunner().invoke(verbs, ["review", str(directory), "--runs", "9"])
    assert result.exit_code != 0
    assert "go with --explain" in str(result.exception)
