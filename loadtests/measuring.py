"""From what the workers wrote to the tables of a run directory.

The replay's folder holds, for each worker, `requests-<worker>.bin` (records.RECORD, appended while it runs),
`reasons-<worker>.json` (the codes of its column `reason`) and its last word, `worker-<worker>.json` (WorkerNote). A
worker that was killed may leave a torn last record.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from loadtests.records import MISSED, NO_CART, Endpoint, Outcome, read_requests
from loadtests.schedule import PLACE, Schedule
from sim.arrays import Column, Ints
from sim.measure.hdr import Interval, intervals_of, write_interval_log
from sim.measure.sampler import Sampler

BIN_US = 100_000
#: What the latency log holds, each under its tag.
LOGGED = (Endpoint.CHECKOUT, Endpoint.CONFIRMATION)


class WorkerNote(msgspec.Struct, kw_only=True):
    """A worker's last word: the part of it that is judged.

    `planned`: arrivals that it was to send; `left_out`: those of its part that it was not, by kind, as the target has
    no such step. `stale_retries`: requests that were sent again at once, unrecorded, as their kept connection had ended
    without an answer. `unfinished`: carts under way when it ended; `overtime`: it ended as its time was over. `unpaid`:
    payments that were accepted and never known to be paid, by the endpoint that would have been asked next. `abort`:
    the rule that ended it, with what broke it. `requests`: records that it made, `examples`: one of each kind of
    failure. `busiest_share`: CPU seconds a second in its busiest second.
    """

    complete: bool = False
    ended: str = ""  # done, overtime, abort, interrupted, stopped, lost, killed
    planned: int = 0
    left_out: dict[str, int] = {}
    dropped: int = 0
    stale_retries: int = 0
    unfinished: int = 0
    overtime: bool = False
    unpaid: dict[str, int] = {}
    requests: int | None = None
    examples: dict[str, str] = {}
    cpu_us: int = 0
    wall_us: int = 0
    busiest_share: float = 0.0
    clock_steps: list[dict[str, int]] = []
    abort: str = ""

    @property
    def cpu_share(self) -> float:
        """CPU seconds a second of the replay, 1.0: a whole core."""
        return self.cpu_us / self.wall_us if self.wall_us > 0 else 0.0


@dataclass(frozen=True)
class Measured:
    """All requests of a replay.

    `records` [request]: records.RECORD, sorted by due; `reason` is an index into `reasons`, which all workers share.
    `notes` [worker]: None for a worker that did not report. `torn`: records that were cut short. `started_unix_us`:
    when the replay's time 0 was, 0 where unknown. `timeout_us`: the clients' patience. `attempts`: tries of a step.
    """

    records: npt.NDArray[np.void]
    reasons: list[str] = field(default_factory=lambda: [""])
    notes: list[WorkerNote | None] = field(default_factory=list)
    torn: int = 0
    started_unix_us: int = 0
    timeout_us: int = 0
    attempts: int = 1

    def unpaid(self, endpoint: str) -> int:
        """How many requests there should have been at an endpoint, had payments that were accepted been made."""
        return sum(note.unpaid.get(endpoint, 0) for note in self.notes if note)

    def response_us(self) -> Ints:
        """Done - due [request]; what got no answer counts as no quicker than the clients' patience.

        An error with a reason is an answer, if only of the user's class, and as quick as it was.

        A request that could not be sent is as slow as the slowest of all: it would have waited longer still. What we
        cut off ourselves is told as long as it had taken by then.
        """
        outcome = self.records["outcome"]
        response: Ints = self.records["done_us"] - self.records["due_us"]
        response[outcome == Outcome.DROPPED] = 0
        silent_error = (self.records["status"] == 0) & (self.records["reason"] == 0)  # refused, reset, or no HTTP
        unanswered = (outcome == Outcome.ERROR) & silent_error
        silent = unanswered | (outcome == Outcome.TIMEOUT) | (outcome == Outcome.DROPPED)
        response[silent] = np.maximum(response[silent], self.timeout_us)
        if len(response):
            response[outcome == Outcome.DROPPED] = response.max()
        return response

    def lag_us(self) -> Ints:
        """How much later than it could have been each request was sent [request]; never below 0."""
        wanted = np.maximum(self.records["due_us"], self.records["ready_us"])
        lag: Ints = self.records["sent_us"] - wanted
        return lag

    def punctual(self) -> Measured:
        """The same with the generator's own lag taken off every response."""
        records = self.records.copy()
        records["due_us"] += self.lag_us()
        return replace(self, records=records)


def collect(folder: Path, *, workers: int) -> Measured:
    """Read what the workers wrote. Of a worker that wrote nothing there is nothing. Raises OSError."""
    records, reasons, torn = read_requests(folder)
    _settle_twins(records)
    plan = _read_json(folder / "plan.json", dict[str, Any]) or {}
    return Measured(
        records,
        reasons,
        [_last_word(folder / f"worker-{worker}.json") for worker in range(workers)],
        torn,
        int((_read_json(folder / "start.json", dict[str, Any]) or {}).get("at_unix_us", 0)),
        int(plan.get("client_timeout_us", 0)),
        int(plan.get("attempts", 1)),
    )


