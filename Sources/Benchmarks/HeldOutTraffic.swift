internal import Formats
public import Placements
internal import Profiles
internal import Routing

/// The step that held-out traffic is timed for: layers of OLMoE-1B-7B's shape in bfloat16, and devices on PCIe with the
/// figures of `recipes/topologies/pcie.yaml`, all in one node.
public struct PlacementStep: Sendable {
  /// The machine.
  public var topology = Topology(
    name: "PCIe 4.0", devicesPerNode: 64, inside: .init(latency: 30e-6, perPeer: 2e-6, bandwidth: 20e9), between: nil,
    flops: 62e12)
  /// The work.
  public var workload = Workload(tokens: 4096, hidden: 2048, intermediate: 1024)

  /// The step described.
  public init() {}

  /// Seconds forward for each token of the group, as `LayerCost` has it.
  func secondsPerToken(copies: [Int], rows: [Int], tokens: Int, experts: Int) -> Double {
    let traffic = Traffic(
      deviceCopies: copies.map { Double($0) / Double(tokens) }, nodeCopies: [1],
      expertRows: rows.map { Double($0) / Double(tokens) })
    let cost = LayerCost(
      traffic, .init(devices: copies.count, nodes: 1, replicas: 1), experts: experts, workload: workload,
      topology: topology, exchange: .direct)
    return cost.forward / Double(workload.tokens * copies.count)
  }
}

/// What a placement costs on held-out tokens, block by block, so that intervals can resample blocks.
struct HeldOutTraffic {
  struct Block {
    var tokens = 0
    /// Σ C_T.
    var deviceRows = 0
    /// Tokens whose set the fitted half does not hold, and their Σ C_T.
    var novelTokens = 0
    var novelRows = 0
    /// Of all tokens, each as in a step like this block.
    var seconds = 0.0
  }

  var blocks: [Block] = []
  /// max/mean of expert rows over all held-out tokens.
  var imbalance = 1.0

  init(
    _ profile: LayerProfile, blocks ranges: [[Int]], novel: [Bool], placement: [Int], devices: Int, step: PlacementStep
  ) {
    var all = [Int](repeating: 0, count: devices)
    for tokens in ranges {
      var block = Block()
      var copies = [Int](repeating: 0, count: devices)
      var rows = copies
      for token in tokens {
        var seen: UInt64 = 0
        for expert in profile.sets[token * profile.topK..<(token + 1) * profile.topK] {
          let device = placement[Int(expert)]
          rows[device] += 1
          if seen & (1 << UInt64(device)) == 0 { copies[device] += 1 }
          seen |= 1 << UInt64(device)
        }
        block.tokens += 1
        block.deviceRows += seen.nonzeroBitCount
        if novel[token] {
          block.novelTokens += 1
          block.novelRows += seen.nonzeroBitCount
        }
      }
      block.seconds =
        Double(tokens.count)
        * step.secondsPerToken(copies: copies, rows: rows, tokens: tokens.count, experts: profile.experts)
      for device in 0..<devices { all[device] += rows[device] }
      blocks.append(block)
    }
    let sum = all.reduce(0, +)
    if sum > 0 { imbalance = Double(all.max() ?? 0) * Double(devices) / Double(sum) }
  }

  /// A figure of drawn blocks: E[C_T], the same of novel sets, or seconds a token.
  enum Figure { case devicesPerToken, novel, time }

  func value(_ figure: Figure, _ drawn: [Int]) -> Double {
    var (sum, count) = (0.0, 0)
    for index in drawn {
      let block = blocks[index]
      switch figure {
      case .devicesPerToken: (sum, count) = (sum + Double(block.deviceRows), count + block.tokens)
      case .novel: (sum, count) = (sum + Double(block.novelRows), count + block.novelTokens)
      case .time: (sum, count) = (sum + block.seconds, count + block.tokens)
      }
    }
    return count == 0 ? .nan : sum / Double(count)
  }

  func value(_ figure: Figure) -> Double { value(figure, Array(blocks.indices)) }

  /// The 95 % interval of `figure` here minus that of another placement, from the same draws of blocks.
  func difference(_ figure: Figure, from other: Self, seed: UInt64) -> ClosedRange<Double> {
    var generator = SplitMix64(seed: seed)
    let draws = (0..<2000).map { _ -> Double in
      let drawn = blocks.indices.map { _ in generator.below(blocks.count) }
      return value(figure, drawn) - other.value(figure, drawn)
    }.filter(\.isFinite).sorted()
    guard let least = draws.first, let most = draws.last else { return 0...0 }
    let cut = draws.count / 40
    return draws.count < 40 ? least...most : draws[cut]...draws[draws.count - 1 - cut]
  }
}
