"""From a scenario's trace to a replay's schedule: which carts, which stretch of time, how fast, how much of each stock.

Of the trace's potential intents those below the neutral factor go (no feedback), or with `as_run` exactly those that
went ahead in a simulated run. `share` takes carts by a hash of their number and scales stock and deal limits with it;
`speed` divides every duration.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loadtests import schedule as sc
from loadtests.schedule import DealPlan, Offer, Schedule, ShelfPlan
from sim.demand.trace import AFTER, BUY, NEVER, QUOTE, REFRESH, VIEW, Trace
from sim.errors import UsageError
from sim.scenario.schema import Scenario
from sim.scenario.tables import SkuRow, contents, deal_table, sku_table

SECOND_US = 1_000_000
_LENGTH_US = 60 * SECOND_US
_KIND = {VIEW: sc.VIEW, REFRESH: sc.REFRESH, QUOTE: sc.QUOTE, BUY: sc.PLACE}
#: Odd constants of splitmix64 (Steele, Lea and Flood 2014): a hash whose bits all depend on the whole number.
_GOLDEN, _MIX_1, _MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_WHOLE = 1 << 64

Column = npt.NDArray[Any]


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
    duplicates: float = 0.01  # share of the carts whose checkout is sent twice at once
    as_run: Path | None = None
    multiple: float = 1.0  # of the trace's rate: arrivals come this much closer together, delays stay
    tail_us: int = 10 * SECOND_US  # of the wall clock: what is due later than this after the last arrival is left out


def settled(scenario: Scenario, trace: Trace, choice: Choice) -> Choice:
    """Return the choice with its stretch set: the busiest one where no beginning was named."""
    from_us, length_us = _stretch(scenario, trace, choice)
    return replace(choice, from_us=from_us, length_us=length_us)


def _stretch(scenario: Scenario, trace: Trace, choice: Choice) -> tuple[int, int]:
    """Return where the replay begins in the trace, and its length."""
    curve_us = trace.header.get("length_us")  # only what comes from the user's file says how long it is
    if curve_us is not None and choice.length_us is None:
        from_us = choice.from_us or 0
        return from_us, max(0, curve_us - from_us)
    length_us = _LENGTH_US if choice.length_us is None else choice.length_us
    if choice.from_us is not None:
        return choice.from_us, length_us
    length_us = min(length_us, scenario.horizon_us if curve_us is None else curve_us)
    return busiest_us(_cart_times(trace)[_going(trace, choice)], length_us), length_us


def plan_schedule(
    scenario: Scenario, trace: Trace, choice: Choice, stock: npt.NDArray[np.int64] | None = None
) -> Schedule:
    """Return the schedule of a replay; `stock` (units by SKU at its start) is the scenario's own where None.

    Raises UsageError where nothing would be sent.
    """
    lines = trace.lines
    buys = lines["kind"] == BUY
    cart_time = _cart_times(trace)
    from_us, length_us = _stretch(scenario, trace, choice)
    until_us = from_us + length_us
    chosen = _going(trace, choice) & (cart_time >= from_us) & (cart_time < until_us)
    numbers = np.flatnonzero(chosen)
    if not len(numbers):
        raise UsageError(
            f"no checkout falls into {_s(from_us)} to {_s(until_us)} of {scenario.name}; choose --from and --for"
        )
    row_of = np.full(trace.orders, -1, np.int32)
    row_of[numbers] = np.arange(len(numbers), dtype=np.int32)
    pace = choice.speed * choice.multiple
    cart_lines = buys & chosen[lines["cart"]]
    first, count = _spans(row_of[lines["cart"][cart_lines]], len(numbers))
    arrivals = _arrivals(lines, row_of, cart_lines, first, from_us, pace)
    table = sku_table(scenario)
    carts = _carts(scenario, trace, numbers, first, count, lines, cart_lines, choice)
    late = _cut_tail(carts, arrivals, choice.tail_us)
    return Schedule(
        arrivals,
        carts,
        {"sku": lines["sku"][cart_lines].astype("i4"), "quantity": lines["quantity"][cart_lines].astype("i4")},
        _offers(scenario, table, choice.share, stock),
        _deals(scenario, choice, from_us, pace),
        contents(scenario),
        _shelf(table, from_us, until_us, pace),
        {
            "scenario": scenario.name,
            "seed": trace.header.get("seed"),
            "from_us": from_us,
            "until_us": until_us,
            "share": choice.share,
            "speed": choice.speed,
            "multiple": choice.multiple,
            "trace_carts": int(trace.orders),
            "fingerprint": trace.fingerprint(),
            "left_out": late,
        },
    )


def busiest_us(times_us: npt.NDArray[np.int64], length_us: int) -> int:
    """Return when the stretch of `length_us` with the most of the times begins, and a tenth of it earlier."""
    if not len(times_us):
        return 0
    ordered = np.sort(times_us)
    inside = np.searchsorted(ordered, ordered + length_us) - np.arange(len(ordered))
    best = int(ordered[int(np.argmax(inside))])
    return max(0, best - length_us // 10)


def share_mask(carts: int, share: float) -> npt.NDArray[np.bool_]:
    """Return which cart numbers a share takes: always the same ones, and those of a smaller share among them."""
    if share >= 1:
        return np.ones(carts, bool)
    z = (np.arange(carts, dtype=np.uint64) + np.uint64(1)) * np.uint64(_GOLDEN)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_MIX_1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_MIX_2)
    taken: npt.NDArray[np.bool_] = (z ^ (z >> np.uint64(31))) < np.uint64(int(share * _WHOLE))
    return taken


def scaled_units(units: int, share: float) -> int:
    """Return a stock or a limit scaled with the share, at least 1 where there was any."""
    return units if share >= 1 else max(1, round(units * share)) if units else 0


def _cart_times(trace: Trace) -> npt.NDArray[np.int64]:
    """Return when each cart is checked out, int64[carts]."""
    buys = trace.lines["kind"] == BUY
    times = np.full(trace.orders, NEVER, np.int64)
    times[trace.lines["cart"][buys]] = trace.lines["time_us"][buys]
    return times


def _going(trace: Trace, choice: Choice) -> npt.NDArray[np.bool_]:
    if choice.as_run is not None:
        going = _went_ahead(choice.as_run, trace)
    else:
        first_sku = np.zeros(trace.orders, np.int64)
        buys = np.flatnonzero(trace.lines["kind"] == BUY)[::-1]  # the first line of a cart is written last
        first_sku[trace.lines["cart"][buys]] = trace.lines["sku"][buys]
        going = trace.carts["go_u32"].astype(np.uint64) < trace.factor_u64[first_sku]
    return going & share_mask(trace.orders, choice.share)


def _went_ahead(run: Path, trace: Trace) -> npt.NDArray[np.bool_]:
    """Return which carts went ahead in a simulated run of the same trace. Raises UsageError for another trace's."""
    import pyarrow.parquet as pq

    from sim.orders.states import Reason

    path = run / "orders.parquet"
    if not path.is_file():
        raise UsageError(f"{run} is no run directory of `liverush simulate` (no orders.parquet)")
    if _trace_of(run) != trace.fingerprint():
        raise UsageError(f"{run} simulated another trace: not the same scenario and seed, or another version's")
    table = pq.read_table(path, filters=[("replication", "==", 0)]) if _has_replications(path) else pq.read_table(path)
    reason = np.asarray(table.column("reason").to_pylist())
    name = Reason.NOT_GOING.name
    ahead: npt.NDArray[np.bool_] = reason != (name if reason.dtype.kind == "U" else int(Reason.NOT_GOING))
    return ahead


