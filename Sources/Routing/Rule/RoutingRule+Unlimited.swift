extension RoutingRule {
  /// The plain choice on one device: what a model does before anything is limited.
  ///
  /// - Parameters:
  ///   - experts: E
  ///   - topK: k, at most E.
  ///   - selection: how the model chooses.
  public init(experts: Int, topK: Int, selection: ExpertSelection = .greedy) {
    do {
      try self.init(
        experts: experts, topK: topK, placement: Array(repeating: 0, count: experts), devices: 1, policy: .none,
        deviceLimit: nil, selection: selection)
    } catch {
      preconditionFailure("RoutingRule: \(experts) experts, top \(topK): \(error)")
    }
  }
}
