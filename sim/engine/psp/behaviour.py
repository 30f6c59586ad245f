"""How the stand-in provider behaves, and the fate that it has in store for each charge and refund.

Nothing is drawn: a fate is a hash of (seed, id, purpose), the same whenever and in whatever order it is asked for.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sim.engine.chance import uniform

Share = Annotated[float, Meta(ge=0, le=1)]
Milliseconds = Annotated[float, Meta(ge=0, le=3_600_000)]

#: A payment method that is always declined, so that a test can have a decline where it wants one.
DECLINED_METHOD = "card-declined"

_NORMAL = NormalDist()
_FAILURES = ("insufficient_funds", "do_not_honour", "expired_card")


class Behaviour(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False):
    """Settings of the stand-in. The default is a provider without faults that decides at once.

    A decision takes `latency_ms` (the median of a log-normal law where `latency_sigma` > 0). `sync` answers a charge
    with the decision, `async` at once with `pending`. Shares are of charges and refunds, or of the events about them:
    `duplicate`: the event is sent `duplicates` more times; `reorder`: it is held until another event was sent,
    at most `reorder_ms`; `late`: sent `late_ms` after its time; `lost`: never sent; `drop_answer`: the work is done,
    and the connection is cut instead of the first answer.
    """

    seed: int = 1
    latency_ms: Milliseconds = 0.0
    latency_sigma: Annotated[float, Meta(ge=0, le=5)] = 0.0
    decline_share: Share = 0.0
    answers: Literal["sync", "async"] = "sync"
    duplicate_share: Share = 0.0
    duplicates: Annotated[int, Meta(ge=1, le=100)] = 1
    reorder_share: Share = 0.0
    reorder_ms: Milliseconds = 1000.0
    late_share: Share = 0.0
    late_ms: Milliseconds = 0.0
    lost_share: Share = 0.0
    drop_answer_share: Share = 0.0


def befalls(share: float, seed: int, subject: str, purpose: str) -> bool:
    """Whether something that happens to `share` of all happens to this one. A larger share adds to a smaller one."""
    return share > 0 and uniform(seed, subject, purpose) < share


def latency_s(behaviour: Behaviour, subject: str) -> float:
    """How long the decision about a charge or refund takes."""
    median_s = behaviour.latency_ms / 1000
    if not median_s or not behaviour.latency_sigma:
        return median_s
    deviation = _NORMAL.inv_cdf(uniform(behaviour.seed, subject, "latency"))
    return median_s * math.exp(behaviour.latency_sigma * deviation)


def failure_of(behaviour: Behaviour, charge_id: str, method: str = "") -> str:
    """Why a charge is declined, empty where it is not."""
    if method == DECLINED_METHOD:
        return _FAILURES[0]
    if not befalls(behaviour.decline_share, behaviour.seed, charge_id, "decline"):
        return ""
    return _FAILURES[int(uniform(behaviour.seed, charge_id, "failure") * len(_FAILURES))]