def _settle_twins(records: npt.NDArray[np.void]) -> None:
    """Call it an error that a twin was still in progress, where neither of the two was ever answered."""
    waiting = records["outcome"] == Outcome.IN_PROGRESS
    if waiting.any():
        missed = waiting | np.isin(records["outcome"], MISSED)
        answered = records["cart"][(records["endpoint"] == Endpoint.CHECKOUT) & ~missed]
        records["outcome"][waiting & ~np.isin(records["cart"], answered)] = Outcome.ERROR


def _last_word(path: Path) -> WorkerNote | None:
    """A worker's note; None for one that was killed, for which another process wrote it."""
    note: WorkerNote | None = _read_json(path, WorkerNote)
    return None if note is None or note.ended == "killed" else note


def write_tables(folder: Path, measured: Measured, schedule: Schedule, samples: Sampler) -> None:
    """Write requests, intended, server and engine (Parquet) and latency.hlog into a run directory."""
    _write(folder / "requests.parquet", _requests(measured, schedule))
    _write(folder / "intended.parquet", _intended(schedule))
    rows = [(row.tick + _offset_s(measured, samples), row) for row in samples.rows()]
    used = [(second, name, use) for second, row in rows for name, use in sorted(row.processes.items())]
    server = {
        "second": pa.array([second for second, _name, _use in used], pa.int64()),
        "process": pa.array([name for _second, name, _use in used], pa.string()).dictionary_encode(),
        "cpu_share": pa.array([use.cpu_share for _second, _name, use in used], pa.float64()),
        "rss_bytes": pa.array([use.rss_bytes for _second, _name, use in used], pa.int64()),
    }
    _write(folder / "server.parquet", server)
    engine = {"second": pa.array([second for second, _row in rows], pa.int64())}
    for name in ("queue_length", "group_size_mean", "held_units", "committed_units"):
        told = [getattr(row.engine, name) if row.engine else None for _second, row in rows]
        engine[name] = pa.array(told, pa.float64())
    engine["steal_share"] = pa.array([row.steal_share for _second, row in rows], pa.float64())
    _write(folder / "engine.parquet", engine)
    write_interval_log(folder / "latency.hlog", _logged(measured), measured.started_unix_us)


def _read_json(path: Path, kind: type[Any]) -> Any:
    """A file's content; None where it is missing, cut short or not of this kind."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _requests(measured: Measured, schedule: Schedule) -> dict[str, pa.Array]:
    """The records by the numbers that the trace has for their carts, as findings and acknowledgements name them."""
    records = measured.records
    columns = {name: pa.array(records[name]) for name in ("due_us", "ready_us", "sent_us", "done_us")}
    numbers = np.append(schedule.carts["number"], NO_CART)  # row -1
    columns |= {"cart": pa.array(numbers[records["cart"]].astype("i4")), "status": pa.array(records["status"])}
    columns["endpoint"] = _dictionary(records["endpoint"], [endpoint.name.lower() for endpoint in Endpoint])
    columns["outcome"] = _dictionary(records["outcome"], [outcome.name.lower() for outcome in Outcome])
    columns["reason"] = _dictionary(records["reason"], measured.reasons)
    return columns | {name: pa.array(records[name]) for name in ("attempt", "worker", "twin")}


def _dictionary(numbers: Column, names: list[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(numbers.astype(np.int32)), pa.array(names, pa.string()))


def _intended(schedule: Schedule) -> dict[str, pa.Array]:
    """The planned arrivals by time; bins in which nothing is due are there too."""
    bins = schedule.arrivals["due_us"] // BIN_US
    size = int(bins[-1]) + 1 if len(bins) else 0
    checkouts = bins[schedule.arrivals["kind"] == PLACE]
    return {
        "bin_us": pa.array(np.arange(size, dtype=np.int64) * BIN_US),
        "arrivals": pa.array(np.bincount(bins, minlength=size).astype(np.int64)),
        "checkouts": pa.array(np.bincount(checkouts, minlength=size).astype(np.int64)),
    }


def _offset_s(measured: Measured, samples: Sampler) -> int:
    """The replay's second in which the sampler's first one began, rounded; below 0 before the start."""
    if not (measured.started_unix_us and samples.started_unix_us):
        return 0
    return round((samples.started_unix_us - measured.started_unix_us) / 1e6)


def _logged(measured: Measured) -> list[Interval]:
    """The response times of LOGGED by the second in which they were due."""
    response = measured.response_us()
    return sorted(itertools.chain.from_iterable(_by_second(measured, response)), key=lambda one: one.start_us)


def _by_second(measured: Measured, response_us: Ints) -> Iterator[list[Interval]]:
    for endpoint in LOGGED:
        rows = np.flatnonzero(measured.records["endpoint"] == endpoint)
        yield intervals_of(endpoint.name.lower(), measured.records["due_us"][rows], response_us[rows])


def _write(path: Path, columns: dict[str, pa.Array]) -> None:
    pq.write_table(pa.table(columns), path, compression="zstd")
