"""How the page looks, on a screen and on A4: no figure and no row of a table is cut between two sheets."""

STYLE = """
@page { size: A4; margin: 12mm; }
* { box-sizing: border-box; }
body { font: 15px/1.45 system-ui, "DejaVu Sans", sans-serif; color: #1a1a1a; background: #fff; margin: 0 auto;
  padding: 1.5rem; max-width: 62rem; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; break-after: avoid; }
.simulated { background: #fff3cd; border: 2px solid #8a6d00; padding: .4rem .8rem; font-weight: 700; }
.judged { border-left: .6rem solid; padding: .5rem .8rem; font-size: 1.15rem; font-weight: 700; margin: .6rem 0; }
.complete { border-color: #1b6e2e; background: #e8f4ea; }
.incomplete { border-color: #b71c1c; background: #fdeaea; }
.why, .small { color: #444; font-size: .85em; font-weight: 400; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .2rem .4rem; border-top: 1px solid #ccc; }
thead th { border-bottom: 2px solid #555; border-top: 0; }
.about th { width: 9rem; font-weight: 600; }
.findings { font-size: .85rem; table-layout: fixed; }
.findings .check { width: 21%; } .findings .stream { width: 8%; } .findings .word { width: 13%; }
.findings .value { width: 12%; } .findings .limit { width: 17%; }
.findings tbody { break-inside: avoid; }
td.word { font-weight: 700; overflow-wrap: normal; }
.pass { color: #1b6e2e; } .warn { color: #7a4b00; background: #fff3cd; }
.fail { color: #fff; background: #b71c1c; } .not-measured { color: #4a148c; background: #f3e8fa; }
figure { margin: 1rem 0 1.6rem; break-inside: avoid; }
figure h3 { font-size: 1rem; margin: 0 0 .2rem; }
figure img { display: block; width: 100%; max-width: 100%; height: auto; max-height: 215mm; object-fit: contain;
  border: 1px solid #bbb; }
figcaption { font-size: .85rem; margin-top: .3rem; }
.missing { border: 2px dashed #777; padding: 1.2rem; font-weight: 600; }
article + article { break-before: page; margin-top: 3rem; border-top: 4px solid #333; padding-top: 1rem; }
@media print {
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  body { font-size: 9.5pt; padding: 0; max-width: none; }
  .findings { font-size: 7.5pt; }
  thead { display: table-header-group; }
}
"""
