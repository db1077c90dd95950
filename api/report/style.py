"""The look of the report: one style sheet, light and dark, with nothing fetched from anywhere."""

from __future__ import annotations

SHEET = """
:root{color-scheme:light dark;--ink:#1c2128;--soft:#59636e;--paper:#fff;--card:#f6f8fa;
--edge:#d9dee3;--good:#0b6b3a;--bad:#b34700;--accent:#0072b2}
@media (prefers-color-scheme:dark){:root{--ink:#e4e8ec;--soft:#9da7b1;--paper:#12161b;
--card:#1a2027;--edge:#323a43;--good:#6fd19b;--bad:#ffb069;--accent:#56b4e9}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:880px;margin:0 auto;padding:48px 24px 96px}
h1{font-size:1.75rem;line-height:1.25;margin:0 0 8px}
h2{font-size:1.25rem;margin:56px 0 16px}
h3{font-size:1.05rem;margin:0 0 4px;overflow-wrap:anywhere;display:flex;flex-wrap:wrap;
gap:4px 10px;align-items:baseline}
h4{font-size:.9rem;margin:24px 0 8px}
p{margin:0 0 12px;overflow-wrap:anywhere}
.soft{color:var(--soft)}.small{font-size:.875rem}
.good{color:var(--good);font-weight:600}.bad{color:var(--bad);font-weight:600}
.total{display:grid;grid-template-columns:auto 1fr;gap:4px 32px;align-items:center;
background:var(--card);border:1px solid var(--edge);border-radius:12px;
padding:24px 28px;margin:28px 0}
.total .number{font-size:3.25rem;font-weight:650;line-height:1.1;color:var(--accent)}
.total .number.bad{color:var(--bad)}
.total .track{display:grid;grid-template-columns:3.5rem 1fr;gap:6px 12px;align-items:center;
font-size:.875rem;color:var(--soft)}
.total .bar{height:14px;border-radius:3px;background:#8d96a0}
.total .bar.after{background:var(--accent)}
.total .said{grid-column:1/-1;margin:12px 0 0}
article{border:1px solid var(--edge);border-radius:12px;padding:24px 28px;margin:0 0 24px}
dl{display:grid;grid-template-columns:8.5rem 1fr;gap:6px 16px;margin:16px 0 0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.scroll{overflow-x:auto}
.scroll:focus-visible{outline:2px solid var(--accent)}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th{text-align:left;font-weight:600;border-bottom:1px solid var(--edge);padding:8px 12px 8px 0}
td{border-bottom:1px solid var(--edge);padding:10px 12px 10px 0;vertical-align:top;
overflow-wrap:anywhere}
th.n,td.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
th+th.n,td+td.n{padding-left:12px}
code{font:.875em/1.5 ui-monospace,SFMono-Regular,Menlo,monospace;background:var(--card);
border:1px solid var(--edge);border-radius:5px;padding:1px 6px;overflow-wrap:anywhere}
td code,dd code{white-space:pre-wrap}
.tag{display:inline-block;border:1px solid currentColor;border-radius:99px;font-size:.8rem;
padding:0 10px;font-weight:500}
ol,ul{margin:0;padding-left:1.2em}
@media (max-width:560px){.total{grid-template-columns:1fr}dl{grid-template-columns:1fr}
dd{margin-bottom:8px}article{padding:18px}}
@media print{main{max-width:none;padding:0}article{break-inside:avoid}}
"""
