"""What verbs that run many simulations tell on stderr meanwhile: a progress bar on a terminal, lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

Tell = Callable[[int, int], object]


@contextmanager
def progress(words: str, *, shown: bool) -> Iterator[Tell]:
    """Yield what is told `(done, of)`; `words` stand before the bar, and nothing is drawn unless `shown`."""
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


def sayer(*, quiet: bool) -> Callable[[str], None]:
    """What tells in a line on stderr that something will take long, unless `quiet`."""
    return (lambda _text: None) if quiet else lambda text: click.echo(text, err=True)
