"""The verbs about runs that are there already: `report` and `export`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from sim.cli.frame import debug_option, verbs
from sim.errors import UsageError

_RUN = click.Path(exists=True, file_okay=False, path_type=Path)


@verbs.command()
@click.argument("run", type=_RUN)
@click.option(
    "--as",
    "form",
    type=click.Choice(["page", "text", "markdown", "junit"]),
    default="page",
    show_default=True,
    help="Write figures and report.html into RUN, or print one of the others; junit of load runs only.",
)
@debug_option
def report(run: Path, form: str) -> None:
    """Make the report of a run again from its directory RUN."""
    if form == "page":
        from sim.reports import page

        click.echo(f"Wrote {of_run(run, page.write)}")
        return
    from sim.reports.summaries import summary_as

    click.echo(of_run(run, lambda directory: summary_as(directory, form)).rstrip("\n"))


@verbs.command()
@click.argument("run", type=_RUN)
@click.option("--to", "form", type=click.Choice(["csv", "k6"]), required=True, help="CSV tables; k6 of load runs only.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write into; else `export` inside RUN.",
)
@debug_option
def export(run: Path, form: str, out: Path | None) -> None:
    """Write the run in RUN for other tools.

    csv: its tables, such as requests and orders. k6: a script that sends the intended arrivals of a load run.
    """
    from sim.reports.export import export_run

    for path in of_run(run, lambda directory: export_run(directory, form, out or directory / "export")):
        click.echo(f"Wrote {path}")


def of_run(directory: Path, make: Callable[[Path], Any]) -> Any:
    """Make something from a run; a directory that is not one is the user's mistake: raises UsageError."""
    refuse_no_run(directory)
    try:
        return make(directory)
    except (KeyError, ValueError, FileNotFoundError) as error:
        said = f"misses {error}" if isinstance(error, KeyError) else str(error)
        raise UsageError(f"{directory} is no whole run directory: {said}") from error


def refuse_no_run(directory: Path) -> None:
    """Raise UsageError where a directory is not that of a run."""
    if not (directory / "summary.json").is_file():
        raise UsageError(f"{directory} is no run directory: it has no summary.json")
