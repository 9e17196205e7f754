extension Comparison {
  /// Whether copies were counted between nodes and inside them.
  var countsNodes: Bool { results.contains { $0.communication.copiesBetweenNodes != nil } }

  /// Whether rules differ in nothing but their limit, so that the limit alone names them.
  var limitsNameRules: Bool {
    let rules = Set(results.compactMap(\.evaluatedRule))
    let limits = Set(results.filter { $0.evaluatedRule != nil }.map(\.evaluatedLimit))
    return rules.count == limits.count && !limits.contains(nil)
  }

  /// The rule under which a cell was evaluated, as tables name it: its limit where that says all, `own` for the rule it was
  /// trained under, or the rule's name.
  func rule(_ result: CellResult) -> String {
    guard let rule = result.evaluatedRule else { return Numbers.absent }
    if limitsNameRules { return Numbers.limit(result.evaluatedLimit) }
    return result.trainedRule == rule ? "own" : rule
  }

  /// The same in a sentence: `limit 2`, `no limit`, `rule mass-L2`.
  func condition(_ result: CellResult) -> String {
    guard let rule = result.evaluatedRule else { return "no limit" }
    return limitsNameRules ? "limit \(Numbers.limit(result.evaluatedLimit))" : "rule \(rule)"
  }

  /// Seeds of the fine-tuned arms, at least 1.
  var seedCount: Int { results.map(\.seedLosses.count).max() ?? 1 }
}
