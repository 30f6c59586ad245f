"""The verdict of a replay: can it be trusted, were the objectives met, is the data right. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from loadtests.endpoints import Part, are_arrivals, endpoints_of, judge, rates_of, refusals_of
from loadtests.lag import is_late, lag_of
from loadtests.measuring import Measured, WorkerNote
from loadtests.records import DONE, Endpoint, Outcome
from loadtests.schedule import Schedule
from loadtests.targets.base import AuditResult, on_a_line
from loadtests.waits import AFTER_CHECKOUT, waits_of
from sim.errors import ExitCode, worst_exit_code
from sim.scenario.parts.system import Slo

#: A generator that uses more of a core than this disturbs what it measures.
CPU_LIMIT = 0.8
#: The audit of what could not be looked at.
NOT_DONE = AuditResult({}, {}, ())
_NO_RATES = dict.fromkeys(("offered_per_s", "achieved_per_s", "error_share"))


class Doubt(NamedTuple):
    """Why a measurement is not valid: in short for the verdict's line, and as a sentence."""

    short: str
    sentence: str


def summarise(
    measured: Measured,
    schedule: Schedule,
    slos: Sequence[Slo],
    audit: AuditResult,
    *,
    steps: Collection[str] = AFTER_CHECKOUT,
    notes: Sequence[str] = (),
    doubts: Sequence[Doubt] = (),
    not_scaled: Sequence[str] = (),
    interrupted: bool = False,
) -> Part:
    """What `summary.json` says of a replay; `doubts` are others' besides those of what was measured.

    `steps`: those of the target, the journeys of whose carts are told.
    `interrupted`: it was cut short, so not all was sent. `not_scaled`: what of the target did not follow an option, so
    that it sold out at another time than the scenario, if at all.
    """
    lag = lag_of(measured, slos)
    judged = [judge(measured, slo) for slo in slos]
    noted = [note for note in measured.notes if note]
    aborted = "; ".join(sorted({note.abort for note in noted if note.abort}))
    incomplete = interrupted or any(not note.complete for note in noted)
    outcome = measured.records["outcome"]
    dropped = int(np.count_nonzero(outcome == Outcome.DROPPED))
    checkouts = outcome[measured.records["endpoint"] == Endpoint.CHECKOUT]
    ordered = bool(np.isin(checkouts, DONE).any())
    unsold = ["no client got an order: there was nothing to audit"] if len(checkouts) and not ordered else []
    doubts = [
        *doubts_of(measured, schedule, lag, incomplete=incomplete),
        *doubts,
        *_missed_by_lag(measured, slos, judged),
        *_audit_doubts(audit),
    ]
    return {
        "sent": len(outcome) - dropped,
        "dropped": dropped,
        "stale_retries": sum(note.stale_retries for note in noted),
        "rates": rates_of(measured, schedule),
        "endpoints": endpoints_of(measured),
        "buyers": waits_of(measured, schedule, steps),
        "slos": judged,
        "lag": lag,
        "generator": {
            "cpu_share": [round(note.cpu_share, 4) for note in noted],
            "busiest_share": [note.busiest_share for note in noted],
            "limit": CPU_LIMIT,
        },
        "refusals": refusals_of(measured),
        "audit": audit_of(audit),
        "notes": [*notes, *_few_notes(judged), *unsold, *_notes_of(measured), *_scaled_notes(not_scaled)],
        "incomplete": incomplete,
        "aborted": aborted or None,
        "verdict": verdict_of(
            doubts,
            judged,
            audit,
            aborted=bool(aborted),
            incomplete=incomplete,
            sold_out=not not_scaled,
            ordered=ordered,
        ),
    }


def doubts_of(measured: Measured, schedule: Schedule, lag: Part, *, incomplete: bool) -> list[Doubt]:
    """All that makes a measurement invalid; an incomplete one need not have sent all that was planned."""
    planned = len(schedule.arrivals["due_us"])
    return [
        *_lag_doubts(lag, planned),
        *_worker_doubts(measured.notes),
        *_lost_doubts(measured),
        *_dropped_doubts(measured),
        *([] if incomplete else _sent_doubts(measured, planned)),
    ]


