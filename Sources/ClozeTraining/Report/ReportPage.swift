/// A self-contained HTML page, light or dark as the reader's system.
struct ReportPage {
  let title: String
  /// HTML below the title.
  let body: String

  var html: String {
    """
    <!doctype html>
    <html lang=en><head><meta charset=utf-8>
    <meta name=viewport content="width=device-width, initial-scale=1">
    <title>\(escaped(title))</title>
    <style>
    \(Self.style)
    </style></head>
    <body>
    <h1>\(escaped(title))</h1>
    \(body)
    </body></html>

    """
  }

  /// Names with their values.
  static func facts(_ facts: [(name: String, value: String)]) -> String {
    facts.reduce("<dl>") { $0 + "<div><dt>\(escaped($1.name))<dd>\(escaped($1.value))</div>" } + "</dl>\n"
  }

  private static let style = """
    :root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--line:#d8dee4;--page:#fff;
    --card:#f6f8fa;--a:#0969da;--b:#bc4c00;--right:9,105,218;--wrong:207,34,46}
    @media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9198a1;--line:#30363d;
    --page:#0d1117;--card:#161b22;--a:#4493f8;--b:#f0883e;--right:68,147,248;--wrong:248,81,73}}
    *{box-sizing:border-box}
    body{font:15px/1.5 system-ui,sans-serif;max-width:66rem;margin:2rem auto;padding:0 1rem;
    color:var(--ink);background:var(--page)}
    h1{font-size:1.5rem;overflow-wrap:anywhere}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}
    p{color:var(--soft);margin:0 0 .8rem}
    .metrics{display:flex;flex-wrap:wrap;gap:.7rem}
    .metrics div{background:var(--card);border:1px solid var(--line);border-radius:8px;
    padding:.6rem 1rem;min-width:7rem}
    .metrics div{max-width:20rem}.remark{border-left:3px solid var(--b);padding-left:.7rem;margin-top:.8rem}
    .metrics .main{border-color:var(--a);box-shadow:inset 0 0 0 1px var(--a)}
    .metrics b{display:block;font-size:1.35rem;font-weight:600;font-variant-numeric:tabular-nums}
    .metrics span,dt,.place,th{color:var(--soft)}
    dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(11rem,1fr));gap:.7rem 1.4rem;
    margin:1.3rem 0}
    dt{font-size:.85rem}dd{margin:0;overflow-wrap:anywhere}
    .plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(26rem,100%),1fr));gap:1rem}
    svg{width:100%;max-width:36rem;height:auto;background:var(--card);border:1px solid var(--line);
    border-radius:8px;font:11px system-ui,sans-serif}
    svg text{fill:var(--soft)}svg .title{fill:var(--ink);font-size:13px;font-weight:600}
    svg .name{font-size:12px}.grid{stroke:var(--line)}.axis{stroke:var(--soft)}
    .line{fill:none;stroke-width:1.8;stroke-linejoin:round}.line.faint{stroke-width:1;opacity:.3}
    .line.a{stroke:var(--a)}.line.b{stroke:var(--b)}
    circle.a,svg text.a{fill:var(--a)}circle.b,svg text.b{fill:var(--b)}
    circle.mark{fill:none;stroke:var(--a);stroke-width:2}circle.point{fill-opacity:.4}
    .diagonal{stroke:var(--soft);stroke-dasharray:5 4}
    table{border-collapse:collapse}
    th,td{padding:.35rem .7rem;text-align:left;vertical-align:top}th{font-weight:500}
    .wide{overflow-x:auto}
    .confusion td,.confusion th{text-align:right;white-space:nowrap;
    font-variant-numeric:tabular-nums}
    .confusion th span{display:inline-block;max-width:9rem;overflow:hidden;text-overflow:ellipsis}
    .confusion th[scope=row]{position:sticky;left:0;background:var(--page);max-width:14rem;
    overflow:hidden;text-overflow:ellipsis}
    .right{background:rgba(var(--right),calc(var(--share)*.6))}
    .wrong{background:rgba(var(--wrong),calc(var(--share)*.6))}
    .scores td+td,.scores th+th{text-align:right;font-variant-numeric:tabular-nums}
    .mistakes{width:100%;table-layout:fixed}
    .mistakes th:first-child{width:50%}.mistakes th:last-child{width:5.5rem}
    .mistakes td{border-top:1px solid var(--line);overflow-wrap:anywhere}
    .mistakes td:last-child,.mistakes th:last-child{text-align:right}.place{font-size:.85em}
    @media(max-width:42rem){
    .mistakes thead{display:none}.mistakes,.mistakes tbody,.mistakes tr,.mistakes td{display:block}
    .mistakes tr{border-top:1px solid var(--line);padding:.5rem 0}
    .mistakes td{border:0;padding:.15rem 0}.mistakes td:last-child{text-align:left}
    .mistakes td[data-name]:before{content:attr(data-name) ": ";color:var(--soft)}}
    """
}

/// A metric's name as it is written in a sentence.
func named(_ metric: String) -> String {
  switch metric {
  case "f1": "F1"
  case "f1_macro": "F1, macro"
  case "f1_micro": "F1, micro"
  case "exact_match": "exact match"
  case "mse": "mean squared error"
  case "matthews": "Matthews"
  case "mlm_loss": "masked words: loss"
  case "mlm_perplexity": "masked words: perplexity"
  case "mlm_accuracy": "masked words: accuracy"
  case "nsp_loss": "next sentence: loss"
  case "nsp_accuracy": "next sentence: accuracy"
  case "pearson": "Pearson"
  case "spearman": "Spearman"
  default: metric
  }
}

func rounded(_ value: Double) -> String { fixed(value, abs(value) >= 1000 ? 1 : 4) }
