"""Random commands on three at once: the core in memory, the executor on SQLite, the executor on PostgreSQL.

After every step all three have answered the same bytes and hold the same rows; at the end the audit is clean.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Collection
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from sim.engine import views
from sim.engine.audit.run import audit
from sim.engine.calls import Call, Reply
from sim.engine.executor import IDS_PER_US, Executor
from sim.engine.stores.pgserver import available
from sim.engine.stores.postgres import PostgresStore
from sim.engine.stores.sqlite import SqliteStore
from sim.engine.stores.store import OutcomeUnknown, Store, StoreUnavailable
from sim.engine.stores.tables import TABLES, Changes
from sim.orders import commands
from sim.orders.commands import Wanted
from sim.orders.entities import Case, PackageStatus, PaymentStatus, RefundStatus, RequestStatus, ReturnType
from sim.orders.rules import DAY_US, HOUR_US, Rules
from sim.orders.states import TERMINAL, State
from tests.engine.databases import Database
from tests.engine.model import Model
from tests.engine.shop import rows_of
from tests.engine.soak import write_result
from tests.orders.shop import DEAL, LAMP, LATER_DEAL, MUG, ROOM, ROOM_DEAL, RUG, SET, START_US, TASSE, catalogue

_SKUS = (LAMP, MUG, SET, RUG, TASSE, LAMP, MUG, SET, RUG, TASSE, 999)
_DEALS = (0, 0, 0, DEAL, DEAL, ROOM_DEAL, LATER_DEAL)
_WAITS = (
    *(1, 1, 60_000_000, 60_000_000, Rules().pay_window_us, HOUR_US),
    *(DAY_US, 2 * DAY_US, 3 * DAY_US, 7 * DAY_US, 8 * DAY_US),
)
_FEW = Rules(
    confirms_itself=False,
    cancel_freely_us=HOUR_US,
    return_receive_us=1,
    max_payments=3,
    max_cancellations=2,
    max_returns=2,
    max_refunds=2,
)
_RULES = (Rules(), _FEW)
#: Of a long run.
GAMES, STEPS = 1000, 60

#: Which command, and numbers from which its details are made.
Recipe = tuple[str, int, int, int]
Made = tuple[Any, Callable[..., Any]]


def made(model: Model, recipe: Recipe) -> Made:
    """The command that a recipe makes of what there is now, and its view."""
    kind, first, second, third = recipe
    if kind == "place":
        return _cart(first, second, third), views.placed
    if kind == "set":
        return commands.SetInventory(_SKUS[first % 11], second % 20, third % 3), _plain
    if kind == "adjust":
        return commands.AdjustInventory(_SKUS[first % 11], second % 9 - 4), _plain
    cases = list(model.world.cases.values())
    if not cases:
        return _cart(first, second, third), views.placed
    case = cases[-1 - first % min(len(cases), 4)]  # the youngest: more happens to each
    if kind == "onward":
        return _onward(case, second), _plain
    return _OF_ORDER[kind](case, second, third)


def _cart(first: int, second: int, third: int) -> commands.PlaceOrder:
    wanted = [Wanted(_SKUS[first % 11], second % 4 + 1)]
    if third % 3 == 0:
        wanted.append(Wanted((MUG if first % 6 == 0 else LAMP), 1 + third % 2))
    sku_id, deal = wanted[0].sku_id, _DEALS[third % 7]
    if deal and second % 8:  # mostly one that fits
        deal = {LAMP: DEAL, MUG: ROOM_DEAL, RUG: LATER_DEAL}.get(sku_id, 0)
    room = ROOM if second % 3 else 0
    return commands.PlaceOrder(f"buyer {third % 3}", tuple(wanted), deal, room)


def _plain(_world: Any, command: Any, happened: tuple[Any, ...]) -> Reply:
    """Answer with all that happened, so that every field of it is compared."""
    refused = bool(happened) and happened[0].TYPE == "refused"
    return Reply(409 if refused else 200, repr((command, happened)).encode())


def _onward(case: Case, number: int) -> Any:
    """What brings an order nearer to its end."""
    order = case.order
    unpaid_out = [refund for refund in case.refunds if refund.status == RefundStatus.PENDING]
    if unpaid_out and number % 2:
        return commands.SettleRefund(order.id, unpaid_out[0].id)
    if order.state == State.UNPAID:
        payment = next((known for known in case.payments if known.status == PaymentStatus.PENDING), None)
        if payment is None:
            return commands.StartPayment(order.id)
        return commands.Capture(order.id, payment.id, order.total_minor, order.currency)
    if order.state == State.ON_HOLD:
        return commands.Confirm(order.id)
    return _shipped(case, number) or _after_sales(case, number)


def _shipped(case: Case, number: int) -> Any:
    """What brings a confirmed order's parcels nearer to their end, None when they are there."""
    order = case.order
    waiting = [package for package in case.packages if package.status < PackageStatus.DELIVERED]
    if not all(line.package_id for line in case.lines):
        free = [line.line_no for line in case.lines if not line.package_id]
        return commands.CreatePackage(order.id, (free[number % len(free)],))
    if waiting:
        package = waiting[number % len(waiting)]
        if package.status == PackageStatus.PROCESSING:
            return commands.ShipPackage(order.id, package.id)
        after = PackageStatus(min(package.status + 1 + (number % 5 == 0), PackageStatus.LOST))
        return commands.TrackPackage(order.id, package.id, after)
    return None


