"""A run's summary in the form that is asked for, from its directory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from sim.errors import UsageError
from sim.measure.directory import write_whole
from sim.reports.blocks import Block, plain_text
from sim.reports.compare_text import compare_blocks
from sim.reports.junit import junit_text
from sim.reports.load_files import is_load
from sim.reports.load_text import load_text
from sim.reports.markdown import markdown_blocks, markdown_text
from sim.reports.run_files import Run
from sim.reports.search_text import search_blocks
from sim.reports.text import summary_text

MARKDOWN, JUNIT = "summary.md", "junit.xml"


def summary_as(directory: Path, form: str) -> str:
    """`text`, `markdown` or `junit` (of load runs only). Raises UsageError, OSError, KeyError or ValueError."""
    summary = Run(directory).summary
    if form != "junit" and (blocks := _blocks_of(summary)) is not None:
        head, *rest = blocks
        return (
            markdown_blocks(replace(head, title=summary["scenario"]), rest)
            if form == "markdown"
            else plain_text(blocks)
        )
    if form == "markdown":
        return markdown_text(summary)
    if form == "junit":
        if not is_load(summary):
            raise UsageError(f"JUnit XML is made of load runs; {directory} was simulated")
        return junit_text(summary)
    return load_text(summary) if is_load(summary) else summary_text(summary)


def _blocks_of(summary: dict[str, Any]) -> list[Block] | None:
    """What a study or a search says; None for other runs."""
    kind = summary.get("kind")
    return compare_blocks(summary) if kind == "compare" else search_blocks(summary) if kind == "optimise" else None


def write_summaries(directory: Path) -> list[Path]:
    """Write the Markdown and JUnit summaries of a load run into its directory."""
    made = {MARKDOWN: summary_as(directory, "markdown") + "\n", JUNIT: summary_as(directory, "junit")}
    for name, text in made.items():
        write_whole(directory / name, text)
    return [directory / name for name in made]
