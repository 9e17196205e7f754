public import Routing
public import Models
public import Text

/// `device_limit: {auto: B}`: measures on profile text what each limit costs in each layer, and spends a budget of
/// devices.
///
/// The base model runs once without a limit and once for every layer and limit, (D − 1) · layers + 1 passes over about
/// ``measuredTokens`` tokens.
public struct LimitSearch {
  /// Tokens that losses are measured on.
  public static let measuredTokens = 4096

  /// Placement, policy and its tables; their limits are replaced.
  public let settings: RoutingSettings
  /// Largest batch in tokens.
  public let batchTokens: Int
  private let model: LanguageModel
  private let documents: [TokenizedDocument]

  /// A search.
  ///
  /// - Parameters:
  ///   - model: The base model.
  ///   - settings: Placement, policy and its tables.
  ///   - documents: Profile text, of which an even sample is read.
  ///   - batchTokens: Largest batch.
  public init(_ model: LanguageModel, _ settings: RoutingSettings, documents: [TokenizedDocument], batchTokens: Int) {
    let tokens = documents.reduce(0) { $0 + $1.tokens.count }
    let step = max(1, tokens / Self.measuredTokens)
    self.documents = stride(from: 0, to: documents.count, by: step).map { documents[$0] }
    (self.model, self.settings, self.batchTokens) = (model.untracked(), settings, batchTokens)
  }

  /// What came of it.
  public struct Result {
    /// The same routing under the chosen limits.
    public let settings: RoutingSettings
    /// What was measured.
    public let curves: [LimitCurve]
    /// What was chosen.
    public let allocation: LimitAllocation
  }

  /// Chooses limits.
  ///
  /// - Parameters:
  ///   - budget: Largest mean `devices_per_token` over layers.
  ///   - progress: Called with the passes done and their number.
  /// - Returns: The limits, and what they were chosen from.
  /// - Throws: ``RoutingError`` where the budget is too small; ``LimitSearchError`` where a loss cannot be compared.
  public func run(budget: Double, progress: (Int, Int) -> Void = { _, _ in }) throws -> Result {
    let curves = try curves(progress)
    let allocation = try LimitAllocation(curves, budget: budget)
    return Result(
      settings: try settings.limited(toLayers: allocation.limits), curves: curves, allocation: allocation)
  }

  /// Loss and devices of every limit in every layer.
  func curves(_ progress: (Int, Int) -> Void) throws -> [LimitCurve] {
    let (layers, devices) = (settings.placement.layers, settings.placement.devices)
    let all = [Int](repeating: devices, count: layers.count)
    let total = (devices - 1) * layers.count + 1
    let free = try measure(all)
    var done = 1
    progress(done, total)
    return try layers.indices.map { place in
      var points = [LimitCurve.Point(limit: devices, loss: free.loss, devices: free.devices[place])]
      for limit in 1..<max(devices, 1) {
        var limits = all
        limits[place] = limit
        do {
          let found = try measure(limits)
          points.append(.init(limit: limit, loss: found.loss, devices: found.devices[place]))
        } catch RoutingError.tooFewExperts {
          // No such limit in this layer.
        }
        done += 1
        progress(done, total)
      }
      return LimitCurve(layer: layers[place].layer, points: points)
    }
  }

  private func measure(_ limits: [Int]) throws -> (loss: Double, devices: [Double]) {
    var model = model
    try model.apply(try settings.limited(toLayers: limits))
    var meter: CommunicationMeter? = CommunicationMeter(settings.placement, topK: model.configuration.topK)
    let scored = HeldOutLoss.score(model, documents, batchTokens: batchTokens, meter: &meter)
    guard let loss = HeldOutLoss.mean(scored), loss.isFinite, let counter = meter?.counter else {
      throw LimitSearchError.loss(HeldOutLoss.mean(scored))
    }
    return (loss, settings.placement.layers.indices.map { counter.statistics(layer: $0).devicesPerToken })
  }
}

/// Why limits cannot be chosen.
public enum LimitSearchError: Error, Equatable, CustomStringConvertible {
  /// Losses are not numbers that can be compared; nil where there is no text.
  case loss(Double?)

  /// `where: expected …, found …; try …`.
  public var description: String {
    switch self {
    case .loss(nil): "device_limit auto: expected profile text to measure losses on, found none; try data.profile"
    case .loss(let loss?):
      "device_limit auto: expected a finite loss on profile text, found \(loss); try another checkpoint"
    }
  }
}
