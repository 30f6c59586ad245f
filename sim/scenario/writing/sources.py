"""On what the defaults rest: path in the scenario file -> source. List elements and tables are written `*`.

A default without a source is a round number of ours that gives a plausible show; it is marked `assumed`.
"""

from __future__ import annotations

from sim.scenario.reading.nodes import Path

NOTHING = "nothing is given"
ASSUMED = "assumed: a plausible round number"
RULE = "convention of the model, no measurement"
_TIKTOK_DEALS = (
    "TikTok Shop US, LIVE flash deal windows: countdown 10-300 s, duration 1-20 min (seller-us 6441265748903735)"
)
_TIKTOK_HOLD = "TikTok Shop US: on hold for 1 h after payment (seller-us 6845840636118830)"
_STAY = (
    "short views under 3 s: Cao et al. 2024, arXiv 2408.05709; lognormal stay of median 30 s and sigma 1.4 suggested"
)
_SEISMIC = "Zhao, Erdogdu, He, Rajaraman, Leskovec, KDD 2015; constants of the R package seismic"
_POOLS = "trade descriptions of traffic pools; tiers and thresholds differ widely, a caricature of the real system"
_ALI_CCP = "Ali-CCP, Ma et al., SIGIR 2018: 4.05 % click, 0.53 % of clicks buy"
_PITCH = "SSRN 4847854 (2024): purchase +136 % for those who entered during the pitch"
_BROWSE = (
    "of the size of SSRN 4847854 (2024): 9.15 % browse a page, 0.67 % buy within a month; over the default stay 8.4 "
    "clicks per 100 viewers, by 6.9 % of them"
)
_LOGIT = "CTR of the best tenth at -3 and 0.8: 6.1, 8.7, 12.0, 15.9 % at r = 0, 0.3, 0.6, 0.9"
_ASKS = (
    "assumed: 4 comments per 100 entries of 76 s (KuaiLive, arXiv 2508.05633) make 1.9 a viewer-hour, one in four a "
    "question"
)
_ANSWERED = (
    "returns -12.55 %, orders +3.00 % where viewers are answered: randomised, ISR 2025, doi 10.1287/isre.2023.0103"
)
_PRESSED = (
    "up to +11.68 points a standard deviation of interaction: Feng et al., POM 2024, doi 10.1177/10591478231224949"
)
_UNPAID = "no sound public figure; 80 % to 95 % of live orders are paid"
_HARD_GOODS = "hard goods 5-9 % returned (Toktay); apparel sold live comes back 40-70 %"

