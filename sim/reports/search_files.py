"""What is made of a search's run directory: figures and page, and a workbook of its confirmation."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from sim.measure.directory import write_whole
from sim.reports.compare_files import PAGE
from sim.reports.figures.frame import save_png, styled
from sim.reports.figures.picture import Picture, picture_of
from sim.reports.figures.search import DRAWINGS, SearchFrame
from sim.reports.figures.study import StudyFrame, draw_differences
from sim.reports.page.search import search_page
from sim.reports.run_files import Run
from sim.reports.workbook import write_search_workbook


def draw_search(directory: Path) -> list[Path]:
    """Write workbook, figures and page into the run directory of a search; returns their paths."""
    run = Run(directory)
    made: list[Path] = [write_search_workbook(directory)]
    pictures: dict[str, Picture] = {}
    frames: dict[str, StudyFrame] = {}
    with styled():
        for name, drawing in DRAWINGS.items():
            frames[name] = frame = SearchFrame(run)
            drawing(frame)
        if run.summary["confirmation"] is not None:
            frames["differences"] = StudyFrame(_Confirmation(directory))
            draw_differences(frames["differences"])
        for name, each in frames.items():
            save_png(each, directory / f"{name}.png")
            pictures[name] = picture_of(name, each)
            made.append(directory / f"{name}.png")
    page = directory / PAGE
    write_whole(page, search_page(run, pictures))
    return [*made, page]


class _Confirmation(Run):
    """A search's run as the study that confirms it."""

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The summary of the confirmation."""
        return dict(Run(self.directory).summary["confirmation"])
