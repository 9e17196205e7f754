internal import Placements
internal import Routing
internal import Foundation
internal import Models

extension RunPreparation {
  /// What the run will take; C_T from the placement's file where there is one with predictions, else by chance.
  ///
  /// A limit L is counted as E[min(C_T, L)] by chance, and as min(E[C_T], L), at most so much, where a file predicts.
  ///
  /// - Throws: `PlacementError` when the placement's file does not fit.
  public func estimate() throws -> RunEstimate {
    let (devices, c) = (recipe.routing.devices, base.configuration)
    // A budget is a mean over layers; of a list the largest limit is counted: at most so much.
    if let budget = recipe.routing.limitBudget {
      return RunEstimate(self, devicesPerToken: budget, basis: "as device_limit asks")
    }
    let limit = rule.isUnpruned ? devices : min(recipe.routing.deviceLimit ?? devices, devices)
    if case .file(let path) = recipe.routing.placement {
      let placement = try RoutingPlan.placement(
        try Placement(path: path), c, file: path, nodes: recipe.parallel.nodes)
      if let predicted = placement.meanPrediction {
        return RunEstimate(
          self, devicesPerToken: min(predicted.devicesPerToken, Double(limit)),
          basis: "predicted by \((path as NSString).lastPathComponent)")
      }
    }
    let chance = RandomExpectation.devicesPerToken(experts: c.experts, topK: c.topK, devices: devices, limit: limit)
    return RunEstimate(self, devicesPerToken: chance, basis: "by chance")
  }

  /// Rate of products of the experts' size on this machine.
  public func measuredRate() -> ProductRate.Measurement {
    let c = base.configuration
    return ProductRate.measured(
      rows: recipe.schedule.batchTokens * c.topK / c.experts, inner: c.hidden, outer: 2 * c.intermediate)
  }
}
