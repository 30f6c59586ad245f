"""The verbs about scenario files: `validate`, `schema` and `new`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from sim.cli.frame import debug_option, find_scenario, verbs
from sim.errors import ExitCode, ScenarioError, UsageError


@verbs.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@debug_option
def validate(files: tuple[str, ...]) -> ExitCode:
    """Check scenario files.

    Prints every error with file, line and path; exit code 2 when there is one. A stock policy of your own is made
    as a run would make it.
    """
    from sim.operations.strategies.own import check_own
    from sim.scenario.checks.hints import hints
    from sim.scenario.load import load_with_source
    from sim.scenario.studies.study import load_study

    code = ExitCode.YES
    for file in files:
        try:
            loaded = load_with_source(find_scenario(file), [])
            check_own(loaded.scenario)
            for other in load_study(find_scenario(file)).strategies if loaded.scenario.strategies else ():
                check_own(other.scenario)
        except (ScenarioError, UsageError) as error:
            click.echo(str(error), err=True)
            code = ExitCode.USAGE
        else:
            click.echo(f"{file}: ok")
            for strategy in loaded.scenario.strategies:
                changed = ", ".join(strategy.changes) or "nothing: the scenario as written"
                click.echo(f"  strategy {strategy.name}: changes {changed}")
            for each in loaded.uncertain:
                low, mode, high = each.texts
                click.echo(f"  uncertain {each.name}: {low} to {high}, most likely {mode}")
            for hint in hints(loaded.scenario):
                click.echo(f"  hint {hint}")
    return code


@verbs.command()
@debug_option
def schema() -> None:
    """Print the JSON Schema of scenario files."""
    import json

    from sim.scenario import json_schema

    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


#: Questions of `new` on a terminal: option, question, proposed answer.
_QUESTIONS: tuple[tuple[str, str, str | int], ...] = (
    ("name", "Name of the show", "my_show"),
    ("length", "Length of the broadcast", "2h"),
    ("viewers", "Viewers over the whole broadcast", 5_000),
    ("listings", "Listings in the shop", 5),
    ("pitches", "Pitches in the broadcast", 5),
)


@verbs.command()
@click.option("--name", help="Name of the show.")
@click.option("--length", metavar="DURATION", help="Length of the broadcast, such as 2h or 90m.")
@click.option("--viewers", type=click.IntRange(min=1), help="Viewers over the whole broadcast.")
@click.option("--listings", type=click.IntRange(min=1), help="Listings in the shop.")
@click.option("--pitches", type=click.IntRange(min=1), help="Pitches in the broadcast.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write; else standard output.")
@debug_option
def new(out: Path | None, **answers: str | int | None) -> None:
    """Write a commented scenario.

    Asks questions on a terminal when no option is given.
    """
    _check_target(out)
    from sim.scenario import new_scenario

    options: dict[str, Any] = {key: value for key, value in answers.items() if value is not None}
    if not options and sys.stdin.isatty():
        options = {key: click.prompt(question, default=proposed, err=True) for key, question, proposed in _QUESTIONS}
    text = new_scenario(**options, file=None if out is None else out.name)
    if out is None:
        click.echo(text.rstrip("\n"))
        return
    with out.open("x", encoding="utf-8", newline="\n") as file:
        file.write(text)
    click.echo(f"Wrote {out}; next: liverush validate {out}")


def _check_target(out: Path | None) -> None:
    if out is not None and out.exists():
        raise UsageError(f"{out} exists already and is not overwritten")
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"there is no folder {out.parent}")
