"""What keeps a load run from hurting somebody: which hosts may be loaded, how fast, and with how many orders.

All is checked against the whole plan before the first request. Not in the plan, and so not bounded, are tries again
after a failure, the requests of a step that takes several, what is sent at once after the generator itself stood still,
and the harness's own filling and audit.
"""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from loadtests.certificates import trusting
from loadtests.replay.plan import FOLLOW_US
from loadtests.schedule import CANCEL, KINDS, NEVER, PLACE, RETURN, Schedule
from sim.errors import UsageError
from sim.orders.rules import SECOND_US

if TYPE_CHECKING:
    from loadtests.options import LoadOptions


Times = npt.NDArray[np.float64]
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
    """Return what a schedule, or its ladder (each rung on fresh data, one after the other), would send.

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


def _all_due(schedule: Schedule, steps: frozenset[str], pace: float, backoff_us: float) -> Times:
    """Return when each request is due if every answer came at once and arrivals came `pace` times as fast."""
    arrivals, carts = schedule.arrivals, schedule.carts
    asked = np.isin(arrivals["kind"], [kind for kind, name in enumerate(KINDS) if name in steps])
    placed = arrivals["kind"] == PLACE
    cart = arrivals["cart"][placed]
    own = {name: column[cart] for name, column in carts.items()}
    at = arrivals["due_us"][placed] / pace
    parts = [arrivals["due_us"][asked] / pace, at[own["duplicate"] > 0]]
    parts += [at] if "read" in steps else []
    pays = (own["pay_delay_us"] != NEVER) & ("pay" in steps)
    paid = at + own["pay_delay_us"]
    for declined in range(int(own["declines"][pays].max(initial=0)) + 1):  # each is paid again a back-off later
        parts.append((paid + declined * backoff_us)[pays & (own["declines"] >= declined)])
    paid = paid + own["declines"] * backoff_us
    cancels = pays & (own["after"] == CANCEL) & ("cancel" in steps)
    confirms = pays & ~cancels & (own["confirm_delay_us"] != NEVER) & ("confirm" in steps)
    confirmed = paid + own["confirm_delay_us"]
    returns = confirms & (own["after"] == RETURN) & ("return" in steps)
    parts += [(paid + own["after_delay_us"])[cancels], confirmed[confirms]]
    return np.concatenate([*parts, (confirmed + own["after_delay_us"])[returns]])


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine."""
    host = (urlsplit(url).hostname or "").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_host(options: LoadOptions, url: str) -> None:
    """Raise UsageError for what is no URL, holds a password, or is another machine that the options do not allow."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if parts.username or parts.password:
        raise UsageError("a URL must hold no password: name an environment variable with --secret instead")
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError(f"{url!r} is no http or https URL")
    if is_loopback(url):
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
