"""What verbs that take long tell on stderr meanwhile: a progress bar on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sim.experiments.optimise import Progress as Told
    from sim.experiments.optimise import Tell as SearchTell

Tell = Callable[[int, int], object]


@contextmanager
def progress(words: str, *, shown: bool) -> Iterator[Tell]:
    """What is told `(done, of)`; `words` stand before the bar, and nothing is drawn unless `shown`."""
    if not shown:
        yield lambda _done, _of: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(words), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(words, total=None)
        step: Callable[[int, int], None] = lambda done, of: bar.update(task, completed=done, total=of)  # noqa: E731
        yield step


@contextmanager
def stages(*, shown: bool) -> Iterator[Callable[[str, int], object]]:
    """What is told `(what is being done now, of how many steps)`; nothing is drawn unless `shown`."""
    if not shown:
        yield lambda _what, _of: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<12}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None)
        step: Callable[[str, int], None] = lambda what, of: bar.update(  # noqa: E731
            task, description=what, total=of, advance=1
        )
        yield step


@contextmanager
def search_progress(*, shown: bool) -> Iterator[SearchTell]:
    """What is told how far a search is: points tried, what the best is ahead by, replications that confirm."""
    if not shown:
        yield lambda _progress: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[note]}"), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("points", total=None, note="")

        def step(told: Told) -> None:
            ahead = "" if told.gain is None else f", best is ahead by {told.gain:+,.4g}"
            note = f"{told.simulations:,} simulations{ahead}"
            if told.to_confirm:
                bar.update(task, description="confirming", completed=told.confirmed, total=told.to_confirm, note=note)
            else:
                bar.update(task, description="points", completed=told.tried, total=told.of, note=note)

        yield step


def line_rewriter(*, quiet: bool) -> Callable[[str], None]:
    """What shows how far it is: one line that is rewritten on a terminal, a line each elsewhere; nothing if `quiet`."""
    if quiet or not sys.stderr.isatty():
        return sayer(quiet=quiet)

    def rewrite(text: str) -> None:
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()

    return rewrite


def sayer(*, quiet: bool) -> Callable[[str], None]:
    """What tells in a line on stderr that something will take long, unless `quiet`."""
    return (lambda _text: None) if quiet else lambda text: click.echo(text, err=True)
