"""The verbs that simulate: `simulate` and `demo`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sim.cli.frame import debug_option, find_scenario, loading, verbs
from sim.cli.options import draw_page, echo_json, out_option, run_options
from sim.cli.progress import line_rewriter, stages
from sim.errors import ExitCode

if TYPE_CHECKING:
    from sim.experiments.simulate import RunResult

FLAGSHIP = "evening_show"
MAX_REPLICATIONS = 100_000


@verbs.command()
@click.argument("scenario")
@click.option(
    "--replications", type=click.IntRange(1, MAX_REPLICATIONS), default=1, show_default=True, help="How many runs."
)
@click.option("--strategy", metavar="NAME", help="As this strategy of the scenario changes it.")
@run_options
def simulate(
    scenario: str,
    replications: int,
    seed: int | None,
    overrides: tuple[str, ...],
    strategy: str | None,
    out: Path,
    as_json: bool,
    no_figures: bool,
) -> ExitCode:
    """Simulate SCENARIO: a file, or the name of a shipped scenario.

    Exit code 1: an objective of the scenario (`slos:`) was missed, in any of the replications.
    """
    result = _simulate(
        find_scenario(scenario),
        list(overrides),
        out,
        strategy=strategy,
        figures=not no_figures,
        shown=not as_json and sys.stderr.isatty(),
        replications=replications,
        seed=seed,
    )
    if as_json:
        echo_json(result.directory, result.summary)
    else:
        _print_summary(result)
    return _exit_code_of(result)


@verbs.command()
@out_option
@debug_option
def demo(out: Path) -> int:
    """Simulate the flagship show, replay its peak on the order engine, and say where to look."""
    flagship = find_scenario(FLAGSHIP)
    click.echo(f"Simulating {FLAGSHIP} ({flagship})")
    result = _simulate(flagship, [], out, figures=True, shown=sys.stderr.isatty())
    _print_summary(result)
    click.echo("Look at:")
    for path in [*Path(result.directory).glob("*.html"), *sorted(Path(result.directory).glob("*.png"))]:
        click.echo(f"  {path}")
    click.echo(
        "Beside them: summary.json, the scenario as run, and tables with a row an order, parcel or second (*.parquet)"
    )
    return _demo_load(flagship, out, Path(result.directory)) or _exit_code_of(result)


def _demo_load(flagship: Path, out: Path, simulated: Path) -> int:
    """Replay the flagship's peak where Locust and the engine are installed, and say where both reports lie."""
    try:
        from loadtests import demo as load_demo
    except ModuleNotFoundError as error:
        click.echo(f"{error.name} is not installed, so nothing is loaded: pip install 'liverush[load]'")
        return ExitCode.YES
    from sim.reports.load_text import load_text
    from sim.scenario.load import load_with_source

    click.echo("\nReplaying its peak on the reference engine (SQLite), six times as fast as it happens")
    loaded = load_with_source(flagship, [])
    result = load_demo.run(loaded, out, "liverush demo", line_rewriter(quiet=False), draw_page)
    click.echo(load_text(result.summary).rstrip("\n"))
    click.echo("Reports, to be opened in a browser:")
    click.echo(f"  {simulated / 'report.html'}")
    click.echo(f"  {result.directory / 'report.html'}")
    return result.exit_code


def _simulate(
    path: Path, overrides: list[str], out: Path, *, strategy: str | None = None, figures: bool, shown: bool, **plan: Any
) -> RunResult:
    """Load a scenario and run it; `shown`: with a progress bar."""
    with loading():
        from sim.scenario.load import load_with_source
        from sim.scenario.studies.study import load_strategy

        loaded = load_strategy(path, strategy, overrides) if strategy else load_with_source(path, overrides)
        from sim.experiments import simulate as experiment

    if loaded.uncertain:
        names = ", ".join(each.name for each in loaded.uncertain)
        click.echo(f"Uncertain inputs at their most likely values (`compare` draws them): {names}", err=True)
    with stages(shown=shown) as tell:
        return experiment.run(
            loaded.scenario,
            experiment.RunPlan(strategy=strategy, **plan),
            out,
            draw=draw_page if figures else None,
            tell=tell,
            overrides=overrides,
            written=loaded.written,
        )


def _exit_code_of(result: RunResult) -> ExitCode:
    """1 where an objective was missed in any replication."""
    from sim.reports.objectives import met

    return ExitCode.NO if met(result.summary) is False else ExitCode.YES


def _print_summary(result: RunResult) -> None:
    """Print the summary for people, and where the run is."""
    from sim.reports.text import summary_text

    click.echo(summary_text(result.summary).rstrip("\n"))
    click.echo(f"Run directory: {result.directory}")
