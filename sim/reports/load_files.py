"""A load run's directory as reports read it: summary and columns (docs/run-directory.md). Nothing here writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from loadtests import records
from loadtests.records import ARRIVING
from sim.arrays import Column
from sim.reports.run_files import Labels, Run

KIND = "load"
#: Endpoints whose first tries are the arrivals of the trace.
ARRIVALS = tuple(endpoint.name.lower() for endpoint in ARRIVING)
#: Outcomes that are correct refusals.
REFUSED = tuple(outcome.name.lower() for outcome in records.REFUSED)
#: Outcomes that met no objective, however quick they were.
MISSED = tuple(outcome.name.lower() for outcome in records.MISSED)


@dataclass(frozen=True)
class LoadRun(Run):
    """A load run; files are read when asked for. Raises OSError or ValueError."""

    @cached_property
    def requests(self) -> dict[str, Column]:
        """`requests.parquet`, numbers only."""
        return self.numbers("requests")

    @cached_property
    def endpoint(self) -> Labels:
        """What each request asked."""
        return self.labels("requests", "endpoint")

    @cached_property
    def outcome(self) -> Labels:
        """How each request ended."""
        return self.labels("requests", "outcome")

    @cached_property
    def reason(self) -> Labels:
        """Why each request was refused or failed, empty for none."""
        return self.labels("requests", "reason")

    @cached_property
    def missed(self) -> npt.NDArray[np.bool_]:
        """Requests that met no objective."""
        return any_of(self.outcome, MISSED)

    @cached_property
    def answered(self) -> npt.NDArray[np.bool_]:
        """Requests that were neither missed nor cut off by the replay's own end."""
        return ~any_of(self.outcome, (*MISSED, "cut"))

    @cached_property
    def intended(self) -> dict[str, Column]:
        """`intended.parquet`."""
        return self.numbers("intended")

    def optional(self, table: str) -> dict[str, Column] | None:
        """The numbers of a table that a foreign target does not have; None where there is none or it has no row."""
        if not (self.directory / f"{table}.parquet").is_file():
            return None
        found = self.numbers(table)
        return found if len(next(iter(found.values()), ())) else None

    @property
    def end_us(self) -> int:
        """When the last request was answered or the last arrival was due, whichever is later."""
        ends = [int(column.max()) for column in (self.requests["done_us"], self.intended["bin_us"]) if len(column)]
        return max([*ends, 0])


def any_of(labels: Labels, names: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """Rows that hold one of `names`."""
    codes = [code for code, name in enumerate(labels.names) if name in names]
    return np.isin(labels.codes, codes)


def is_load(summary: Mapping[str, Any]) -> bool:
    """Whether a summary is of a load run."""
    return summary.get("kind") == KIND
