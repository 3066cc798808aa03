// How the report looks: one style sheet for light and dark, without fonts or images of its own.

enum Stylesheet {
  static let text = """
    :root {
      color-scheme: light dark;
      --page: #f6f7f9; --card: #ffffff; --ink: #1a1d21; --soft: #5d6570; --rule: #dfe3e8;
      --p50: #2673c9; --p99: #d9641a; --good: #2f8f5b; --refused: #c99a12; --failed: #c63b3b;
    }
    @media (prefers-color-scheme: dark) {
      :root {
        --page: #14161a; --card: #1d2026; --ink: #e6e9ed; --soft: #9aa3ae; --rule: #333943;
        --p50: #5aa2ee; --p99: #f08c4a; --good: #52b682; --refused: #dcb545; --failed: #e86a6a;
      }
    }
    * { box-sizing: border-box; }
    body {
      margin: 0 auto; padding: 28px 20px 40px; max-width: 1240px; background: var(--page);
      color: var(--ink); font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto,
      "DejaVu Sans", sans-serif; overflow-wrap: anywhere;
    }
    h1 { font-size: 24px; margin: 0 0 2px; }
    h2 { font-size: 17px; margin: 30px 0 10px; }
    p { margin: 0; color: var(--soft); }
    .warning { color: var(--failed); font-weight: 600; }
    .tiles { display: grid; gap: 12px; margin-top: 18px;
      grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); }
    .tiles div, figure, .scroll {
      background: var(--card); border: 1px solid var(--rule); border-radius: 8px;
    }
    .tiles div { padding: 12px 14px; }
    .tiles b { display: block; font-size: 26px; line-height: 1.2; font-weight: 650;
      font-variant-numeric: tabular-nums; }
    .tiles b small { font-size: 14px; font-weight: 500; color: var(--soft); }
    .tiles span { color: var(--soft); font-size: 13px; }
    .charts { display: grid; gap: 12px;
      grid-template-columns: repeat(auto-fit, minmax(min(440px, 100%), 1fr)); }
    figure { margin: 0; padding: 12px 14px 6px; }
    figcaption { display: flex; flex-wrap: wrap; gap: 4px 8px; align-items: baseline;
      margin-bottom: 6px; }
    figcaption span { color: var(--soft); font-size: 13px; }
    .legend { margin-left: auto; }
    .legend i { display: inline-block; width: 10px; height: 10px; border-radius: 2px;
      margin: 0 5px 0 10px; background: var(--tone); }
    svg { display: block; width: 100%; height: auto; }
    svg text { font-size: 11px; fill: var(--soft); font-variant-numeric: tabular-nums; }
    .grid { stroke: var(--rule); stroke-width: 1; }
    .axis { stroke: var(--soft); stroke-width: 1; }
    .mark { stroke: var(--p99); stroke-width: 1.2; stroke-dasharray: 4 3; }
    .p50 { --tone: var(--p50); } .p99 { --tone: var(--p99); } .good { --tone: var(--good); }
    .refused { --tone: var(--refused); } .failed { --tone: var(--failed); }
    .line { fill: none; stroke: var(--tone); stroke-width: 2; stroke-linejoin: round;
      stroke-linecap: round; }
    .area { fill: var(--tone); fill-opacity: 0.13; }
    .dot, .bar { fill: var(--tone); }
    .note { fill: transparent; }
    .note:hover { fill: var(--soft); fill-opacity: 0.13; }
    .scroll { overflow-x: auto; }
    table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
    th, td { padding: 7px 14px; text-align: left; border-top: 1px solid var(--rule);
      vertical-align: top; }
    th { color: var(--soft); font-weight: 600; font-size: 13px; border-top: none; }
    .numbers th + th, .numbers td + td { text-align: right; white-space: nowrap; }
    .failures td + td { white-space: nowrap; }
    .failures td:last-child { white-space: normal; color: var(--soft); }
    .pairs td:first-child { color: var(--soft); width: 220px; }
    .pairs thead { display: none; }
    .pairs tr:first-child td { border-top: none; }
    footer { margin-top: 26px; color: var(--soft); font-size: 13px; }
    """
}
