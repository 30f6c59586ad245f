"""Options that several verbs have, and how they print what they found as JSON."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from sim.cli.frame import debug_option
from sim.scenario.texts import split

_Verb = TypeVar("_Verb", bound=Callable[..., Any])
MAX_SEED = 2**63 - 1


class FiniteRange(click.FloatRange):
    """A range of numbers; `nan` and `inf`, which lie within click's own ranges, are none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is no finite number.", param, ctx)
        return number


out_option = click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results") / "runs",
    show_default=True,
    help="Folder for the run directory.",
)


def run_options(verb: _Verb) -> _Verb:
    """Give a verb what all have that write a run directory: --seed, --set, --out, --json, --no-figures, --debug."""
    return _with(
        click.option("--seed", type=click.IntRange(0, MAX_SEED), help="Seed of every stream; else the scenario's."),
        click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a value; repeatable."),
        out_option,
        click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON."),
        click.option("--no-figures", is_flag=True, help="Draw no figures, and make no page and no workbook."),
        debug_option,
    )(verb)


def study_options(verb: _Verb) -> _Verb:
    """Give a verb what all have that simulate several strategies: which, where, and `run_options`."""
    return _with(
        click.option(
            "--strategy",
            "strategies",
            multiple=True,
            metavar="NAME=KEY=VALUE,...",
            help="One more strategy; repeatable.",
        ),
        click.option(
            "--only",
            metavar="NAME,NAME",
            default="",
            help="Of the named strategies these only, the base first; in quotes with a comma.",
        ),
        click.option("--workers", type=click.IntRange(1, 1024), help="Processes. [default: one a core, none if brief]"),
        click.option(
            "--cluster", metavar="ADDRESS", help="Run on the workers of this Dask scheduler, tcp://HOST:PORT."
        ),
        run_options,
    )(verb)


def _with(*options: Callable[[Any], Any]) -> Callable[[_Verb], _Verb]:
    """A decorator that gives a verb several options, in this order."""

    def decorate(verb: Any) -> Any:
        for option in reversed(options):
            verb = option(verb)
        return verb

    return decorate


def names_in(text: str) -> list[str]:
    """The names of a list such as --only NAME,NAME; one with a comma stands in quotes."""
    names = (name.strip() for name in split(text, ","))
    return [name[1:-1] if len(name) > 1 and name[0] == name[-1] and name[0] in "\"'" else name for name in names]


def echo_json(directory: Path, summary: dict[str, Any]) -> None:
    """Print where a run is, and its summary, as JSON."""
    import json

    click.echo(json.dumps({"directory": str(directory), **summary}, indent=2, ensure_ascii=False))


def draw_page(directory: Path) -> object:
    """Draw the figures of a run directory and write its page."""
    from sim.reports import page  # matplotlib is slow to import and needed last

    return page.write(directory)
