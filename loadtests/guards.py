"""What keeps a load run from hurting somebody: which hosts may be loaded, how fast, and with how many orders.

All is checked against the whole plan before the first request; the target may still send more requests than the plan
has arrivals where one of its steps takes several.
"""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np

from loadtests.schedule import NEVER, PLACE, Schedule
from sim.errors import UsageError

if TYPE_CHECKING:
    from loadtests.options import LoadOptions

_SECOND_US = 1_000_000
#: What a target is told by options of their own, which are checked; never by --target-option.
OWN_OPTIONS = frozenset({"url", "store", "ca_file", "audit_sql"})


@dataclass(frozen=True)
class Extent:
    """What a schedule would send: checkouts, and the most arrivals that fall into one second."""

    orders: int
    most_per_s: int


def check(options: LoadOptions, schedule: Schedule) -> None:
    """Raise UsageError, in one line, for a host that nobody allowed or a plan beyond its bounds."""
    own = sorted(OWN_OPTIONS & set(options.target_options))
    if own:
        raise UsageError(f"--target-option {own[0]}=...: say it with --{own[0].replace('_', '-')}")
    if options.url:
        check_host(options, options.url)
    if options.ca_file:
        _check_certificates(options.ca_file)
    extent = extent_of(schedule, options.ladder)
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


def extent_of(schedule: Schedule, ladder: tuple[float, ...] = ()) -> Extent:
    """Return what a schedule, or its ladder (each rung on fresh data, one after the other), would send.

    A second holds the arrivals that are due in it; what follows a checkout is counted as if it followed at once where
    it has no delay, as the payment and confirmation of a burst form a burst too.
    """
    fastest = max(ladder, default=1.0)
    due = np.sort(_all_due(schedule) / fastest)
    ends = np.searchsorted(due, due + _SECOND_US)
    most = int((ends - np.arange(len(due))).max()) if len(due) else 0
    orders = int(np.count_nonzero(schedule.arrivals["kind"] == PLACE))
    return Extent(orders * max(1, len(ladder)), most)


def _all_due(schedule: Schedule) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return when each request is due if every answer came at once."""
    arrivals, carts = schedule.arrivals, schedule.carts
    placed = arrivals["kind"] == PLACE
    at, cart = arrivals["due_us"][placed], arrivals["cart"][placed]
    twice = carts["duplicate"][cart] > 0
    pay_delay = carts["pay_delay_us"][cart]
    paid = at + pay_delay
    confirm_delay = carts["confirm_delay_us"][cart]
    pays, confirms = pay_delay != NEVER, confirm_delay != NEVER
    parts = [arrivals["due_us"], at[twice], paid[pays], (paid + confirm_delay)[pays & confirms]]
    return np.concatenate(parts).astype(np.float64)


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
        ssl.create_default_context(cafile=path)
    except ssl.SSLError as error:
        raise UsageError(f"--ca-file {path}: it holds no certificate in PEM format") from error
    except OSError as error:
        raise UsageError(f"--ca-file {path}: {error.strerror}") from error
