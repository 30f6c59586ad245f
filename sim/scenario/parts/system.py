"""The order engine, payment, confirmation and the SLOs they are held to."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from sim.scenario.parts.base import Duration, Name, Outage, Part, Servers, ServersAt
from sim.scenario.units import DurationUs, Share


class ServiceTimes(Part):
    """Time of a worker for one request of each kind."""

    checkout: Duration = Field("2ms", validate_default=True)
    payment: Duration = Field("1ms", validate_default=True)
    confirmation: Duration = Field("1ms", validate_default=True)


class GroupCommit(Part):
    """Requests are stored in groups of at most `max_group`, taking a + b x group; a group waits `linger` to fill."""

    a_us: DurationUs = Field("1ms", alias="a", validate_default=True)
    b_us: DurationUs = Field("20us", alias="b", validate_default=True)
    max_group: int = Field(256, ge=1, le=100_000)
    linger_us: DurationUs = Field(0, alias="linger")

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {} if value == "group_commit" else value


def _kind_of_store(value: Any) -> str | None:
    if isinstance(value, str):
        return value if value in ("immediate", "group_commit") else None
    return "group_commit"


class Engine(Part):
    """One pool of `workers` serves checkout, payment and confirmation, first come first served.

    A request that finds `queue_bound` waiting (0: all workers busy) is refused; a client leaves after `client_timeout`
    (0: never) and tries again after `backoff` x 2^(failed tries - 1), at most `attempts` times in all. `workers` may be
    0 only where a later change brings some.
    """

    workers: int = Field(8, ge=0, le=1_000_000)
    changes: tuple[ServersAt, ...] = ()
    service: ServiceTimes = ServiceTimes()
    queue_bound: int = Field(10_000, ge=0, le=50_000_000)
    client_timeout_us: DurationUs = Field("10s", alias="client_timeout", validate_default=True)
    attempts: int = Field(3, ge=1, le=8)
    backoff_us: DurationUs = Field("500ms", alias="backoff", gt=0, validate_default=True)
    store: Annotated[
        Annotated[GroupCommit, Tag("group_commit")] | Annotated[Literal["immediate"], Tag("immediate")],
        Discriminator(_kind_of_store),
    ] = Field({}, validate_default=True)
    outages: tuple[Outage, ...] = ()


class PaymentMethod(Part):
    """A way to pay: the provider answers after `latency` and declines a share `declines` of the tries."""

    name: Name
    latency: Duration = Field({"dist": "lognormal", "median": "800ms", "sigma": 0.5}, validate_default=True)
    declines: Share = 0.03


class Payment(Part):
    """A share `pays` of the buyers try to pay, `delay` after checkout; the hold ends `hold_window` after checkout.

    No sound public figure for the unpaid share of live orders exists: 80 % to 95 % pay (MODELS 1.5). A declined buyer
    tries again after `retry_delay`, at most `tries` times in all, while the hold lasts. Ended holds and cancelled
    orders give their units back at the next sweep, every `sweep`.
    """

    methods: tuple[PaymentMethod, ...] = Field(({"name": "card"},), min_length=1, validate_default=True)
    pays: Share = 0.9
    delay: Duration = Field({"dist": "exponential", "mean": "45s"}, validate_default=True)
    tries: int = Field(3, ge=1, le=8)
    retry_delay_us: DurationUs = Field("30s", alias="retry_delay", gt=0, validate_default=True)
    hold_window_us: DurationUs = Field("15m", alias="hold_window", gt=0, validate_default=True)
    sweep_us: DurationUs = Field("1s", alias="sweep", gt=0, validate_default=True)
    outages: tuple[Outage, ...] = Field((), description="the provider answers nothing until the outage ends")


class Confirmation(Part):
    """The merchant accepts an order once it has been ON_HOLD for `on_hold` (TikTok US: 1 h free cancellation).

    `automatic` sends the confirmation at that moment; with `staff` a person works `work` on each order first.
    """

    mode: Literal["automatic", "staff"] = "automatic"
    on_hold_us: DurationUs = Field("1h", alias="on_hold", validate_default=True)
    staff: Servers = Field(1, validate_default=True)
    work: Duration = Field({"dist": "lognormal", "median": "20s", "sigma": 0.4}, validate_default=True)


class Slo(Part):
    """`percentile` of the response times of an endpoint stays at or under `at_most`; a failed request missed it."""

    endpoint: Literal["checkout", "payment", "confirmation"]
    percentile: float = Field(99.0, gt=0, lt=100)
    at_most_us: DurationUs = Field(alias="at_most", gt=0)
    errors: Share = Field(0.01, description="share of requests that may time out or be refused for a full queue")
