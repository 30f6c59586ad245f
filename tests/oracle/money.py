"""What each order brings and costs, from what has become of it at the horizon. Whole minor units throughout."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import floor

from sim.orders.states import Reason, State
from sim.scenario.calendar import capacity_changes
from sim.scenario.parts.base import Servers
from sim.scenario.schema import Scenario
from sim.scenario.tables import DealRow, SkuRow, carriage_table, to_reporting_minor
from tests.oracle.dispatch import Dispatch
from tests.oracle.records import Line, Order
from tests.oracle.stock import Cell

COLUMNS = (
    "gross", "deal_discount", "voucher", "captured", "refunded", "refunded_sales", "platform_commission",
    "creator_commission", "payment_fee", "goods_cost", "pick_pack", "freight", "return_cost", "late_penalty",
)  # fmt: skip


def half_up(amount: int, ppm: int) -> int:
    """`amount` x `ppm` / 1,000,000 to the nearest minor unit, halves up."""
    return (amount * ppm + 500_000) // 1_000_000


def holding_minor(scenario: Scenario, skus: list[SkuRow], cells: dict[tuple[int, int], Cell]) -> int:
    """What it costs to hold stock: `holding_per_day` of its cost, to the nearest minor unit, halves up."""
    cost_us = 0
    for (sku, _), cell in cells.items():
        cell.move(0, scenario.horizon_us)
        cost_us += cell.unit_us * skus[sku].cost_minor
    return round_half_up(Fraction(cost_us * scenario.fees.holding_per_day, 86_400_000_000 * 1_000_000))


def round_half_up(amount: Fraction) -> int:
    """The nearest whole number."""
    return floor(amount + Fraction(1, 2))


class Till:
    """Prices, rates and deadlines of a scenario."""

    def __init__(self, scenario: Scenario, skus: list[SkuRow], deals: list[DealRow], dispatch: Dispatch) -> None:
        self.scenario, self.skus, self.deals = scenario, skus, deals
        self.fees, self.voucher = scenario.fees, scenario.funnel.voucher
        self.voucher_ppm = round(self.voucher.off * 1_000_000)
        self.payment_fixed = to_reporting_minor(scenario, self.fees.payment_fixed)
        self.pick_pack = to_reporting_minor(scenario, self.fees.pick_pack)
        self.late_dispatch = to_reporting_minor(scenario, self.fees.late_dispatch)
        self.terms = carriage_table(scenario)
        sales = scenario.after_sales
        self.return_cost = to_reporting_minor(scenario, sales.return_freight)
        self.return_cost += to_reporting_minor(scenario, sales.return_handling)
        self.dispatch = dispatch

    def amounts(self, order: Order) -> dict[str, int]:
        """Every column of money of one order."""
        money = dict.fromkeys(COLUMNS, 0)
        if order.paid_us >= 0:
            self._sale(order, money)
            self._parcels(order, money)
        return money

    def _sale(self, order: Order, money: dict[str, int]) -> None:
        for line in order.lines:
            money["gross"] += line.quantity * self.skus[line.sku].price_minor
            money["deal_discount"] += line.quantity * (self.skus[line.sku].price_minor - self._asked(line))
        goods = money["gross"] - money["deal_discount"]
        money["voucher"] = half_up(goods, self.voucher_ppm) if order.voucher else 0
        money["captured"] = goods - money["voucher"]
        money["payment_fee"] = half_up(money["captured"], self.fees.payment) + self.payment_fixed
        currency = self.scenario.regions[order.region].currency
        if currency and currency != self.scenario.reporting_currency:
            money["payment_fee"] += half_up(money["captured"], self.fees.exchange)
        whole = order.late or order.state == State.CANCELLED or order.reason in (Reason.RETURNED, Reason.REFUNDED)
        back = goods if whole else sum(units * self._asked(order.lines[k]) for k, units in self._lost(order).items())
        back_voucher = half_up(back, self.voucher_ppm) if order.voucher else 0
        money["refunded"] = back - back_voucher
        money["refunded_sales"] = money["refunded"] if self.voucher.funded_by == "seller" else back
        base = goods - (money["voucher"] if self.voucher.funded_by == "seller" else 0) - money["refunded_sales"]
        money["platform_commission"] = half_up(base, self.fees.platform)
        money["creator_commission"] = half_up(base, self.fees.creator) if order.content >= 0 else 0

    def _asked(self, line: Line) -> int:
        """The price of a unit."""
        return self.deals[line.deal].price_minor if line.deal >= 0 else self.skus[line.sku].price_minor

    def _lost(self, order: Order) -> Counter[int]:
        """Units by line that lost parcels leave incomplete: a bundle that lacks a part is not what was bought."""
        units: Counter[int] = Counter()
        lacking: Counter[tuple[int, int]] = Counter()  # by line and component
        for parcel in order.parcels:
            for take in parcel.takes if parcel.lost else ():
                lacking[take.line, take.sku] += take.units
        for (number, sku), missing in lacking.items():
            each = dict(self.skus[order.lines[number].sku].components)[sku]
            units[number] = max(units[number], -(-missing // each))
        return units

    def _parcels(self, order: Order, money: dict[str, int]) -> None:
        for parcel in order.parcels:
            if parcel.packed_us >= 0:
                money["pick_pack"] += self.pick_pack
            if parcel.collected_us >= 0:
                terms = self.terms[parcel.carrier][order.region]
                money["freight"] += to_reporting_minor(self.scenario, terms.cost)
                if terms.customs is not None:
                    money["freight"] += to_reporting_minor(self.scenario, terms.customs.cost)
                if not (order.restocked and not parcel.lost):
                    money["goods_cost"] += sum(take.units * self.skus[take.sku].cost_minor for take in parcel.takes)
        if order.reason == Reason.RETURNED:
            money["return_cost"] = self.return_cost
        if self.dispatch.is_late(order):
            money["late_penalty"] = self.late_dispatch


def moderators_minor(scenario: Scenario) -> int:
    """Wages of moderators: hour by hour of every show, to the nearest minor unit, halves up."""
    questions = scenario.funnel.questions
    if questions is None:
        return 0
    hours = sum((Fraction(show.length_us, 3_600_000_000) for show in scenario.programme.broadcasts), Fraction())
    return round_half_up(questions.moderators * hours * to_reporting_minor(scenario, questions.wage_per_hour))


def wages(scenario: Scenario, overtime: list[tuple[int, int, int, int]]) -> tuple[int, int]:
    """Wages of planned pickers and packers, and of overtime: hour by hour of each hand, rounded once a rate."""
    planned, extra, hour_us = 0, 0, 3_600_000_000
    for number, house in enumerate(scenario.warehouses):
        work_us = sum(_work_us(scenario, servers) for servers in (house.pickers, house.packers))
        rate = to_reporting_minor(scenario, house.wage_per_h)
        planned += (work_us * rate + hour_us // 2) // hour_us
        for row, plan in enumerate(house.overtime):
            work_us = 0
            for time_us, where, which, _ in overtime:
                if where == number and which == row:
                    end_us = min(time_us + plan.length_us, scenario.horizon_us)
                    work_us += (plan.pickers + plan.packers) * (end_us - time_us)
            extra += (work_us * to_reporting_minor(scenario, plan.wage_per_h) + hour_us // 2) // hour_us
    return planned, extra


def _work_us(scenario: Scenario, servers: Servers) -> int:
    """Hands x microseconds at work."""
    total, since_us, at_work = 0, 0, 0
    for time_us, number in [*capacity_changes(scenario, servers), (scenario.horizon_us, 0)]:
        total += at_work * (time_us - since_us)
        since_us, at_work = time_us, number
    return total
