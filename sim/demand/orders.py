"""The variates of every cart, drawn in columns by cart number, each column from a stream of its own name."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sim.arrays import Column
from sim.demand.choices import choice_table
from sim.demand.columns import Uniform, drawn, durations
from sim.demand.conversion import voucher_share
from sim.demand.drawing import tabulate, threshold_u32
from sim.demand.interaction import Treatment, thinned
from sim.demand.laws import from_duration
from sim.demand.trace import CANCEL_BEFORE_SHIPPING, CART_COLUMNS, NEVER, NOTHING
from sim.scenario.parts.base import Duration
from sim.scenario.schema import Scenario
from sim.scenario.tables import sku_table

NamedStream = Callable[[str], np.random.Generator]
MOST_DECLINES = 8


def cart_columns(
    scenario: Scenario,
    named: NamedStream,
    first_sku: Column,
    region: Column,
    deal: Column,
    factor_u64: npt.NDArray[np.uint64],
    treated: Treatment | None,
) -> dict[str, Column]:
    """All of CART_COLUMNS for the carts whose first line's SKU, region, deal and treatment are given."""
    size, service, payment = len(first_sku), scenario.engine.service, scenario.payment
    method = _methods(scenario, named("method"), region)

    def work(name: str, law: Duration) -> Column:
        return durations(named(name), [tabulate(from_duration(law))], size, "i4", 1)

    def share(name: str, of: float) -> Column:
        return drawn(named(name), size, "u1", lambda _, u: u < np.uint64(threshold_u32(of)))

    def raw(name: str) -> Column:
        return drawn(named(name), size, "u4", lambda _, u: u)

    columns = {
        "go_u32": _going(named("go_u32"), first_sku, deal, factor_u64, treated),
        "checkout_us": work("checkout_us", service.checkout),
        "payment_us": work("payment_us", service.payment),
        "confirmation_us": work("confirmation_us", service.confirmation),
        "pay_delay_us": _pay_delays(scenario, named, size),
        "method": method,
        "provider_us": durations(
            named("provider_us"), [tabulate(from_duration(m.latency)) for m in payment.methods], size, "i4", 0, method
        ),
        "declines": _declines(scenario, named("declines"), method),
        "voucher": share("voucher", voucher_share(scenario)),
        "confirm_work_us": work("confirm_work_us", scenario.confirmation.work),
        "pick_us": work("pick_us", scenario.fulfilment.pick),
        "pack_us": work("pack_us", scenario.fulfilment.pack),
        "transit_u32": raw("transit_u32"),
        "loss_u32": raw("loss_u32"),
        "after": _wishes(scenario, named, first_sku, treated),
        "after_u32": raw("after_u32"),
        "back_u32": raw("back_u32"),
        "restock": share("restock", scenario.after_sales.restock),
    }
    return {name: columns[name] for name in CART_COLUMNS}


def _going(
    rng: np.random.Generator,
    first_sku: Column,
    deal: Column,
    factor_u64: npt.NDArray[np.uint64],
    treated: Treatment | None,
) -> Column:
    """Uniform, thinned by interaction; for deals uniform below the SKU's factor. A deal has its own price, so its
    buyers answer to that price already: all of them go ahead at the neutral factor, and a lower factor still thins
    them."""

    def use(rows: slice, uniform: Uniform) -> Column:
        if treated is not None:
            plain = np.flatnonzero(treated.is_live(rows) & (deal[rows] < 0))
            uniform[plain] = thinned(uniform[plain], treated.going(rows)[plain])
        here = np.flatnonzero(deal[rows] >= 0)
        below = factor_u64[first_sku[rows][here]]
        uniform[here] = (uniform[here].astype(np.uint64) * below) >> np.uint64(32)
        return uniform

    return drawn(rng, len(first_sku), "u4", use)


