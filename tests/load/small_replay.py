"""A replay without Locust: carts go one after the other through a target's steps, and its answers are logged."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from loadtests.blocking import BlockingHttp
from loadtests.records import Ack, AckLine, Outcome
from loadtests.schedule import DealPlan, Offer, ShelfPlan
from loadtests.targets.base import Cart, CartLine, Step, Target, World

DONE = (Outcome.OK, Outcome.REPLAYED)


def offer(name: str, units: int = 5, price_minor: int = 1000, **more: Any) -> Offer:
    """An offer of the one shop."""
    return Offer(name, more.pop("listing", name), "corner shop", price_minor, "GBP", units, **more)


def world(
    folder: Path,
    offers: list[Offer],
    deals: Iterable[DealPlan] = (),
    shelf: Iterable[ShelfPlan] = (),
    *,
    run_id: str = "run1",
    **options: str,
) -> World:
    """A world around some offers, with one show."""
    return World(run_id, offers, list(deals), ["show"], list(shelf), 1.0, folder, options)


def cart(number: int, *lines: tuple[int, int], **more: Any) -> Cart:
    """A cart of (offer, quantity) lines, each cart of a buyer of its own."""
    return Cart(number, more.pop("buyer", number), tuple(CartLine(*line) for line in lines), **more)


class SmallReplay:
    """Sends carts to a target that is set up, attached and started."""

    def __init__(self, target: Target, state: dict[str, Any], folder: Path, ca_file: str = "") -> None:
        self.target = target
        self.http = BlockingHttp(state["url"], ca_file=ca_file)
        self.orders: dict[int, str] = {}  # by cart
        self._log = (folder / "acks-0.jsonl").open("ab")
        self._begun = time.monotonic()

    def close(self) -> None:
        """Let go of the target."""
        self.http.close()
        self._log.close()

    def buy(self, cart: Cart, *, pays: bool = True) -> Step:
        """Send a cart through place, pay and confirm, as far as it goes; return the last step."""
        key = f"key-{cart.number}"
        step = self.target.place(self.http, cart, key)
        if step.outcome not in DONE:
            self.tell(Ack.REFUSED, cart, key, "", step)
            return step
        order = self.orders[cart.number] = step.order
        self.tell(Ack.PLACED, cart, key, order, step)
        if not pays or "pay" not in self.target.steps:
            return step
        step = self.target.pay(self.http, order, cart, f"{key}-pay")
        if not step.paid:
            return step
        self.tell(Ack.PAID, cart, f"{key}-pay", order, step)
        if "confirm" in self.target.steps:
            step = self.target.confirm(self.http, order, f"{key}-confirm")
            if step.outcome in DONE:
                self.tell(Ack.CONFIRMED, cart, f"{key}-confirm", order, step)
        return step

    def tell(self, kind: Ack, cart: Cart, key: str, order: str, step: Step) -> None:
        """Write down what a client was told."""
        at_us = round((time.monotonic() - self._begun) * 1e6)
        line = AckLine(kind.name, cart.number, key, order, step.status, at_us, step.reason)
        self._log.write(msgspec.json.encode(line) + b"\n")
        self._log.flush()

    def until_quiet(self) -> None:
        """Wait until nothing is under way."""
        until = time.monotonic() + 20
        while not self.target.quiet(self.http):
            assert time.monotonic() < until, "the target does not become quiet"
            time.sleep(0.05)
