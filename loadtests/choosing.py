"""Which carts of a scenario's trace are replayed, and from when.

Of the trace's potential intents those below the neutral factor go (no feedback), or with `as_run` exactly those that
went ahead in a simulated run. `share` takes carts by a hash of their number, twins by another one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sim.arrays import Column, Flags, Ints
from sim.demand.trace import BUY, NEVER, Trace
from sim.errors import UsageError
from sim.orders.rules import SECOND_US
from sim.scenario.schema import Scenario

_LENGTH_US = 60 * SECOND_US
#: Odd constants of splitmix64 (Steele, Lea and Flood 2014): a hash whose bits all depend on the whole number.
_GOLDEN, _MIX_1, _MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_WHOLE = 1 << 64


#: Share of the carts whose checkout is sent twice at once with one key, where nobody says otherwise.
TWINS = 0.01


@dataclass(frozen=True)
class Choice:
    """What of a trace is replayed, and how. Durations are of the scenario, before `speed` divides them.

    `from_us` None: the stretch of `length_us` with the most checkouts. `length_us` None: a minute; of a curve of the
    user's own all that there is. `confirm_after_us` None: as the scenario says.
    """

    from_us: int | None = None
    length_us: int | None = None
    share: float = 1.0
    speed: float = 1.0
    confirm_after_us: int | None = None
    twins: float = TWINS  # share of the carts whose checkout is sent twice at once
    as_run: Path | None = None
    multiple: float = 1.0  # of the trace's rate: arrivals come this much closer together, delays stay
    tail_us: int = 10 * SECOND_US  # of the wall clock: what is due later than this after the last arrival is left out


def settled(scenario: Scenario, trace: Trace, choice: Choice) -> Choice:
    """The choice with its stretch set: the busiest one where no beginning was named."""
    from_us, length_us = stretch(scenario, trace, choice)
    return replace(choice, from_us=from_us, length_us=length_us)


def stretch(scenario: Scenario, trace: Trace, choice: Choice) -> tuple[int, int]:
    """Where the replay begins in the trace, and its length."""
    curve_us = curve_length_us(trace)
    if curve_us is not None and choice.length_us is None:
        from_us = choice.from_us or 0
        return from_us, max(0, curve_us - from_us)
    length_us = _LENGTH_US if choice.length_us is None else choice.length_us
    if choice.from_us is not None:
        return choice.from_us, length_us
    length_us = min(length_us, scenario.horizon_us if curve_us is None else curve_us)
    return busiest_us(cart_times(trace)[going(trace, choice)], length_us), length_us


def curve_length_us(trace: Trace) -> int | None:
    """How long the user's own curve is; None for a scenario's trace, which does not say so."""
    length_us: int | None = trace.header.get("length_us")
    return length_us


def cart_times(trace: Trace) -> Ints:
    """When each cart is checked out, int64[carts]."""
    buys = trace.lines["kind"] == BUY
    times = np.full(trace.orders, NEVER, np.int64)
    times[trace.lines["cart"][buys]] = trace.lines["time_us"][buys]
    return times


def busiest_us(times_us: Ints, length_us: int) -> int:
    """When the stretch of `length_us` with the most of the times begins, and a tenth of it earlier."""
    if not len(times_us):
        return 0
    ordered = np.sort(times_us)
    inside = np.searchsorted(ordered, ordered + length_us) - np.arange(len(ordered))
    best = int(ordered[int(np.argmax(inside))])
    return max(0, best - length_us // 10)


def going(trace: Trace, choice: Choice) -> Flags:
    """Which carts of the trace go, of the share that is chosen. Raises UsageError for another trace's run."""
    if choice.as_run is not None:
        ahead = _went_ahead(choice.as_run, trace)
    else:
        first_sku = np.zeros(trace.orders, np.int64)
        buys = np.flatnonzero(trace.lines["kind"] == BUY)[::-1]  # the first line of a cart is written last
        first_sku[trace.lines["cart"][buys]] = trace.lines["sku"][buys]
        ahead = trace.carts["go_u32"].astype(np.uint64) < trace.factor_u64[first_sku]
    return ahead & share_mask(trace.orders, choice.share)


def _went_ahead(run: Path, trace: Trace) -> Flags:
    """Which carts went ahead in a simulated run of the same trace. Raises UsageError for another trace's."""
    import pyarrow.parquet as pq

    from sim.orders.states import Reason

    path = run / "orders.parquet"
    if not path.is_file():
        raise UsageError(f"{run} is no run directory of `liverush simulate` (no orders.parquet)")
    if _trace_of(run) != trace.fingerprint():
        raise UsageError(f"{run} simulated another trace: not the same scenario and seed, or another version's")
    reason = pq.read_table(path, columns=["reason"]).column("reason").to_pylist()
    ahead: Flags = np.array(reason, object) != Reason.NOT_GOING.name
    return ahead


def _trace_of(run: Path) -> str:
    """The fingerprint of the trace that a run simulated, empty where it does not say."""
    try:
        return str(json.loads((run / "run.json").read_text(encoding="utf-8"))["trace_fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def share_mask(carts: int, share: float) -> Flags:
    """Which cart numbers a share takes: always the same ones, and those of a smaller share among them."""
    if share >= 1:
        return np.ones(carts, bool)
    z = (np.arange(carts, dtype=np.uint64) + np.uint64(1)) * np.uint64(_GOLDEN)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_MIX_1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_MIX_2)
    taken: Flags = (z ^ (z >> np.uint64(31))) < np.uint64(int(share * _WHOLE))
    return taken


def duplicated(numbers: Column, share: float) -> Flags:
    """Which carts, of these numbers, are sent twice: a share of them, by another hash than `share_mask`'s."""
    mixed = (numbers.astype(np.uint64) * np.uint64(_MIX_1)) >> np.uint64(32)
    taken: Flags = (mixed & np.uint64(0xFFFFFFFF)) < np.uint64(int(share * 2**32))
    return taken
