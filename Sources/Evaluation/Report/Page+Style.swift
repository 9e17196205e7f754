extension Page {
  /// The style sheet. Text is never lighter than 4.5 : 1 against its ground; series colours are told apart by
  /// people with any common colour blindness (after Okabe and Ito, darkened or lightened for contrast) and by shape.
  static let style = """
    :root { --ground: #fcfcfa; --panel: #ffffff; --ink: #1d2129; --soft: #565d69; --line: #d9dce1; --rule: #e9ebee;
      --accent: #0b5c9e; --mark: #f1f5fa;
      --s0: #5f6672; --s1: #0b66ad; --s2: #b34a00; --s3: #00755a; --s4: #8e4585; --s5: #7a6200;
      --h0: #f4f7fb; --h1: #dbe7f3; --h2: #b9d3e9; --h3: #8fb9db; --h4: #629bc9; --h5: #3b7ab3; --h6: #1d5a95;
      --h7: #0a3a6b; --box: #c2410c; }
    @media screen and (prefers-color-scheme: dark) { :root { --ground: #14171c; --panel: #1b1f26; --ink: #e8eaee; --soft: #a5adba;
      --line: #363c47; --rule: #272c35; --accent: #7cbcf2; --mark: #222a35;
      --s0: #a9b1bd; --s1: #6cb6f5; --s2: #ff9d5c; --s3: #4fcfa5; --s4: #d9a0d4; --s5: #d9bf52;
      --h0: #1a2029; --h1: #1c2f45; --h2: #1f4263; --h3: #275a85; --h4: #3878aa; --h5: #5a9bcb; --h6: #8fc0e3;
      --h7: #d3e9fa; --box: #ff9d5c; } }
    * { box-sizing: border-box; }
    html { -webkit-text-size-adjust: 100%; }
    body { margin: 0; background: var(--ground); color: var(--ink); line-height: 1.55; font-size: 16px;
      font-family: system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', sans-serif; }
    header, main, footer { max-width: 72rem; margin: 0 auto; padding: 0 1.5rem; }
    header { padding-top: 3rem; }
    .eyebrow { margin: 0 0 .75rem; color: var(--soft); font-size: .875rem; letter-spacing: .01em; }
    .eyebrow span { color: var(--ink); font-weight: 600; }
    h1 { font-size: clamp(1.5rem, 1.1rem + 1.7vw, 2.25rem); line-height: 1.2; letter-spacing: -.015em; margin: 0 0 1.25rem;
      font-weight: 680; max-width: 34em; text-wrap: balance; }
    h2 { font-size: 1.3rem; line-height: 1.3; letter-spacing: -.01em; margin: 0 0 .35rem; font-weight: 650; }
    h3 { font-size: 1rem; margin: 0 0 .25rem; font-weight: 600; }
    section { margin-top: 3.25rem; }
    p, .lead { max-width: 46em; }
    .lead { color: var(--soft); margin: 0 0 1rem; }
    .verdict p { margin: 0 0 .6rem; }
    .verdict .scope { color: var(--soft); }
    .cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(17.5rem, 1fr)); gap: 1rem; margin-top: 1.75rem; }
    @media (min-width: 64rem) { .top { display: grid; grid-template-columns: minmax(0, 1fr) 22rem; gap: 3rem; }
      .top .cards { grid-template-columns: 1fr; margin-top: .3rem; align-content: start; } }
    .card { background: var(--panel); border: 1px solid var(--line); border-top: 3px solid var(--series);
      border-radius: 6px; padding: .9rem 1rem .85rem; break-inside: avoid; }
    .card h2 { font-size: .9rem; font-weight: 400; color: var(--soft); letter-spacing: 0; margin: 0 0 .6rem; }
    .card h2 .name { color: var(--series); font-weight: 650; margin-right: .5em; }
    .card dl { display: grid; grid-template-columns: repeat(3, 1fr); gap: .75rem; margin: 0; }
    .card dt { font-size: .75rem; color: var(--soft); }
    .card dd { margin: 0; font-size: 1.4rem; line-height: 1.25; font-weight: 600; font-variant-numeric: tabular-nums; }
    .card dd.note { font-size: .78rem; font-weight: 400; color: var(--soft); line-height: 1.35; }
    .s0 { --series: var(--s0); } .s1 { --series: var(--s1); } .s2 { --series: var(--s2); }
    .s3 { --series: var(--s3); } .s4 { --series: var(--s4); } .s5 { --series: var(--s5); }
    .scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; background: var(--panel); }
    table { border-collapse: collapse; width: 100%; font-size: .84rem; font-variant-numeric: tabular-nums; }
    caption { text-align: left; }
    th, td { padding: .42rem .6rem; text-align: right; white-space: nowrap; vertical-align: top; }
    th { font-weight: 500; color: var(--soft); font-size: .76rem; line-height: 1.3; vertical-align: bottom; }
    thead th { border-bottom: 1px solid var(--line); }
    tbody th { font-size: .84rem; color: var(--ink); font-weight: 600; vertical-align: top; }
    th:first-child { text-align: left; position: sticky; left: 0; background: var(--panel); }
    tr.own td, tr.own th:first-child { background: var(--mark); }
    .placement td, .placement tbody th { vertical-align: middle; }
    th button { all: unset; cursor: pointer; } th button:hover, th button:focus-visible { color: var(--accent); }
    th button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
    th[aria-sort] button { color: var(--ink); } th[aria-sort=ascending] button::after { content: ' ↑'; }
    th[aria-sort=descending] button::after { content: ' ↓'; }
    tr.first th, tr.first td { border-top: 1px solid var(--line); }
    td small, tbody th small { display: block; font-weight: 400; color: var(--soft); font-size: .74rem; line-height: 1.3; }
    .below { margin-top: 1.25rem; }
    .figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 25rem), 1fr)); gap: 1.25rem; }
    figure { margin: 0; background: var(--panel); border: 1px solid var(--line); border-radius: 6px;
      padding: .9rem 1rem; break-inside: avoid; min-width: 0; }
    figure.wide { max-width: 38rem; } figure.wide + figure.wide { margin-top: 1.25rem; }
    figcaption { color: var(--soft); font-size: .84rem; margin-top: .4rem; }
    figure h3 + svg { margin-top: .25rem; }
    svg { display: block; width: 100%; height: auto; font-family: inherit; }
    svg text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
    svg text.name { fill: var(--ink); } svg text.inside { fill: var(--ink); font-weight: 600; }
    svg text.caption { fill: var(--ink); font-weight: 600; } svg text.strong { fill: var(--series); font-weight: 600;
      paint-order: stroke; stroke: var(--panel); stroke-width: 3px; stroke-linejoin: round; }
    .rule { stroke: var(--rule); stroke-width: 1; } .base { stroke: var(--soft); stroke-width: 1; }
    .mean { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 3 3; }
    .curve { fill: none; stroke: var(--series); stroke-width: 2; stroke-linejoin: round; }
    .curve.s2 { stroke-dasharray: 7 3; } .curve.s3 { stroke-dasharray: 2.5 2.5; } .curve.s4 { stroke-dasharray: 9 3 2 3; }
    .raw { fill: none; stroke: var(--series); stroke-width: 1; opacity: .22; }
    .path { fill: none; stroke: var(--series); stroke-width: 1.25; opacity: .55; }
    .range { stroke: var(--ink); stroke-width: 1.5; } .whisker { stroke: var(--series); stroke-width: 1.5; } .leader { stroke: var(--series); stroke-width: .75; opacity: .5; }
    .marker { fill: var(--series); stroke: var(--series); stroke-width: 1.5; }
    .marker.hollow { fill: var(--panel); } .bar { fill: var(--series); } .bar.plain { fill: var(--h4); }
    .legend { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; list-style: none; padding: 0; margin: .15rem 0 .3rem;
      font-size: .84rem; color: var(--ink); }
    .legend li { display: flex; align-items: center; gap: .4rem; } .legend svg { width: 26px; height: 14px; flex: none; }
    .heat { shape-rendering: crispEdges; fill: none; } .box { fill: none; stroke: var(--box); stroke-width: .7; }
    .small .box { stroke-width: 1; }
    .pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1.25rem; }
    .multiples { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 12.5rem), 1fr)); gap: 1rem;
      margin-top: 1.25rem; }
    .swatches { display: flex; align-items: center; gap: .6rem; font-size: .8rem; color: var(--soft); margin-top: .8rem;
      flex-wrap: wrap; }
    .swatches svg { width: 168px; height: 14px; flex: none; }
    .loads { width: 4.5rem; margin-left: auto; }
    .facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 16rem), 1fr)); gap: .8rem 2rem;
      margin: .8rem 0 0; }
    .facts dt, .terms dt { font-size: .8rem; color: var(--soft); } .facts dd { margin: 0; overflow-wrap: anywhere; }
    .terms { margin: .8rem 0 0; columns: 2 24rem; column-gap: 2.5rem; font-size: .9rem; }
    .terms div { break-inside: avoid; margin: 0 0 .8rem; } .terms dt { color: var(--ink); font-weight: 600; font-size: .9rem; }
    .terms dd { margin: 0; color: var(--soft); }
    details { border-top: 1px solid var(--line); } details:last-of-type { border-bottom: 1px solid var(--line); }
    summary { cursor: pointer; padding: .6rem 0; font-weight: 600; } summary small { color: var(--soft); font-weight: 400; }
    .flips { list-style: none; margin: 0 0 1rem; padding: 0; display: grid; gap: 1rem;
      grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)); }
    .flips .flip { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: .8rem 1rem;
      font-size: .88rem; break-inside: avoid; min-width: 0; overflow-wrap: anywhere; }
    .flips p { margin: 0 0 .5rem; white-space: pre-line; } .flips .number { color: var(--soft); font-size: .78rem; }
    .flips ol { margin: 0; padding: 0; list-style: none; } .flips ol li { padding: .1rem 0; }
    .flips .right { font-weight: 650; } .flips .who { color: var(--soft); font-size: .8rem; font-weight: 400; }
    footer { color: var(--soft); font-size: .82rem; padding-top: 3rem; padding-bottom: 3rem; }
    @media (max-width: 40rem) { header, main, footer { padding-left: 1rem; padding-right: 1rem; }
      header { padding-top: 1.75rem; } section { margin-top: 2.5rem; } figure { padding: .75rem; }
      .card dd { font-size: 1.2rem; } svg text { font-size: 14px; } }
    @media print { :root { --ground: #fff; --panel: #fff; --ink: #000; --soft: #444; --mark: #f3f3f3; }
      html { font-size: 11.5px; } body { font-size: 1rem; }
      header, main, footer { max-width: none; padding-left: 0; padding-right: 0; } header { padding-top: 0; }
      footer { padding-top: 1.5rem; padding-bottom: 0; } section { margin-top: 1.6rem; } .lead, h2 { break-after: avoid; } p { break-inside: avoid; }
      .cards { grid-template-columns: repeat(3, 1fr); } th button { font-size: inherit; } .figures, .pair { grid-template-columns: 1fr 1fr; }
      .multiples { grid-template-columns: repeat(5, 1fr); } .terms { columns: 2; }
      .scroll { overflow: visible; border: 0; break-inside: avoid; } tr { break-inside: avoid; } table, tbody th { font-size: 7pt; }
      th, td small { font-size: 6.2pt; } th, td { padding: .15rem .25rem; position: static; }
      * { -webkit-print-color-adjust: exact; print-color-adjust: exact; } @page { margin: 13mm; } }
    """
}
