/// A frame with two axes; the parts of a picture that all charts share.
struct Plot {
  /// Width and height of the picture, in its own units.
  let width: Double
  let height: Double
  /// Space around the frame: top, right, bottom, left.
  let margins: (top: Double, right: Double, bottom: Double, left: Double)
  let x: Scale
  let y: Scale

  init(
    width: Double = 460, height: Double = 300,
    margins: (top: Double, right: Double, bottom: Double, left: Double) = (16, 16, 46, 54), x: [Double], y: [Double],
    xTicks: Int = 5, yTicks: Int = 5
  ) {
    self.width = width
    self.height = height
    self.margins = margins
    self.x = Scale(covering: x, from: margins.left, to: width - margins.right, ticks: xTicks)
    self.y = Scale(covering: y, from: height - margins.bottom, to: margins.top, ticks: yTicks)
  }

  var left: Double { margins.left }
  var right: Double { width - margins.right }
  var top: Double { margins.top }
  var bottom: Double { height - margins.bottom }

  /// The horizontal axis: ticks, numbers, title with its unit.
  func xAxis(_ title: String, numbers: Bool = true) -> Markup {
    tag("g", ["class": "axis"]) {
      SVG.line(left, bottom, right, bottom, class: "base")
      if numbers {
        for tick in x.ticks {
          SVG.line(x(tick), bottom, x(tick), bottom + 4, class: "base")
          SVG.text(x(tick), bottom + 17, x.label(tick), anchor: "middle")
        }
      }
      SVG.text((left + right) / 2, height - 8, title, anchor: "middle", class: "title")
    }
  }

  /// The vertical axis: rules across the frame, numbers, title with its unit.
  func yAxis(_ title: String) -> Markup {
    tag("g", ["class": "axis"]) {
      for tick in y.ticks {
        SVG.line(left, y(tick), right, y(tick), class: "rule")
        SVG.text(left - 7, y(tick) + 4, y.label(tick), anchor: "end")
      }
      tag(
        "text",
        [
          "class": "title", "text-anchor": "middle",
          "transform": "translate(13 \(SVG.number((top + bottom) / 2))) rotate(-90)",
        ], title)
    }
  }
}

/// Shapes of SVG, with short numbers.
enum SVG {
  /// A coordinate with at most two decimals.
  static func number(_ value: Double) -> String {
    let text = Numbers.fixed(value, 2).replacing("−", with: "-")
    guard text.contains(".") else { return text }
    return String(text.reversed().drop { $0 == "0" }.drop { $0 == "." }.reversed())
  }

  static func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, class name: String) -> Markup {
    tag("line", ["x1": number(x1), "y1": number(y1), "x2": number(x2), "y2": number(y2), "class": name])
  }

  static func text(
    _ x: Double, _ y: Double, _ text: String, anchor: String = "start", class name: String = "label"
  ) -> Markup {
    tag("text", ["x": number(x), "y": number(y), "text-anchor": anchor, "class": name], text)
  }

  static func rect(
    _ x: Double, _ y: Double, _ width: Double, _ height: Double, class name: String, title: String? = nil
  ) -> Markup {
    tag(
      "rect",
      ["x": number(x), "y": number(y), "width": number(width), "height": number(height), "class": name]
    ) { if let title { tag("title", title) } }
  }

  static func polyline(_ points: [(x: Double, y: Double)], class name: String) -> Markup {
    let list = points.map { "\(number($0.x)),\(number($0.y))" }.joined(separator: " ")
    return tag("polyline", ["points": list, "class": name])
  }

  /// A marker of an arm: shape and colour both tell the arm, so that colour alone never has to.
  static func marker(_ x: Double, _ y: Double, series: Int, hollow: Bool = false, title: String? = nil) -> Markup {
    let r = 5.0
    let d =
      switch series % 4 {
      case 0: "M\(number(x - r)) \(number(y))a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z"
      case 1: "M\(number(x - 4.5)) \(number(y - 4.5))h9v9h-9z"
      case 2: "M\(number(x)) \(number(y - 6))l5.5 10h-11z"
      default: "M\(number(x)) \(number(y - 6.3))l6.3 6.3l-6.3 6.3l-6.3 -6.3z"
      }
    return tag("path", ["d": d, "class": "marker s\(series % 6)\(hollow ? " hollow" : "")"]) {
      if let title { tag("title", title) }
    }
  }

  /// A picture with a name and a description for those who cannot see it.
  static func picture(
    id: String, width: Double, height: Double, title: String, description: String,
    @MarkupBuilder _ children: () -> [Markup]
  ) -> Markup {
    tag(
      "svg",
      [
        "viewBox": "0 0 \(number(width)) \(number(height))", "role": "img", "aria-labelledby": "\(id)-t \(id)-d",
      ]
    ) {
      tag("title", ["id": "\(id)-t"], title)
      tag("desc", ["id": "\(id)-d"], description)
      children()
    }
  }
}
