"""Plain Locust on the reference engine: users who look, ask, check out, pay and read, one step after the other.

    liverush serve --scenario evening_show --psp
    LIVERUSH_URL=http://127.0.0.1:8080 locust -f loadtests/locustfile.py --headless --shape ramp:users=50,over=30s
    LIVERUSH_URL=http://127.0.0.1:8080 locust -f loadtests/locustfile.py --headless -u 20 -r 5 -t 1m
    LIVERUSH_URL=http://127.0.0.1:8080 locust -f loadtests/locustfile.py --headless --shape burst:users=200

`--shape` is one of step, ramp, spike, soak and burst (see loadtests/shapes.py); without it `-u` and `-r` hold. In a
burst each user prepares a cart, and all check out at one instant. `--processes`, master and workers work too.

This is a closed loop: a user who waits for an answer asks nothing meanwhile, so while the engine stands still nothing
is measured, and percentiles look better than what buyers would have met. Use it to warm up, to soak and to find what
breaks; for the truth about latency use `liverush load`, which replays arrivals that do not wait.

Keys come from LIVERUSH_KEY_BUYER, else it is the engine's development key.
"""

from __future__ import annotations

import os
import random
import uuid
from typing import Any

from gevent.event import Event
from locust import FastHttpUser, between, events, task

from loadtests import shapes  # not the classes: Locust would take the first as its own
from loadtests.barrier import Barrier
from sim.engine.auth import development_key, variable_of
from sim.errors import UsageError

URL = os.environ.get("LIVERUSH_URL", "http://127.0.0.1:8080")
_KEY = os.environ.get(variable_of("buyer"), "") or development_key("buyer")
_BUYER = {"authorization": f"Bearer {_KEY}"}
_PRODUCTS = 100


class _Run:
    """What the users of this process share."""

    barrier: Barrier | None = None
    products: tuple[str, ...] = ()


class Buyer(FastHttpUser):
    """Looks around and buys now and then; in a burst, prepares one cart and checks out with all others."""

    host = URL
    wait_time = between(0.5, 1.5)

    def on_start(self) -> None:
        """Learn what there is to buy."""
        self.buyer_id = uuid.uuid4().hex
        if not _Run.products:
            page = self.client.get(f"/v1/products?limit={_PRODUCTS}", headers=_BUYER, name="/v1/products").json()
            _Run.products = tuple(item["id"] for item in page["items"])

    @task
    def shop(self) -> None:
        """One visit."""
        skus = self._look()
        if _Run.barrier is None:
            if skus and random.random() < 0.5:
                self._buy(self._quote(random.choice(skus)))
            return
        lines = self._quote(random.choice(skus)) if skus else []
        _Run.barrier.wait()
        if lines:
            self._buy(lines)
        Event().wait()  # a burst is one checkout each; the shape ends it

    def _look(self) -> list[str]:
        if not _Run.products:
            return []
        product = random.choice(_Run.products)
        with self.client.get(
            f"/v1/products/{product}", headers=_BUYER, name="/v1/products/{id}", catch_response=True
        ) as answer:
            if answer.status_code != 200:
                answer.failure(f"status {answer.status_code}")
                return []
            return [sku["id"] for sku in answer.json()["skus"]]

    def _quote(self, sku: str) -> list[dict[str, Any]]:
        lines = [{"sku_id": sku, "quantity": 1}]
        self.client.post("/v1/checkout/quotes", json={"lines": lines}, headers=_BUYER, name="quote")
        return lines

    def _buy(self, lines: list[dict[str, Any]]) -> None:
        body = {"buyer_id": self.buyer_id, "lines": lines}
        order = self._keyed("/v1/orders", body, "checkout", (201,), refused=409)
        if order:
            self._keyed(f"/v1/orders/{order}/payments", {"method": "card"}, "payment", (201, 202), refused=402)
            self.client.get(f"/v1/orders/{order}", headers=_BUYER, name="read")

    def _keyed(self, path: str, body: dict[str, Any], name: str, good: tuple[int, ...], refused: int) -> str:
        """Send a step with a key; sold out and declined are correct answers, no failures."""
        headers = {**_BUYER, "idempotency-key": uuid.uuid4().hex}
        with self.client.post(path, json=body, headers=headers, name=name, catch_response=True) as answer:
            if answer.status_code in good:
                return str(answer.json()["id"])
            if answer.status_code == refused:
                answer.request_meta["name"] = f"{name} refused"
                answer.success()
            else:
                answer.failure(f"status {answer.status_code}")
            return ""


def _add_options(parser: Any) -> None:
    parser.add_argument("--shape", default="", env_var="LIVERUSH_SHAPE", help=shapes.describe_shapes())


def _choose(environment: Any, **_: Any) -> None:
    options = environment.parsed_options
    if not options or not options.shape:
        return
    try:
        shape = shapes.choose_shape(options.shape)
    except UsageError as error:
        raise SystemExit(f"liverush: {error}") from error
    environment.shape_class = shape
    if isinstance(shape, shapes.BurstShape):
        users, within_s = int(shape.settings["users"]), shape.settings["within"]
        _Run.barrier = Barrier(environment.runner, users, within_s)


_events: Any = events  # has no types
_events.init_command_line_parser.add_listener(_add_options)
_events.init.add_listener(_choose)
