"""What a buyer and a merchant do with a cart: look, ask, place, pay, confirm, read, cancel, send back.

Each step is due when the one before is done, plus its delay. A step that changes something has a key; after a time-out,
a 429 or 503, a broken connection, a 408, 409, 425 or 5xx it is tried again with the same key. Other 4xx are not: the
same question would get the same answer. Whoever is told first that an order was made goes on with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gevent
from gevent import GreenletExit
from greenlet import getcurrent, greenlet

from loadtests import schedule as sc
from loadtests.records import DONE, NO_CART, Ack, Endpoint, Outcome, is_tried_again
from loadtests.replay.following import Follower
from loadtests.replay.plan import ReplayPlan
from loadtests.replay.steps import Steps
from loadtests.schedule import NEVER, Schedule
from loadtests.targets.base import Cart, CartLine, Http, HttpDropped, Step, Target, Unexpected, failed

_CONFLICT = 409
#: The step that a target needs for a kind of arrival, and its endpoint.
LOOKS = {
    sc.VIEW: ("view", Endpoint.VIEW),
    sc.REFRESH: ("refresh", Endpoint.REFRESH),
    sc.QUOTE: ("quote", Endpoint.QUOTE),
}
_HASH, _HASH_BITS = 0x9E3779B97F4A7C15, 64


class Journeys:
    """All journeys of a worker."""

    def __init__(self, plan: ReplayPlan, schedule: Schedule, target: Target, steps: Steps, follower: Follower) -> None:
        self._plan = plan
        self._carts = schedule.carts
        self._lines = schedule.lines
        self._target = target
        self._has = target.steps
        self._steps = steps
        self._perform = steps.perform_watched if plan.abort_on else steps.perform
        self._pacer = steps.pacer
        self._recorder = steps.recorder
        self._follower = follower
        self._hub: Any = gevent.get_hub()
        self._ordered: set[int] = set()  # carts with an order, of those that were sent twice
        self._look: dict[int, tuple[Endpoint, Callable[..., Step]]] = {
            kind: (endpoint, getattr(target, name)) for kind, (name, endpoint) in LOOKS.items() if name in target.steps
        }
        self._all: set[greenlet] = set()
        self._idle: list[greenlet] = []
        self._overtime = False
        self.launched = 0
        #: Payments that were accepted and never known to be paid, by the step that would have followed.
        self.unpaid: dict[str, int] = {}

    def launch(self, row: tuple[int, int, int, int]) -> None:
        """Begin an arrival (due time, kind, cart, SKU), in the hub; returns when it waits for something."""
        self.launched += 1
        one = self._idle.pop() if self._idle else self._another()
        one.switch(self._arrive, row)

    @property
    def alive(self) -> int:
        """How many are under way or wait."""
        return len(self._all) - len(self._idle)

    def cut(self, *, overtime: bool) -> None:
        """End what is under way or waits. In overtime a step that waits could not be sent, and is recorded so."""
        self._overtime = overtime
        for one in self._all.difference(self._idle):
            gevent.kill(one)

    def _spawn(self, run: Callable[..., object], *arguments: Any) -> None:
        one = self._idle.pop() if self._idle else self._another()
        self._hub.loop.run_callback(one.switch, run, arguments)

    def _another(self) -> greenlet:
        one = greenlet(self._live, parent=self._hub)
        self._all.add(one)
        return one

    def _live(self, run: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        """Carry out one thing after another: a new greenlet would cost the kernel a new stack each time."""
        me, idle, hub = getcurrent(), self._idle, self._hub
        try:
            while True:
                try:
                    run(*arguments)
                except Exception as error:
                    self._broken(error)
                idle.append(me)
                run, arguments = hub.switch()
        except GreenletExit:
            pass
        finally:
            self._all.discard(me)

    def _broken(self, error: Exception) -> None:
        """Record what ended a journey; raised, it would end the pacer or the connection that came to it."""

        def again(_http: Http) -> Step:
            raise error

        now_us = self._pacer.now_us()
        self._steps.perform(Endpoint.OTHER, NO_CART, now_us, now_us, again)

    def _arrive(self, due_us: int, kind: int, row: int, sku: int) -> None:
        if kind == sc.PLACE:
            self._buy(due_us, row)
            return
        endpoint, call = self._look[kind]
        what = self._cart(row) if kind == sc.QUOTE else sku
        self._perform(endpoint, row, due_us, due_us, call, what)

    def _buy(self, due_us: int, row: int) -> None:
        cart = self._cart(row)
        if self._carts["duplicate"][row]:
            self._spawn(self._checkout, due_us, row, cart, 1)
        self._checkout(due_us, row, cart, 0)

    def _checkout(self, due_us: int, row: int, cart: Cart, twin: int) -> None:
        key = self._key(cart)
        place = self._place_twin if self._carts["duplicate"][row] else self._target.place
        step, done_us = self._tried(Endpoint.CHECKOUT, row, due_us, due_us, place, cart, key, twin=twin)
        if step.outcome is Outcome.REFUSED:
            self._recorder.ack(Ack.REFUSED, cart.number, key, "", step.status, done_us, step.reason)
        if step.outcome not in DONE:
            return
        self._recorder.ack(Ack.PLACED, cart.number, key, step.order, step.status, done_us)
        if self._carts["duplicate"][row]:
            if row in self._ordered:
                return
            self._ordered.add(row)
        self._ordered_now(row, cart, step.order, done_us)

    def _place_twin(self, http: Http, cart: Cart, key: str) -> Step:
        """Place one of two twins. That the other one is being answered is no fault of the target: we sent both."""
        try:
            step = self._target.place(http, cart, key)
        except Unexpected as error:
            step = failed(error.status)
        if isinstance(step, Step) and step.status == _CONFLICT and step.outcome in (Outcome.SHED, Outcome.ERROR):
            return replace(step, outcome=Outcome.IN_PROGRESS)
        return step

    def _ordered_now(self, row: int, cart: Cart, order: str, done_us: int) -> None:
        if "read" in self._has:
            self._spawn(self._perform, Endpoint.READ, row, done_us, done_us, self._target.read, order)
        delay_us = int(self._carts["pay_delay_us"][row])
        if "pay" not in self._has or delay_us == NEVER:
            return
        self._follower.expect(order)
        paid_us = self._pay(row, cart, order, done_us, delay_us)
        self._follower.forget(order)
        if paid_us is not None:
            self._paid(row, cart, order, paid_us)

    def _pay(self, row: int, cart: Cart, order: str, ready_us: int, delay_us: int) -> int | None:
        """Pay an order, again after each decline that was planned; returns when it was known to be paid."""
        number = 1
        while True:
            due_us = ready_us + delay_us
            self._wait(Endpoint.PAYMENT, row, due_us, ready_us)
            key = f"{self._key(cart)}-pay-{number}"
            step, ready_us = self._tried(Endpoint.PAYMENT, row, due_us, ready_us, self._target.pay, order, cart, key)
            if step.outcome is not Outcome.DECLINED or not cart.declines:
                break
            cart = replace(cart, declines=cart.declines - 1)
            number += 1
            delay_us = self._plan.backoff_us  # the buyer looks for another card
        status, paid_us = step.status, ready_us if step.paid else None
        if paid_us is None and "follow" in self._has and step.outcome in (*DONE, Outcome.TIMEOUT):
            status, paid_us = 0, self._follower.wait_for(order)
            paid_us = None if paid_us is None else max(paid_us, ready_us)  # news may be quicker than pay's answer
        if paid_us is None and step.outcome in DONE:
            name = (self._follows(row) or Endpoint.PAYMENT).name.lower()
            self.unpaid[name] = self.unpaid.get(name, 0) + 1
        if paid_us is not None:
            self._recorder.ack(Ack.PAID, cart.number, key, order, status, paid_us)
        return paid_us

    def _paid(self, row: int, cart: Cart, order: str, paid_us: int) -> None:
        after, delay_us = int(self._carts["after"][row]), int(self._carts["after_delay_us"][row])
        follows = self._follows(row)
        if follows is Endpoint.CANCEL:
            self._keyed(Ack.CANCELLED, follows, row, cart, order, paid_us, delay_us, self._target.cancel)
        if follows is not Endpoint.CONFIRMATION:
            return
        confirm_us, confirm = int(self._carts["confirm_delay_us"][row]), self._target.confirm
        done_us = self._keyed(Ack.CONFIRMED, follows, row, cart, order, paid_us, confirm_us, confirm)
        if done_us is not None and after == sc.RETURN and "return" in self._has:
            give_back = self._target.give_back
            self._keyed(Ack.RETURN_REQUESTED, Endpoint.RETURN, row, cart, order, done_us, delay_us, give_back)

    def _follows(self, row: int) -> Endpoint | None:
        """What is done with a cart's order once it is paid; None: nothing."""
        if self._carts["after"][row] == sc.CANCEL and "cancel" in self._has:
            return Endpoint.CANCEL
        confirmed = self._carts["confirm_delay_us"][row] != NEVER and "confirm" in self._has
        return Endpoint.CONFIRMATION if confirmed else None

    def _keyed(
        self,
        ack: Ack,
        endpoint: Endpoint,
        row: int,
        cart: Cart,
        order: str,
        ready_us: int,
        delay_us: int,
        call: Callable[..., Step],
    ) -> int | None:
        """Do a step of an order after its delay; returns when it was done, None where it was not."""
        key = f"{self._key(cart)}-{endpoint.name.lower()}"
        due_us = ready_us + delay_us
        self._wait(endpoint, row, due_us, ready_us)
        step, done_us = self._tried(endpoint, row, due_us, ready_us, call, order, key)
        if step.outcome not in DONE:
            return None
        self._recorder.ack(ack, cart.number, key, order, step.status, done_us)
        return done_us

    def _tried(
        self,
        endpoint: Endpoint,
        row: int,
        due_us: int,
        ready_us: int,
        call: Callable[..., Step],
        *arguments: Any,
        twin: int = 0,
    ) -> tuple[Step, int]:
        """Do a step that has a key, again where that may help; each try is a record of its own."""
        attempt = 1
        while True:
            step, done_us = self._perform(endpoint, row, due_us, ready_us, call, *arguments, attempt=attempt, twin=twin)
            if attempt >= self._plan.attempts or not is_tried_again(step.outcome, step.status):
                return step, done_us
            due_us, ready_us = done_us + self._backoff_us(row, attempt), done_us
            attempt += 1
            self._wait(endpoint, row, due_us, ready_us, attempt=attempt, twin=twin)

    def _wait(self, endpoint: Endpoint, row: int, due_us: int, ready_us: int, **which: int) -> None:
        """Wait until a step is due; where time is over before that, it is recorded as not sent."""
        try:
            self._pacer.wait(due_us)
        except GreenletExit:
            if self._overtime:
                self._steps.perform(endpoint, row, due_us, ready_us, _not_sent, **which)
            raise

    def _backoff_us(self, row: int, attempt: int) -> int:
        """Doubled with each try; spread by cart, so that those who failed together do not come back together."""
        spread = (row * _HASH % (1 << _HASH_BITS)) / (1 << _HASH_BITS) + 0.5
        return int(self._plan.backoff_us * (1 << attempt - 1) * spread)

    def _key(self, cart: Cart) -> str:
        return f"{self._plan.run_name}-{cart.number}"

    def _cart(self, row: int) -> Cart:
        carts, lines = self._carts, self._lines
        first = int(carts["first_line"][row])
        return Cart(
            int(carts["number"][row]),
            int(carts["buyer"][row]),
            tuple(
                CartLine(int(lines["sku"][at]), int(lines["quantity"][at]))
                for at in range(first, first + int(carts["lines"][row]))
            ),
            int(carts["deal"][row]),
            int(carts["content"][row]),
            int(carts["declines"][row]),
        )


def _not_sent(http: Http) -> Step:
    raise HttpDropped("the replay's time was over")
