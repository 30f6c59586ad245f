"""Text and figures of a run that the simulator made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sim.cli import run
from sim.reports.text import summary_text
from tests.paths import SCENARIOS
from tests.reports.drawing import draw_all
from tests.reports.test_figures import OF_EACH_RUN, assert_drawn


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("real")
    assert run(["simulate", str(SCENARIOS / "flash_drop.yaml"), "--out", str(out)]) == 0
    (made,) = out.iterdir()
    return made


def test_the_run_holds_its_figures(directory: Path) -> None:
    assert_drawn([directory / f"{name}.png" for name in OF_EACH_RUN])


def test_drawing_again_gives_the_same_bytes(directory: Path) -> None:
    before = [(directory / f"{name}.png").read_bytes() for name in OF_EACH_RUN]
    assert [path.read_bytes() for path in draw_all(directory)] == before


def test_every_metric_the_text_needs_is_there(directory: Path) -> None:
    text = summary_text(json.loads((directory / "summary.json").read_text(encoding="utf-8")))
    assert "None" not in text
    assert text.startswith("flash_drop: 20 d from 2026-06-05 17:30 UTC, seed 500, 1 replication\nSLO ")
    for title in (
        "Money (USD)",
        "Orders",
        "Never became an order",
        "Placed, but",
        "Response times",
        "Parcels",
        "Stock",
    ):
        assert f"\n\n{title}" in text


def test_the_text_of_several_replications_has_intervals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        "simulate",
        str(SCENARIOS / "minimal.yaml"),
        "--replications",
        "3",
        "--no-figures",
        "--out",
        str(tmp_path),
    ]
    assert run(command) == 0
    contribution = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("  contribution"))
    assert " .. " in contribution
