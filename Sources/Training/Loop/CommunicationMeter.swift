public import Placements
public import Routing
public import ExpertParallel
public import Models
public import Text

/// Counts what a batch would send between devices: integers from the model's own routing decisions.
public struct CommunicationMeter: Sendable {
  /// The counts so far.
  public private(set) var counter: CommunicationCounter
  /// Place of a block's placement among those of the counter.
  private let places: [Int: Int]

  /// A meter for a model under a placement.
  ///
  /// - Parameters:
  ///   - placement: Which device holds which expert.
  ///   - topK: k.
  ///   - nodes: N, a divisor of D; copies between nodes and inside them are counted apart.
  public init(_ placement: Placement, topK: Int, nodes: Int = 1) {
    places = Dictionary(uniqueKeysWithValues: placement.layers.enumerated().map { ($1.layer, $0) })
    counter = CommunicationCounter(
      devices: placement.devices, topK: topK, placements: placement.layers.map(\.expertDevice), home: .known,
      nodes: nodes)
  }

  /// Counts a batch; sequence j has home j mod D.
  ///
  /// - Parameters:
  ///   - batch: The sequences.
  ///   - pass: What the model computed for them.
  ///   - firstSequence: Number of the batch's first sequence in the global batch.
  ///   - ranks: The processes that share the batch; with several, `batch` is what is at home on this one.
  public mutating func add(
    _ batch: Batch, _ pass: ForwardPass, firstSequence: Int = 0, ranks: any Communicator = SingleProcess()
  ) {
    var homes = [Int32](repeating: Int32(ranks.rank), count: batch.tokens.count)
    if ranks.size == 1 {
      for (index, sequence) in batch.sequences.enumerated() {
        let home = Int32((firstSequence + index) % counter.devices)
        for token in sequence { homes[token] = home }
      }
    }
    add(pass, tokenHomes: homes)
  }

  /// Counts a pass of which each segment has its home.
  ///
  /// - Parameters:
  ///   - pass: What the model computed.
  ///   - homes: A number for each segment; its home is that number mod D.
  public mutating func add(_ pass: ForwardPass, homes: [Int]) {
    precondition(
      homes.count == pass.segments.count, "CommunicationMeter: \(homes.count) homes, \(pass.segments.count) segments")
    let tokenHomes = zip(pass.segments, homes).flatMap {
      Array(repeating: Int32($1 % counter.devices), count: $0.count)
    }
    add(pass, tokenHomes: tokenHomes)
  }

  private mutating func add(_ pass: ForwardPass, tokenHomes: [Int32]) {
    for routing in pass.routing {
      guard let place = places[routing.layer] else {
        preconditionFailure("CommunicationMeter: no placement for layer \(routing.layer)")
      }
      counter.add(
        layer: place, chosen: routing.chosen, used: routing.used, probabilities: routing.probabilities.elements,
        homes: tokenHomes)
    }
  }

  /// Ends a step: imbalances are means over steps. What several ranks counted is added up.
  public mutating func endStep(_ ranks: any Communicator = SingleProcess()) {
    if ranks.size > 1 {
      let sums = ranks.sum(counter.step.flatMap(\.integers))
      let length = sums.count / max(counter.step.count, 1)
      counter.replaceStep(
        counter.step.indices.map {
          CommunicationTally(integers: sums[$0 * length..<($0 + 1) * length], devices: counter.devices)
        })
    }
    counter.endStep()
  }
}
