"""Base for classes of shops that are not ours: sessions, money, secrets, and the audit of what they can read.

docs/load-your-own.md shows one from beginning to end.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, ClassVar

from loadtests.audit.books import SeenOrder, SeenPayment, SeenStock
from loadtests.audit.foreign import Sold, audit_foreign
from loadtests.audit.sql import SqlBooks
from loadtests.blocking import BlockingHttp
from loadtests.targets.base import AuditResult, Http, HttpFailed, Target, World
from sim.errors import UsageError
from sim.scenario.units import minor_digits


class PlainTarget(Target):
    """A shop that runs already, at `--url`. `prepare` and `login` may be written, and what the audit is to see."""

    #: SQL by what it asks for (orders, lines, stock, payments), for --audit-sql; see loadtests.audit.sql.
    audit_queries: ClassVar[Mapping[str, str]] = {}
    scales_stock = False

    def setup(self, world: World) -> dict[str, Any]:
        """Connect, and let the class prepare its shop. Raises UsageError where it cannot be reached."""
        url, ca_file = world.options.get("url", ""), world.options.get("ca_file", "")
        if not url:
            raise UsageError("this target runs already: say where with --url")
        self.world = world
        self._check_sql(world)
        http = BlockingHttp(url, ca_file=ca_file, run_id=world.run_id)
        try:
            prepared = self.prepare(http, world)
        except HttpFailed as error:
            raise UsageError(f"the target cannot be reached: {error}") from error
        finally:
            http.close()
        names = [offer.name for offer in world.offers]
        told = {"url": url, "run": world.run_id, "names": names, "currency": _currency_of(world), **prepared}
        try:
            return dict(json.loads(json.dumps(told)))  # as the workers will read it
        except TypeError as error:
            raise UsageError(f"{type(self).__name__}.prepare: what it returns is no JSON: {error}") from error

    def attach(self, state: dict[str, Any]) -> None:
        """See `Target.attach`. The shop's sessions, by buyer, begin empty."""
        self.state = state
        self.run: str = state["run"]
        self.names: list[str] = state["names"]
        self.currency: str = state["currency"]
        self._sessions: dict[int, Any] = {}
        self._logging_in: dict[int, threading.Lock] = {}

    def prepare(self, http: Http, world: World) -> dict[str, Any]:
        """Reset stock, put products on sale; return what the workers need besides url, run and names, as JSON."""
        return {}

    def _check_sql(self, world: World) -> None:
        """Ask the database once before the load: a wrong query must not be found after it."""
        url = world.options.get("audit_sql", "")
        if url and not self.audit_queries:
            raise UsageError(f"--audit-sql: {type(self).__name__} has no audit_queries")
        if url:
            SqlBooks(url, self.audit_queries, world.offers, world.run_id)

    def login(self, http: Http, buyer: int) -> Any:
        """A session for a buyer: a token, headers, whatever `session` is to give back."""
        raise NotImplementedError

    def session(self, http: Http, buyer: int) -> Any:
        """A buyer's session; the buyer is logged in at first use."""
        if buyer not in self._sessions:
            with self._logging_in.setdefault(buyer, threading.Lock()):  # twins, and carts of one buyer, come at once
                if buyer not in self._sessions:
                    self._sessions[buyer] = self.login(http, buyer)
        return self._sessions[buyer]

    def secret(self, name: str) -> str:
        """A secret that --secret names. It stays in the environment and is never written. Raises UsageError."""
        value = os.environ.get(name, "")
        if not value:
            raise UsageError(f"this target needs --secret {name}, and the environment variable {name} set")
        return value

    def seen_orders(self, http: Http) -> Iterable[SeenOrder]:
        """Read the orders of this run, for the audit."""
        raise NotImplementedError

    def seen_stock(self, http: Http) -> Iterable[SeenStock]:
        """Read what is left of the offers, for the audit."""
        raise NotImplementedError

    def seen_payments(self, http: Http) -> Iterable[SeenPayment]:
        """Read what was captured and refunded, for the audit."""
        raise NotImplementedError

    def audit(self, http: Http, acknowledged: Path) -> AuditResult:
        """Check what can be seen."""
        world = self.world
        sold = Sold(world.offers, world.deals, world.run_id, world.options.get("audit_sql", ""))
        return audit_foreign(self, http, acknowledged, sold)


def _currency_of(world: World) -> str:
    """The currency of all prices: a scenario has one that it reports in."""
    return world.offers[0].currency if world.offers else ""


def minor(amount: str | float | Decimal, currency: str) -> int:
    """A decimal amount, such as "12.90", in minor units: GBP has 100, JPY 1 and KWD 1,000 of them.

    Raises ValueError for a fraction of a minor unit.
    """
    try:
        exact = Decimal(str(amount)).scaleb(minor_digits(currency))
    except InvalidOperation as error:
        raise ValueError(f"{amount!r} is no amount") from error
    if exact != exact.to_integral_value():
        raise ValueError(f"{amount!r} has a fraction of a minor unit")
    return int(exact)


def decimal(amount_minor: int, currency: str) -> str:
    """Minor units as a decimal amount: 1290 is "12.90" in GBP, "1290" in JPY and "1.290" in KWD."""
    return f"{Decimal(amount_minor).scaleb(-minor_digits(currency)):f}"