def _trace_of(run: Path) -> str:
    """Return the fingerprint of the trace that a run simulated, empty where it does not say."""
    try:
        return str(json.loads((run / "run.json").read_text(encoding="utf-8"))["trace_fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _has_replications(path: Path) -> bool:
    import pyarrow.parquet as pq

    return "replication" in pq.read_schema(path).names


def _spans(rows: npt.NDArray[np.int32], carts: int) -> tuple[Column, Column]:
    """Return the first line and the number of lines of each cart; `rows` are the carts of the lines, ascending."""
    count = np.bincount(rows, minlength=carts).astype("i4")
    first = np.concatenate([[0], np.cumsum(count)[:-1]]).astype("i4")
    return first, count


def _arrivals(
    lines: dict[str, Column], row_of: Column, cart_lines: Column, first: Column, from_us: int, pace: float
) -> dict[str, Column]:
    """Return the arrivals of the chosen carts: their looks, and one checkout each at the time of its first line."""
    row = row_of[lines["cart"]]
    looks = (lines["kind"] != BUY) & (row >= 0) & (lines["time_us"] >= from_us)
    heads = np.flatnonzero(cart_lines)[first]
    keep = np.sort(np.concatenate([np.flatnonzero(looks), heads]))
    kind = np.array([_KIND[k] for k in range(len(_KIND))], "u1")[lines["kind"][keep]]
    due = np.floor((lines["time_us"][keep] - from_us) / pace).astype("i8")
    return {
        "due_us": due,
        "kind": kind,
        "cart": row[keep].astype("i4"),
        "sku": lines["sku"][keep].astype("i4"),
        "quantity": lines["quantity"][keep].astype("i4"),
    }


def _carts(
    scenario: Scenario,
    trace: Trace,
    numbers: Column,
    first: Column,
    count: Column,
    lines: dict[str, Column],
    cart_lines: Column,
    choice: Choice,
) -> dict[str, Column]:
    heads = np.flatnonzero(cart_lines)[first]
    carts = {name: column[numbers] for name, column in trace.carts.items()}
    confirm_us = scenario.confirmation.on_hold_us if choice.confirm_after_us is None else choice.confirm_after_us
    staffed = scenario.confirmation.mode == "staff"
    work_us = carts["confirm_work_us"].astype(np.int64) * staffed
    on_hold = AFTER.index("cancel_on_hold")
    cancels = carts["after"] == on_hold
    confirm = np.floor((confirm_us + work_us) / choice.speed).astype("i8")
    pays = carts["pay_delay_us"] != NEVER
    return {
        "number": numbers.astype("i8"),
        "first_line": first,
        "lines": count,
        "buyer": lines["buyer"][heads].astype("i8"),
        "deal": lines["deal"][heads].astype("i4"),
        "content": lines["content"][heads].astype("i4"),
        "pay_delay_us": np.where(pays, np.floor(carts["pay_delay_us"] / choice.speed), sc.NEVER).astype("i8"),
        "declines": carts["declines"].astype("u1"),
        "confirm_delay_us": np.where(cancels, sc.NEVER, confirm).astype("i8"),
        "after": np.where(cancels, sc.CANCEL, sc.NOTHING).astype("u1"),
        "after_delay_us": np.floor(confirm * (carts["after_u32"] / 2.0**32)).astype("i8"),
        "duplicate": share_mask_of(numbers, choice.duplicates).astype("u1"),
    }


def _cut_tail(carts: dict[str, Column], arrivals: dict[str, Column], tail_us: int) -> dict[str, int]:
    """Leave out payments, confirmations and cancellations that would come later than the tail; return how many of each.

    Judged by the plan alone (a checkout that takes no time), so that every target is asked the same.
    """
    placed = np.zeros(len(carts["number"]), np.int64)
    places = arrivals["kind"] == sc.PLACE
    placed[arrivals["cart"][places]] = arrivals["due_us"][places]
    end_us = int(arrivals["due_us"][-1]) + tail_us
    paid = placed + carts["pay_delay_us"]
    unpaid = (carts["pay_delay_us"] != sc.NEVER) & (paid > end_us)
    carts["pay_delay_us"][unpaid] = sc.NEVER
    unconfirmed = (carts["confirm_delay_us"] != sc.NEVER) & (unpaid | (paid + carts["confirm_delay_us"] > end_us))
    carts["confirm_delay_us"][unconfirmed] = sc.NEVER
    cancels = (carts["after"] == sc.CANCEL) & (unpaid | (carts["pay_delay_us"] != sc.NEVER))
    uncancelled = cancels & (unpaid | (paid + carts["after_delay_us"] > end_us))
    carts["after"][uncancelled | (carts["pay_delay_us"] == sc.NEVER)] = sc.NOTHING
    late = {"payments": unpaid, "confirmations": unconfirmed, "cancellations": uncancelled}
    return {step: int(np.count_nonzero(left_out)) for step, left_out in late.items()}


def share_mask_of(numbers: Column, share: float) -> npt.NDArray[np.bool_]:
    """Return which of some cart numbers are in a share, by another hash than `--share` uses."""
    mixed = (numbers.astype(np.uint64) * np.uint64(_MIX_1)) >> np.uint64(32)
    taken: npt.NDArray[np.bool_] = (mixed & np.uint64(0xFFFFFFFF)) < np.uint64(int(share * 2**32))
    return taken


def _offers(scenario: Scenario, table: list[SkuRow], share: float, stock: npt.NDArray[np.int64] | None) -> list[Offer]:
    shops = [listing.shop or scenario.shops[0].name for listing in scenario.catalogue]
    offers = []
    for number, row in enumerate(table):
        bundle = bool(scenario.catalogue[row.listing].bundle)
        units = sum(row.stock) if stock is None else int(stock[number])
        offers.append(
            Offer(
                row.name,
                scenario.catalogue[row.listing].name,
                shops[row.listing],
                row.price_minor,
                scenario.reporting_currency,
                0 if bundle else scaled_units(units, share),
                row.components if bundle else (),
            )
        )
    return offers


def _deals(scenario: Scenario, choice: Choice, from_us: int, pace: float) -> list[DealPlan]:
    return [
        DealPlan(
            row.sku,
            row.price_minor,
            scaled_units(row.units, choice.share),
            row.per_buyer,
            int((row.open_us - from_us) / pace),
            int((row.close_us - from_us) / pace),
            row.broadcast,
        )
        for row in deal_table(scenario)
    ]


def _shelf(table: list[SkuRow], from_us: int, until_us: int, pace: float) -> list[ShelfPlan]:
    """Return what goes on or off the shelf in the stretch, after one entry at 0 for each SKU that begins off it."""
    plans = []
    for sku, row in enumerate(table):
        if row.shelf and not any(on_us <= from_us < off_us for on_us, off_us in row.shelf):
            plans.append(ShelfPlan(0, sku, on=False))
        for at_us, on in (
            (edge, side) for window in row.shelf for edge, side in zip(window, (True, False), strict=True)
        ):
            if from_us < at_us < until_us:
                plans.append(ShelfPlan(int((at_us - from_us) / pace), sku, on))
    return sorted(plans, key=lambda plan: plan.at_us)


def _s(at_us: int) -> str:
    return f"{at_us / SECOND_US:g} s"