def _after_sales(case: Case, number: int) -> Any:
    order = case.order
    request = next((known for known in case.returns if known.id == order.return_id), None)
    if order.state in TERMINAL or (request is None and len(case.returns) > number % 3):
        return commands.Elapse(order.id)
    if request is None:
        return commands.RequestReturn(order.id, list(ReturnType)[number % 3])
    if request.status == RequestStatus.PENDING:
        return commands.AnswerReturn(order.id, request.id, True)
    if request.status == RequestStatus.APPROVED and number % 3:
        return commands.ShipReturn(order.id, request.id, "way bill")
    if request.status == RequestStatus.BUYER_SHIPPED and number % 2:
        return commands.Elapse(order.id)
    return commands.ReceiveReturn(order.id, request.id, number % 2 == 0)


def _pick(records: tuple[Any, ...], number: int) -> int:
    """The id of one of the records, or one that is not there."""
    ids = [record.id for record in records] + [999]
    return int(ids[number % len(ids)])


def _capture(case: Case, second: int, third: int) -> Made:
    order = case.order
    amount = order.total_minor + (0 if third % 4 else 1)
    if second % 2:
        return commands.Capture(order.id, 0, amount, order.currency, f"charge {third % 3}"), views.webhook_taken
    return commands.Capture(order.id, _pick(case.payments, second // 2), amount, order.currency, "other"), _plain


_OF_ORDER: dict[str, Callable[[Case, int, int], Made]] = {
    "pay": lambda case, _second, _third: (commands.StartPayment(case.order.id), views.payment_reply),
    "capture": _capture,
    "decline": lambda case, second, _third: (
        commands.Decline(case.order.id, _pick(case.payments, second)),
        views.webhook_taken,
    ),
    "confirm": lambda case, _second, _third: (commands.Confirm(case.order.id), views.order_changed),
    "pack": lambda case, second, third: (
        commands.CreatePackage(case.order.id, (second % 3,) if third % 2 else ()),
        views.package_reply(201),
    ),
    "ship": lambda case, second, _third: (
        commands.ShipPackage(case.order.id, _pick(case.packages, second)),
        views.package_reply(200),
    ),
    "track": lambda case, second, third: (
        commands.TrackPackage(case.order.id, _pick(case.packages, second), list(PackageStatus)[third % 5]),
        views.package_reply(201),
    ),
    "cancel": lambda case, second, _third: (
        commands.RequestCancellation(case.order.id, ("buyer", "buyer", "buyer", "merchant")[second % 4], "why"),
        views.cancellation_reply(201),
    ),
    "answer": lambda case, second, third: (
        commands.AnswerCancellation(case.order.id, _pick(case.cancellations, second), bool(third % 2)),
        views.cancellation_reply(200),
    ),
    "return": lambda case, second, third: (
        commands.RequestReturn(
            case.order.id, list(ReturnType)[second % 3], ((1 + third % 2, 1 + second % 2),) if third % 3 else ()
        ),
        views.return_reply(201),
    ),
    "decide": lambda case, second, third: (
        commands.AnswerReturn(case.order.id, _pick(case.returns, second), bool(third % 3)),
        views.return_reply(200),
    ),
    "send": lambda case, second, third: (
        commands.ShipReturn(case.order.id, _pick(case.returns, second), ("", "way bill")[third % 2]),
        views.return_reply(200),
    ),
    "receive": lambda case, second, third: (
        commands.ReceiveReturn(case.order.id, _pick(case.returns, second), bool(third % 2)),
        views.return_reply(200),
    ),
    "refund": lambda case, second, third: (
        commands.IssueRefund(case.order.id, 1 + second % 2000, "EUR" if third % 9 == 0 else case.order.currency),
        views.refund_reply,
    ),
    "settle": lambda case, second, _third: (
        commands.SettleRefund(case.order.id, _pick(case.refunds, second)),
        views.webhook_taken,
    ),
    "elapse": lambda case, _second, _third: (commands.Elapse(case.order.id), views.nothing),
}

_NUMBER = st.integers(0, 2**12)
_KINDS = ["place", "place", "place", "onward", "onward", "set", "adjust", *_OF_ORDER]
_RECIPES = st.tuples(st.sampled_from(_KINDS), _NUMBER, _NUMBER, _NUMBER)
#: How a call is told: without a key, under one of few, as a provider's event.
_MANNERS = st.tuples(st.sampled_from(["", "", "", "key", "pending", "settles", "event"]), st.integers(0, 40))
_FATES = st.sampled_from(["stored"] * 8 + ["refused", "unknown"])


class Fated:
    """A store whose next write fails: before it is done, or so that nobody knows whether it was."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.fate = "stored"

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    async def write(self, changes: Changes, fresh: Collection[str] = ()) -> None:
        fate, self.fate = self.fate, "stored"
        if fate == "refused":
            raise StoreUnavailable("no")
        await self.store.write(changes, fresh)
        if fate == "unknown":
            raise OutcomeUnknown("perhaps")


class Trio(RuleBasedStateMachine):
    """The core and executors on every kind of store, given the same calls at the same instants."""

    stores: ClassVar[list[Store]] = []
    loop: ClassVar[asyncio.AbstractEventLoop]

    @initialize(rules=st.sampled_from(_RULES))
    def begin(self, rules: Rules) -> None:
        self.now_us = START_US
        self.given = rules
        self.model = Model(catalogue(rules))
        self.fated = [Fated(store) for store in self.stores]
        self.wait_for(self._empty())
        self.restart()

    def wait_for(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    async def _empty(self) -> None:
        for store in self.stores:
            await empty(store)
            await store.write(rows_of(self.model.world))

    @rule()
    def restart(self) -> None:
        """Let new executors take over: what they know is what is stored."""
        self.executors = [Executor(store, lambda: self.now_us, self.given) for store in self.fated]
        for executor in self.executors:
            self.wait_for(executor.load())

    @rule(told=st.lists(st.tuples(_RECIPES, _MANNERS), min_size=1, max_size=4), fate=_FATES)
    def group(self, told: list[tuple[Recipe, tuple[str, int]]], fate: str) -> None:
        """Run a few calls together."""
        self._run([self._call(recipe, *manner) for recipe, manner in told], fate)

    @rule(told=st.lists(_RECIPES, min_size=1, max_size=1), times=st.integers(2, 3))
    def same_call_again(self, told: list[Recipe], times: int) -> None:
        """Send one call with one key several times at once."""
        self._run([self._call(told[0], "key", self.now_us)] * times, "stored")

    @rule(number=_NUMBER, steps=st.lists(_NUMBER, min_size=2, max_size=8))
    def onward(self, number: int, steps: list[int]) -> None:
        """Bring one order nearer to its end, several steps."""
        for step in steps:
            command, view = made(self.model, ("onward", number, step, 0))
            self._run([Call(command, view)], "stored")

    @rule(by_us=st.sampled_from(_WAITS))
    def wait(self, by_us: int) -> None:
        """Let time go by."""
        self.now_us += by_us

    @rule()
    def sweep(self) -> None:
        """Let time act on what is due, which all three must agree on."""
        due = sorted(case.order.id for case in self.model.world.cases.values() if 0 < case.order.due_us <= self.now_us)
        query = f"SELECT id FROM orders WHERE due_us > 0 AND due_us <= {self.now_us} ORDER BY id"
        for store in self.stores:
            assert [found[0] for found in self.wait_for(store.select(query))] == due
        for start in range(0, len(due), 4):  # few at once: a microsecond has room for a hundred ids
            self._run([Call(commands.Elapse(each), views.nothing) for each in due[start : start + 4]], "stored")

    def _call(self, recipe: Recipe, manner: str, number: int) -> Call:
        command, view = made(self.model, recipe)
        call = Call(command, view)
        if manner in ("key", "pending"):
            call.key = b"key %d" % number
            call.fingerprint = hashlib.sha256(repr(command).encode()).digest()
            if manner == "pending" and isinstance(command, commands.StartPayment):
                call.key, call.pending = b"pending %d" % number, True
        elif manner == "settles" and isinstance(command, (commands.Capture, commands.Decline)):
            call.settles = b"pending %d" % number
        elif manner == "event" and hasattr(command, "order_id"):
            call.provider_event = f"event {number}"
        return call

    def _run(self, calls: list[Call], fate: str) -> None:
        self.now_us += 1
        for store in self.fated:
            store.fate = fate
        answers = [self._answers(executor, calls) for executor in self.executors]
        if fate == "refused":
            wrote = [store.fate == "stored" for store in self.fated]
            assert len(set(wrote)) == 1
            for store in self.fated:
                store.fate = "stored"
            if wrote[0]:
                assert answers == ["refused"] * len(answers)
                return
        self.model.world.last_id = max(self.model.world.last_id, self.now_us * IDS_PER_US)
        expected = [self.model.answer(call, self.now_us) for call in calls]
        for answer in answers:
            assert answer in (expected, "unknown")
        for store in self.fated:
            store.fate = "stored"

    def _answers(self, executor: Executor, calls: list[Call]) -> list[Reply] | str:
        try:
            return list(self.wait_for(executor.execute(calls)))
        except OutcomeUnknown:
            return "unknown"
        except StoreUnavailable:
            return "refused"

    @invariant()
    def all_three_hold_the_same_rows(self) -> None:
        if not hasattr(self, "model"):
            return
        expected = self.model.tables()
        for store in self.stores:
            for name, rows in self.wait_for(_tables(store)).items():
                assert rows == expected[name], (store.name, name)

    def teardown(self) -> None:
        if not hasattr(self, "model"):
            return
        self.sweep()
        self.sweep()
        for store in self.stores:
            assert self.wait_for(audit(store, self.now_us)).broken() == {}, store.name


_ALL = {
    name: f"SELECT {', '.join(table.columns)} FROM {name} ORDER BY {', '.join(table.key)}"
    for name, table in TABLES.items()
}


async def _tables(store: Store) -> Changes:
    return dict(zip(_ALL, await store.select_all(_ALL.values()), strict=True))


async def empty(store: Store) -> None:
    """Delete all rows behind the store's back."""
    if isinstance(store, SqliteStore):
        store._write.execute("BEGIN")
        for name in (*TABLES, "key_places"):
            store._write.execute(f"DELETE FROM {name}")
        store._write.execute("COMMIT")
    else:
        assert isinstance(store, PostgresStore)
        assert store._writer is not None
        await store._writer.execute("; ".join(f"DELETE FROM {name}" for name in TABLES))


def play(databases: list[Database], examples: int, steps: int) -> None:
    """Let the three play many games."""
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        stores = [database.store(unsafe=True) for database in databases]
        try:
            for store in stores:
                runner.run(store.open())

            class Bound(Trio):
                pass

            Bound.stores, Bound.loop = stores, loop
            run_state_machine_as_test(
                Bound,
                settings=settings(
                    max_examples=examples,
                    stateful_step_count=steps,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            for store in stores:
                runner.run(store.close())


@pytest.fixture
def databases(request: pytest.FixtureRequest) -> list[Database]:
    kinds = ["sqlite", "postgres"] if available() else ["sqlite"]
    return [request.getfixturevalue(f"{kind}_database") for kind in kinds]


def test_core_sqlite_and_postgres_agree_after_every_step(databases: list[Database]) -> None:
    play(databases, examples=20, steps=25)


@pytest.mark.soak
def test_core_sqlite_and_postgres_agree_after_every_step_of_many_long_games(databases: list[Database]) -> None:
    play(databases, examples=GAMES, steps=STEPS)
    write_result(
        "stateful",
        {
            "command": "python -m pytest -m soak tests/engine/test_stateful.py",
            "sides": ["core", *(database.kind for database in databases)],
            "games": GAMES,
            "steps_of_each_at_most": STEPS,
            "differences": 0,
        },
    )