SOURCES: dict[str, str] = {
    "start": RULE,
    "horizon": RULE,
    "seed": RULE,
    "max_rows": RULE,
    "reporting_currency": RULE,
    "regions.*.business_days": RULE,
    "regions.*.day_factors": NOTHING,
    "regions.*.hour_factors": NOTHING,
    "programme.broadcasts.*.stay": _STAY,
    "programme.broadcasts.*.pitches.*.length": "full-cycle pitches of 3-10 min are common in trade advice",
    "programme.broadcasts.*.deals.*.countdown": _TIKTOK_DEALS,
    "programme.broadcasts.*.deals.*.duration": _TIKTOK_DEALS,
    "programme.videos.*.exposure": _POOLS,
    "programme.videos.*.kernel": _SEISMIC,
    "programme.videos.*.quality": _POOLS,
    "programme.videos.*.click": _ALI_CCP,
    "programme.videos.*.order_given_click": _ALI_CCP,
    "funnel.clicks_per_viewer_hour": _BROWSE,
    "funnel.order_given_click": _BROWSE,
    "funnel.pitch_lift": _PITCH,
    "funnel.countdown_lift": "time limits online lift no purchases reliably: Hmurovic et al., JMR 60(2):299-328, 2023",
    "funnel.matching": "correlation model, E[z | shown] = r i(top); r = 0: no matching",
    "funnel.matching.click_level": _LOGIT,
    "funnel.matching.click_spread": _LOGIT,
    "funnel.matching.order_level": "Ali-CCP, Ma et al., SIGIR 2018: 0.53 % of clicks buy, as log-odds at z = 0; over "
    "all z 1.3 % do, since those who click match better",
    "funnel.matching.order_spread": "assumed: as that of clicks, pCTCVR = pCTR x pCVR",
    "funnel.exposure": "short video gets 9 x the exposure of live: Cao et al. 2024, arXiv 2408.05709",
    "funnel.position_bias": "no position bias; the classic product list has 1",
    "funnel.voucher": "no vouchers",
    "funnel.price": "no price response",
    "funnel.price.reference": "the price that the file has",
    "funnel.questions": "no questions",
    "funnel.questions.asks_per_viewer_hour": _ASKS,
    "funnel.questions.host_answers_per_min": "a host who sells answers none; from about 40 a minute most are missed",
    "funnel.questions.handle": "15-30 s an answer, a plausible range",
    "funnel.questions.patience": "assumed: within about a minute the product changes and viewers leave",
    "funnel.questions.ask_share": "inferred: 19 % who ask make of +15.99 % among askers +3.00 % among all",
    "funnel.questions.lift": "purchase +15.99 % after a chat: Tan, Wang, Tan, ISR 30(4):1248-1271, 2019",
    "funnel.questions.fewer_returns": _ANSWERED,
    "funnel.persuasion": "no more or less of it",
    "funnel.persuasion.lift": "assumed; 1 % more comments go with +0.29 % sales: Guo et al. 2021 (an association)",
    "funnel.persuasion.returns": _PRESSED,
    "funnel.persuasion.before_shipping": "returns before and after shipping stand about 1 : 1 (a case of June 2024)",
    "funnel.feedback": "no feedback",
    "funnel.feedback.tolerated": "1 s keeps the flow of thought: Nielsen 1993, Usability Engineering",
    "funnel.feedback.loss_per_s": "7 % of conversions a second, a trade figure (Aberdeen Group 2008): direction only",
    "funnel.feedback.most": ASSUMED,
    "funnel.feedback.sold_out": ASSUMED,
    "funnel.feedback.period": RULE,
    "funnel.second_choice": "no second choice",
    "payment.pays": _UNPAID,
    "payment.hold_window": "Taoqianggou 15 min, Juhuasuan and Tmall presale 30 min (trade pages)",
    "confirmation.on_hold": _TIKTOK_HOLD,
    "warehouses.*.pick_up_days": RULE,
    "lanes": "the default lane: gamma of mean 2 d and shape 8, no freight, nothing lost",
    "after_sales.default.after_delivery": _HARD_GOODS,
    "after_sales.late_cancels": "assumed: who wanted to cancel does not keep the goods",
    "fees.exchange": "no fee for exchange; the rates in `currencies` are what is got",
    "dispatch.dispatch_days": "TikTok Shop US: dispatch within 2 business days (seller-us 8064131472115499)",
    "dispatch.deliver_days": "TikTok Shop US: deliver within 6 business days (seller-us 3995852763301633)",
    "dispatch.cut_off": RULE,
    "dispatch.event": "TikTok Shop US since March 2026: the carrier's scan (seller-us 3668989549299511)",
    "dispatch.auto_cancel_event": "TikTok Shop US: cancelled without tracking (seller-us 3995852763301633)",
    "dispatch.capacity_days": "TikTok Shop US: 1 business day more above the declared daily capacity (seller-us)",
    "dispatch.calendar": RULE,
    "dispatch.thresholds": NOTHING,
    "stock": "no replenishment",
    "allocation": "one order of warehouses, nothing kept back, nothing sold ahead",
    "allocation.max_wait": "assumed; TikTok Shop US cancels pre-orders 5 business days after their dispatch date",
    "strategies": NOTHING,
    "optimise": NOTHING,
    "engine": "a small reference engine on one machine; calibrate to yours",
}


def source_of(path: Path) -> str:
    """The source of the default at `path`: its own, or that of the nearest part around it."""
    words = ["*" if isinstance(key, int) else key for key in path]
    for end in range(len(words), 0, -1):
        source = SOURCES.get(".".join(words[:end]))
        if source is not None:
            return source
    return ASSUMED
