"""Figures: drawn from run directories of every kind, the same bytes each time, without a warning."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from sim.reports.figures import DRAWINGS
from sim.reports.figures.contents import group_contents
from sim.reports.figures.frame import WIDTH_IN, Frame, log_axis, styled
from sim.reports.figures.parcels import _read
from sim.reports.figures.study import SIGNS
from sim.reports.run_files import Labels, Run
from tests.paths import SCENARIOS
from tests.reports.drawing import draw_all
from tests.reports.synthetic import write_run

ODD = """
name: odd-names
start: 2026-03-27T23:30:00+00:00 # two nights before summer time
horizon: 3d
catalogue:
  - {name: _hidden, price: 5 GBP, stock: {main: 40}}
  - {name: "$x_1$ 口红套装 with a name that is much too long for any label", price: 3000 GBP, stock: {main: 100000}}
regions: [{name: "Île-de-France", zone: Europe/Paris}]
programme:
  broadcasts:
    - {name: _show, start: 10m, length: 20m, entries: [{at: 0, per_min: 100}], pitches: [{listing: _hidden, at: 0}]}
  videos:
    - {name: "口红", listing: _hidden, publish: 1h}
engine:
  outages: [{at: 15m, length: 1m, crash: true}, {at: 40d, length: 1m}]
  queue_bound: 1
payment:
  outages: [{at: 12m, length: 30s}]
