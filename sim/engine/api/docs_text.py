"""What the documentation page says besides the operations, and how it looks."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--line:#d8dee4;--paper:#fff;--band:#f6f8fa;--link:#0550ae}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9198a1;--line:#3d444d;--paper:#0d1117;--band:#151b23;
--link:#79b8ff}}
*{box-sizing:border-box}html{scroll-padding-top:4rem}
body{margin:0;color:var(--ink);background:var(--paper);font:16px/1.55 system-ui,sans-serif;overflow-wrap:anywhere}
nav{position:sticky;top:0;z-index:1;display:flex;gap:1rem;padding:.6rem 1rem;overflow-x:auto;white-space:nowrap;
background:var(--band);border-bottom:1px solid var(--line)}
main{max-width:62rem;margin:0 auto;padding:1rem}a{color:var(--link)}
h1{font-size:1.7rem}h2{margin-top:2.5rem;border-bottom:1px solid var(--line)}h3{margin:1.6rem 0 .3rem}
code,pre{font:.88em/1.5 ui-monospace,SFMono-Regular,Menlo,monospace}
pre{padding:.8rem;background:var(--band);border:1px solid var(--line);border-radius:6px;overflow-x:auto}
details{margin:.4rem 0;border:1px solid var(--line);border-radius:6px;background:var(--band)}
details>:not(summary){margin-left:.8rem;margin-right:.8rem}summary{padding:.5rem .8rem;cursor:pointer}
summary b{display:inline-block;min-width:3.6rem}summary span{color:var(--soft)}
.get{color:#1a7f37}.post{color:#0969da}.put,.patch{color:#9a6700}.delete{color:#cf222e}
@media(prefers-color-scheme:dark){.get{color:#3fb950}.post{color:#58a6ff}.put,.patch{color:#d29922}.delete{color:#f85149}}
.wide{overflow-x:auto;margin-bottom:.8rem}table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{padding:.3rem .6rem;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
td:first-child{white-space:nowrap}tr:has(:target){background:color-mix(in srgb,var(--link) 18%,transparent)}
"""

