"""docs/own-policy.md: its example runs as it stands, and errors of a policy are told as the page says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.engine.process import environment
from tests.paths import DOCS

PAGE = (DOCS / "own-policy.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```(yaml|python|sh)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


def example() -> dict[str, Any]:
    """The names that the page's module has."""
    names: dict[str, Any] = {}
    exec(compile(BLOCKS["python"], "moving_average.py", "exec"), names)
    return names


def written(folder: Path) -> None:
    for kind in ("yaml", "python"):
        first, _, _ = BLOCKS[kind].partition("\n")
        (folder / first.removeprefix("# ")).write_text(BLOCKS[kind], encoding="utf-8")


def liverush(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    words = command.removeprefix("liverush ").split()
    run = [sys.executable, "-m", "sim.cli", *words]
    return subprocess.run(run, cwd=folder, env=environment(), capture_output=True, text=True, check=False)


def test_the_example_is_compared_with_a_policy_of_ours(tmp_path: Path) -> None:
    written(tmp_path)
    done = liverush(tmp_path, BLOCKS["sh"].strip())
    assert done.returncode == 0, done.stderr
    assert "moving average" in done.stdout
    done = liverush(tmp_path, "simulate my_show.yaml --no-figures --out runs")
    assert done.returncode == 0, done.stderr
    (kept,) = (tmp_path / "runs").glob("*/scenario.yaml")
    again = liverush(tmp_path, f"simulate {kept} --no-figures --out again")
    assert again.returncode == 0, again.stderr
    assert [path.name for path in (tmp_path / "again").iterdir()] == [kept.parent.name]


@pytest.mark.parametrize("verb", ["simulate my_show.yaml --no-figures", "compare my_show.yaml --replications 2"])
def test_an_error_in_a_policy_is_one_line_with_file_and_line(tmp_path: Path, verb: str) -> None:
    written(tmp_path)
    file = tmp_path / "moving_average.py"
    broken = file.read_text(encoding="utf-8").replace("order(level ", "order(levle ")
    file.write_text(broken, encoding="utf-8")
    done = liverush(tmp_path, verb)
    line = 1 + broken.splitlines().index("            item.order(levle - item.position)")
    where = f"stock.policy moving_average:MovingAverage: NameError in moving_average.py:{line}"
    told = f"{where}: name 'levle' is not defined"
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr
    assert told in PAGE
