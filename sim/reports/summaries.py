"""A run's summary in the form that is asked for, from its directory."""

from __future__ import annotations

from pathlib import Path

from sim.reports.junit import junit_text
from sim.reports.load_files import is_load
from sim.reports.load_text import load_text
from sim.reports.markdown import markdown_text
from sim.reports.run_files import Run
from sim.reports.text import summary_text

MARKDOWN, JUNIT = "summary.md", "junit.xml"


def summary_as(directory: Path, form: str) -> str:
    """`text`, `markdown` or `junit` (of load runs only). Raises OSError, KeyError or ValueError."""
    summary = Run(directory).summary
    if form == "markdown":
        return markdown_text(summary)
    if form == "junit":
        if not is_load(summary):
            raise ValueError("JUnit XML is made of load runs; this one was simulated")
        return junit_text(summary)
    return load_text(summary) if is_load(summary) else summary_text(summary)


def write_summaries(directory: Path) -> list[Path]:
    """Write the Markdown and JUnit summaries of a load run into its directory."""
    made = {MARKDOWN: summary_as(directory, "markdown") + "\n", JUNIT: summary_as(directory, "junit")}
    for name, text in made.items():
        (directory / name).write_text(text, encoding="utf-8", newline="\n")
    return [directory / name for name in made]
