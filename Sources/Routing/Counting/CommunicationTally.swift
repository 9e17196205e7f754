/// What one layer sends within one step, in integers: sums are exact in any order, over tokens, micro-batches and
/// ranks.
///
/// Callers pass real tokens only; padding is never counted.
public struct CommunicationTally: Sendable, Equatable {
  /// Where a token lives, which decides whether a copy crosses the wire.
  public enum Home: Sendable, Equatable {
    /// Each token's device is given.
    case known
    /// There is no batch: a token lives on each device with chance 1/D.
    case expected
  }

  /// Tokens counted.
  public internal(set) var tokens = 0
  /// Σ |S_t|, experts used after the limit.
  public internal(set) var expertRows = 0
  /// Σ C_T, distinct devices that hold used experts.
  public internal(set) var deviceRows = 0
  /// Σ of distinct devices that hold plainly chosen experts: C_T as it would be without the limit.
  public internal(set) var chosenDeviceRows = 0
  /// Σ of those devices without home; 0 where homes are `expected`.
  public internal(set) var remoteRows = 0
  /// Σ N_T, distinct nodes that hold used experts.
  public internal(set) var nodeRows = 0
  /// Σ of those nodes without home's: copies that cross between nodes; 0 where homes are `expected`.
  public internal(set) var betweenRows = 0
  /// Copies that stay inside a node: from home, or from the relay that a copy came to; 0 where homes are `expected`.
  public internal(set) var insideRows = 0
  /// Σ k, plainly chosen experts.
  public internal(set) var naiveRows = 0
  /// Σ of plainly chosen experts not at home; 0 where homes are `expected`.
  public internal(set) var naiveRemoteRows = 0
  /// Pairs of used experts on one device.
  public internal(set) var intraPairs = 0
  /// Pairs of used experts.
  public internal(set) var pairs = 0
  /// Σ retained mass in units of 2⁻³⁰: an integer, so that the sum does not depend on the order of tokens.
  public internal(set) var retainedUnits: Int64 = 0
  /// Tokens whose retained mass was counted.
  public internal(set) var retainedTokens = 0
  /// [devices]: (token, expert) rows each device computes.
  public internal(set) var rowsPerDevice: [Int]
  /// [devices]: rows each device receives over the wire, those that it hands on included; with `expected` homes, all
  /// its device rows.
  public internal(set) var receivedPerDevice: [Int]

  static let retainedUnit = Double(1 << 30)

  /// Nothing counted yet.
  ///
  /// - Parameter devices: D.
  public init(devices: Int) {
    rowsPerDevice = [Int](repeating: 0, count: devices)
    receivedPerDevice = rowsPerDevice
  }

  /// Adds another part of the same layer and step.
  ///
  /// - Parameters:
  ///   - left: receives the sum.
  ///   - right: the other part.
  public static func += (left: inout Self, right: Self) {
    precondition(
      left.rowsPerDevice.count == right.rowsPerDevice.count,
      "CommunicationTally: \(left.rowsPerDevice.count) devices plus \(right.rowsPerDevice.count) devices")
    left.tokens += right.tokens
    left.expertRows += right.expertRows
    left.deviceRows += right.deviceRows
    left.chosenDeviceRows += right.chosenDeviceRows
    left.remoteRows += right.remoteRows
    left.nodeRows += right.nodeRows
    left.betweenRows += right.betweenRows
    left.insideRows += right.insideRows
    left.naiveRows += right.naiveRows
    left.naiveRemoteRows += right.naiveRemoteRows
    left.intraPairs += right.intraPairs
    left.pairs += right.pairs
    left.retainedUnits += right.retainedUnits
    left.retainedTokens += right.retainedTokens
    for device in left.rowsPerDevice.indices {
      left.rowsPerDevice[device] += right.rowsPerDevice[device]
      left.receivedPerDevice[device] += right.receivedPerDevice[device]
    }
  }

  /// All counts in a fixed order, for ranks that add theirs up.
  public var integers: [Int] {
    [
      tokens, expertRows, deviceRows, chosenDeviceRows, remoteRows, naiveRows, naiveRemoteRows, intraPairs, pairs,
      Int(retainedUnits), retainedTokens, nodeRows, betweenRows, insideRows,
    ] + rowsPerDevice + receivedPerDevice
  }

  /// The same counts again.
  ///
  /// - Parameters:
  ///   - integers: In the order of ``integers``.
  ///   - devices: D.
  public init(integers: ArraySlice<Int>, devices: Int) {
    self.init(devices: devices)
    precondition(integers.count == self.integers.count, "CommunicationTally: \(integers.count) counts")
    let values = Array(integers)
    (tokens, expertRows, deviceRows, chosenDeviceRows) = (values[0], values[1], values[2], values[3])
    (remoteRows, naiveRows, naiveRemoteRows) = (values[4], values[5], values[6])
    (intraPairs, pairs, retainedUnits, retainedTokens) = (values[7], values[8], Int64(values[9]), values[10])
    (nodeRows, betweenRows, insideRows) = (values[11], values[12], values[13])
    rowsPerDevice = Array(values[14..<14 + devices])
    receivedPerDevice = Array(values[(14 + devices)...])
  }

