"""House rules that no linter knows: sizes, clock and chance, docstrings, the frame of folders, the floors."""

from __future__ import annotations

import ast
import fnmatch
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 70
PRODUCT = ("sim", "loadtests")
FRAME = {"sim", "loadtests", "scenarios", "results", "tests", "docs", ".ci"}

#: Who may read the clock or use the random module. Everyone else gets `now` and the generator as arguments.
#: The engine is a server: it serves real time and makes secrets. The order core that it runs stays without both.
CLOCK = ("sim/measure/", "sim/experiments/", "sim/engine/", "loadtests/")
#: Who may use numpy's generators. Everyone else gets drawn columns.
CHANCE = ("sim/demand/", "sim/stats/")
CLOCK_MODULES = {"time", "random", "secrets"}
CLOCK_METHODS = {"now", "utcnow", "today"}
CLOCK_CLASSES = {"datetime", "date"}
LEGACY_RANDOM = {"seed", "rand", "randn", "randint", "random", "choice", "shuffle", "permutation", "RandomState"}

ORACLE_MAY_IMPORT = (
    *("sim.scenario", "sim.demand.trace", "sim.demand.lead_times", "sim.demand.generate", "sim.orders"),
    "sim.demand.interaction",  # how many questions are answered: demand, which the oracle takes as drawn
    *("simpy", "numpy", "scipy", "hypothesis", "tests.oracle"),
)


