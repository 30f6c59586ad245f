"""What keeps a load run from hurting somebody: which hosts may be loaded, how fast, and with how many orders.

All is checked against the whole plan before the first request. Not in the plan, and so not bounded, are tries again
after a failure, the requests of a step that takes several, what is sent at once after the generator itself stood still,
and the harness's own filling and audit.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from loadtests.certificates import trusting
from loadtests.replay.plan import FOLLOW_US
from loadtests.schedule import CANCEL, KINDS, NEVER, PLACE, RETURN, Schedule
from loadtests.targets.base import split_url
from sim.arrays import Column, Flags, Floats
from sim.errors import UsageError
from sim.orders.rules import SECOND_US

if TYPE_CHECKING:
    from loadtests.options import LoadOptions


#: What a target is told by options of their own, which are checked; never by --target-option.
OWN_OPTIONS = frozenset({"url", "store", "ca_file", "audit_sql"})


@dataclass(frozen=True)
class Extent:
    """What a schedule would send: checkouts, and the most arrivals that fall into one second."""

    orders: int
    most_per_s: int


def check(options: LoadOptions, schedule: Schedule, steps: frozenset[str]) -> None:
    """Raise UsageError, in one line, for a host that nobody allowed or a plan beyond its bounds.

    `steps`: those that the target has.
    """
    own = sorted(OWN_OPTIONS & set(options.target_options))
    if own:
        raise UsageError(f"--target-option {own[0]}=...: say it with --{own[0].replace('_', '-')}")
    if options.url:
        check_host(options, options.url)
    if options.ca_file:
        _check_certificates(options.ca_file)
    extent = extent_of(schedule, steps, options)
    if options.max_orders and extent.orders > options.max_orders:
        raise UsageError(
            f"the plan has {extent.orders:,} checkouts, --max-orders allows {options.max_orders:,}; "
            "replay less with --for or --share"
        )
    if options.max_per_s and not extent.most_per_s <= options.max_per_s:  # nothing is within "not a number"
        raise UsageError(
            f"the plan has up to {extent.most_per_s:,} requests in a second, --max-per-s allows {options.max_per_s:g}; "
            "replay less with --share, or slower with --speed"
        )


def extent_of(schedule: Schedule, steps: frozenset[str], options: LoadOptions) -> Extent:
    """What a schedule, or its ladder (each rung on fresh data, one after the other), would send.

    A second holds the requests that are due in it; what follows a checkout is counted as if it followed at once where
    it has no delay, as the payment and confirmation of a burst form a burst too. Questions for news of payments come
    besides, all the time.
    """
    due = np.sort(
        _all_due(schedule, steps, max(options.ladder, default=1.0), options.backoff_us / options.choice.speed)
    )
    ends = np.searchsorted(due, due + SECOND_US)
    most = int((ends - np.arange(len(due))).max()) if len(due) else 0
    news = options.workers * SECOND_US // FOLLOW_US if "follow" in steps else 0
    orders = int(np.count_nonzero(schedule.arrivals["kind"] == PLACE))
    return Extent(orders * max(1, len(options.ladder)), most + news)


def _all_due(schedule: Schedule, steps: frozenset[str], pace: float, backoff_us: float) -> Floats:
    """When each request is due if every answer came at once and arrivals came `pace` times as fast."""
    arrivals = schedule.arrivals
    asked = np.isin(arrivals["kind"], [kind for kind, name in enumerate(KINDS) if name in steps])
    placed = arrivals["kind"] == PLACE
    own = {name: column[arrivals["cart"][placed]] for name, column in schedule.carts.items()}
    carts = _Placed(arrivals["due_us"][placed] / pace, own, steps, backoff_us)
    parts = [arrivals["due_us"][asked] / pace, carts.at_us[own["duplicate"] > 0], *carts.payments()]
    parts += [carts.at_us] if "read" in steps else []
    return np.concatenate([*parts, carts.cancellations(), carts.confirmations(), carts.returns()])


@dataclass(frozen=True)
class _Placed:
    """Carts in the order of their checkouts, and when what follows is due; `own`: their columns of the schedule."""

    at_us: Floats
    own: Mapping[str, Column]
    steps: frozenset[str]
    backoff_us: float

    @property
    def _pays(self) -> Flags:
        return np.asarray((self.own["pay_delay_us"] != NEVER) & ("pay" in self.steps))

    @property
    def _cancels(self) -> Flags:
        return np.asarray(self._pays & (self.own["after"] == CANCEL) & ("cancel" in self.steps))

    @property
    def _confirms(self) -> Flags:
        kept = self._pays & ~self._cancels & (self.own["confirm_delay_us"] != NEVER)
        return np.asarray(kept & ("confirm" in self.steps))

    @property
    def _paid_us(self) -> Floats:
        return np.asarray(self.at_us + self.own["pay_delay_us"] + self.own["declines"] * self.backoff_us)

    @property
    def _confirmed_us(self) -> Floats:
        return np.asarray(self._paid_us + self.own["confirm_delay_us"])

    def payments(self) -> list[Floats]:
        """All first tries, all second ones and so on: each that is declined is paid again a back-off later."""
        first_us, declines = self.at_us + self.own["pay_delay_us"], self.own["declines"]
        most = int(declines[self._pays].max(initial=0))
        return [(first_us + n * self.backoff_us)[self._pays & (declines >= n)] for n in range(most + 1)]

    def cancellations(self) -> Floats:
        """When paid orders are cancelled."""
        return np.asarray((self._paid_us + self.own["after_delay_us"])[self._cancels])

    def confirmations(self) -> Floats:
        """When the merchant confirms."""
        return self._confirmed_us[self._confirms]

    def returns(self) -> Floats:
        """When goods are sent back."""
        sent_back = self._confirms & (self.own["after"] == RETURN) & ("return" in self.steps)
        return np.asarray((self._confirmed_us + self.own["after_delay_us"])[sent_back])


def _is_loopback(host: str) -> bool:
    """Whether a URL's host is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_host(options: LoadOptions, url: str) -> None:
    """Raise UsageError for what is no URL, holds a password, or is another machine that the options do not allow."""
    parts = split_url(url)
    if parts.username or parts.password:  # first: no other message may tell them
        raise UsageError("a URL must hold no password: name an environment variable with --secret instead")
    host = parts.hostname or ""
    if _is_loopback(host):
        return
    missing = [] if host in {name.lower() for name in options.allow_host} else [f"--allow-host {host}"]
    missing += [] if options.max_per_s else ["--max-per-s"]
    missing += [] if options.max_orders else ["--max-orders"]
    if missing:
        raise UsageError(f"{host} is not this machine: to load it, say {', '.join(missing)}")


def _check_certificates(path: str) -> None:
    try:
        trusting(path)
    except ssl.SSLError as error:
        raise UsageError(f"--ca-file {path}: it holds no certificate in PEM format") from error
    except OSError as error:
        raise UsageError(f"--ca-file {path}: {error.strerror}") from error
