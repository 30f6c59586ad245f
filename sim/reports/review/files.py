"""The review as files in a folder of the user's: page, Markdown, JSON and figures, all of them or none."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from sim.measure.directory import whole_file
from sim.reports.figures.frame import save_png, styled
from sim.reports.figures.picture import Picture, picture_of
from sim.reports.figures.review import ReviewFrame, draw_groups
from sim.reports.figures.tornado import TornadoFrame, draw_tornado
from sim.reports.markdown import markdown_blocks
from sim.reports.page.review import review_page
from sim.reports.review.text import review_blocks
from sim.reports.run_files import Run

PAGE, MARKDOWN, NUMBERS = "review.html", "review.md", "review.json"


def write_review(directory: Path, review: dict[str, Any], out: Path) -> list[Path]:
    """Write the review of the run in `directory` into `out`, which is made; returns the files. Raises OSError."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        pictures = _pictures(directory, review, made)
        head, *blocks = review_blocks(review)
        texts = {
            PAGE: review_page(review, pictures),
            MARKDOWN: markdown_blocks(head, blocks) + "\n",
            NUMBERS: json.dumps(review, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        }
        for name, text in texts.items():
            (made / name).write_text(text, encoding="utf-8", newline="\n")
        out.mkdir(parents=True, exist_ok=True)
        names = [*texts, *(f"{name}.png" for name in pictures)]
        for name in names:
            with whole_file(out / name) as partial:
                shutil.copyfile(made / name, partial)
        return [out / name for name in names]


def _pictures(directory: Path, review: dict[str, Any], out: Path) -> dict[str, Picture]:
    if review["of"] == "load":
        return {}
    run, pictures = Run(directory), {}
    with styled():
        for by in review["groups"]:
            frame, name = ReviewFrame(run, review, by), f"review-{by}"
            draw_groups(frame)
            save_png(frame, out / f"{name}.png")
            pictures[name] = picture_of(name, frame)
        if "explain" in review:
            tornado = TornadoFrame(run, review)
            draw_tornado(tornado)
            save_png(tornado, out / "review-defaults.png")
            pictures["review-defaults"] = picture_of("review-defaults", tornado)
    return pictures