@cache
def modules(*tops: str) -> tuple[Path, ...]:
    return tuple(path for top in tops for path in sorted((ROOT / top).rglob("*.py")))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of all that a module imports, `from a import b` as `a.b`."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def dotted(node: ast.AST) -> str:
    """`a.b.c` for an attribute chain, with an empty first part when it starts at anything but a name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    parts.append(node.id if isinstance(node, ast.Name) else "")
    return ".".join(reversed(parts))


def within(imported: str, *allowed: str) -> bool:
    return any(imported == top or imported.startswith(top + ".") for top in allowed)


def clock_uses(path: Path) -> Iterator[int]:
    """The lines that read the clock or use the random module."""
    yield from (line for line, imported in imports(path) if imported.split(".")[0] in CLOCK_MODULES)
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and node.attr in CLOCK_METHODS:
            owner = dotted(node.value).split(".")[-1]
            if owner in CLOCK_CLASSES:
                yield node.lineno


def numpy_random_uses(path: Path) -> Iterator[tuple[int, str]]:
    """Line and name of what is taken from numpy.random; an empty name means the module itself."""
    for line, imported in imports(path):
        if within(imported, "numpy.random"):
            yield line, imported.removeprefix("numpy.random").lstrip(".")
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and dotted(node.value) in ("np.random", "numpy.random"):
            yield node.lineno, node.attr


def test_every_module_is_shorter_than_400_lines() -> None:
    lengths = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules(*PRODUCT)}
    assert {path: lines for path, lines in lengths.items() if lines >= MAX_MODULE_LINES} == {}


def test_every_function_is_shorter_than_70_lines() -> None:
    too_long = [
        f"{name(path)}:{node.lineno} {node.name}"
        for path in modules(*PRODUCT)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno + 1 >= MAX_FUNCTION_LINES
    ]
    assert too_long == []


def test_only_the_floors_that_may_read_the_clock_do() -> None:
    strays = [
        f"{name(path)}:{line}"
        for path in modules(*PRODUCT)
        if not name(path).startswith(CLOCK)
        for line in clock_uses(path)
    ]
    assert strays == []


def test_random_generators_are_used_only_where_columns_are_drawn() -> None:
    strays = [
        f"{name(path)}:{line} numpy.random.{what}"
        for path in modules("sim")
        if not name(path).startswith(CHANCE)
        for line, what in numpy_random_uses(path)
    ]
    assert strays == []


def test_nobody_uses_the_one_global_generator_of_numpy() -> None:
    strays = [
        f"{name(path)}:{line} numpy.random.{what}"
        for path in modules(*PRODUCT)
        for line, what in numpy_random_uses(path)
        if what in LEGACY_RANDOM
    ]
    assert strays == []


def test_means_are_summed_without_rounding_on_the_way() -> None:
    """`sim.stats.intervals.mean` does; `sum(values) / len(values)` of reported numbers would not."""
    by_hand = [
        f"{name(path)}:{node.lineno}"
        for path in modules("sim/experiments", "sim/reports", "sim/stats")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
        if isinstance(node.left, ast.Call) and isinstance(node.right, ast.Call)
        if (dotted(node.left.func), dotted(node.right.func)) == ("sum", "len")
    ]
    assert by_hand == []


def test_every_public_module_class_and_function_has_a_docstring() -> None:
    bare = []
    for path in modules(*PRODUCT):
        definitions = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        public = [node for node in tree(path).body if isinstance(node, definitions) and not node.name.startswith("_")]
        bare += [f"{name(path)}:{node.lineno} {node.name}" for node in public if not ast.get_docstring(node)]
        if not ast.get_docstring(tree(path)):
            bare.append(name(path))
    assert bare == []


def test_docstrings_name_what_comes_back_and_do_not_say_return() -> None:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    wordy = [
        f"{name(path)}: {text.splitlines()[0]}"
        for path in modules(*PRODUCT, "tests")
        for node in ast.walk(tree(path))
        if isinstance(node, kinds)
        and (text := ast.get_docstring(node, clean=False) or "").startswith(
            ("Return ", "Returns ", "Yield ", "Yields ")
        )
    ]
    assert wordy == []


def test_no_package_is_empty() -> None:
    empty = [
        name(init.parent)
        for init in modules(*PRODUCT)
        if init.name == "__init__.py"
        and not list(init.parent.glob("[!_]*.py"))
        and not list(init.parent.glob("*/__init__.py"))
        and len(tree(init).body) <= 1
    ]
    assert empty == []


def test_the_top_holds_only_the_folders_of_the_frame() -> None:
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    ignored = [".git", *(line.rstrip("/") for line in lines if line.endswith("/"))]
    folders = {path.name for path in ROOT.iterdir() if path.is_dir()}
    strangers = {folder for folder in folders - FRAME if not any(fnmatch.fnmatch(folder, mask) for mask in ignored)}
    assert strangers == set()


def test_every_part_of_sim_has_a_floor() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    floors = next(contract["layers"] for contract in contracts if contract["id"] == "floors")
    known = {part.strip(" ()") for floor in floors for part in floor.split("|")}
    parts = {f"sim.{path.stem}" for path in (ROOT / "sim").iterdir() if path.suffix == ".py" or _is_package(path)}
    assert parts - known - {"sim.__init__"} == set()


def _is_package(path: Path) -> bool:
    return (path / "__init__.py").is_file()


def test_the_oracle_imports_only_scenario_trace_order_states_and_simpy() -> None:
    strays = [
        f"{name(path)}:{line} {imported}"
        for path in modules("tests/oracle")
        for line, imported in imports(path)
        if imported.split(".")[0] not in sys.stdlib_module_names and not within(imported, *ORACLE_MAY_IMPORT)
    ]
    assert strays == []


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("import time", [1]),
        ("from time import monotonic", [1]),
        ("import random as r", [1]),
        ("import datetime as dt\nx = dt.datetime.now()", [2]),
        ("from datetime import date\nx = date.today()", [2]),
        ("now = env.now", []),
        ("import datetime", []),
    ],
)
def test_the_search_for_clock_uses_finds_them(tmp_path: Path, code: str, lines: list[int]) -> None:
    path = tmp_path / "module.py"
    path.write_text(code, encoding="utf-8")
    assert list(clock_uses(path)) == lines


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import numpy as np\nx = np.random.default_rng(1)", [(2, "default_rng")]),
        ("from numpy.random import Generator", [(1, "Generator")]),
        ("import numpy.random", [(1, "")]),
        ("from numpy import random", [(1, "")]),
        ("x = rng.random(3)", []),
    ],
)
def test_the_search_for_generators_finds_them(tmp_path: Path, code: str, found: list[tuple[int, str]]) -> None:
    path = tmp_path / "module.py"
    path.write_text(code, encoding="utf-8")
    assert list(numpy_random_uses(path)) == found
