"""Run directories of load runs with plausible numbers, made without a harness: what docs/run-directory.md promises."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.paths import SCENARIOS

MS, S = 1_000, 1_000_000
ENDPOINTS = ("view", "refresh", "quote", "checkout", "payment", "confirmation",
             "read", "cancel", "return", "follow", "other")  # fmt: skip
OUTCOMES = ("ok", "refused", "declined", "replayed", "shed", "error", "timeout", "dropped", "cut", "in_progress")
COUNTED = ("ok", "refused", "declined", "replayed", "shed", "errors", "timeouts", "dropped", "cut", "in_progress")
REASONS = ("", "SOLD_OUT", "DEAL_SOLD_OUT", "PURCHASE_LIMIT", "PAYMENT_DECLINED", "QUEUE_FULL")
PERCENTILES = {"p50_us": 0.5, "p90_us": 0.9, "p99_us": 0.99, "p999_us": 0.999, "p9999_us": 0.9999}
_PATH = ((0, 0.3, 20 * MS), (1, 0.1, 20 * MS), (2, 0.2, 15 * MS), (3, 1.0, 0), (4, 0.9, 2 * S), (5, 0.8, 3 * S))

Columns = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Kind:
    """What is special about a run."""

    carts: int = 3_000
    length_us: int = 20 * S
    median_us: int = 9 * MS
    refused_share: float = 0.08
    error_share: float = 0.002
    confirmations: bool = True
    foreign: bool = False
    overrides: tuple[tuple[str, Any], ...] = ()


FINDINGS = [
    {"rule": "no_oversell", "ids": [f"sku-{k}" for k in range(40)], "found": "<held> + committed > on hand & more"},
    {"rule": "captured_once", "ids": ["ord_9f3a", "ord_b771"], "found": "captured twice"},
]
LADDER_VERDICTS: dict[float, dict[str, Any]] = {
    0.5: {"line": "VALID · SLO MET · AUDIT CLEAN"},
    1.0: {"line": "VALID · SLO MET · AUDIT CLEAN"},
    1.5: {"line": "VALID · SLO MET · AUDIT CLEAN"},
    2.0: {"line": "VALID · SLO MISSED · AUDIT: 2 FINDINGS", "slo_met": False, "audit": "findings", "exit_code": 3},
    3.0: {"line": "INVALID · SLO MISSED · AUDIT NOT DONE", "slo_met": False, "audit": "not done", "exit_code": 4,
          "valid": False, "valid_reasons": ["4 requests could not be sent"]},
}  # fmt: skip
_RUNGS = {0.5: (12 * MS, 0.0), 1.0: (31 * MS, 0.0), 1.5: (140 * MS, 0.001), 2.0: (2_400 * MS, 0.02), 3.0: (None, 0.3)}
LADDER: list[dict[str, Any]] = [
    {"multiple": m, "offered_per_s": 300 * m, "achieved_per_s": min(300 * m, 520.0), "error_share": errors,
     "checkout_per_s": 100 * m, "p50_us": 5 * MS, "p99_us": p99, "within": m < 2 if m < 3 else None,
     "verdict": {"valid": True, "valid_reasons": [], "slo_met": True, "audit": "clean", "exit_code": 0,
                 **LADDER_VERDICTS[m]},
     "slos": [{"endpoint": "checkout", "percentile": 99.0, "at_most_us": 250 * MS, "errors_at_most": 0.01,
               "measured_us": p99, "error_share": errors, "requests": 2_000, "over": 0 if m < 2 else 70, "met": m < 2,
               "sure": True, "few": {}}],
     "audit": {"checked": {"no_oversell": 30}, "unseen": {}, "findings": FINDINGS if m == 2 else [], "failed": []},
     "notes": [], "incomplete": False, "aborted": None}
    for m, (p99, errors) in _RUNGS.items()
]  # fmt: skip
_MISSED = {"line": "VALID · SLO MISSED · AUDIT CLEAN", "slo_met": False, "exit_code": 1}
KINDS: dict[str, Kind] = {
    "good": Kind(),
    "missed": Kind(median_us=160 * MS, error_share=0.03, overrides=(("verdict", _MISSED),)),
    "findings": Kind(
        overrides=(
            ("verdict", {"line": "VALID · SLO MET · AUDIT FINDINGS", "audit": "findings", "exit_code": 3}),
            ("audit", {"findings": FINDINGS}),
        )
    ),
    "unseen": Kind(overrides=(("audit", {"unseen": {"captured_once": "the target tells no captures <secret>"}}),)),
    "invalid": Kind(
        overrides=(
            ("verdict", {"line": "INVALID · SLO MET · AUDIT CLEAN", "valid": False, "exit_code": 4,
                         "valid_reasons": ["lag p99 31.2 ms is over 12.5 ms", "worker 0 used 97 % of a core"]}),
            ("lag", {"p99_us": 31_200, "max_us": 402_000}),
            ("generator", {"cpu_share": [0.97]}),
        )
    ),
    "aborted": Kind(
        carts=400, length_us=4 * S, error_share=0.4,
        overrides=(
            ("verdict", {"line": "INVALID · SLO MISSED · AUDIT NOT DONE", "valid": False, "slo_met": False,
                         "audit": "not done", "exit_code": 4, "valid_reasons": ["the replay was stopped"]}),
            ("incomplete", True), ("aborted", "checkout errors > 20 % for 2 s"),
            ("audit", {"checked": {}, "unseen": {}}),
        ),
    ),
    "no_confirmations": Kind(confirmations=False),
    "foreign": Kind(
        carts=100, length_us=20 * S, median_us=900 * MS, foreign=True,
        overrides=(
            ("target", {"name": "staging", "url": "https://shop.example:8443", "store": ""}),
            ("notes", ["sell-out not reproduced: the target's stock could not be set"]),
            ("share", 0.1), ("speed", 2.0), ("from_us", 1800 * S), ("workers", 2),
            ("generator", {"cpu_share": [0.2, 0.25]}),
        ),
    ),
    "ladder": Kind(
        overrides=(
            ("ladder", LADDER), ("ladder_last_within", 1.5), ("ladder_first_outside", 2.0),
            ("verdict", LADDER_VERDICTS[2.0]),
        )
    ),
    "nothing": Kind(
        carts=0, overrides=(("verdict", {"line": "VALID · SLO NOT TESTED · AUDIT CLEAN", "slo_met": None}),)
    ),
}  # fmt: skip


def write_load_run(directory: Path, kind: str = "good", seed: int = 1) -> Path:
    """Write a load run of one of KINDS into `directory` and return it."""
    what, rng = KINDS[kind], np.random.default_rng(seed)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "scenario.yaml").write_text((SCENARIOS / "flash_drop.yaml").read_text("utf-8"), "utf-8")
    due = np.sort(_burst(rng, what))
    table = _requests(rng, what, due)
    _write(directory, "requests", table, {"endpoint": ENDPOINTS, "outcome": OUTCOMES, "reason": REASONS})
    _write(directory, "intended", _intended(table, what))
    if not what.foreign:
        _write(directory, "server", _server(rng, what), {"process": ("http", "store", "postgres", "generator-0")})
        _write(directory, "engine", _engine(rng, what))
    summary = _summary(table, what)
    (directory / "summary.json").write_text(json.dumps(summary, ensure_ascii=False), "utf-8")
    return directory


def _burst(rng: np.random.Generator, what: Kind) -> np.ndarray[Any, Any]:
    """Half of the carts in a burst at a quarter of the run, the others evenly."""
    half = what.carts // 2
    burst = what.length_us // 4 + rng.exponential(0.4 * S, half)
    return np.minimum(np.r_[burst, rng.uniform(0, what.length_us, what.carts - half)], what.length_us).astype(np.int64)


def _requests(rng: np.random.Generator, what: Kind, due: np.ndarray[Any, Any]) -> Columns:
    parts = []
    for endpoint, share, delay_us in _PATH:
        if endpoint == 5 and not what.confirmations:
            continue
        carts = np.flatnonzero(rng.random(len(due)) < share)
        when = due[carts] + (rng.exponential(delay_us, len(carts)).astype(np.int64) if delay_us else 0)
        parts.append(_tries(rng, what, endpoint, carts, when))
    table = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    order = np.argsort(table["due_us"], kind="stable")
    return {key: column[order] for key, column in table.items()}


def _tries(rng: np.random.Generator, what: Kind, endpoint: int, carts: Any, due: Any) -> Columns:
    n = len(carts)
    crowd = np.searchsorted(np.sort(due), due + S // 4) - np.searchsorted(np.sort(due), due - S // 4)
    sent = due + rng.exponential(150, n).astype(np.int64)
    service = rng.lognormal(np.log(what.median_us * (1 + endpoint / 9)), 0.5, n) * (1 + crowd / 250)
    chance, outcome = rng.random(n), np.zeros(n, np.int64)
    refuse = (chance < what.refused_share) & (endpoint in (3, 4))
    outcome[refuse] = 1 if endpoint == 3 else 2
    failed = chance > 1 - what.error_share
    outcome[failed] = rng.choice([4, 5, 6, 7], int(failed.sum()), p=[0.5, 0.2, 0.2, 0.1])
    reason = np.where(outcome == 1, rng.integers(1, 4, n), np.where(outcome == 2, 4, np.where(outcome == 4, 5, 0)))
    done = sent + service.astype(np.int64)
    done[outcome == 6] = sent[outcome == 6] + 5 * S
    status = np.array([200, 409, 402, 200, 503, 500, 0, 0])[outcome]
    return {"due_us": due, "ready_us": due, "sent_us": sent, "done_us": done, "cart": carts.astype(np.int32),
            "status": status.astype(np.uint16), "endpoint": np.full(n, endpoint), "outcome": outcome,
            "attempt": np.ones(n, np.uint8), "worker": np.zeros(n, np.uint8),
            "twin": np.zeros(n, np.uint8), "reason": reason}  # fmt: skip


def _intended(table: Columns, what: Kind) -> Columns:
    bins = np.arange(0, what.length_us + S // 10, S // 10)
    count = [
        np.bincount(table["due_us"][mask] // (S // 10), minlength=len(bins))[: len(bins)].astype(np.int32)
        for mask in (table["endpoint"] <= 3, table["endpoint"] == 3)
    ]
    return {"bin_us": bins, "arrivals": count[0], "checkouts": count[1]}


def _server(rng: np.random.Generator, what: Kind) -> Columns:
    seconds = np.arange(what.length_us // S, dtype=np.int32)
    base = np.r_[0.5, 0.3, 0.1, 0.4]
    wave = 0.3 * np.exp(-(((seconds - len(seconds) / 4) / 2) ** 2))
    cpu = (base[None, :] + wave[:, None] + rng.normal(0, 0.03, (len(seconds), 4))).clip(0)
    rss = np.broadcast_to(np.array([90, 60, 210, 120]) * 10**6, cpu.shape) + (seconds * 200_000)[:, None]
    return {"second": np.repeat(seconds, 4), "process": np.tile(np.arange(4), len(seconds)),
            "cpu_share": cpu.ravel(), "rss_bytes": rss.astype(np.int64).ravel()}  # fmt: skip


def _engine(rng: np.random.Generator, what: Kind) -> Columns:
    seconds = np.arange(what.length_us // S, dtype=np.int32)
    queue = 80 * np.exp(-(((seconds - len(seconds) / 4) / 1.5) ** 2)) + rng.poisson(2, len(seconds))
    return {"second": seconds, "queue_length": queue.astype(np.int64), "group_size_mean": 1 + queue / 9,
            "held_units": (queue * 3).astype(np.int64), "committed_units": np.cumsum(queue).astype(np.int64),
            "steal_share": rng.exponential(0.01, len(seconds))}  # fmt: skip


def _write(directory: Path, name: str, table: Columns, words: dict[str, tuple[str, ...]] | None = None) -> None:
    columns = {
        key: pa.DictionaryArray.from_arrays(pa.array(column, pa.int32()), list(words[key]))
        if words and key in words
        else pa.array(column)
        for key, column in table.items()
    }
    pq.write_table(pa.table(columns), directory / f"{name}.parquet")


def _endpoint(table: Columns, code: int, length_us: int) -> dict[str, Any]:
    mask = table["endpoint"] == code
    times, n = np.sort((table["done_us"] - table["due_us"])[mask]), int(mask.sum())
    found: dict[str, Any] = {"requests": n}
    outcomes = np.bincount(table["outcome"][mask], minlength=len(OUTCOMES))
    found |= {key: int(outcomes[k]) for k, key in enumerate(COUNTED)}
    for key, share in PERCENTILES.items():
        found[key] = int(times[int(np.ceil(share * n)) - 1]) if n * (1 - share) >= 10 else None
    found |= {"max_us": int(times[-1]) if n else None, "service_p99_us": found["p99_us"]}
    return found | {"rate_per_s": n / length_us * S}


def _summary(table: Columns, what: Kind) -> dict[str, Any]:
    endpoints = {name: _endpoint(table, code, what.length_us) for code, name in enumerate(ENDPOINTS)}
    refused = np.isin(table["outcome"], (1, 2))
    reasons = np.bincount(table["reason"][refused], minlength=len(REASONS))
    lag = np.sort(table["sent_us"] - table["due_us"])
    middle = (
        {"p50_us": int(lag[len(lag) // 2]), "max_us": int(lag[-1])} if len(lag) else dict.fromkeys(("p50_us", "max_us"))
    )
    summary: dict[str, Any] = {
        "kind": "load", "scenario": "flash_drop", "seed": 500,
        "started_at": "2026-06-05T17:31:02+00:00", "command": "liverush load flash_drop",
        "target": {"name": "reference", "url": "", "store": "sqlite"},
        "share": 1.0, "speed": 1.0, "from_us": 0, "length_us": what.length_us, "workers": 1,
        "planned": {"arrivals": int((table["endpoint"] <= 3).sum()), "checkouts": int((table["endpoint"] == 3).sum())},
        "trace": {"fingerprint": "0f1e2d", "carts": what.carts},
        "rates": {"offered_per_s": 150.0, "achieved_per_s": 149.5, "error_share": 0.002},
        "sent": len(lag), "stale_retries": 0, "dropped": int((table["outcome"] == 7).sum()),
        "incomplete": False, "aborted": None,
        "verdict": {"valid": True, "valid_reasons": [], "slo_met": True, "audit": "clean", "exit_code": 0,
                    "line": "VALID · SLO MET · AUDIT CLEAN"},
        "slos": [_slo(endpoints, "checkout", 250 * MS), _slo(endpoints, "confirmation", 500 * MS)],
        "endpoints": endpoints, "buyers": _buyers(endpoints),
        "lag": {"of": "arrivals", **middle, "p99_us": int(lag[len(lag) * 99 // 100]) if len(lag) else None,
                "limit_us": 12_500, "requests": len(lag), "over": 0},
        "generator": {"cpu_share": [0.41], "busiest_share": [0.52], "limit": 0.8},
        "refusals": {name: int(reasons[k]) for k, name in enumerate(REASONS) if k and reasons[k]},
        "audit": {"checked": {"no_oversell": 30, "captured_once": 2400, "acknowledged_orders_exist": 2700},
                  "unseen": {}, "findings": [], "failed": []},
        "versions": {"liverush": "0.1.0", "locust": "2.47.1"},
        "machine": {"processor": "Some CPU", "cores": 2, "memory_bytes": 8_000_000_000},
        "notes": [], "ladder": None, "ladder_last_within": None, "ladder_first_outside": None,
    }  # fmt: skip
    for key, value in what.overrides:
        summary[key] = {**summary[key], **value} if isinstance(value, dict) else value
    return summary


def _buyers(endpoints: dict[str, Any]) -> dict[str, Any]:
    """Who waited: as if every cart had been answered at its first try."""
    row = endpoints["checkout"]
    times = {key: row[key] for key in ("p50_us", "p90_us", "p99_us", "p999_us", "max_us")}
    carts = row["requests"]
    told = {"carts": carts, "unserved": 0, "waiting": 0, **times}
    return {"checkout": told, "journey": {"carts": carts // 2, "planned": carts, **times}} if carts else {}


def _slo(endpoints: dict[str, Any], endpoint: str, at_most_us: int) -> dict[str, Any]:
    row = endpoints[endpoint]
    missed = sum(row[key] for key in ("shed", "errors", "timeouts", "dropped"))
    share = missed / row["requests"] if row["requests"] else 0.0
    met = row["p99_us"] is not None and row["p99_us"] <= at_most_us and share <= 0.01
    return {"endpoint": endpoint, "percentile": 99.0, "at_most_us": at_most_us, "errors_at_most": 0.01,
            "measured_us": row["p99_us"], "error_share": share, "requests": row["requests"], "over": 0,
            "met": met, "sure": True, "few": {}}  # fmt: skip