slos: [{endpoint: checkout, at_most: 20ms}]
"""


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd")
    (folder / "odd.yaml").write_text(ODD, encoding="utf-8")
    return write_run(folder / "run", folder / "odd.yaml", 400)


OF_EACH_RUN = [name for name in DRAWINGS if name != "carriers"]
WITHOUT_SHOW = [name for name in OF_EACH_RUN if name != "viewers"]


def assert_drawn(paths: list[Path], names: Iterable[str] = OF_EACH_RUN) -> None:
    assert [path.name for path in paths] == [f"{name}.png" for name in names]
    for path in paths:
        picture = imread(path)
        assert picture.shape[1] == WIDTH_IN * 120
        assert 200 <= picture.shape[0] <= 1800
        assert float(picture[:, :, :3].min()) < 0.5
        assert path.stat().st_size < 200_000


@pytest.mark.parametrize(
    ("scenario", "orders", "step_s"),
    [("evening_show", 2000, 1), ("flash_drop", 2000, 1), ("video_tail", 600, 60), ("mega_live", 3000, 7)],
)
def test_every_kind_of_run_is_drawn(tmp_path: Path, scenario: str, orders: int, step_s: int) -> None:
    names = WITHOUT_SHOW if scenario == "video_tail" else OF_EACH_RUN
    assert_drawn(draw_all(write_run(tmp_path, SCENARIOS / f"{scenario}.yaml", orders, step_s)), names)


@pytest.mark.parametrize(("scenario", "names"), [("evening_show", OF_EACH_RUN), ("video_tail", WITHOUT_SHOW)])
def test_a_run_in_which_nobody_came_is_drawn(tmp_path: Path, scenario: str, names: Iterable[str]) -> None:
    assert_drawn(draw_all(write_run(tmp_path, SCENARIOS / f"{scenario}.yaml", 0, step_s=60)), names)


def test_the_same_run_gives_the_same_bytes(odd: Path) -> None:
    first = [path.read_bytes() for path in draw_all(odd)]
    assert [path.read_bytes() for path in draw_all(odd)] == first


def test_odd_names_and_outages_are_drawn(odd: Path) -> None:
    assert_drawn(draw_all(odd))


@pytest.mark.parametrize("name", OF_EACH_RUN)
def test_each_figure_says_what_it_shows_and_of_which_run(odd: Path, name: str) -> None:
    frame = Frame(Run(odd))
    DRAWINGS[name](frame)
    assert frame.title
    assert frame.takeaway.endswith(".")
    assert "nan" not in frame.takeaway
    assert frame.footer().startswith("scenario odd-names  ·  seed 1  ·  1 replication")
    words = [text for ax in frame.figure.axes for text in (ax.get_xlabel(), ax.get_ylabel())]
    if frame.has_times:
        assert any("local time in Europe/Paris" in text for text in words)


def test_a_figure_of_several_replications_says_which_it_shows(tmp_path: Path) -> None:
    directory = write_run(tmp_path, SCENARIOS / "evening_show.yaml", 50)
    summary = json.loads((directory / "summary.json").read_text(encoding="utf-8"))
    summary["replications"] = 20
    summary["intervals"] = {"contribution_minor": {"mean": 5000.0, "low": 4000.0, "high": 6000.0, "n": 20}}
    (directory / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    frame = Frame(Run(directory))
    DRAWINGS["money"](frame)
    assert "replication 0 of 20 replications" in frame.footer()
    assert frame.takeaway.endswith("Mean of 20 replications 50.00 GBP, 95 % interval 40.00 to 60.00.")


@pytest.mark.parametrize("high", [12.0, 40.0, 100.0, 5e6])
def test_a_logarithmic_axis_has_plain_numbers_between_its_decades_too(high: float) -> None:
    with styled():
        figure = Figure()
        axes = figure.add_subplot()
        log_axis(axes, "ms", 1.5, high)
        figure.draw_without_rendering()
        labels = [text.get_text() for text in axes.get_yticklabels(which="both") if text.get_text()]
    assert labels
    assert all(re.fullmatch(r"[0-9,.]+", label) for label in labels), labels


def test_more_than_eight_contents_are_grouped() -> None:
    names = tuple(f"c{k}" for k in range(12))
    labels = Labels(np.array([*range(12), -1]), names)
    groups = group_contents(labels, np.array([*range(1, 13), 100]), videos=names[:3])
    assert groups.names == ("c6", "c7", "c8", "c9", "c10", "c11", "no content", "other: 3 shows", "other: 3 videos")
    assert list(groups.of(labels)[[0, 3, 11, 12]]) == [8, 7, 5, 6]
    assert groups.by_name["c0"] == groups.colours[8]


def test_eight_contents_are_all_shown() -> None:
    labels = Labels(np.arange(8), tuple("abcdefgh"))
    assert group_contents(labels, np.ones(8)).names == tuple("abcdefgh")


def test_strategies_can_be_told_apart_by_their_marks() -> None:
    assert len(set(SIGNS)) == len(SIGNS) == 40
    assert all(a[0] != b[0] and a[1] != b[1] for a, b in pairwise(SIGNS))


def test_parcels_wait_until_they_are_collected(tmp_path: Path) -> None:
    directory = write_run(tmp_path, SCENARIOS / "evening_show.yaml", 800)
    for days in _read(Run(directory)):
        assert np.array_equal(np.cumsum(days.packed - days.collected), days.waiting)
        assert days.waiting.min() >= 0
        sundays = [k for k, day in enumerate(days.dates) if day.weekday() == 6]
        assert set(days.capacity[sundays]) == {0}


def test_stock_after_the_programme_has_a_scale_of_its_own(tmp_path: Path) -> None:
    frame = Frame(Run(write_run(tmp_path, SCENARIOS / "evening_show.yaml", 800)))
    DRAWINGS["stock"](frame)
    _, programme, after = frame.figure.axes
    assert programme.get_xlim()[1] == after.get_xlim()[0]
    assert after.get_xlim()[1] == frame.run.summary["horizon_s"]
    assert after.get_ylim()[1] <= programme.get_ylim()[1]


def test_drawing_uses_no_pyplot_and_the_text_no_matplotlib() -> None:
    code = (
        "import sys, sim.cli, sim.reports.text; assert 'matplotlib' not in sys.modules;"
        "import sim.reports.figures; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
