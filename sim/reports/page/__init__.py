"""One self-contained HTML page of a run: no network, no scripts; readable on a phone, in the dark and on paper."""

from __future__ import annotations

from pathlib import Path

from sim.measure.directory import write_whole
from sim.reports.figures import DRAWINGS as SIMULATED
from sim.reports.figures import names_of
from sim.reports.figures.frame import Draw, Frame, save_png, styled
from sim.reports.figures.load import DRAWINGS as LOADED
from sim.reports.figures.load import NARROW_IN, LoadFrame, drawings_of
from sim.reports.figures.picture import Picture, picture_of
from sim.reports.load_files import LoadRun, is_load
from sim.reports.page.load import load_page
from sim.reports.page.simulate import simulate_page
from sim.reports.run_files import Run
from sim.reports.summaries import write_summaries

PAGE = "report.html"


def write(directory: Path) -> Path:
    """Draw every figure of a run into its directory, write the page beside them, and return the page's path.

    A load run gets its summaries for a continuous integration too: Markdown and JUnit XML.
    Raises OSError, ValueError, KeyError or ScenarioError where the directory is not that of a run.
    """
    run = Run(directory)
    if run.summary.get("kind") == "compare":
        from sim.reports.compare_files import draw_study

        return draw_study(directory)[-1]
    if run.summary.get("kind") == "optimise":
        from sim.reports.search_files import draw_search

        return draw_search(directory)[-1]
    if is_load(run.summary):
        write_summaries(directory)
        html = _of_load(LoadRun(directory))
    else:
        html = _of_simulation(run)
    path = directory / PAGE
    write_whole(path, html)
    return path


def _of_load(run: LoadRun) -> str:
    return load_page(run, {name: _load_picture(run, name, LOADED[name]) for name in drawings_of(run)})


def _load_picture(run: LoadRun, name: str, drawing: Draw) -> Picture:
    with styled():
        wide, narrow = LoadFrame(run), LoadFrame(run, NARROW_IN)
        drawing(wide)
        drawing(narrow)
        save_png(wide, run.directory / f"{name}.png")
        return picture_of(name, wide, narrow)


def _of_simulation(run: Run) -> str:
    return simulate_page(run, {name: _picture(run, name, SIMULATED[name]) for name in names_of(run)})


def _picture(run: Run, name: str, drawing: Draw) -> Picture:
    with styled():
        frame = Frame(run)
        drawing(frame)
        save_png(frame, run.directory / f"{name}.png")
        return picture_of(name, frame)
