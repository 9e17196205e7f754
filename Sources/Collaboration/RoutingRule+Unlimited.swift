extension RoutingRule {
  /// Plain top-k on one device: what a model does before anything is limited.
  ///
  /// - Parameters:
  ///   - experts: E
  ///   - topK: k, at most E.
  public init(experts: Int, topK: Int) {
    do {
      try self.init(
        experts: experts, topK: topK, placement: Array(repeating: 0, count: experts), devices: 1, policy: .none,
        deviceLimit: nil)
    } catch {
      preconditionFailure("RoutingRule: \(experts) experts, top \(topK): \(error)")
    }
  }
}
