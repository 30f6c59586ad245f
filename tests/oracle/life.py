"""An order from the buyer's side (checkout, payment, cancel) and the seller's (confirmation), and the sweep."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Generator
from typing import Any

import simpy
from simpy.events import ProcessGenerator

from sim.demand.trace import CANCEL_BEFORE_SHIPPING, CANCEL_ON_HOLD, NEVER
from sim.orders.states import Reason, State
from sim.scenario.calendar import capacity_changes
from sim.scenario.quantiles import at_u32
from sim.scenario.schema import Scenario
from tests.oracle.allocation import Waiting
from tests.oracle.checkout import Checkout
from tests.oracle.clock import (
    ARRIVAL,
    BUYER,
    CHECKOUT,
    COMPLETION,
    CONFIRMATION,
    CONTROL,
    PAYMENT,
    STAFF,
    SWEEP,
    TIME_OUT,
    Clock,
    Grid,
    Pool,
    follow,
    priority,
)
from tests.oracle.dispatch import Dispatch
from tests.oracle.engine import SECOND_ROUND, Engine
from tests.oracle.feedback import Feedback
from tests.oracle.records import Line, Order, law_table
from tests.oracle.stock import Stock

MAY_BE_CANCELLED = (State.ON_HOLD, State.AWAITING_SHIPMENT, State.AWAITING_COLLECTION)


class Life:
    """The life of orders up to confirmation; `fulfil(order)` takes over from there."""

    def __init__(
        self,
        env: Clock,
        scenario: Scenario,
        stock: Stock,
        checkout: Checkout,
        feedback: Feedback,
        waiting: Waiting,
        fulfil: Callable[[Order], None],
        dispatch: Dispatch,
        met: Counter[str],
    ) -> None:
        self.env, self.scenario, self.met = env, scenario, met
        self.stock, self.checkout, self.waiting, self.feedback = stock, checkout, waiting, feedback
        self.fulfil, self.dispatch = fulfil, dispatch
        self.before_shipping = law_table(scenario.after_sales.before_shipping_delay)
        effects = [self._checkout_effect, self._payment_effect, self._confirmation_effect]
        self.engine = Engine(env, scenario.engine, effects, met)
        changes = capacity_changes(scenario, scenario.confirmation.staff)
        self.staff = Pool(env, changes[0][1], STAFF)
        env.process(follow(env, self.staff, changes[1:], 0))
        self.holds: deque[Order] = deque()  # in the order in which they end
        self.releasing: list[Order] = []
        self.sweeps = Grid(env, scenario.payment.sweep_us, priority(CONTROL, SWEEP), self._sweep)
        waiting.sweeps, waiting.fulfil = self.sweeps, fulfil
        # What a crash cancels is swept at the same instant: the sweep comes later among the control events.
        self.engine.on_crash = self._crash

    def buyer(self, order: Order) -> ProcessGenerator:
        """Process, from the arrival of the cart's first request on: check out, perhaps take a second choice, pay."""
        failure = yield from self._ask_for_checkout(order)
        if failure == Reason.NOTHING:
            self.feedback.hear_first_answer(order.lines[0].sku, order.answers[CHECKOUT, 0] == Reason.SOLD_OUT)
        if failure == Reason.NOTHING and self._chooses_again(order):
            delay_us = self.scenario.funnel.second_choice_delay_us
            yield self.env.at(self.env.now + delay_us, priority(ARRIVAL, CHECKOUT, order.number, SECOND_ROUND))
            failure = yield from self._ask_for_checkout(order, SECOND_ROUND)
        if failure != Reason.NOTHING:
            if order.state == State.NONE:  # else an attempt whose client had gone has placed the order
                order.reason = failure
        elif order.answers[CHECKOUT, order.second] != Reason.NOTHING:
            order.reason, order.short_line = order.answers[CHECKOUT, order.second], order.refused_line
        else:
            yield from self._pay(order)

    def _ask_for_checkout(self, order: Order, first: int = 0) -> Generator[simpy.Event, Any, Reason]:
        """A round of checkout, until it is answered or given up."""
        began_us = self.env.now
        failure = yield from self.engine.ask(order, CHECKOUT, first)
        self.feedback.hear(self.env.now - began_us)
        return failure

    def _crash(self) -> None:
        self.sweeps.due(self.env.now)
        self.feedback.crash()

    def _chooses_again(self, order: Order) -> bool:
        """Whether a refused buyer takes another SKU instead; the cart is changed."""
        refusal = order.answers[CHECKOUT, 0]
        if refusal == Reason.NOTHING or order.lines[order.refused_line].second_sku < 0:
            return False
        refused = order.lines[order.refused_line]
        order.lines[order.refused_line] = Line(refused.second_sku, refused.quantity, -1, -1)
        order.first_refusal, order.second = refusal, 1
        self.met["second_choices"] += 1
        return True

    def _checkout_effect(self, order: Order, second: int) -> Reason:
        refusal = self.checkout.effect(order)
        if refusal == Reason.NOTHING:
            self.holds.append(order)
            self.sweeps.due(order.hold_end_us)
            self.met["second_placed"] += second
        return refusal

    def _pay(self, order: Order) -> ProcessGenerator:
        due_us = self._pay_due_us(order)
        if due_us != NEVER:
            yield self.env.at(due_us, priority(ARRIVAL, PAYMENT, order.number))
            order.pay_due_us = due_us
            yield from self.engine.ask(order, PAYMENT)

    def _pay_due_us(self, order: Order) -> int:
        """When the provider approves a try; NEVER if none is approved, or none before the horizon."""
        if order.pay_delay_us == NEVER:
            return NEVER
        begin_us = self.env.now + order.pay_delay_us
        for k in range(self.scenario.payment.tries):
            answer_us = self._provider_answers(begin_us + order.provider_us)
            if begin_us >= order.hold_end_us or answer_us >= self.env.horizon_us:
                break
            if k >= order.declines:
                return answer_us
            order.declined += 1
            self.met["declines"] += 1
            begin_us = answer_us + self.scenario.payment.retry_delay_us
        return NEVER

    def _provider_answers(self, time_us: int) -> int:
        """`time_us`, or the end of the provider's outage (or of a row of outages) in which it falls."""
        for outage in sorted(self.scenario.payment.outages, key=lambda outage: outage.at_us):
            if outage.at_us <= time_us < outage.at_us + outage.length_us:
                time_us = outage.at_us + outage.length_us
        return time_us

    def _payment_effect(self, order: Order, _: int) -> Reason:
        order.paid_us = self.env.now
        if order.state == State.CANCELLED:  # swept before: the money goes back
            order.late = 1
            self.met["late_payments"] += 1
            return Reason.NOTHING
        order.go(State.ON_HOLD)
        self.stock.commit(order)
        self.env.process(self._seller(order))
        if order.after in (CANCEL_ON_HOLD, CANCEL_BEFORE_SHIPPING):
            order.cancel_us = self._cancel_us(order)
            self.env.call(order.cancel_us, priority(TIME_OUT, BUYER, order.number), lambda: self._cancel(order))
        self.dispatch.watch(self.env, order, lambda: self._drop(order))
        return Reason.NOTHING

    def _cancel_us(self, order: Order) -> int:
        on_hold_us = self.scenario.confirmation.on_hold_us
        if order.after == CANCEL_ON_HOLD:
            return order.paid_us + ((on_hold_us * (order.after_u32 >> 12)) >> 20)
        return order.paid_us + on_hold_us + at_u32(self.before_shipping, order.after_u32)

    def _cancel(self, order: Order) -> None:
        collected = any(parcel.collected_us >= 0 for parcel in order.parcels)
        if order.state in MAY_BE_CANCELLED and not collected:
            self.met["cancelled_on_hold" if order.state == State.ON_HOLD else "cancelled_before_shipping"] += 1
            self._release(order, Reason.BUYER_CANCELLED)
        elif collected:
            self.met["cancel_too_late"] += 1

    def _drop(self, order: Order) -> None:
        """The platform cancels what is not as far as it must be, unless a part of it is on its way."""
        collected = any(parcel.collected_us >= 0 for parcel in order.parcels)
        if order.state in MAY_BE_CANCELLED and not collected and not self.dispatch.is_spared(order):
            self.met[
                "dropped_on_hold"
                if order.state == State.ON_HOLD
                else "dropped_unpacked"
                if order.state == State.AWAITING_SHIPMENT
                else "dropped_packed"
            ] += 1
            self._release(order, Reason.AUTO_CANCELLED)

    def _release(self, order: Order, reason: Reason) -> None:
        """Cancelled after payment; the units wait for the next sweep."""
        order.cancel(self.env.now, reason)
        self.waiting.leave(order)
        order.releasing = True
        self.releasing.append(order)
        self.stock.release(order)
        self.sweeps.due(self.env.now + 1)

    def _seller(self, order: Order) -> ProcessGenerator:
        """Process, from payment on: wait out the hold, let staff look at the order if there is staff, confirm."""
        confirmation = self.scenario.confirmation
        on_hold_ends_us = order.paid_us + confirmation.on_hold_us
        if confirmation.mode == "automatic":
            yield self.env.at(on_hold_ends_us, priority(ARRIVAL, CONFIRMATION, order.number))
            if order.state != State.ON_HOLD:
                return
        else:
            yield self.env.at(on_hold_ends_us, priority(ARRIVAL, STAFF, order.number))
            if order.state != State.ON_HOLD:
                return
            worked = yield from self._staff_works(order)
            if not worked:
                return
            yield self.env.at(self.env.now, priority(ARRIVAL, CONFIRMATION, order.number))
        order.confirm_due_us = self.env.now
        failure = yield from self.engine.ask(order, CONFIRMATION)
        if failure != Reason.NOTHING and order.state == State.ON_HOLD:
            self.met["not_confirmed"] += 1
            self._release(order, Reason.NOT_CONFIRMED)

    def _staff_works(self, order: Order) -> ProcessGenerator:
        """Whether the order was still ON_HOLD when its turn came, and is when the work on it is done."""
        request = self.staff.request()
        yield request
        if order.state == State.ON_HOLD:
            yield self.env.at(self.env.now + order.confirm_work_us, priority(COMPLETION, STAFF, order.number))
        else:
            self.met["staff_passed_over"] += 1
        self.staff.release(request)
        return order.state == State.ON_HOLD

    def _confirmation_effect(self, order: Order, _: int) -> Reason:
        if order.state == State.ON_HOLD:
            order.go(State.AWAITING_SHIPMENT)
            order.confirmed_us = self.env.now
            if order not in self.waiting.queue:
                order.ready_us = self.env.now
                self.fulfil(order)
        return Reason.NOTHING

    def _sweep(self) -> None:
        while self.holds and self.holds[0].hold_end_us <= self.env.now:
            order = self.holds.popleft()
            if order.state == State.UNPAID:
                order.cancel(self.env.now, Reason.EXPIRED)
                self.waiting.leave(order)
                self.stock.expire(order)
                self.checkout.give_back_deals(order)
                self.met["expiries"] += 1
        for order in self.releasing:
            order.releasing = False
            self.stock.free(order)
            self.checkout.give_back_deals(order)
        self.releasing.clear()
        self.waiting.serve()
        for order in self.waiting.end_waits():
            self.checkout.give_back_deals(order)
