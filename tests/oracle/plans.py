"""What is planned ahead, slowly: demand as expected, the best stock for each show, lots, and shares of warehouses."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import product
from statistics import mean, stdev
from typing import NamedTuple

from scipy import stats

from sim.demand.generate import generate
from sim.demand.interaction import questions_told
from sim.demand.trace import BUY, NEVER, Trace
from sim.scenario.quantiles import at_u32
from sim.scenario.schema import Scenario
from sim.scenario.tables import SkuRow, nearest_warehouses, sku_table, to_reporting_minor
from tests.oracle.carriers import Carriers
from tests.oracle.records import law_table

FIRST_PILOT = 1_000_000_000
Law = tuple[float, float]  # mean and standard deviation


class Order(NamedTuple):
    """A planned order: when, how many units (or up to how many), and by what they are shared out."""

    time_us: int
    units: int
    laws: list[Law]


class Plans:
    """All that a scenario's policy plans ahead."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario, self.policy, self.skus = scenario, scenario.stock, sku_table(scenario)
        self.houses = range(len(scenario.warehouses))
        self.nearest = [order[0] for order in nearest_warehouses(scenario)]
        starts = {show.start_us for show in scenario.programme.broadcasts if show.start_us < scenario.horizon_us}
        self.starts = sorted(starts) or [0]
        lead_time = self.policy.lead_time
        in_time = round(0.95 * 2**32)
        self.ahead_us = lead_time.mean_us if lead_time.dist == "constant" else at_u32(law_table(lead_time), in_time)
        self.trials: list[_Wanted] = []

    def orders(self, sku: int, houses: list[int]) -> list[Order]:
        """The planned orders of a SKU for one warehouse, or for all."""
        found = []
        for show, start_us in enumerate(self.starts):
            order_us = max(0, start_us - self.ahead_us)
            end_us = self.starts[show + 1] if show + 1 < len(self.starts) else self.scenario.horizon_us
            begin_us = 0 if self.policy.policy == "wagner_whitin" else order_us
            laws = [self.law(sku, begin_us, end_us, [house]) for house in self.houses]
            stock = self.best_stock(self.skus[sku], self.law(sku, begin_us, end_us, houses))
            found.append(Order(order_us, stock, laws))
        if self.policy.policy == "wagner_whitin":
            initial = sum(self.skus[sku].stock[house] for house in houses)
            lots = self._lots(self.skus[sku], [order.units for order in found], initial)
            found = [order._replace(units=units) for order, units in zip(found, lots, strict=True)]
        return [order for order in found if order.units > 0]

    def laws(self, sku: int, stretch_us: int) -> list[Law]:
        """The demand at each warehouse in a stretch of average demand."""
        share = stretch_us / self.scenario.horizon_us
        whole = [self.law(sku, 0, self.scenario.horizon_us, [house]) for house in self.houses]
        return [(middle * share, spread * share**0.5) for middle, spread in whole]

    def share_out(self, rule: str, units: int, have: list[int], laws: list[Law]) -> list[int]:
        """One unit after the other goes to where it is needed most."""
        aims = laws if rule == "equal_fractile" else [(0.0, middle) for middle, _ in laws]
        if all(spread == 0 for _, spread in aims):
            aims = [(0.0, 1.0) for _ in aims]
        given = [0] * len(have)
        for _ in range(units):
            safety = {
                k: (have[k] + given[k] - centre) / spread for k, (centre, spread) in enumerate(aims) if spread > 0
            }
            given[min(safety, key=lambda k: safety[k])] += 1
        return given

    # demand

    def law(self, sku: int, begin_us: int, end_us: int, houses: list[int]) -> Law:
        """Mean and deviation of the units wanted of a SKU at some warehouses in a time."""
        row = self.skus[sku]
        given = self.policy.forecast.given_for(row.name, self.scenario.catalogue[row.listing].name)
        if given is not None:
            shows = [show for show in self.scenario.programme.broadcasts if begin_us <= show.start_us < end_us]
            share = 0.0
            for region, house in zip(self.scenario.regions, self.nearest, strict=True):
                if house in houses:
                    share += region.audience
            if len(houses) == len(self.houses) > 1:
                return given.mean * len(shows), (given.sd * given.sd * len(shows)) ** 0.5
            own = given.sd * given.sd * share
            if given.sd * given.sd >= given.mean:  # all that exceeds a Poisson law is common to all warehouses
                own = share * share * (given.sd * given.sd - given.mean) + share * given.mean
            return given.mean * share * len(shows), (own * len(shows)) ** 0.5
        if not self.trials:
            seed, number = self.scenario.seed, self.policy.forecast.pilots
            self.trials = [_Wanted(generate(self.scenario, seed, FIRST_PILOT + k), self) for k in range(number)]
        wanted = [float(sum(trial.units(sku, house, begin_us, end_us) for house in houses)) for trial in self.trials]
        return mean(wanted), stdev(wanted)

    # what is best

    def best_stock(self, row: SkuRow, law: Law) -> int:
        """The newsvendor's stock in whole units."""
        middle, spread = law
        sales, fees = self.scenario.after_sales, self.scenario.fees
        early, later, refund_only = self._not_kept(row.category)
        price, voucher = float(row.price_minor), self.scenario.funnel.voucher
        if voucher.funded_by == "seller":
            carried = voucher.share * (1 + voucher.lift) / (1 + voucher.share * voucher.lift)
            price *= 1 - carried * voucher.off
        net = price * (1 - (fees.platform + fees.creator) / 1_000_000)
        own = ("", self.scenario.reporting_currency)
        abroad = math.fsum(region.audience for region in self.scenario.regions if region.currency not in own)
        paying = price * (fees.payment + fees.exchange * abroad) / 1_000_000
        paying += to_reporting_minor(self.scenario, fees.payment_fixed)
        freight = math.fsum(
            region.audience * Carriers(self.scenario, house).freight_minor(k)
            for k, (region, house) in enumerate(zip(self.scenario.regions, self.nearest, strict=True))
        )
        carriage = to_reporting_minor(self.scenario, fees.pick_pack) + freight
        back = to_reporting_minor(self.scenario, sales.return_freight)
        back += to_reporting_minor(self.scenario, sales.return_handling)
        net *= 1 - (early + later + refund_only)
        carriage = (1 - early) * carriage + later * back
        again, eats = early + later * sales.restock, 1.0
        if self.policy.count_on_returns:
            eats = 1 - again
        else:  # it comes back too late
            net += again * row.salvage_minor
        if middle == 0 or eats <= 0:
            return 0
        gain = (net - carriage - paying) / eats - row.cost_minor
        if gain <= 0:
            return 0
        loss: float = row.cost_minor - row.salvage_minor
        loss = loss if loss > 0 else gain * 1e-3
        return math.floor(max(eats * self._gross(middle, spread, gain, loss), 0.0) + 0.5)

    def _not_kept(self, category: str) -> tuple[float, float, float]:
        """Shares of the orders cancelled before shipping, returned, and refunded without: as those of shows."""
        sales, funnel = self.scenario.after_sales, self.scenario.funnel
        shares = sales.categories.get(category, sales.default)
        before, later, refund_only = shares.before_shipping, shares.after_delivery, shares.refund_only
        if self.scenario.programme.broadcasts and funnel.persuasion is not None:
            room = 1 - sales.cancel_on_hold - before - later - refund_only
            extra = min(funnel.persuasion.returns * funnel.persuasion.level, max(0.0, room))
            before = max(0.0, before + extra * funnel.persuasion.before_shipping)
            later = max(0.0, later + extra * (1 - funnel.persuasion.before_shipping))
        kept, answered = 1.0, questions_told(self.scenario)["answered_share"]
        if self.scenario.programme.broadcasts and funnel.questions is not None and answered is not None:
            kept -= funnel.questions.fewer_returns * answered
        return sales.cancel_on_hold + before * kept, later * kept, refund_only * kept

    def _gross(self, middle: float, spread: float, gain: float, loss: float) -> float:
        if self.policy.rule == "min_max":
            if (spread / middle) ** 2 > gain / loss:
                return 0.0
            return middle + spread / 2 * (math.sqrt(gain / loss) - math.sqrt(loss / gain))
        ratio, law = gain / (gain + loss), self.policy.forecast.law
        if law == "poisson" or (law == "negative_binomial" and 0 < spread**2 <= middle * (1 + 1e-9)):
            return float(stats.poisson(middle).ppf(ratio))
        if spread == 0:
            return middle
        if law == "normal":
            return float(stats.norm(middle, spread).ppf(ratio))
        if law == "lognormal":
            width = math.log1p((spread / middle) ** 2)
            return float(stats.lognorm(math.sqrt(width), scale=middle / math.exp(width / 2)).ppf(ratio))
        chance = middle / spread**2
        return float(stats.nbinom(middle * chance / (1 - chance), chance).ppf(ratio))

    def _lots(self, row: SkuRow, stocks: list[int], initial: int) -> list[int]:
        """The cheapest way to choose the shows for which is ordered; of equal ways the one that orders later."""
        needs, covered = [], initial
        for stock in stocks:
            needs.append(max(0, stock - covered))
            covered = max(covered, stock)
        fixed = to_reporting_minor(self.scenario, self.policy.order_cost)
        best, cheapest, latest = [0] * len(needs), math.inf, [-1]
        for chosen in product((False, True), repeat=len(needs)):
            lots = self._lots_of(chosen, needs)
            if lots is None:
                continue
            cost = self._cost_of(chosen, needs, row) + sum(lot > 0 for lot in lots) * fixed
            orders = [show for show, lot in enumerate(lots) if lot > 0][::-1]
            if cost < cheapest - 1e-9 or (cost < cheapest + 1e-9 and orders > latest):
                best, cheapest, latest = lots, cost, orders
        return best

    def _lots_of(self, chosen: tuple[bool, ...], needs: list[int]) -> list[int] | None:
        lots, last = [0] * len(needs), -1
        for show, need in enumerate(needs):
            last = show if chosen[show] else last
            if need and last < 0:
                return None
            lots[last] += need
        return lots

    def _cost_of(self, chosen: tuple[bool, ...], needs: list[int], row: SkuRow) -> float:
        rate = row.cost_minor * self.scenario.fees.holding_per_day / 1_000_000 / 86_400_000_000
        cost, last = 0.0, -1
        for show, need in enumerate(needs):
            last = show if chosen[show] else last
            cost += need * rate * (self.starts[show] - self.starts[last])
        return cost


class _Wanted:
    """What buyers want in one trial who go ahead and would pay."""

    def __init__(self, trial: Trace, plans: Plans) -> None:
        self.rows: defaultdict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        carts = {name: trial.carts[name].tolist() for name in ("go_u32", "pay_delay_us")}
        lines = {name: column[trial.lines["kind"] == BUY].tolist() for name, column in trial.lines.items()}
        goes: dict[int, bool] = {}
        rows = zip(*(lines[name] for name in ("cart", "sku", "region", "time_us", "quantity")), strict=True)
        for cart, sku, region, time_us, quantity in rows:
            if cart not in goes:
                goes[cart] = carts["go_u32"][cart] < int(trial.factor_u64[sku]) and carts["pay_delay_us"][cart] != NEVER
            for part, units in plans.skus[sku].components if goes[cart] else ():
                self.rows[part, plans.nearest[region]].append((time_us, units * quantity))

    def units(self, sku: int, house: int, begin_us: int, end_us: int) -> int:
        """Units of a SKU wanted at a warehouse in a time."""
        return sum(units for time_us, units in self.rows[sku, house] if begin_us <= time_us < end_us)