GUIDE = """
<section><h1 id="start">LiveRush order engine</h1>
<p>A live-commerce order engine that does not oversell. What it acknowledges is on disk before the answer leaves.
The same as data: <a href="/openapi.json">openapi.json</a> (OpenAPI 3.1).</p>
<h3 id="first">A first order</h3>
<p>On this machine only, and unless others are set, the keys are <code>dev-merchant-key-0000</code>,
<code>dev-buyer-key-0000</code> and so on.</p>
<pre>URL=http://127.0.0.1:8080
SELL='Authorization: Bearer dev-merchant-key-0000'
BUY='Authorization: Bearer dev-buyer-key-0000'

curl -s $URL/v1/shops -H "$SELL" -H 'Idempotency-Key: shop-1' \\
  --json '{"name": "mugs", "currency": "GBP"}'

curl -s $URL/v1/shops/$SHOP/products -H "$SELL" -H 'Idempotency-Key: mug-1' --json '{"title": "Mug",
  "skus": [{"seller_sku": "mug", "price": {"amount": "1290", "currency": "GBP"}, "on_hand": 30}]}'

curl -s $URL/v1/orders -H "$BUY" -H 'Idempotency-Key: cart-1' \\
  --json '{"buyer_id": "ada", "lines": [{"sku_id": "'$SKU'", "quantity": 1}]}'

curl -s $URL/v1/orders/$ORDER/payments -H "$BUY" -H 'Idempotency-Key: cart-1-pay' --json '{"method": "card"}'
curl -s -X POST $URL/v1/orders/$ORDER:confirm -H "$SELL" -H 'Idempotency-Key: cart-1-ok'
curl -s $URL/v1/orders/$ORDER/events -H "$BUY"</pre>
<h3 id="life">The life of an order</h3>
<p><code>UNPAID</code> (units held until <code>pay_by</code>) → <code>ON_HOLD</code> (paid; the buyer may still cancel)
→ <code>AWAITING_SHIPMENT</code> (confirmed) → <code>AWAITING_COLLECTION</code> (ready to ship) →
<code>IN_TRANSIT</code> → <code>DELIVERED</code> → <code>COMPLETED</code>; with several parcels
<code>PARTIALLY_SHIPPING</code> between; <code>CANCELLED</code> from any state before collection, or when a parcel is
lost. A declined payment leaves the order UNPAID. Money that comes too late is refunded, never kept.</p>
<p>A return: <code>PENDING</code> → <code>APPROVED</code> → <code>BUYER_SHIPPED</code> → <code>COMPLETED</code>, or
<code>REJECTED</code>.</p>
<p>Units of a SKU: <code>reserved = held + committed + releasing</code>, <code>available = on_hand - reserved</code>,
never below 0. What a cancelled order lets go is releasing, and available at the next sweep.</p>
<h3 id="authentication">Authentication</h3>
<p><code>Authorization: Bearer KEY</code>. Each key has a role: buyer, merchant, psp or admin. Each operation below
names the roles that may use it. Keys are set by <code>LIVERUSH_KEY_BUYER</code>, <code>LIVERUSH_KEY_MERCHANT</code>,
<code>LIVERUSH_KEY_PSP</code> and <code>LIVERUSH_KEY_ADMIN</code>.</p>
<h3 id="idempotency">Idempotency</h3>
<p>Whatever makes something, or moves money or stock, needs an <code>Idempotency-Key</code>: new for each thing that you
want done, the same when you ask again. It is done once; asking again gives the stored answer with
<code>Idempotent-Replayed: true</code>. The same key with another body is 422 <code>key_reused</code>. A time-out tells
nothing: ask again with the same key. 2xx, 402, 404, 409 and 422 are kept, as far as it took a decision to find them: a
body that cannot be right, or a parcel that is not there, uses no key up. 429 and 503 are not kept, and run anew.</p>
<p>Changes of a resource take <code>If-Match</code> with the <code>ETag</code> that you read (412 when it has changed
since, 428 when the header is missing), or <code>*</code>. A SKU's inventory changes with every order: to add units, use
<code>inventory-adjustments</code>.</p>
<h3 id="money">Money</h3>
<p>Integer minor units in a string: <code>{"amount": "1999", "currency": "GBP"}</code> is 19.99 pounds, and 1999 yen is
<code>{"amount": "1999", "currency": "JPY"}</code>. Never a decimal point, never a float.</p>
<h3 id="time">Time</h3>
<p>RFC 3339 in UTC with microseconds. Timers (payment, ON_HOLD, returns) run on the engine's clock, which never goes
backwards; <code>--speed</code> divides them all.</p>
<h3 id="pages">Pages</h3>
<p>Lists come oldest first with <code>next_page_token</code>: pass it as <code>page_token</code> until it is null. A
page of large things has fewer than <code>limit</code>, and a token all the same. To follow orders, read
<code>/v1/events?after=N</code>: every event once, in the order of commits, without a gap.
<code>/v1/orders?updated_after=T</code> catches up by order. Take for T the moment at which you last began, less ten
seconds, by the engine's clock: that is the <code>Date</code> of its answers, whatever the machine's says. A change is
seen only once it is on disk, and bears the time before. So some orders come twice, and none is missed unless the disk
takes longer; the feed misses nothing whatever happens.</p>
<h3 id="webhooks">Webhooks</h3>
<p>Registered endpoints get each event as a POST, signed as in Standard Webhooks 1.0.0 (<code>webhook-id</code>,
<code>webhook-timestamp</code>, <code>webhook-signature</code>), at least once, in the order of <code>data.seq</code>
within an order. Answer 2xx within 5 seconds; else it comes again after 5 s, 2 min, 30 min, 3 h and 12 h. 410 ends the
endpoint. A webhook is a signal; the feed is the truth.</p></section>
"""