def _lag_doubts(lag: Part, planned: int) -> Iterable[Doubt]:
    late_us, limit_us = lag["p99_us"], lag["limit_us"]
    over, requests = lag["over"], lag["requests"]
    if not requests:
        if planned:
            yield Doubt("nothing was sent", f"none of {planned} planned arrivals was sent")
    elif is_late(lag) and late_us is None:
        sentence = f"{over} of {requests} {lag['of']} were sent more than {_ms(limit_us)} late"
        yield Doubt(f"lag > {_ms(limit_us)} for {over} of {requests}", f"{sentence}; one in a hundred may be")
    elif is_late(lag):
        sentence = f"the lag's p99 was {_ms(late_us)} ({lag['of']}); {_ms(limit_us)} is allowed"
        yield Doubt(f"lag p99 {_ms(late_us)} > {_ms(limit_us)}", sentence)


def _missed_by_lag(measured: Measured, slos: Sequence[Slo], judged: Sequence[Part]) -> Iterable[Doubt]:
    """A lag that is rare enough for its own limit may still be what missed a high percentile: that is no answer."""
    missed = [slo for slo, told in zip(slos, judged, strict=True) if told["met"] is False]
    if not missed:
        return
    punctual = measured.punctual()
    for slo in missed:
        if judge(punctual, slo)["met"]:
            short = f"{slo.endpoint} p{slo.percentile:g} missed by lag"
            yield Doubt(short, f"{slo.endpoint} would have met its p{slo.percentile:g} but for the generator's own lag")


def _worker_doubts(notes: Sequence[WorkerNote | None]) -> Iterable[Doubt]:
    silent = [str(worker) for worker, note in enumerate(notes) if note is None]
    if silent:
        named = f"worker{'s' if len(silent) > 1 else ''} {', '.join(silent)} of {len(notes)} did not report"
        yield Doubt(named, f"{named} at the end")
    late = sum(note.unfinished for note in notes if note and note.overtime)
    if late:
        sentence = f"{_count(late, 'cart')} {'was' if late == 1 else 'were'} still under way when time was over"
        yield Doubt(f"{_count(late, 'cart')} unfinished", sentence)
    busiest = max((max(note.cpu_share, note.busiest_share) for note in notes if note), default=0.0)
    if busiest >= CPU_LIMIT:
        used, limit = f"{100 * busiest:.0f} %", f"{100 * CPU_LIMIT:.0f} %"
        sentence = f"a load generator used {used} of its core in its busiest second; less than {limit} is allowed"
        yield Doubt(f"generator CPU {used} >= {limit}", sentence)
    steps = sum(len(note.clock_steps) for note in notes if note)
    if steps:
        yield Doubt(_count(steps, "clock step"), f"the clock was set {_count(steps, 'time')} during the replay")


def _lost_doubts(measured: Measured) -> Iterable[Doubt]:
    """Each worker counts the records that it makes: so many must be there."""
    kept = np.bincount(measured.records["worker"], minlength=len(measured.notes)).tolist()
    made = [note.requests if note else None for note in measured.notes]
    lost = sum(abs(number - there) for number, there in zip(made, kept, strict=False) if number is not None)
    if lost:
        yield Doubt(f"{lost} records lost", f"the workers made {_count(lost, 'record')} more or less than were found")


def _dropped_doubts(measured: Measured) -> Iterable[Doubt]:
    noted = sum(note.dropped for note in measured.notes if note)
    dropped = max(noted, int(np.count_nonzero(measured.records["outcome"] == Outcome.DROPPED)))
    if dropped:
        yield Doubt(f"{dropped} dropped", f"{_count(dropped, 'request')} could not be sent")


def _sent_doubts(measured: Measured, planned: int) -> Iterable[Doubt]:
    """Hold what was to be sent against the trace, and the records against that."""
    notes = [note for note in measured.notes if note]
    if len(notes) < len(measured.notes):
        return  # said already, and what the others sent proves nothing
    shared = sum(note.planned for note in notes)
    left_out = sum(sum(note.left_out.values()) for note in notes)
    sent = int(np.count_nonzero(are_arrivals(measured.records)))
    if shared + left_out != planned:
        sentence = f"the load generators had {shared + left_out} arrivals, the trace has {planned}"
        yield Doubt(f"{shared + left_out} shared of {planned} planned", sentence)
    if sent != shared:
        yield Doubt(f"{sent} sent of {shared}", f"{sent} arrivals were recorded of {shared} that were to be sent")


def _audit_doubts(audit: AuditResult) -> Iterable[Doubt]:
    """A target that shows nothing is not audited; one that did not answer may hide anything."""
    if audit.failed:
        yield Doubt("audit failed", f"the audit failed: {'; '.join(audit.failed)}")


