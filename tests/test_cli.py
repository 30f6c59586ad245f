"""The command line as its users meet it: exit codes, one-line errors, a quick start."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

import sim
from loadtests.choosing import Choice
from loadtests.options import LoadOptions
from sim import cli
from sim.cli.frame import EXIT_CODES, verbs
from sim.engine.settings import Settings
from sim.errors import Defect, InvalidMeasurement, Problem, ScenarioError, UsageError
from sim.experiments.compare import Plan
from sim.experiments.optimise import SearchPlan
from sim.scenario.load import load_scenario

SLOW_TO_IMPORT = ("numpy", "scipy", "numba", "pydantic", "pyarrow", "matplotlib", "simpy", "yaml", "rich", "joblib")


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(cli.simulating, "_simulate", fail)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("no"), 2),
        (ScenarioError(Problem("a.yaml", 3, "x", "bad")), 2),
        (InvalidMeasurement("clock step"), 4),
        (Defect("negative stock"), 70),
        (KeyError("surprise\nin two lines"), 70),
        (OSError(errno.ENOSPC, "No space left on device", "out"), 2),
        (OSError(errno.EFBIG, "File too large", "orders.png"), 2),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 141),
    ],
)
def test_every_error_becomes_one_line_and_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    fail_with(monkeypatch, error)
    assert cli.run(["simulate", "a.yaml"]) == code
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == (0 if code == 141 else 1)


def test_a_defect_points_to_debug_and_debug_prints_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(monkeypatch, ZeroDivisionError("ours"))
    assert cli.run(["simulate", "a.yaml"]) == 70
    assert capsys.readouterr().err == (
        "liverush: a defect of ours: ZeroDivisionError: ours; run again with --debug for the traceback\n"
    )
    assert cli.run(["simulate", "a.yaml", "--debug"]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_every_problem_of_a_scenario_gets_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(monkeypatch, ScenarioError([Problem("a.yaml", n, f"key{n}", "bad") for n in (1, 2, 3)]))
    assert cli.run(["simulate", "a.yaml"]) == 2
    assert capsys.readouterr().err.splitlines() == [f"a.yaml:{n}: key{n}: bad" for n in (1, 2, 3)]


@pytest.mark.parametrize(
    "args",
    [
        ["bogus"],
        ["simulate"],
        ["simulate", "no_such_show"],
        ["simulate", "a.yaml", "--replications", "0"],
        ["simulate", "a.yaml", "--seed", "-1"],
        ["validate"],
        ["new", "--viewers", "many"],
    ],
)
def test_a_wrong_command_line_is_told_in_one_line_with_exit_code_2(
    capsys: pytest.CaptureFixture[str], args: list[str]
) -> None:
    assert cli.run(args) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1


def test_a_bare_name_means_a_shipped_scenario_and_a_path_means_a_file(tmp_path: Path) -> None:
    shipped = cli.shipped_scenarios()
    for name, path in shipped.items():
        assert cli.find_scenario(name) == path
    assert cli.find_scenario(str(tmp_path / "mine.yaml")) == tmp_path / "mine.yaml"
    assert cli.find_scenario("mine.yaml") == Path("mine.yaml")


def test_validate_finds_a_policy_of_ones_own_that_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, shipped = tmp_path / "mine.yaml", cli.shipped_scenarios()["minimal"].read_text(encoding="utf-8")
    (tmp_path / "rules.py").write_text(
        "class Good:\n    def __init__(self, scenario): pass\n    def run(self, item): yield\n"
    )
    for strategy, code in (("rules:Good", 0), ("rules:Bad", 2), ("nowhere:Good", 2)):
        file.write_text(
            f"{shipped}\nstrategies: [{{name: own, set: {{stock.policy: '{strategy}'}}}}]\n", encoding="utf-8"
        )
        assert cli.run(["validate", str(file)]) == code
        told = capsys.readouterr()
        assert bool(told.err) == bool(code)
    assert "no module 'nowhere'" in told.err


def test_validate_hints_at_returns_that_are_not_those_of_the_category(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, dress = tmp_path / "mine.yaml", "{name: dress, category: apparel, price: 30 GBP}"
    catalogue = f"catalogue: [{dress}, {{name: vase, category: home, price: 9 GBP}}]"
    programme = "programme: {broadcasts: [{name: show, start: 1h, length: 1h, entries: [{at: 0, per_min: 1}]}]}"
    file.write_text(f"name: mine\n{catalogue}\n{programme}\n", encoding="utf-8")
    assert cli.run(["validate", str(file)]) == 0
    hint = "  hint after_sales.categories: apparel has no shares of its own, so 13 % of its orders are cancelled, "
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("  hint ")] == [
        f"{hint}returned or refunded; published are 40 % to 70 %, about half of it before shipping"
    ]
    file.write_text(f"{file.read_text()}after_sales: {{categories: {{apparel: {{after_delivery: 9 %}}}}}}\n")
    assert cli.run(["validate", str(file)]) == 0
    assert "  hint " not in capsys.readouterr().out


def test_new_does_not_overwrite_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "mine.yaml"
    target.write_text("keep me", encoding="utf-8")
    assert cli.run(["new", "--name", "mine", "--out", str(target)]) == 2
    assert target.read_text(encoding="utf-8") == "keep me"
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["123", "1e5", "true", "null", "0x1f", "my_show"])
def test_a_new_scenario_of_any_name_is_valid(tmp_path: Path, name: str) -> None:
    target = tmp_path / "mine.yaml"
    assert cli.run(["new", "--name", name, "--out", str(target)]) == 0
    assert load_scenario(target).name == name


def test_new_needs_a_folder_to_write_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["new", "--name", "mine", "--out", str(tmp_path / "nowhere" / "mine.yaml")]) == 2
    assert f"there is no folder {tmp_path / 'nowhere'}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("verb", "plan", "called", "compared"),
    [
        (["serve"], Settings, {"rate_limit": "rate_per_s"}, 14),
        (["compare", "a.yaml"], Plan, {"replications": "", "max_replications": "most"}, 3),
        (["optimise", "a.yaml"], SearchPlan, {"replications": "first", "max_replications": "most"}, 6),
        (["load", "a.yaml"], Choice, {}, 3),
        (["load", "a.yaml"], LoadOptions, {"ladder": ""}, 10),
    ],
)
def test_an_option_that_is_left_out_is_what_its_plan_says_by_default(
    verb: list[str], plan: type[Any], called: dict[str, str], compared: int
) -> None:
    given = verbs.commands[verb[0]].make_context(verb[0], verb[1:]).params
    told = {called.get(name, name): value for name, value in given.items() if value is not None}
    defaults = {each.name: each.default for each in fields(plan) if each.default is not MISSING}
    both = told.keys() & defaults.keys()
    assert {name: told[name] for name in both} == {name: defaults[name] for name in both}
    assert len(both) >= compared


def test_the_version_is_the_one_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out == f"liverush {sim.__version__}\n"


def test_help_imports_nothing_slow() -> None:
    code = f"import sys; from sim import cli; cli.run(['--help']); print(*(set(sys.modules) & set({SLOW_TO_IMPORT!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""


@pytest.mark.parametrize("verb", [[], *([name] for name in cli.verbs.commands)])
def test_every_help_tells_the_exit_codes(capsys: pytest.CaptureFixture[str], verb: list[str]) -> None:
    assert cli.run([*verb, "--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert EXIT_CODES in told
    assert bool(verb) or told.endswith(str(Path(sim.__file__).parents[1] / "docs"))


def test_simulating_ends_with_1_where_an_objective_was_missed(tmp_path: Path) -> None:
    command = ["simulate", "minimal", "--no-figures", "--out", str(tmp_path), "--set"]
    assert cli.run([*command, "slos=[{endpoint: checkout, at_most: 1us}]"]) == 1
    assert cli.run([*command, "slos=[{endpoint: checkout, at_most: 1h}]"]) == 0


def test_an_objective_that_is_missed_in_any_replication_is_missed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of these eight the first and another meet it."""
    slow = ["engine.workers=1", "engine.service.checkout=8s", "engine.client_timeout=0s"]
    slo = "slos=[{endpoint: checkout, percentile: 90, at_most: 33s, errors: 100 %}]"
    overrides = [word for text in (*slow, slo) for word in ("--set", text)]
    command = ["simulate", "minimal", "--no-figures", "--out", str(tmp_path), *overrides]
    assert cli.run(command) == 0
    assert "SLO MET  checkout p90 <= 33 s" in capsys.readouterr().out
    assert cli.run([*command, "--replications", "8"]) == 1
    told = capsys.readouterr().out
    assert "SLO MISSED  checkout p90 <= 33 s" in told
    assert "met in 2 of 8 replications" in told


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
def test_a_terminated_run_cleans_up_and_says_so() -> None:
    code = """
import os, signal
from sim import cli
def simulate(*args, **options):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    finally:
        print("cleaned up")
cli.simulating._simulate = simulate
cli.main(["simulate", "a.yaml"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (143, "cleaned up\n", "liverush: terminated\n")


def test_garbage_is_collected_again_when_all_is_loaded_even_in_vain() -> None:
    code = """
import gc
from sim.cli.frame import loading
try:
    with loading():
        during = gc.isenabled()
        raise ValueError
except ValueError:
    pass
frozen = gc.get_freeze_count()
with loading():
    again = gc.isenabled()
print(during, gc.isenabled(), frozen > 0, again, gc.get_freeze_count() == frozen)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.split() == ["False", "True", "True", "True", "True"]


@pytest.mark.skipif(sys.platform == "win32", reason="reads the children's CPU time")
def test_help_takes_at_most_300_ms_of_cpu() -> None:
    def cpu_of_children() -> float:
        times = os.times()
        return times.children_user + times.children_system

    before = cpu_of_children()
    subprocess.run([sys.executable, "-m", "sim.cli", "--help"], capture_output=True, check=True)
    assert cpu_of_children() - before <= 0.3
