extension QualityReport {
  /// Quality against bytes, for the arms that say what they send.
  var traffic: [Markup] {
    guard let metric = comparison.mean ?? comparison.tasks.first?.primary else { return [] }
    let points = comparison.arms.compactMap { arm -> (arm: String, bytes: Double, difference: Difference)? in
      guard let bytes = arm.communication?.bytes, arm.name != comparison.base else { return nil }
      let zero = Difference(mean: 0, low: 0, high: 0)
      return (arm.name, bytes, metric.difference(arm.name)?.difference ?? zero)
    }
    guard points.count > 1 else { return [] }
    let name = comparison.mean == nil ? "\(metric.metric) of \(comparison.tasks[0].task)" : metric.metric
    let plot = Plot(
      width: 490, height: 320, margins: (20, Report.margin(for: points.map { String($0.arm.prefix(14)) }), 46, 62),
      x: [0] + points.map(\.bytes), y: [0] + points.flatMap { [$0.difference.low, $0.difference.high] }, yTicks: 6)
    let words = points.map {
      "\($0.arm): \(Numbers.signed($0.difference.mean, metric.digits)), \(Numbers.fixed($0.bytes, 0)) bytes."
    }
    return [
      Page.section(
        "traffic", "Quality against bytes",
        lead: "Left is cheaper, \(metric.higherIsBetter ? "up" : "down") is better; whiskers are 95 % intervals of the "
          + "paired difference, the dashed line is \(comparison.reference)."
      ) {
        tag("figure", ["class": "wide"]) {
          SVG.picture(
            id: "traffic-plot", width: plot.width, height: plot.height, title: "Quality against bytes per token",
            description: words.joined(separator: " ")
          ) {
            plot.yAxis("Δ \(name)" + (metric.unit.isEmpty ? "" : " (\(metric.unit))"))
            plot.xAxis("bytes per token, layer and direction")
            SVG.line(plot.left, plot.y(0), plot.right, plot.y(0), class: "mean")
            for (point, words) in zip(points, words) {
              let (x, y) = (plot.x(point.bytes), plot.y(point.difference.mean))
              SVG.line(
                x, plot.y(point.difference.low), x, plot.y(point.difference.high),
                class: "whisker s\(series(point.arm) % 6)")
              SVG.marker(x, y, series: series(point.arm), title: words)
              SVG.text(x + 11, y + 4, String(point.arm.prefix(14)), class: "strong s\(series(point.arm) % 6)")
            }
          }
        }
      }
    ]
  }

  /// Most flips shown of one task, arm and direction; `comparison.json` has all.
  private static let shown = 12

  /// Questions that changed, with their text.
  func flips(of arms: [String]) -> [Markup] {
    guard comparison.flips.contains(where: { arms.contains($0.arm) }) else { return [] }
    return [
      Page.section(
        "flips", "Questions that changed",
        lead:
          "Answered rightly by one of the two only; the right choice is bold. Flips both ways are usual even between "
          + "equally good models: what counts is whether one way prevails."
      ) {
        for task in comparison.tasks {
          for arm in others where arms.contains(arm.name) { details(task.task, arm.name) }
        }
      }
    ]
  }

  @MarkupBuilder private func details(_ task: String, _ arm: String) -> [Markup] {
    for (direction, words) in [(Flip.Direction.lost, "lost"), (.gained, "won")] {
      let all = comparison.flips.filter { $0.task == task && $0.arm == arm && $0.direction == direction }
      if !all.isEmpty {
        tag("details") {
          tag("summary") {
            "\(task): \(all.count) \(words) by \(arm) "
            if all.count > Self.shown { tag("small", "the first \(Self.shown) of them; comparison.json has all") }
          }
          tag("ul", ["class": "flips"]) { for flip in all.prefix(Self.shown) { item(flip) } }
        }
      }
    }
  }

  private func item(_ flip: Flip) -> Markup {
    func who(_ text: String) -> String {
      let names = [(flip.arm, flip.answer), (comparison.reference, flip.referenceAnswer)].filter { $0.1 == text }
      return names.map(\.0).joined(separator: ", ")
    }
    return tag("li", ["class": "flip"]) {
      tag("p", ["class": "number"]) {
        "question \(flip.question)"
        if comparison.seedCount > 1 {
          ": right in \(Numbers.percent(flip.share)) of runs, against \(Numbers.percent(flip.referenceShare))"
        }
      }
      tag("p", flip.prompt)
      if flip.choices.isEmpty {
        tag("ol") {
          tag("li", ["class": "right"], flip.gold)
          tag("li", "\(flip.arm): \(flip.answer)")
          tag("li", "\(comparison.reference): \(flip.referenceAnswer)")
        }
      } else {
        tag("ol") {
          for choice in flip.choices {
            tag("li", choice == flip.gold ? ["class": "right"] : [:]) {
              choice == flip.gold ? "✓ \(choice)" : choice
              if !who(choice).isEmpty { tag("span", ["class": "who"], " ← \(who(choice))") }
            }
          }
        }
      }
    }
  }

  /// What was compared.
  var facts: Markup {
    let bootstrap = comparison.bootstrap
    return Page.section("facts", "The runs") {
      Page.definitions(
        "facts",
        comparison.arms.map { ($0.name, $0.runs.joined(separator: ", ")) } + [
          ("Reference", comparison.reference), ("Base", comparison.base ?? "not named"),
          (
            "Intervals",
            "95 %, \(Numbers.grouped(bootstrap.draws)) draws over \(comparison.seedCount > 1 ? "seeds and " : "")"
              + "questions, seed \(bootstrap.seed)"
          ),
        ])
    }
  }

  /// What every term on the page means.
  var terms: Markup { Page.section("terms", "What the words mean") { Page.definitions("terms", Self.meanings) } }

  private static let meanings: [(String, String)] = [
    (
      "Primary metric",
      "The one metric of a task that counts for the verdict: acc_norm where there is one, else acc, else a perplexity."
    ),
    (
      "Difference",
      "Arm minus reference, on the questions that all runs answered. Of perplexities the logarithm is compared, in nats "
        + "per word, byte, token or question."
    ),
    (
      "95 % interval",
      "From questions drawn anew with replacement, the same ones for both, and training seeds where there are several "
        + "(then with Student’s t, as few seeds know their own spread badly)."
    ),
    (
      "p, verdict",
      "McNemar’s exact test of questions won and lost for single runs, else from the bootstrap’s standard error. Verdicts "
        + "use p corrected by Holm’s method for the number of tasks and arms, at 5 %."
    ),
    (
      "Would be detected",
      "The smallest true difference that such a comparison finds in 4 of 5 repetitions (80 % power, without the "
        + "correction). “None shown” says nothing about smaller ones."
    ),
    (
      "At chance level",
      "No run is shown to do better than guessing (binomial test, 5 % for all runs together). Accuracy is noise there: it "
        + "is left out of verdicts and of the mean, and gold_logprob, the log-likelihood of the right choice, is compared "
        + "instead."
    ),
    (
      "Gain kept, non-inferior",
      "Share of what standard fine-tuning gained over the base that an arm keeps. Non-inferior: by a one-sided 95 % bound "
        + "it gives up less than the margin. Uninformative: standard is not shown to gain anything."
    ),
    ("Bytes per token", "Sent for one token in one layer and one direction, as the evaluation counted it."),
  ]
}
