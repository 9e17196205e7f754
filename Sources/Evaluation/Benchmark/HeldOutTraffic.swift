internal import Collaboration

/// What a layer's step costs on one device, as far as a placement decides it: rows received and rows computed.
///
///     time = 2 · copies · (D − 1)/D · bytes / bandwidth + rows · flops / rate        of the busiest device, each
public struct LayerCost: Sendable, Equatable {
  /// Bytes of a hidden state on the wire.
  public var bytesPerRow = 4096.0
  /// Bytes a second into one device.
  public var bandwidth = 12e9
  /// Floating-point operations of an expert on one row.
  public var flopsPerRow = 6.0 * 2048 * 1024
  /// Floating-point operations a second of one device.
  public var rate = 60e12

  /// OLMoE-1B-7B's shape in bfloat16 on PCIe devices.
  public init() {}

  func seconds(copies: Int, rows: Int, devices: Int) -> Double {
    2 * Double(copies) * Double(devices - 1) / Double(devices) * bytesPerRow / bandwidth
      + Double(rows) * flopsPerRow / rate
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
    /// Of the block as one step.
    var seconds = 0.0
  }

  var blocks: [Block] = []
  /// max/mean of expert rows over all held-out tokens.
  var imbalance = 1.0

  init(
    _ profile: LayerProfile, blocks ranges: [[Int]], novel: [Bool], placement: [Int], devices: Int, cost: LayerCost
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
      block.seconds = cost.seconds(copies: copies.max() ?? 0, rows: rows.max() ?? 0, devices: devices)
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
