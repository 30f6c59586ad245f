"""The page's style sheet: light and dark, wide and narrow, and print."""

STYLE = """
:root { color-scheme: light dark; --ground: #ffffff; --raised: #f6f6f4; --ink: #1a1a1a; --soft: #5a5a5a;
  --faint: #e4e4e4; --edge: #9a9a9a; --other: #c4c4c4; --other-video: #8e8e8e; --grey: #4d4d4d; --crash: #6b1a00;
  --good: #00664a; --good-ground: #e2f3ec; --bad: #a63c00; --bad-ground: #fdebdf; --open: #5a5a5a;
  --open-ground: #eeeeec; }
@media (prefers-color-scheme: dark) { :root { --ground: #15181b; --raised: #1f2327; --ink: #eceae6; --soft: #b0b0ac;
  --faint: #33383d; --edge: #7c8288; --other: #868b91; --other-video: #a7adb3; --grey: #b8b8b4; --crash: #ff9a76;
  --good: #5fd6ac; --good-ground: #10352a; --bad: #ff9d5c; --bad-ground: #43240f; --open: #b0b0ac;
  --open-ground: #2b3035; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, "Segoe UI", Roboto,
  "Helvetica Neue", Arial, sans-serif; -webkit-text-size-adjust: 100%; overflow-wrap: anywhere; }
main, header, footer { max-width: 66rem; margin: 0 auto; padding: 0 1rem; }
header { padding-top: 1.25rem; }
h1 { font-size: 1.15rem; font-weight: 600; margin: 0 0 .75rem; color: var(--soft); }
h2 { font-size: 1.3rem; margin: 2.25rem 0 .5rem; line-height: 1.25; }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .25rem; }
p { margin: .4rem 0; }
a { color: inherit; }
.verdict { display: flex; flex-wrap: wrap; gap: .6rem; padding: 0; margin: 0 0 .75rem; list-style: none; }
.verdict li { font-size: clamp(1.15rem, 4.6vw, 1.9rem); font-weight: 750; letter-spacing: .01em; line-height: 1.15;
  padding: .5em .75em; border-radius: .4em; border: 2px solid currentColor; }
.verdict small { font-size: .95rem; font-weight: 500; }
.good { color: var(--good); background: var(--good-ground); }
.bad { color: var(--bad); background: var(--bad-ground); }
.open { color: var(--open); background: var(--open-ground); }
.word { font-weight: 700; white-space: nowrap; padding: .05em .45em; border-radius: .3em; }
.soft { color: var(--soft); }
.small { font-size: .875rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .6rem; margin: 1rem 0; }
.cards div { background: var(--raised); border-radius: .4rem; padding: .6rem .8rem; }
.cards dt { color: var(--soft); font-size: .875rem; }
.cards dd { margin: 0; font-size: 1.3rem; font-weight: 650; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .25rem 0; }
th, td { padding: .28rem .7rem .28rem 0; text-align: left; vertical-align: top; overflow-wrap: normal; }
tbody tr { border-top: 1px solid var(--faint); }
thead th { color: var(--soft); font-weight: 500; font-size: .875rem; vertical-align: bottom; }
tbody th { font-weight: 500; }
.number { text-align: right; white-space: nowrap; }
.whole { white-space: nowrap; }
.wide { min-width: 16rem; overflow-wrap: anywhere; }
.inset { padding-left: 1.1rem; }
figure { margin: 0 0 1.75rem; }
figcaption { margin-bottom: .4rem; }
figure svg { display: block; width: 100%; height: auto; }
figure svg * { stroke-linejoin: round; stroke-linecap: butt; }
figure svg text { white-space: pre; }
.narrow { display: none; }
pre, code { font: .875rem/1.45 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
pre { background: var(--raised); padding: .7rem .9rem; border-radius: .4rem; overflow-x: auto; margin: .5rem 0; }
details { margin: .5rem 0; }
summary { cursor: pointer; padding: .3rem 0; }
footer { padding: 1.5rem 1rem 2.5rem; color: var(--soft); font-size: .875rem; }
@media (max-width: 44rem) {
  .has-narrow .only-wide { display: none; }
  .narrow { display: block; }
  .no-narrow svg { width: 52rem; max-width: none; }
  th, td { padding-right: .9rem; }
  .wide { min-width: 9.5rem; }
}
@media print { .scroll { overflow: visible; } figure, tr { break-inside: avoid; } }
""".strip()
