/// How tokens travel in one layer: which rows go to which device, and which of its experts work on them.
///
/// The states are ORI `[T, H]` → SFD, one row for each token and destination → EPD, one row for each token and expert,
/// which never crosses the wire. Two bidirectional re-index matrices (BRIM) lead from one to the other and back:
///
/// - BRIM₀ at the sender, `[T, D]`: the row of token t among those for device d, −1 where the token does not go there.
///   Read by token it scatters, read by row it merges.
/// - BRIM₁ at the receiver, local experts × received rows: an `ExpertAssignment`, made of the entries sent along.
///
/// Naive dispatch, for comparison, has one row for each token and *expert*: BRIM₀ is `[T, k]` then.
///
/// - Source: Luo et al. 2025, section 4.
public struct DispatchPlan: Sendable, Equatable {
  /// How many rows a token has for one device.
  public enum Mode: String, Sendable, CaseIterable, Codable {
    /// One, whichever experts it uses there.
    case deduplicated
    /// One for each expert.
    case naive
  }

  /// D
  public let devices: Int
  /// k
  public let topK: Int
  /// Columns of BRIM₀: D, or k when naive.
  public let width: Int
  /// BRIM₀, `[T, width]`: a row among all that are sent, −1 for none.
  public let table: [Int32]
  /// Rows of device d are `rowOffsets[d]..<rowOffsets[d + 1]`; within a device they rise with the token.
  public let rowOffsets: [Int]
  /// Token of each row.
  public let rowTokens: [Int32]
  /// Slots `t · k + j` of row r are `slots[slotOffsets[r]..<slotOffsets[r + 1]]`, in the order in which the token sums.
  public let slotOffsets: [Int32]
  /// Slots by row.
  public let slots: [Int32]
  /// Expert of each slot as the device numbers its own: by rising original number.
  public let localExperts: [UInt16]

  /// Plans a layer.
  ///
  /// - Parameters:
  ///   - used: S′, `[T · k]` experts by original number in the order of summation, −1 for none.
  ///   - topK: k.
  ///   - expertDevice: π, `[E]`.
  ///   - devices: D.
  ///   - mode: Deduplicated or naive.
  public init(used: [Int32], topK: Int, expertDevice: [Int], devices: Int, mode: Mode = .deduplicated) {
    let tokens = used.count / max(topK, 1)
    (self.devices, self.topK) = (devices, topK)
    width = mode == .naive ? topK : devices
    let local = Self.localNumbers(expertDevice, devices: devices)
    // Count rows per device, then fill: tokens in order, so rows of a device rise with the token.
    var next = [Int](repeating: 0, count: devices + 1)
    var seen = [Int](repeating: -1, count: devices)
    for (slot, expert) in used.enumerated() where expert >= 0 {
      let device = expertDevice[Int(expert)]
      if mode == .naive || seen[device] != slot / topK { next[device + 1] += 1 }
      seen[device] = slot / topK
    }
    for device in 0..<devices { next[device + 1] += next[device] }
    rowOffsets = next
    let rows = next[devices]
    var table = [Int32](repeating: -1, count: tokens * width)
    var rowTokens = [Int32](repeating: -1, count: rows)
    var counts = [Int32](repeating: 0, count: rows + 1)
    var rowOfSlot = [Int32](repeating: -1, count: used.count)
    for (slot, expert) in used.enumerated() where expert >= 0 {
      let (token, device) = (slot / topK, expertDevice[Int(expert)])
      let cell = mode == .naive ? slot : token * devices + device
      if table[cell] < 0 {
        table[cell] = Int32(next[device])
        rowTokens[next[device]] = Int32(token)
        next[device] += 1
      }
      rowOfSlot[slot] = table[cell]
      counts[Int(table[cell]) + 1] += 1
    }
    for row in 0..<rows { counts[row + 1] += counts[row] }
    slotOffsets = counts
    var slots = [Int32](repeating: -1, count: Int(counts[rows]))
    for (slot, row) in rowOfSlot.enumerated() where row >= 0 {
      slots[Int(counts[Int(row)])] = Int32(slot)
      counts[Int(row)] += 1
    }
    localExperts = slots.map { local[Int(used[Int($0)])] }
    (self.table, self.rowTokens, self.slots) = (table, rowTokens, slots)
  }

  /// Original numbers of a device's experts, rising: its place i holds expert `experts[i]`.
  ///
  /// - Parameters:
  ///   - device: Which.
  ///   - expertDevice: π.
  /// - Returns: Original numbers.
  public static func experts(of device: Int, _ expertDevice: [Int]) -> [Int] {
    expertDevice.indices.filter { expertDevice[$0] == device }
  }

  /// The place of each expert on its device.
  static func localNumbers(_ expertDevice: [Int], devices: Int) -> [UInt16] {
    var next = [UInt16](repeating: 0, count: devices)
    return expertDevice.map { device in
      defer { next[device] += 1 }
      return next[device]
    }
  }

  /// Rows for all devices.
  public var rows: Int { rowTokens.count }

  /// Slots of the rows of device d, as a range of `slots`.
  func slotRange(of device: Int) -> Range<Int> {
    Int(slotOffsets[rowOffsets[device]])..<Int(slotOffsets[rowOffsets[device + 1]])
  }
}
