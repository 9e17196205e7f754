public import Profiles
public import Routing

/// What a profile says about D devices: costs of a placement, how much of its gain is structure, and whether more text
/// would change it.
public struct ProfileAnalysis: Sendable, Equatable, Encodable {
  /// One layer.
  public struct Layer: Sendable, Equatable, Encodable {
    /// Absolute layer number.
    public let layer: Int
    /// Tokens counted and recorded.
    public let tokens, recorded: Int
    /// Evenness of load and of weights, see ``LayerProfile/loadEntropy`` and ``LayerProfile/routingEntropy``.
    public let loadEntropy: Double
    /// As above.
    public let routingEntropy: Double?
    /// The placement, fitted on all recorded sets.
    public let expertDevice: [Int]
    /// What it costs on them.
    public let placed: CommunicationStatistics
    /// What contiguous groups cost.
    public let contiguous: CommunicationStatistics
    /// `nil` where it was left out.
    public let null: NullComparison?
    /// `nil` where there is one document of under 400 tokens.
    public let splitHalf: SplitHalf?
    /// `nil` where there are fewer than 8 documents or blocks of 200 tokens.
    public let learningCurve: LearningCurve?

    enum CodingKeys: String, CodingKey {
      case layer, tokens, recorded, placed, contiguous, null
      case loadEntropy = "load_entropy"
      case routingEntropy = "routing_entropy"
      case expertDevice = "expert_device"
      case splitHalf = "split_half"
      case learningCurve = "learning_curve"
    }

    /// Analyses a layer.
    ///
    /// - Parameters:
    ///   - layer: with recorded sets.
    ///   - options: how.
    /// - Throws: `PlacementError` for impossible devices, or a layer without recorded sets.
    public init(_ layer: LayerProfile, _ options: AnalysisOptions) throws(PlacementError) {
      guard layer.recorded > 0 else { throw .noRecordedSets(layer: layer.layer) }
      let devices = options.devices
      expertDevice = try options.method.place(layer, devices: devices, options: options.placement)
      let plain = PlacementMethod.contiguous(experts: layer.experts, devices: devices)
      placed = CommunicationStatistics(
        layer, placement: expertDevice, devices: devices, stepTokens: options.stepTokens)
      contiguous = CommunicationStatistics(layer, placement: plain, devices: devices, stepTokens: options.stepTokens)
      null = options.nullDraws > 0 ? try NullComparison(layer, options) : nil
      splitHalf = try SplitHalf(layer, options)
      learningCurve = try LearningCurve(layer, options)
      (self.layer, tokens, recorded) = (layer.layer, layer.tokens, layer.recorded)
      (loadEntropy, routingEntropy) = (layer.loadEntropy, layer.routingEntropy)
    }
  }

  /// D.
  public let devices: Int
  /// How experts were placed.
  public let method: PlacementMethod
  /// E[C_T] of a uniformly random choice of experts.
  public let randomChoice: Double
  /// One a layer, ascending.
  public let layers: [Layer]

  enum CodingKeys: String, CodingKey {
    case devices, method, layers
    case randomChoice = "random_choice_devices_per_token"
  }

  /// Analyses a profile, layer by layer.
  ///
  /// - Parameters:
  ///   - profile: with recorded sets.
  ///   - options: how.
  ///   - run: runs numbered tasks, in any order or side by side.
  /// - Throws: `PlacementError` for impossible devices, or a layer without recorded sets.
  public init(
    _ profile: CollaborationProfile, _ options: AnalysisOptions,
    run: (Int, (Int) -> Void) -> Void = { count, task in for index in 0..<count { task(index) } }
  ) throws(PlacementError) {
    layers = try side(by: run, profile.layers.count) { index throws(PlacementError) in
      try Layer(profile.layers[index], options)
    }
    (devices, method) = (options.devices, options.method)
    randomChoice = RandomExpectation.devicesPerToken(
      experts: profile.experts, topK: profile.topK, devices: options.devices)
  }
}

/// Results of numbered tasks in their order; of several errors the first by number is thrown.
func side<Value>(
  by run: (Int, (Int) -> Void) -> Void, _ count: Int, _ task: @escaping (Int) throws(PlacementError) -> Value
) throws(PlacementError) -> [Value] {
  var results = [Result<Value, PlacementError>?](repeating: nil, count: count)
  results.withUnsafeMutableBufferPointer { results in
    nonisolated(unsafe) let results = results
    run(count) { index in
      do throws(PlacementError) {
        results[index] = .success(try task(index))
      } catch {
        results[index] = .failure(error)
      }
    }
  }
  var values: [Value] = []
  for case .some(let result) in results { values.append(try result.get()) }
  return values
}
