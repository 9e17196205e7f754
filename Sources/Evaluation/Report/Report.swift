/// A study as one page: a self-contained HTML file that needs no network and no script.
///
/// The page is XHTML inside HTML 5, so that any XML parser reads it, follows the reader's light or dark setting, prints,
/// and works at the width of a phone. Parts whose data a study lacks are left out.
public struct Report: Sendable {
  let study: Study
  let comparison: Comparison

  /// A report of a study and of the comparison made from it.
  public init(study: Study, comparison: Comparison) {
    self.study = study
    self.comparison = comparison
  }

  /// Names of arms in the order of the table: their place decides colour and marker everywhere on the page.
  var arms: [String] {
    var arms: [String] = []
    for result in comparison.results where !arms.contains(result.arm) { arms.append(result.arm) }
    return arms
  }

  /// The place of an arm among all arms.
  func series(_ arm: String) -> Int { arms.firstIndex(of: arm) ?? arms.count }

  /// An arm's name as it fits into a picture.
  func brief(_ arm: String) -> String { arm.count <= 14 ? arm : arm.prefix(13) + "…" }

  /// Space that direct labels need on the right, in the units of a picture.
  static func margin(for labels: [String]) -> Double { 24 + 8.8 * Double(labels.map(\.count).max() ?? 0) }

  /// The cells evaluated as they were trained, which one would deploy.
  var matched: [CellResult] { comparison.results.filter(\.isMatched) }

  /// The whole page.
  public var html: String {
    let page = tag("html", ["lang": "en"]) {
      tag("head") {
        tag("meta", ["charset": "utf-8"])
        tag("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"])
        tag("meta", ["name": "color-scheme", "content": "light dark"])
        tag("title", "Occult: \(study.facts.model)")
        tag("style", Self.style)
      }
      tag("body") {
        header
        tag("main") {
          matrix
          quality
          curves
          placement
          heatMaps
          layers
          facts
          definitions
        }
        tag("footer", "Occult \(study.facts.version). Numbers behind this page: comparison.json beside it.")
      }
    }
    var output = "<!DOCTYPE html>\n"
    page.write(to: &output)
    // A percentage never starts a line without its number.
    return output.replacing(" %", with: "\u{A0}%") + "\n"
  }

  /// Most cards at the head of the page; the matrix has the rest.
  private static let cards = 6

  /// Headline, verdict and the three figures one would quote.
  private var header: Markup {
    tag("header") {
      tag("p", ["class": "eyebrow"]) {
        "Collaboration-pruned fine-tuning · "
        tag("span", study.facts.model)
      }
      tag("h1", comparison.headline)
      tag("div", ["class": "top"]) {
        tag("div", ["class": "verdict"]) {
          for (index, sentence) in comparison.verdict.enumerated() {
            tag("p", index == comparison.verdict.count - 1 ? ["class": "scope"] : [:], sentence)
          }
        }
        tag("div", ["class": "cards"]) { for result in matched.prefix(Self.cards) { card(result) } }
      }
    }
  }

  private func card(_ result: CellResult) -> Markup {
    let reference = comparison.reference
    let bytes = result.communication.bytes
    let change = reference.map { $0.communication.bytes > 0 ? bytes / $0.communication.bytes - 1 : 0 }
    return tag("div", ["class": "card s\(series(result.arm) % 6)"]) {
      tag("h2") {
        tag("span", ["class": "name"], result.arm)
        result.evaluatedLimit.map { "at most \($0) of \(study.facts.devices) devices" } ?? "no limit"
      }
      tag("dl") {
        tag("div") {
          tag("dt", "loss")
          tag("dd", Numbers.fixed(result.loss, 3))
          tag("dd", ["class": "note"], difference(result))
        }
        tag("div") {
          tag("dt", "bytes / token")
          tag("dd", Numbers.grouped(Int(bytes.rounded())))
          tag("dd", ["class": "note"], result.isReference ? "reference" : change.map(Self.change) ?? "")
        }
        tag("div") {
          tag("dt", "devices / token")
          tag("dd", Numbers.fixed(result.communication.devicesPerToken, 2))
          tag("dd", ["class": "note"], "imbalance \(Numbers.fixed(result.communication.imbalanceRows, 2))")
        }
      }
    }
  }

  private func difference(_ result: CellResult) -> String {
    if result.isReference { return "reference" }
    guard let difference = result.difference else { return "" }
    let verdict =
      switch difference.outcome {
      case .better: "better"
      case .worse: "worse"
      case .noneShown: "no difference shown"
      }
    return "\(Numbers.signed(difference.mean, 3)) · \(verdict)"
  }

  /// A change against the reference in words.
  static func change(_ share: Double) -> String {
    (share > 0 ? "+" : "") + Numbers.percent(share)
  }

  /// A section with a heading.
  func section(_ id: String, _ title: String, @MarkupBuilder _ children: () -> [Markup]) -> Markup {
    tag("section", ["id": id]) {
      tag("h2", title)
      children()
    }
  }

  /// The names of arms with their marker and colour.
  func legend(_ names: [String]) -> Markup {
    tag("ul", ["class": "legend"]) {
      for name in names {
        tag("li") {
          tag("svg", ["viewBox": "0 0 26 14", "aria-hidden": "true"]) {
            SVG.line(0, 7, 26, 7, class: "path s\(series(name) % 6)")
            SVG.marker(13, 7, series: series(name))
          }
          name
        }
      }
    }
  }
}