  /// Counts tokens.
  ///
  /// - Parameters:
  ///   - chosen: S, `[tokens, k]`, the plain choice.
  ///   - used: S′, `[tokens, k]`, −1 where absent.
  ///   - topK: k.
  ///   - placement: π, expert → device.
  ///   - layout: The nodes that the devices are on.
  ///   - probabilities: p, `[tokens, experts]`, for retained mass; `nil` leaves it out.
  ///   - homes: `[tokens]`, each token's device; `nil` counts `expected` homes.
  public mutating func add(
    chosen: UnsafeBufferPointer<Int32>, used: UnsafeBufferPointer<Int32>, topK: Int, placement: [Int],
    layout: NodeLayout, probabilities: UnsafeBufferPointer<Float>?, homes: UnsafeBufferPointer<Int32>?
  ) {
    let count = chosen.count / topK
    let experts = placement.count
    let devices = rowsPerDevice.count
    precondition(
      chosen.count == count * topK && used.count == chosen.count,
      "CommunicationTally: \(chosen.count) chosen and \(used.count) used experts for top_k \(topK)")
    precondition(
      probabilities.map { $0.count == count * experts } ?? true,
      "CommunicationTally: \(probabilities?.count ?? 0) probabilities for \(count) tokens × \(experts) experts")
    precondition(
      homes.map { $0.count == count } ?? true, "CommunicationTally: \(homes?.count ?? 0) homes for \(count) tokens")
    var perDevice = [Int](repeating: 0, count: devices)
    var lastOnNode = [Int](repeating: -1, count: layout.nodes)
    for token in 0..<count {
      let chosenRow = token * topK..<(token + 1) * topK
      let home = homes.map { Int($0[token]) } ?? -1
      var size = 0
      for slot in chosenRow where used[slot] >= 0 {
        perDevice[placement[Int(used[slot])]] += 1
        size += 1
      }
      tokens += 1
      expertRows += size
      pairs += size * (size - 1) / 2
      // Each used expert visits its device once; the visit that finds the count counts the device and clears it.
      for slot in chosenRow where used[slot] >= 0 {
        let device = placement[Int(used[slot])]
        let here = perDevice[device]
        if here == 0 { continue }
        perDevice[device] = 0
        deviceRows += 1
        rowsPerDevice[device] += here
        intraPairs += here * (here - 1) / 2
        let node = layout.node(of: device)
        let isFirst = lastOnNode[node] != token
        lastOnNode[node] = token
        nodeRows += isFirst ? 1 : 0
        if home < 0 {
          receivedPerDevice[device] += 1
          continue
        }
        remoteRows += device == home ? 0 : 1
        let relay = layout.relay(from: home, to: node)
        if isFirst, relay != home {
          betweenRows += 1
          receivedPerDevice[relay] += 1
        }
        if device != relay {
          insideRows += 1
          receivedPerDevice[device] += 1
        }
      }
      // A mark for each device; the visit that finds it counts the device and takes it away.
      for slot in chosenRow { perDevice[placement[Int(chosen[slot])]] = 1 }
      for slot in chosenRow {
        let device = placement[Int(chosen[slot])]
        chosenDeviceRows += perDevice[device]
        perDevice[device] = 0
      }
      naiveRows += topK
      if home >= 0 {
        for slot in chosenRow where placement[Int(chosen[slot])] != home { naiveRemoteRows += 1 }
      }
      if let probabilities {
        addRetained(
          chosen, used, chosenRow, UnsafeBufferPointer(rebasing: probabilities[token * experts..<(token + 1) * experts])
        )
      }
    }
  }

  /// Σ_{S′ ∩ S} p / Σ_S p; a token whose mass is zero or NaN has no ratio and is left out.
  @inline(__always)
  private mutating func addRetained(
    _ chosen: UnsafeBufferPointer<Int32>, _ used: UnsafeBufferPointer<Int32>, _ row: Range<Int>,
    _ p: UnsafeBufferPointer<Float>
  ) {
    var (kept, total) = (0.0, 0.0)
    for slot in row {
      let mass = Double(p[Int(chosen[slot])])
      total += mass
      for other in row where used[other] == chosen[slot] { kept += mass }
    }
    guard total > 0, total.isFinite else { return }
    retainedUnits += Int64((kept / total * Self.retainedUnit).rounded())
    retainedTokens += 1
  }
}
