"""Figures of a run as files, one by one: the product draws them into pages."""

from __future__ import annotations

from pathlib import Path

from sim.reports.figures import DRAWINGS, names_of
from sim.reports.figures.frame import Draw, Frame, save_png, styled
from sim.reports.run_files import Run


def draw_all(directory: Path) -> list[Path]:
    """Every figure of the run in `directory`, drawn into it."""
    run = Run(directory)
    return [draw(run, directory / f"{name}.png", DRAWINGS[name]) for name in names_of(run)]


def draw(run: Run, path: Path, drawing: Draw) -> Path:
    """One figure, written to `path`."""
    with styled():
        frame = Frame(run)
        drawing(frame)
        save_png(frame, path)
    return path
