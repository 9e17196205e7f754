public import Profiles
public import Routing

/// Whether a placement that was fitted on one data set serves another: both ways, layer by layer.
public struct ProfileTransfer: Sendable, Equatable, Encodable {
  /// Placements judged on the text of one profile.
  public struct Judged: Sendable, Equatable, Encodable {
    /// Contiguous groups.
    public let contiguous: CommunicationStatistics
    /// The placement fitted on the same text: a bound, for it has seen what it is judged on.
    public let own: CommunicationStatistics
    /// The placement fitted on the other profile.
    public let transferred: CommunicationStatistics

    /// Share of the own placement's gain over contiguous groups that the other one has; `nil` where nothing was gained.
    public var kept: Double? {
      let gain = contiguous.devicesPerToken - own.devicesPerToken
      return gain > 1e-9 ? (contiguous.devicesPerToken - transferred.devicesPerToken) / gain : nil
    }

    enum CodingKeys: String, CodingKey { case contiguous, own, transferred, kept }

    /// Writes the keys of `--json`.
    ///
    /// - Parameter encoder: any.
    /// - Throws: the encoder's own error.
    public func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(contiguous, forKey: .contiguous)
      try container.encode(own, forKey: .own)
      try container.encode(transferred, forKey: .transferred)
      try container.encode(kept, forKey: .kept)
    }
  }

  /// One layer.
  public struct Layer: Sendable, Equatable, Encodable {
    /// Absolute layer number.
    public let layer: Int
    /// Correlation of both profiles' co-activation counts over pairs of experts.
    public let correlation: Double
    /// Share of the load that lies on other experts: half of Σ |q − q′|.
    public let loadShift: Double
    /// Placements on the first profile's text, and on the second's.
    public let onFirst, onSecond: Judged

    enum CodingKeys: String, CodingKey {
      case layer, correlation
      case loadShift = "load_shift"
      case onFirst = "on_first"
      case onSecond = "on_second"
    }
  }

  /// One a layer, ascending.
  public let layers: [Layer]

  /// Fits a placement on each profile and judges it on both.
  ///
  /// - Parameters:
  ///   - first: a profile with recorded sets.
  ///   - second: another one of the same model or of one fine-tuned from it.
  ///   - options: how.
  ///   - run: runs numbered tasks, in any order or side by side.
  /// - Throws: ``ProfileMismatch``.
  public init(
    _ first: CollaborationProfile, _ second: CollaborationProfile, _ options: AnalysisOptions,
    run: (Int, (Int) -> Void) -> Void = { count, task in for index in 0..<count { task(index) } }
  ) throws(ProfileMismatch) {
    try ProfileMismatch.check(first, second)
    do {
      layers = try side(by: run, first.layers.count) { index throws(PlacementError) in
        try Self.layer(first.layers[index], second.layers[index], options)
      }
    } catch {
      throw .placement(error)
    }
  }

  private static func layer(
    _ first: LayerProfile, _ second: LayerProfile, _ options: AnalysisOptions
  ) throws(PlacementError) -> Layer {
    let devices = options.devices
    let plain = PlacementMethod.contiguous(experts: first.experts, devices: devices)
    let fitted = (
      try options.method.place(first, devices: devices, options: options.placement),
      try options.method.place(second, devices: devices, options: options.placement)
    )
    func judged(_ layer: LayerProfile, own: [Int], transferred: [Int]) -> Judged {
      func figures(_ placement: [Int]) -> CommunicationStatistics {
        CommunicationStatistics(layer, placement: placement, devices: devices, stepTokens: options.stepTokens)
      }
      return Judged(contiguous: figures(plain), own: figures(own), transferred: figures(transferred))
    }
    let totals = (Double(first.load.reduce(0, +)), Double(second.load.reduce(0, +)))
    let shift = zip(first.load, second.load).reduce(0.0) {
      $0 + abs(Double($1.0) / totals.0 - Double($1.1) / totals.1) / 2
    }
    return Layer(
      layer: first.layer, correlation: SplitHalf.correlation(first, second), loadShift: shift,
      onFirst: judged(first, own: fitted.0, transferred: fitted.1),
      onSecond: judged(second, own: fitted.1, transferred: fitted.0))
  }
}

/// Why two profiles, or a profile and a placement, cannot be compared.
public enum ProfileMismatch: Error, Equatable, CustomStringConvertible {
  /// They are of different models.
  case model(item: String, expected: String, found: String)
  /// A placement cannot be fitted or read.
  case placement(PlacementError)

  /// `where: expected …, found …; try …`.
  public var description: String {
    switch self {
    case .model(let item, let expected, let found):
      "\(item): expected \(expected) as in the first profile, found \(found); try profiles of one model"
    case .placement(let error): error.description
    }
  }

  static func check(_ first: CollaborationProfile, _ second: CollaborationProfile) throws(Self) {
    for (item, expected, found) in [
      ("model_type", first.modelType ?? second.modelType ?? "", second.modelType ?? first.modelType ?? ""),
      ("experts", "\(first.experts)", "\(second.experts)"), ("top_k", "\(first.topK)", "\(second.topK)"),
      ("layers", "\(first.layers.map(\.layer))", "\(second.layers.map(\.layer))"),
    ] where expected != found {
      throw .model(item: item, expected: expected, found: found)
    }
  }
}
