"""What can be told of a load run: its requests by cart, and by content, SKU, region and hour where its trace can be
made again from the scenario as run (the fingerprint says whether it is the same).

A load run has no amounts, parcels or returns: it measures the engine, and stops at confirmation.
"""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from sim.arrays import Flags, Ints
from sim.demand.generate import generate
from sim.demand.trace import BUY, Trace
from sim.errors import LiveRushError
from sim.reports.load_files import LoadRun
from sim.reports.review.groups import NO_CONTENT, local_hours
from sim.scenario.schema import Scenario
from sim.scenario.tables import contents, sku_names

_DONE = ("ok", "replayed")


def review_load(run: LoadRun, zone: str) -> dict[str, Any]:
    """The review of a load run, as docs/review.md tells it."""
    carts, steps = _carts(run)
    found: dict[str, Any] = {
        "run": {key: run.summary[key] for key in ("scenario", "seed")},
        "totals": _counts(steps, np.ones(len(carts), np.bool_)),
        "refusals": _refusals(run),
        "groups": {},
        "notes": ["amounts, parcels and returns are not part of a load run"],
    }
    trace = _same_trace(run)
    if trace is None:
        found["notes"].append("its trace cannot be made again from its scenario, so nothing is told by group")
    elif len(carts):
        scenario = run.scenario
        named = ZoneInfo(zone or scenario.regions[0].zone)
        found["zone"] = named.key
        found["groups"] = _groups(scenario, trace, carts, steps, named)
    return found


def _carts(run: LoadRun) -> tuple[Ints, dict[str, Flags]]:
    """The carts that asked for checkout, and what came of each."""
    cart = run.requests["cart"].astype(np.int64)
    asked = run.endpoint.where("checkout") & (cart >= 0)
    carts, number = np.unique(cart[asked], return_inverse=True)
    steps = {"checkouts": np.ones(len(carts), np.bool_)}
    done = np.isin(run.outcome.codes, [k for k, name in enumerate(run.outcome.names) if name in _DONE])
    for name, rows in {
        "placed": asked & done,
        "paid": run.endpoint.where("payment") & done & (cart >= 0),
        "confirmed": run.endpoint.where("confirmation") & done & (cart >= 0),
        "refused": asked & run.outcome.where("refused"),
        "missed": asked & run.missed,
    }.items():
        steps[name] = np.isin(carts, cart[rows])
    steps["refused"] &= ~steps["placed"]
    steps["missed"] &= ~steps["placed"] & ~steps["refused"]
    steps["tried_again"] = np.bincount(number, minlength=len(carts)) > 1
    return carts, steps


def _counts(steps: dict[str, Flags], where: Flags) -> dict[str, Any]:
    counts: dict[str, Any] = {name: int(np.count_nonzero(flags & where)) for name, flags in steps.items()}
    whole = counts["checkouts"]
    return {**counts, "placed_share": counts["placed"] / whole if whole else None}


def _refusals(run: LoadRun) -> list[dict[str, Any]]:
    """Refused requests by endpoint and the target's own code."""
    rows = []
    refused = run.outcome.where("refused") | run.outcome.where("declined")
    for code, endpoint in enumerate(run.endpoint.names):
        here = refused & (run.endpoint.codes == code)
        numbers = np.bincount(run.reason.codes[here] + 1, minlength=len(run.reason.names) + 1)
        rows += [
            {"endpoint": endpoint, "reason": run.reason.names[k - 1] if k else "", "requests": int(numbers[k])}
            for k in np.flatnonzero(numbers).tolist()
        ]
    return sorted(rows, key=lambda row: (-row["requests"], row["endpoint"], row["reason"]))


def _same_trace(run: LoadRun) -> Trace | None:
    told = (run.summary.get("trace") or {}).get("fingerprint")
    if not told or not (run.directory / "scenario.yaml").is_file():
        return None
    try:
        trace = generate(run.scenario, run.summary["seed"])
    except LiveRushError:
        return None
    return trace if trace.fingerprint() == told else None


def _groups(
    scenario: Scenario, trace: Trace, carts: Ints, steps: dict[str, Flags], zone: ZoneInfo
) -> dict[str, list[dict[str, Any]]]:
    lines = trace.lines
    buys = np.flatnonzero(lines["kind"] == BUY)
    first = buys[np.searchsorted(lines["cart"][buys], np.arange(trace.orders))]
    row = first[carts]
    hours = local_hours(scenario, zone, lines["time_us"][row])
    named = {
        "content": ([*contents(scenario), NO_CONTENT], lines["content"][row].astype(np.int64)),
        "sku": (sku_names(scenario), lines["sku"][row].astype(np.int64)),
        "region": ([region.name for region in scenario.regions], lines["region"][row].astype(np.int64)),
        "hour": ([f"{hour:02d}:00" for hour in range(24)], hours),
    }
    return {
        by: [
            {"name": name, **_counts(steps, code == (k if name != NO_CONTENT else -1))}
            for k, name in enumerate(names)
            if (code == (k if name != NO_CONTENT else -1)).any()
        ]
        for by, (names, code) in named.items()
    }
