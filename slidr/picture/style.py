"""Colours and type of the page. Colours are from Okabe and Ito's palette, which colour-blind people can tell apart."""

from typing import Final

CSS: Final = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5b6472; --paper: #ffffff; --line: #dfe3e8; --card: #f5f7f9;
  --blue: #0072b2; --orange: #d55e00; --pale: #9fc9e3; --band: #e69f00; --grey: #aab4bf; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ebef; --soft: #a3adba; --paper: #14181e; --line: #323a45;
  --card: #1d232b; --blue: #56b4e9; --orange: #f08a3c; --pale: #2d556e; --band: #e69f00; --grey: #66717e; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1060px; padding: 28px 24px 48px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  -webkit-print-color-adjust: exact; print-color-adjust: exact; }
h1 { font-size: 27px; line-height: 1.25; margin: 0 0 6px; text-wrap: balance; }
h2 { font-size: 17px; line-height: 1.35; margin: 34px 0 2px; }
h3 { font-size: 14px; margin: 10px 0 0; font-weight: 600; }
p { margin: 4px 0 8px; max-width: 76ch; }
p.soft { max-width: none; }
.soft, figcaption { color: var(--soft); font-size: 13.5px; }
.tiles { display: grid; grid-template-columns: repeat(5, 1fr); gap: 10px; margin: 20px 0 0; padding: 0;
  list-style: none; }
.tiles li { background: var(--card); border-radius: 8px; padding: 10px 12px; font-size: 13px; color: var(--soft); }
.tiles strong { display: block; color: var(--ink); font-size: 22px; line-height: 1.3;
  font-variant-numeric: tabular-nums; }
figure { margin: 0; break-inside: avoid; }
.small { display: grid; grid-template-columns: 1fr 1fr; gap: 4px 20px; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font-size: 11.5px; fill: var(--soft); font-variant-numeric: tabular-nums; }
svg text.unit { font-size: 11.5px; font-style: italic; }
svg text.on { fill: #1d2430; font-weight: 600; }
.grid { stroke: var(--line); stroke-width: 1; }
.band { fill: var(--band); fill-opacity: 0.13; }
.attack { fill: var(--band); fill-opacity: 0.75; }
.line { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.area { stroke: none; }
.area.sent { fill: var(--pale); fill-opacity: 0.7; }
.line.decided, .line.p50, .line.lag { stroke: var(--blue); }
.line.p99 { stroke: var(--orange); stroke-dasharray: 5 2.5; }
.valid { fill: var(--grey); }
.invalid { fill: var(--orange); }
.key { white-space: nowrap; margin-left: 12px; }
.key svg { display: inline-block; width: 22px; height: 10px; margin-right: 5px; }
table { border-collapse: collapse; width: 100%; margin: 8px 0 0; font-size: 14px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 12.5px; vertical-align: bottom; }
th, td { padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); }
.number, th.number { text-align: right; white-space: nowrap; }
td.bar { width: 150px; }
.whole { fill: var(--line); }
.limit { stroke: var(--ink); stroke-width: 1.2; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; font-size: 13.5px; margin: 8px 0 0; }
dt { color: var(--soft); } dd { margin: 0; }
@media (max-width: 700px) { .small { grid-template-columns: 1fr; } .tiles { grid-template-columns: 1fr 1fr; } }
@page { margin: 14mm; }
@media print { body { max-width: none; padding: 0; font-size: 12px; } h1 { font-size: 20px; }
  h2 { font-size: 14px; margin-top: 22px; } h3 { font-size: 12px; } .soft, figcaption { font-size: 11.5px; }
  table { font-size: 10.5px; } td.bar { width: 90px; } svg text, svg text.unit { font-size: 14px; }
  .tiles li { font-size: 11px; padding: 8px; } .tiles strong { font-size: 17px; }
  h2, h3 { break-after: avoid; } tr, p, dl { break-inside: avoid; } }
"""
