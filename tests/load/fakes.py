"""Targets that need no server, or the plainest: what a replay's tests send to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import gevent

from loadtests.targets.base import Cart, Http, HttpFailed, HttpTimeout, Step, Target, ok

EVERY = frozenset({"view", "refresh", "quote", "place", "pay", "confirm", "read", "cancel", "return"})


class Scripted(Target):
    """Answers from a script: the name of a step, and the answers that it gives one after the other, then OK.

    An answer is a Step, an exception to raise, or a function that makes a Step. `calls` keeps what was asked.
    """

    steps = EVERY
    script: ClassVar[dict[str, list[Any]]] = {}
    calls: ClassVar[list[tuple[Any, ...]]] = []

    def view(self, http: Http, sku: int) -> Step:
        """See `Target`."""
        return self._answer("view", sku)

    def refresh(self, http: Http, sku: int) -> Step:
        """See `Target`."""
        return self._answer("refresh", sku)

    def quote(self, http: Http, cart: Cart) -> Step:
        """See `Target`."""
        return self._answer("quote", cart.number)

    def place(self, http: Http, cart: Cart, key: str) -> Step:
        """See `Target`."""
        return self._answer("place", key, usual=ok(201, order=f"order-{cart.number}"))

    def pay(self, http: Http, order: str, cart: Cart, key: str) -> Step:
        """See `Target`."""
        return self._answer("pay", order, key, cart.declines, usual=ok(200, order=order, paid=True))

    def confirm(self, http: Http, order: str, key: str) -> Step:
        """See `Target`."""
        return self._answer("confirm", order, key)

    def read(self, http: Http, order: str) -> Step:
        """See `Target`."""
        return self._answer("read", order)

    def cancel(self, http: Http, order: str, key: str) -> Step:
        """See `Target`."""
        return self._answer("cancel", order, key)

    def give_back(self, http: Http, order: str, key: str) -> Step:
        """See `Target`."""
        return self._answer("return", order, key)

    def _answer(self, name: str, *asked: Any, usual: Step | None = None) -> Step:
        self.calls.append((name, *asked))
        gevent.sleep(0.002)
        script = self.script.get(name)
        answer = script.pop(0) if script else usual or ok()
        if isinstance(answer, Exception):
            raise answer
        made: Callable[[], Step] | Step = answer
        return made if isinstance(made, Step) else made()


class Following(Scripted):
    """Its payments are only accepted; who asks for news learns of those in `paid`, each once."""

    steps = EVERY | {"follow"}
    paid: ClassVar[list[str]] = []

    def paid_since(self, http: Http, cursor: str) -> tuple[list[str], str]:
        """See `Target`."""
        self.calls.append(("follow", cursor))
        start = int(cursor or 0)
        return self.paid[start:], str(len(self.paid))


class Plain(Target):
    """The plain server of tests.load.plain_server: every step is one request."""

    steps = frozenset({"view", "place", "pay", "confirm", "read"})

    def view(self, http: Http, sku: int) -> Step:
        """See `Target`."""
        return ok(http.get("/view").status)

    def place(self, http: Http, cart: Cart, key: str) -> Step:
        """See `Target`."""
        return ok(_keyed(http, "/place", key), order=f"order-{cart.number}")

    def pay(self, http: Http, order: str, cart: Cart, key: str) -> Step:
        """See `Target`."""
        return ok(_keyed(http, "/pay", key), order=order, paid=True)

    def confirm(self, http: Http, order: str, key: str) -> Step:
        """See `Target`."""
        return ok(_keyed(http, "/confirm", key))

    def read(self, http: Http, order: str) -> Step:
        """See `Target`."""
        return ok(http.get(f"/orders/{order}").status)


def _keyed(http: Http, path: str, key: str) -> int:
    return http.post(path, json={}, headers={"idempotency-key": key}).status


TIMED_OUT, BROKEN = HttpTimeout("no answer in time"), HttpFailed("the connection was closed")