def verdict_of(
    doubts: Sequence[Doubt],
    slos: Sequence[Part],
    audit: AuditResult,
    *,
    aborted: bool,
    incomplete: bool,
    sold_out: bool = True,
    ordered: bool = True,
) -> Part:
    """The verdict. A replay that an `abort_on` rule ended answers no; one that was cut short never yes.

    `sold_out`: the target could sell out as the scenario does; else the line says so, and nothing else changes.
    `ordered`: a client got an order; else the audit had nothing to look at.
    """
    decided = [slo["met"] for slo in slos if slo["met"] is not None]
    slo_met = all(decided) if decided else None
    codes = [ExitCode.AUDIT] * bool(audit.findings) + [ExitCode.INVALID] * bool(doubts)
    codes += [ExitCode.NO] * (slo_met is False or aborted)
    code = worst_exit_code(codes)
    parts = [_valid_words(doubts), _slo_words(slos), _audit_words(audit, ordered=ordered)]
    parts += ["SELL-OUT NOT REPRODUCED"] * (not sold_out)
    parts += ["ABORTED"] * aborted + ["INCOMPLETE"] * (incomplete and not aborted)
    return {
        "valid": not doubts,
        "valid_reasons": [doubt.sentence for doubt in doubts],
        "slo_met": slo_met,
        "audit": audit_status(audit, ordered=ordered),
        "exit_code": int(ExitCode.INTERRUPTED if incomplete and code == ExitCode.YES else code),
        "line": " · ".join(parts),
    }


def audit_status(audit: AuditResult, *, ordered: bool = True) -> str:
    """One of "findings", "failed", "clean", or "not done" where nothing was there to look at.

    `ordered`: whether a client got an order. A stock from which nothing was sold proves nothing.
    """
    if audit.findings:
        return "findings"
    if audit.failed:
        return "failed"
    return "clean" if ordered and any(audit.checked.values()) else "not done"


def audit_of(audit: AuditResult) -> Part:
    """What was looked at, what could not be seen, what was found and what failed, for the summary."""
    findings = [{"rule": one.rule, "ids": list(one.ids), "found": one.found} for one in audit.findings]
    failed = list(audit.failed)
    return {"checked": dict(audit.checked), "unseen": dict(audit.unseen), "findings": findings, "failed": failed}


def rung(multiple: float, summary: Mapping[str, Any]) -> Part:
    """A rung of a ladder: what came of replaying at a multiple of the trace's rate.

    `within` is None where that cannot be said: the measurement is not valid or not whole, or there is no objective.
    What is judged is there as in a summary, so that whoever tells one tells a rung.
    """
    verdict, checkout = summary["verdict"], summary["endpoints"].get("checkout", {})
    whole = verdict["slo_met"] is not None and not summary["incomplete"]
    told = verdict["valid"] and (whole or bool(summary["aborted"]))
    good = verdict["slo_met"] and verdict["audit"] != "findings" and not summary["aborted"]
    return {
        "multiple": multiple,
        **summary["rates"],
        "checkout_per_s": checkout.get("rate_per_s"),
        "p50_us": checkout.get("p50_us"),
        "p99_us": checkout.get("p99_us"),
        "within": good if told else None,
        **{name: summary[name] for name in ("verdict", "slos", "audit", "notes", "incomplete", "aborted")},
    }


def limits_of(ladder: Sequence[Mapping[str, Any]]) -> tuple[float | None, float | None]:
    """The last multiple within the objectives, and the first outside; `ladder` ascends.

    Nothing is said of what comes after a rung that says nothing: the limit may lie there. A multiple that is within
    above one that is outside was luck, and is not named.
    """
    within = None
    for one in ladder:
        if one["within"] is not True:
            return within, one["multiple"] if one["within"] is False else None
        within = one["multiple"]
    return within, None


def not_measured(multiple: float, error: BaseException) -> Part:
    """A ladder's rung of which nothing was measured: it was interrupted, or `error` ended it."""
    interrupted = isinstance(error, KeyboardInterrupt)
    why = "interrupted" if interrupted else on_a_line(error)
    verdict = {
        "valid": False,
        "valid_reasons": [f"nothing was measured at x{multiple:g}: {why}"],
        "slo_met": None,
        "audit": "not done",
        "exit_code": int(ExitCode.INTERRUPTED if interrupted else ExitCode.INVALID),
        "line": f"INVALID (x{multiple:g} not measured) · SLO NOT TESTED · AUDIT NOT DONE",
    }
    nothing = {"rates": _NO_RATES, "endpoints": {}, "slos": [], "audit": audit_of(NOT_DONE), "notes": []}
    return rung(multiple, {**nothing, "verdict": verdict, "incomplete": interrupted, "aborted": None})


