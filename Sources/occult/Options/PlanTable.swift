internal import Placements
import Evaluation
import Formats

/// Plans and fits as text.
enum PlanTable {
  /// `naive`, `deduplicated`, `placed`, `limited to 2`.
  static func name(of row: Plan.Row) -> String {
    row.deviceLimit.map { "limited to \($0)" }
      ?? (row.dispatch == .naivePlaced ? "naive, placed" : row.dispatch.rawValue)
  }

  static func text(_ plan: Plan) -> String {
    var table = TextTable(heads: [
      ">devices", ">EP", ">DP", ">nodes", "dispatch", ">copies", ">between", ">MB", ">×wire", ">×rows", ">all-to-all",
      ">forward", ">share", ">training", ">share",
    ])
    var last: Plan.Size?
    for row in plan.rows {
      let (size, cost) = (row.size, row.mean)
      let group =
        size == last
        ? ["", "", "", ""] : [size.devices, size.expertParallel, size.replicas, size.nodes].map { "\($0)" }
      last = size
      table.rows.append(
        group + [
          name(of: row), fixed(cost.copies, 2), fixed(cost.remoteBetween, 2), fixed(cost.bytes / 1e6, 1),
          fixed(cost.imbalanceWire, 2), fixed(cost.imbalanceRows, 2), milliseconds(cost.allToAll),
          milliseconds(cost.forward), percent(cost.forwardShare), milliseconds(cost.training),
          percent(cost.trainingShare),
        ])
    }
    return table.text + "\n\n"
      + wrapped(
        "\(plan.topology.name): mean of \(counted(plan.layers.count, "layer")), \(counted(plan.workload.tokens, "token")) a device, "
          + "\(plan.topology.exchange.rawValue) exchange. copies: devices per token (naive: k); between: copies that cross "
          + "nodes; MB: per device, layer and direction; ×wire, ×rows: busiest device / mean of received and of computed "
          + "rows; times in ms per layer on the busiest device; share: what of it is all-to-all (two forward, four in "
          + "training). Predicted from the profile's text, not measured; the limit's substitutes are taken as even over "
          + "the kept devices.", at: 120)
  }

  static func text(_ report: FitReport) -> String {
    var lines = [
      "\(report.name): \(counted(report.devices, "device")), seconds = \(fixed(report.fit.fixed)) + "
        + "\(fixed(report.fit.perCopy)) · copies, from \(counted(report.fit.points.count, "point"))"
    ]
    if !report.check.isEmpty {
      var table = TextTable(heads: [">copies", ">measured", ">predicted", ">error"])
      table.rows = report.check.map {
        [fixed($0.point.copies, 2), fixed($0.point.seconds, 2), fixed($0.predicted, 2), signedPercent($0.error)]
      }
      lines.append(table.text)
    }
    if !report.predicted.isEmpty {
      var table = TextTable(heads: ["dispatch", ">copies", ">seconds", ""])
      table.rows = report.predicted.map {
        [$0.dispatch, fixed($0.copies, 2), fixed($0.seconds, 2), $0.extrapolated ? "outside the measured copies" : ""]
      }
      lines.append(table.text)
    }
    lines.append("Holds for the machine, model and batch that were measured, and for nothing else.")
    return lines.joined(separator: "\n\n")
  }

  private static func milliseconds(_ seconds: Double) -> String { fixed(seconds * 1000, 2) }
  private static func percent(_ share: Double) -> String { fixed(share * 100, 0) + "%" }
  private static func signedPercent(_ share: Double) -> String {
    (share < 0 ? "" : "+") + fixed(share * 100, 1) + "%"
  }
}
