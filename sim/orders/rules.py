"""The timers and switches of an order's life. Each default names its source; regions differ, so all are settings.

One set of rules holds for all that an engine serves: a region with other rules is another engine.
"""

from __future__ import annotations

import msgspec

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
DAY_US = 24 * HOUR_US


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Durations in microseconds; days are calendar days, also where a source says working or business days.

    Sources, read in 2026: seller-us.tiktok.com 6845840636118830 (ON_HOLD 1 h), 3289374654859051 (cancellations
    approved by themselves: off), seller-th.tiktok.com 6837799362201346 (24 h to answer a cancellation, 3 working days
    to be collected), seller-us 7947040639371021 (3 business days to be ready), seller-th 110881167050498 (7 days to ask
    for a return; 1 working day, once 48 h, to answer it), 2174856867497745 (8 days to confirm receipt); echotik.live
    (5 days to send goods back).

    `pay_window_us` is ours: what an audience of minutes does not pay should be for sale again while it watches. TikTok
    Shop keeps units for 24 h (UK) to 48 h (hemi.useresponse.com get-orders, echotik.live), less for subsidised goods.
    """

    pay_window_us: int = 15 * 60 * SECOND_US
    on_hold_us: int = HOUR_US
    confirms_itself: bool = True  # at the end of ON_HOLD; else the merchant must
    cancel_freely_us: int = 0  # into AWAITING_SHIPMENT, without asking the merchant
    cancel_answer_us: int = DAY_US  # an unanswered cancellation is granted then
    ready_within_us: int = 3 * DAY_US  # from payment; then cancelled
    collected_within_us: int = 3 * DAY_US  # from ready to ship; then cancelled
    return_window_us: int = 7 * DAY_US  # from delivery
    return_answer_us: int = 2 * DAY_US  # an unanswered return is granted then
    return_ship_us: int = 5 * DAY_US  # from the grant, for the buyer to send the goods; then the request is closed
    return_receive_us: int = 8 * DAY_US  # from then, for the merchant to take them in; then they count as received
    max_lines: int = 100
    max_quantity: int = 1_000_000
    # Of one order, whose past each of its commands reads again; what money must go back goes back all the same:
    max_payments: int = 100  # attempts
    max_cancellations: int = 100
    max_returns: int = 100
    max_refunds: int = 1000  # that nothing but a wish asks for

    def held(self, on_hold_us: int) -> Rules:
        """The rules with ON_HOLD as long as that, and, where it needs to be, more time until an order is ready.

        Both run from payment: whoever says only the first means an order that can be sent after it.
        """
        ready_within_us = max(self.ready_within_us, 2 * on_hold_us)
        return msgspec.structs.replace(self, on_hold_us=on_hold_us, ready_within_us=ready_within_us)

    def faster(self, factor: float) -> Rules:
        """The rules with every duration divided by `factor`, at least a microsecond where it was not 0."""
        changes = {
            name: max(1, round(value / factor))
            for name in self.__struct_fields__
            if name.endswith("_us") and (value := getattr(self, name))
        }
        return msgspec.structs.replace(self, **changes)