def worst(verdicts: Iterable[Part]) -> Part:
    """The verdict whose exit code outranks the others, the first of several."""
    every = list(verdicts)
    code = worst_exit_code(verdict["exit_code"] for verdict in every)
    if code == ExitCode.YES and any(verdict["exit_code"] for verdict in every):
        code = ExitCode.INTERRUPTED
    return next(verdict for verdict in every if verdict["exit_code"] == code)


def _valid_words(doubts: Sequence[Doubt]) -> str:
    return f"INVALID ({'; '.join(doubt.short for doubt in doubts)})" if doubts else "VALID"


def _slo_words(slos: Sequence[Part]) -> str:
    """What the line says of the objectives; one whose endpoint was not asked is named, not passed."""
    unasked = sorted({slo["endpoint"] for slo in slos if slo["met"] is None})
    asides = [f"{', '.join(unasked)}: not tested"] if unasked else []
    asides += [f"{slo['endpoint']} p{slo['percentile']:g}: {_requests(slo)}" for slo in slos if slo["few"]]
    aside = f" ({'; '.join(asides)})" if asides else ""
    if not slos:
        return "NO SLO"
    if len(unasked) == len({slo["endpoint"] for slo in slos}):
        return "SLO NOT TESTED"
    return ("SLO MISSED" if any(slo["met"] is False for slo in slos) else "SLO MET") + aside


def _requests(slo: Part) -> str:
    return f"{_count(slo['requests'], 'request')} only"


def _few_notes(slos: Sequence[Part]) -> Iterable[str]:
    """Tell what a verdict on few requests is worth: one of them more or less may turn it."""
    for slo in slos:
        may = " and ".join(f"{most} {_MAY[what]}" for what, most in slo["few"].items())
        if may:
            judged = f"{slo['endpoint']} p{slo['percentile']:g} was judged by {_count(slo['requests'], 'request')}"
            yield f"{judged}, of which {may}: few, so chance has much to say in it"


_MAY = {"over": "may be over", "errors": "may fail"}


def _audit_words(audit: AuditResult, *, ordered: bool) -> str:
    if audit.findings:
        return f"AUDIT: {_count(len(audit.findings), 'FINDING', 'FINDINGS')}"
    status = audit_status(audit, ordered=ordered)
    if status != "clean":
        return f"AUDIT {status.upper()}"
    return f"AUDIT CLEAN ({_count(len(audit.unseen), 'rule')} not seen)" if audit.unseen else "AUDIT CLEAN"


def _notes_of(measured: Measured) -> Iterable[str]:
    """What a reader must know of the workers, though it is no doubt."""
    notes = [note for note in measured.notes if note]
    for kind in sorted({kind for note in notes for kind in note.left_out}):
        left_out = sum(note.left_out.get(kind, 0) for note in notes)
        yield f"the target has no step {kind}: {_count(left_out, 'arrival')} left out"
    for kind, example in sorted({kind: example for note in notes for kind, example in note.examples.items()}.items()):
        yield f"failed at {kind}: {' '.join(example.split())}"
    stale = sum(note.stale_retries for note in notes)
    if stale:
        was = f"{_count(stale, 'request')} {'was' if stale == 1 else 'were'}"
        yield f"{was} sent again at once, as a kept connection had ended without an answer; more would be errors"
    unfinished = sum(note.unfinished for note in notes)
    if unfinished:
        yield f"{_count(unfinished, 'cart')} still under way when the replay ended"
    for endpoint in sorted({endpoint for note in notes for endpoint in note.unpaid}):
        unpaid = _count(measured.unpaid(endpoint), "payment")
        yield f"{unpaid} accepted and never known to be paid: counted as missed at {endpoint}"
    cut = int(np.count_nonzero(measured.records["outcome"] == Outcome.CUT))
    if cut:
        yield f"{_count(cut, 'request')} cut off by the replay's own end"
    if measured.torn:
        yield f"{_count(measured.torn, 'record')} cut short at the end of a worker's file"


def _scaled_notes(not_scaled: Sequence[str]) -> Iterable[str]:
    if not_scaled:
        yield f"sell-out not reproduced: the target does not follow {' and '.join(not_scaled)}"


def _count(number: int, one: str, more: str = "") -> str:
    return f"{number} {one if number == 1 else more or one + 's'}"


def _ms(us: int) -> str:
    """Microseconds as milliseconds, all digits: what is over a limit never looks equal to it."""
    return f"{us / 1000:,.3f}".rstrip("0").rstrip(".") + " ms"
