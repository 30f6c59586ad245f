"""The exception tree and the one table of exit codes."""

from __future__ import annotations

import pickle
import re

import pytest

from sim import errors
from sim.errors import ExitCode, LiveRushError, Problem, ScenarioError, worst_exit_code
from tests.paths import ROOT


def test_every_error_is_drawn_in_the_module_docstring_with_its_exit_code() -> None:
    lines = [line.replace("│", " ").split() for line in (errors.__doc__ or "").splitlines()]
    drawn = {words[1]: words[2] for words in lines if len(words) > 3}
    from sim.engine.stores import store
    from sim.engine.webhooks import signatures

    assert issubclass(signatures.SignatureError, LiveRushError)
    assert issubclass(store.StoreRefused, errors.UsageError)
    for kind in _with_all_below(LiveRushError):
        if kind.__module__.startswith(("sim.", "loadtests.")):
            assert drawn[kind.__name__] == str(int(kind.exit_code))


def _with_all_below(kind: type[LiveRushError]) -> list[type[LiveRushError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in _with_all_below(child))]


def test_every_public_exception_is_drawn_with_the_module_that_it_is_in() -> None:
    made: dict[str, tuple[str, str]] = {}
    for package in ("sim", "loadtests"):
        for path in (ROOT / package).rglob("*.py"):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            made |= {name: (base, module) for name, base in _CLASS.findall(path.read_text(encoding="utf-8"))}
    assert _drawn() == {name: module for name, (_base, module) in made.items() if _is_exception(name, made)}


_CLASS = re.compile(r"^class ([A-Z]\w*)\((\w+)\):", re.MULTILINE)


def _is_exception(name: str, made: dict[str, tuple[str, str]]) -> bool:
    while name in made:
        name = made[name][0]
    return name == "Exception"


def _drawn() -> dict[str, str]:
    """The module of each exception that is drawn: the one beside it, or that of the one above it."""
    modules, above = {}, {0: "sim.errors"}
    for line in (errors.__doc__ or "").splitlines():
        found = re.search(r"── (\w+)(?: +\d+)? +(?:\(([\w.]+)\))?", line)
        if found:
            above = {depth: module for depth, module in above.items() if depth < found.start()}
            modules[found[1]] = above[found.start()] = found[2] or above[max(above)]
    return modules


@pytest.mark.parametrize(
    ("codes", "worst"),
    [([], 0), ([0, 0], 0), ([1, 4], 4), ([4, 3, 1], 3), ([3, 2, 1], 2), ([1, 0], 1), ([70, 2], 70)],
)
def test_the_code_that_is_told_follows_the_precedence(codes: list[int], worst: int) -> None:
    assert worst_exit_code(codes) == worst


def test_a_problem_reads_file_line_path_message() -> None:
    problem = Problem("show.yaml", 12, "stock.policy", "unknown policy", found="'bse_stock'", allowed="none, s_S")
    assert str(problem) == "show.yaml:12: stock.policy: unknown policy; found 'bse_stock'; allowed: none, s_S"


def test_a_problem_without_a_line_names_its_place_or_only_its_file() -> None:
    assert str(Problem("stock.xlsx", 0, "", "no number", place="Sheet1!C4")) == "stock.xlsx:Sheet1!C4: no number"
    assert str(Problem("show.yaml", 0, "", "no such file")) == "show.yaml: no such file"


def test_a_scenario_error_lists_all_problems_and_survives_another_process() -> None:
    error = ScenarioError([Problem("a.yaml", 1, "x", "bad"), Problem("a.yaml", 2, "y", "worse")])
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy).splitlines() == ["a.yaml:1: x: bad", "a.yaml:2: y: worse"]
    assert copy.exit_code == ExitCode.USAGE
