"""The verb that searches: `optimise`, in either spelling."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sim.cli.frame import find_scenario, verbs
from sim.cli.options import echo_json, names_in, study_options
from sim.cli.progress import sayer, search_progress
from sim.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from sim.experiments.optimise import SearchPlan

_FEW, _MANY = click.IntRange(2, 10_000), click.IntRange(1, 100_000)


@verbs.command()
@click.argument("scenario")
@click.option(
    "--knob", "knobs", multiple=True, metavar="KEY=LOW:HIGH[:STEP]", help="What to turn; or KEY=one|other. Repeatable."
)
@click.option(
    "--subject-to", "limits", multiple=True, metavar="LIMIT", help="What has to hold, such as 'ldr<=4 %'. Repeatable."
)
@click.option("--metric", default="contribution_minor", show_default=True, help="Dotted path of what is sought.")
@click.option("--least", is_flag=True, help="Seek as little of the metric as can be.")
@click.option("--from", "start", metavar="NAME", default="", help="Turn knobs on this strategy. [default: the best]")
@click.option("--trials", type=_MANY, default=60, show_default=True, help="How many points to try.")
@click.option("--replications", type=_FEW, default=4, show_default=True, help="Of every point, at least.")
@click.option("--max-replications", type=_FEW, default=16, show_default=True, help="Of a point that may be best.")
@click.option(
    "--confirm", type=click.IntRange(0, 100_000), default=20, show_default=True, help="On fresh seeds; 0: none."
)
@study_options
def optimise(scenario: str, as_json: bool, no_figures: bool, **given: Any) -> ExitCode:
    """Search for the best values of some knobs of SCENARIO.

    Points are raced with the same buyers, and what was found is confirmed on fresh seeds against the base and the best
    named strategy. Ctrl-C ends a search with what was found by then; the same command goes on from there.

    Exit code 1: nothing better on fresh seeds, or nothing within the limits.
    """
    from sim.experiments import optimise as experiment
    from sim.scenario.studies.search import load_search

    only = names_in(given["only"])
    search = load_search(
        find_scenario(scenario), given["overrides"], given["strategies"], only, given["knobs"], given["limits"],
        given["start"],
    )  # fmt: skip
    with search_progress(shown=not as_json and sys.stderr.isatty()) as tell:
        done = experiment.optimise(
            search,
            _plan(given),
            given["out"],
            draw=None if no_figures else _draw,
            tell=tell,
            say=sayer(quiet=as_json),
            overrides=given["overrides"],
        )
    if as_json:
        echo_json(done.directory, done.summary)
    else:
        from sim.reports.search_text import search_text

        click.echo(search_text(done.summary))
        click.echo(f"Run directory: {done.directory}")
    return exit_code_of(done.summary)


american = copy.copy(optimise)
american.hidden = True
verbs.add_command(american, "optimize")


def exit_code_of(summary: dict[str, Any]) -> ExitCode:
    """0: found, and better on fresh seeds where that was tested; 1: nothing better, or nothing within the limits."""
    if summary["stopped"]:
        return ExitCode.INTERRUPTED
    if not summary["feasible"] or summary["found"] is None:
        return ExitCode.NO
    told = summary["confirmed"]
    return ExitCode.YES if told is None or (told["better"] and told["limits_kept"]) else ExitCode.NO


def _plan(given: dict[str, Any]) -> SearchPlan:
    from sim.experiments.evaluating import Where
    from sim.experiments.optimise import SearchPlan

    if given["max_replications"] < given["replications"]:
        raise UsageError("--max-replications is at least --replications")
    if given["confirm"] == 1:
        raise UsageError("--confirm: one replication has no interval; 2 at least, or 0 for none")
    return SearchPlan(
        trials=given["trials"],
        first=given["replications"],
        most=given["max_replications"],
        confirm=given["confirm"],
        metric=given["metric"],
        least=given["least"],
        seed=given["seed"],
        where=Where(given["workers"], given["cluster"]),
    )


def _draw(directory: Path) -> object:
    from sim.reports.search_files import draw_search

    return draw_search(directory)
