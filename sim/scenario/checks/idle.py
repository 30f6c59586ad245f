"""Settings that would do nothing beside others: whoever wrote them expects something of them."""

from __future__ import annotations

from collections.abc import Iterator

from sim.scenario.checks.findings import Finding, walk
from sim.scenario.parts.base import Duration
from sim.scenario.parts.programme import Kernel
from sim.scenario.reading.nodes import Path
from sim.scenario.schema import Scenario
from sim.scenario.tables import sku_table, to_reporting_minor
from sim.scenario.writing.human import duration_text, money_text

_WITH_LEVELS = ("base_stock", "s_S", "r_Q")


def check_idle(scenario: Scenario, priced: bool) -> Iterator[Finding]:
    """Findings on what has no effect; names must be right. Without `priced` (rates are missing) prices are left out."""
    for i, outage in enumerate(scenario.payment.outages):
        if outage.crash:
            message = "the provider's outages lose no work: payments wait for their end"
            yield Finding(("payment", "outages", i, "crash"), message, "false")
    matching = scenario.funnel.matching
    if matching.r and not matching.top:
        message = "nobody is shown anything, so `r` matches nobody"
        yield Finding(("funnel", "matching", "top"), message, "above 0 %")
    if priced:
        yield from _prices(scenario)
    yield from _kernels(scenario)
    yield from _lead_times(scenario)
    yield from _levels(scenario)


def _prices(scenario: Scenario) -> Iterator[Finding]:
    """Lower prices than the reference where the trace has no buyers more for them."""
    response = scenario.funnel.price
    if response.elasticity == 0 or response.ceiling > 1:
        return
    for listing in scenario.catalogue:
        reference = response.reference.get(listing.name)
        if reference is None:
            continue
        ratio = to_reporting_minor(scenario, listing.price) / max(1, to_reporting_minor(scenario, reference))
        if ratio < 1:
            price, other = money_text(listing.price), money_text(reference)
            message = (
                f"{listing.name} is cheaper ({price}) than its reference or its price in the file ({other}), "
                "which sells no more at a ceiling of 1"
            )
            enough = f"; {ratio**-response.elasticity:.6g} lets all of the effect through" if ratio else ""
            yield Finding(("funnel", "price", "ceiling"), message, f"a ceiling above 1{enough}", "")


def _kernels(scenario: Scenario) -> Iterator[Finding]:
    """Run directories write every value, so a default stands beside either kind."""
    plain = Kernel()
    for i, video in enumerate(scenario.programme.videos):
        at: Path = ("programme", "videos", i, "kernel")
        if video.kernel.kind == "seismic" and video.kernel.mean_us != plain.mean_us:
            yield Finding((*at, "mean"), "a seismic kernel takes theta, not mean", "kind: exponential")
        if video.kernel.kind == "exponential" and video.kernel.theta != plain.theta:
            yield Finding((*at, "theta"), "an exponential kernel takes mean, not theta", "kind: seismic")


def _lead_times(scenario: Scenario) -> Iterator[Finding]:
    for path, part in walk(scenario.stock, ("stock",)):
        if isinstance(part, Duration) and part.dist == "constant" and 0 < part.at_most_us < part.mean_us:
            allowed = f"{duration_text(part.mean_us)} or more"
            yield Finding((*path, "at_most"), "below the mean, which is always so", allowed)


def _levels(scenario: Scenario) -> Iterator[Finding]:
    plan, stocked, bundles = scenario.stock, set[str](), set[str]()
    for sku, row in enumerate(sku_table(scenario)):
        names = {row.name, scenario.catalogue[row.listing].name}
        if row.components != ((sku, 1),):
            bundles |= names
        elif any(row.stock):
            stocked |= names
    for at, given in ((("stock", "levels"), plan.levels), (("stock", "forecast", "given"), plan.forecast.given)):
        for name in given:
            if name in bundles:
                yield Finding((*at, name), "a bundle holds no stock itself", "the SKUs that it is packed from", "")
    for name in plan.levels if plan.policy in _WITH_LEVELS else ():
        if name not in stocked | bundles:
            message = f"{plan.policy} orders only what has stock at the start"
            yield Finding(("stock", "levels", name), message, "a unit or more of it in a warehouse", "")
