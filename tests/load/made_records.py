"""Records, schedules and notes made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from loadtests.measuring import Measured, WorkerNote
from loadtests.records import RECORD, Endpoint, Outcome
from loadtests.schedule import ARRIVALS, CARTS, LINES, PLACE, Schedule


def records_of(
    due_us: npt.ArrayLike,
    response_us: npt.ArrayLike = 1_000,
    *,
    lag_us: npt.ArrayLike = 100,
    endpoint: Endpoint = Endpoint.CHECKOUT,
    outcome: npt.ArrayLike = Outcome.OK,
    reason: npt.ArrayLike = 0,
    worker: int = 0,
) -> npt.NDArray[np.void]:
    """Records of one endpoint, one a due time."""
    due = np.asarray(due_us, np.int64)
    made = np.zeros(len(due), RECORD)
    made["due_us"] = made["ready_us"] = due
    made["sent_us"], made["done_us"] = due + np.asarray(lag_us), due + np.asarray(response_us)
    made["cart"] = np.arange(len(due))
    made["endpoint"], made["outcome"], made["reason"] = endpoint, outcome, reason
    made["status"], made["attempt"], made["worker"] = 201, 1, worker
    return made


def measured_of(
    records: npt.NDArray[np.void], *, reasons: Sequence[str] = ("",), notes: Any = None, timeout_us: int = 10_000_000
) -> Measured:
    """What was measured, by one worker that did all right if no notes are given."""
    told = notes or [note_of(planned=len(records))]
    return Measured(records, list(reasons), told, 0, 1_700_000_000_000_000, timeout_us, 3)


def note_of(**of: Any) -> WorkerNote:
    """The last word of a worker that used a tenth of its core and ended by itself."""
    return WorkerNote(**{"complete": True, "ended": "done", "cpu_us": 1_000_000, "wall_us": 10_000_000, **of})


def schedule_of(due_us: npt.ArrayLike) -> Schedule:
    """A schedule of checkouts, one cart each; the trace has 10 times as many."""
    due = np.sort(np.asarray(due_us, np.int64))
    arrivals = {name: np.zeros(len(due), kind) for name, kind in ARRIVALS.items()}
    arrivals |= {"due_us": due, "kind": np.full(len(due), PLACE, "u1"), "cart": np.arange(len(due), dtype="i4")}
    carts, lines = ({name: np.zeros(len(due), kind) for name, kind in table.items()} for table in (CARTS, LINES))
    carts["number"] = np.arange(len(due)) * 10
    return Schedule(arrivals, carts, lines, [])


def write_worker(
    folder: Path, worker: int, records: npt.NDArray[np.void], reasons: Sequence[str], note: WorkerNote | None
) -> None:
    """Write a worker's files as the replay does."""
    (folder / f"requests-{worker}.bin").write_bytes(records.tobytes())
    (folder / f"reasons-{worker}.json").write_bytes(msgspec.json.encode(list(reasons)))
    if note is not None:
        (folder / f"worker-{worker}.json").write_bytes(msgspec.json.encode(note))
