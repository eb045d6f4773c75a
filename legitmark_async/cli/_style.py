"""How the report looks: light and dark, on a phone, on a desk and on paper."""

STYLE = """
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5a6675;--paper:#fff;--card:#f4f6f9;--rule:#d5dce5;
--good:#1769c2;--bad:#b3261e;--open:#8a5a00}
@media(prefers-color-scheme:dark){:root{--ink:#e8edf4;--soft:#a3afbf;--paper:#12171e;--card:#1c232d;--rule:#364151;
--good:#6db3ff;--bad:#ff8a80;--open:#f0bd5a}}
*{box-sizing:border-box}
body{margin:0 auto;padding:2rem 1rem 4rem;max-width:60rem;background:var(--paper);color:var(--ink);
font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.75rem;line-height:1.2;margin:0}h2{font-size:1.2rem;margin:2.5rem 0 .5rem}
p{margin:.4rem 0}.soft,figcaption,th{color:var(--soft)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.75rem;margin:1.5rem 0 0;padding:0}
.tiles div{background:var(--card);border-radius:.5rem;padding:.75rem 1rem;border-left:.25rem solid var(--rule)}
.tiles .good{border-color:var(--good)}
.tiles .bad{border-color:var(--bad)}.tiles .open{border-color:var(--open)}
dt{color:var(--soft);font-size:.875rem}
dd{margin:0;font-size:1.35rem;font-weight:600;white-space:nowrap;font-variant-numeric:tabular-nums}
figure{margin:0}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;list-style:none;margin:0;padding:0;font-size:.875rem}
.key{width:1.5rem;height:.625rem;margin-right:.4rem;vertical-align:middle}
.chart{display:grid;grid-template-columns:auto 1fr;gap:0 .5rem;margin-top:1.5rem;font-size:.8125rem;color:var(--soft);
font-variant-numeric:tabular-nums}
.scale{position:relative;min-width:2.75rem}
.scale span{position:absolute;right:0;transform:translateY(-50%);white-space:nowrap}
.plot{position:relative;height:12.5rem}.plot svg{display:block;width:100%;height:100%;overflow:visible}
.runs span{position:absolute;top:-1.3rem;white-space:nowrap;padding-left:.2rem}
.times{grid-column:2;display:flex;justify-content:space-between;padding-top:.4rem}
path{vector-effect:non-scaling-stroke}
.axis{stroke:var(--soft);stroke-width:1}.grid,.mark{stroke:var(--rule);stroke-width:1}.mark{stroke-dasharray:2 3}
.up,.down{stroke-width:1}.up{fill:var(--good);stroke:var(--good)}.down{fill:var(--bad);fill-opacity:.2;stroke:var(--bad);stroke-width:1.5}
.created,.failed,.unknown{fill:none;stroke-width:2.5}.created{stroke:var(--good)}
.failed{stroke:var(--bad);stroke-dasharray:8 4}.unknown{stroke:var(--open);stroke-dasharray:2 4}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9375rem}
th,td{overflow-wrap:normal;
text-align:left;padding:.4rem .75rem .4rem 0;border-bottom:1px solid var(--rule);vertical-align:top}
th{font-weight:500}time,td.number,th.number{white-space:nowrap}tbody th{color:inherit;font-weight:400}
td:has(.bar){width:40%;min-width:6rem}td.number,th.number{text-align:right;font-variant-numeric:tabular-nums}
.bar{display:block;height:.6rem;min-width:2px;background:var(--open);border-radius:.2rem;margin-top:.45rem}
details{background:var(--card);border-radius:.5rem;padding:.6rem 1rem;margin:.5rem 0}
summary{cursor:pointer}summary b{font-variant-numeric:tabular-nums;margin-right:.5rem}
details ul{
margin:.5rem 0 0;padding-left:1.25rem;columns:2 17rem;font-size:.875rem;color:var(--soft)}
@media(max-width:30rem){table{font-size:.8125rem}th,td{padding-right:.6rem}
.tiles div:last-child:nth-child(odd){grid-column:1/-1}}
@media print{details::details-content{content-visibility:visible;height:auto}details ul{columns:3;font-size:8pt}

:root{--ink:#000;--soft:#444;--paper:#fff;--card:#fff;--rule:#bbb;--good:#1769c2;--bad:#b3261e;--open:#8a5a00}
body{padding:0;max-width:none;font-size:10.5pt}
*{print-color-adjust:exact}figure,details,tr,.tiles div{break-inside:avoid}
dd{font-size:1.05rem}h2{break-after:avoid}.tiles div{border:1px solid var(--rule);border-left-width:.25rem}}
"""