def _methods(scenario: Scenario, rng: np.random.Generator, region: Column) -> Column:
    names = [method.name for method in scenario.payment.methods]
    mixes = [
        [r.payment_mix.get(name, 0.0) for name in names] if r.payment_mix else [1.0] * len(names)
        for r in scenario.regions
    ]
    table = choice_table(mixes)
    return drawn(rng, len(region), "u1", lambda rows, u: table.pick(region[rows], u))


def _pay_delays(scenario: Scenario, named: NamedStream, size: int) -> Column:
    payment = scenario.payment
    delays = durations(named("pay_delay_us"), [tabulate(from_duration(payment.delay))], size, "i8", 0)
    pays = np.uint64(threshold_u32(payment.pays))
    refuse = drawn(named("pays"), size, "?", lambda _, u: u >= pays)
    delays[refuse] = NEVER
    return delays


def _declines(scenario: Scenario, rng: np.random.Generator, method: Column) -> Column:
    """Tries declined in a row, geometric, counted up to 8 (more than any buyer tries)."""
    table = choice_table([_runs(m.declines) for m in scenario.payment.methods])
    return drawn(rng, len(method), "u1", lambda rows, u: table.pick(method[rows], u))


def _runs(share: float) -> list[float]:
    powers = [share**k for k in range(MOST_DECLINES + 1)]
    return [power * (1 - share) for power in powers[:-1]] + [powers[-1]]


def _wishes(scenario: Scenario, named: NamedStream, first_sku: Column, treated: Treatment | None) -> Column:
    """What the buyer will want after paying, by the category of the first line, and in live shows by interaction."""
    table, size = choice_table(_wishes_by_sku(scenario, 0.0)), len(first_sku)
    if treated is None:
        return drawn(named("after"), size, "u1", lambda rows, u: table.pick(first_sku[rows], u))
    pressed = choice_table(_wishes_by_sku(scenario, extra_returns(scenario)))

    def use(rows: slice, uniform: Uniform) -> Column:
        live = treated.is_live(rows)
        return np.where(live, pressed.pick(first_sku[rows], uniform), table.pick(first_sku[rows], uniform))

    wishes = drawn(named("after"), size, "u1", use)
    if scenario.funnel.questions is not None:
        spared = drawn(named("after/spared"), size, "?", lambda rows, u: u >= treated.kept_returns(rows))
        wishes[spared & (wishes >= CANCEL_BEFORE_SHIPPING)] = NOTHING
    return wishes


def extra_returns(scenario: Scenario) -> float:
    """By how much persuasion raises the share of orders of live shows that come back."""
    persuasion = scenario.funnel.persuasion
    return 0.0 if persuasion is None else persuasion.returns * persuasion.level


class Wishes(NamedTuple):
    """The shares of the orders that buyers will not keep, by what they do."""

    cancel_on_hold: float
    before_shipping: float
    after_delivery: float
    refund_only: float


def wishes_of(scenario: Scenario, category: str, extra: float) -> Wishes:
    """The shares of a category, with `extra` more or fewer that come back."""
    after, persuasion = scenario.after_sales, scenario.funnel.persuasion
    early = 0.0 if persuasion is None else persuasion.before_shipping
    part = after.categories.get(category, after.default)
    room = max(0.0, 1 - after.cancel_on_hold - part.before_shipping - part.after_delivery - part.refund_only)
    more = min(extra, room)
    before, later = max(0.0, part.before_shipping + more * early), max(0.0, part.after_delivery + more * (1 - early))
    return Wishes(after.cancel_on_hold, before, later, part.refund_only)


def _wishes_by_sku(scenario: Scenario, extra: float) -> list[list[float]]:
    """P(nothing), P(CANCEL_ON_HOLD) ... of each SKU, with `extra` more or fewer that come back."""
    groups = [wishes_of(scenario, row.category, extra) for row in sku_table(scenario)]
    return [[max(0.0, 1 - sum(wishes)), *wishes] for wishes in groups]
