extension Report {
  /// The matrix of arms and limits.
  var matrix: Markup {
    section("matrix", "Every checkpoint under every limit") {
      tag("p", ["class": "lead"]) {
        "Tinted rows are evaluated as they were trained. Δ is the paired difference from the standard checkpoint without "
        "a limit, with its 95 % interval; recovery is the share of a limit’s cost that training under it wins back."
      }
      tag("div", ["class": "scroll", "tabindex": "0", "role": "region", "aria-label": "Matrix of results"]) {
        tag("table") {
          tag("thead") {
            tag("tr") {
              for (first, second) in headings {
                tag("th", ["scope": "col"]) {
                  first
                  if !second.isEmpty {
                    tag("br")
                    second
                  }
                }
              }
            }
          }
          for arm in arms {
            tag("tbody") {
              let results = comparison.results.filter { $0.arm == arm }
              for (index, result) in results.enumerated() {
                row(result, name: index == 0 ? results.count : nil)
              }
            }
          }
        }
      }
    }
  }

  private var headings: [(String, String)] {
    [("checkpoint", ""), (comparison.limitsNameRules ? "limit L" : "rule", "")] + Self.figures
  }

  private static let figures = [
    ("loss", "± stderr"), ("token perplexity", "95 % interval"),
    ("Δ loss vs standard", "95 % interval"), ("recovery", "95 % interval"), ("retention loss", "Δ vs standard"),
    ("devices / token", "imbalance"), ("remote copies", "naive"), ("bytes / token", "of naive"), ("mass", "kept"),
  ]

  /// One cell as a row; `rows` is how many rows the arm's name stands for, `nil` where it stands above.
  private func row(_ result: CellResult, name rows: Int?) -> Markup {
    let figures = result.communication
    let interval = result.lossInterval
    return tag("tr", result.isMatched ? ["class": "own"] : [:]) {
      if let rows { tag("th", ["scope": "rowgroup", "rowspan": "\(rows)"], result.arm) }
      tag("td", comparison.rule(result))
      cell(Numbers.fixed(result.loss, 4), "± \(Numbers.fixed(result.standardError, 4))")
      cell(
        Numbers.perplexity(result.tokenPerplexity),
        "\(Numbers.perplexity(Numbers.exponential(interval.low))) to "
          + Numbers.perplexity(Numbers.exponential(interval.high)))
      if result.isReference {
        cell("reference", "")
      } else {
        cell(result.difference.map { Numbers.signed($0.mean, 4) }, result.difference.map { range($0.low, $0.high, 4) })
      }
      if let recovery = result.recovery {
        cell(
          Numbers.percent(recovery.mean), "\(Numbers.percent(recovery.low)) to \(Numbers.percent(recovery.high))")
      } else {
        cell(result.trainingEffect == nil ? "" : "undefined", "")
      }
      cell(
        result.retentionLoss.map { Numbers.fixed($0, 3) },
        result.isReference ? "reference" : result.retentionDifference.map { Numbers.signed($0.mean, 3) })
      cell(
        Numbers.fixed(figures.devicesPerToken, 2),
        "rows \(Numbers.fixed(figures.imbalanceRows, 2)) · wire \(Numbers.fixed(figures.imbalanceWire, 2))")
      cell(Numbers.fixed(figures.remoteCopies, 2), Numbers.fixed(figures.naiveRemoteCopies, 2))
      cell(
        Numbers.grouped(Int(figures.bytes.rounded())),
        figures.naiveBytes > 0 ? Numbers.percent(figures.bytes / figures.naiveBytes) : nil)
      tag("td", Numbers.fixed(figures.retainedMass, 3))
    }
  }

  private func cell(_ value: String?, _ note: String?) -> Markup {
    tag("td") {
      value ?? Numbers.absent
      if let note, !note.isEmpty { tag("small", note) }
    }
  }

  private func range(_ low: Double, _ high: Double, _ digits: Int) -> String {
    "\(Numbers.signed(low, digits)) to \(Numbers.signed(high, digits))"
  }
}
