"""What is made of a study's run directory: workbook, figures and page."""

from __future__ import annotations

from pathlib import Path

from sim.measure.directory import write_whole
from sim.reports.figures.frame import save_png, styled
from sim.reports.figures.picture import Picture, picture_of
from sim.reports.figures.study import DRAWINGS, StudyFrame
from sim.reports.page.study import study_page
from sim.reports.run_files import Run
from sim.reports.workbook import write_workbook

PAGE = "report.html"


def draw_study(directory: Path) -> list[Path]:
    """Write workbook, figures and page into the run directory of a study; returns their paths."""
    run = Run(directory)
    pictures: dict[str, Picture] = {}
    with styled():
        for name, drawing in DRAWINGS.items():
            frame = StudyFrame(run)
            drawing(frame)
            save_png(frame, directory / f"{name}.png")
            pictures[name] = picture_of(name, frame)
    page = directory / PAGE
    write_whole(page, study_page(run, pictures))
    return [write_workbook(directory), *(directory / f"{name}.png" for name in DRAWINGS), page]
