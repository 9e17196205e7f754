extension RoutingRule {
  /// Routes a range of tokens.
  ///
  /// `used` is in order of falling weight, p[src], ties to the lower expert id: the order in which a layer sums outputs.
  ///
  /// - Parameters:
  ///   - probabilities: p, `[tokens, experts]`, row-major.
  ///   - firstToken: number of the first token in its batch or corpus; only `random_devices` reads it.
  ///   - chosen: receives S, the plain top-k by falling p, `[tokens, k]`.
  ///   - used: receives S′, the experts after the limit, `[tokens, k]`, −1 where there are fewer than k.
  ///   - sources: receives src, `[tokens, k]`, −1 beside an absent expert.
  public func route(
    _ probabilities: UnsafeBufferPointer<Float>, firstToken: Int, chosen: UnsafeMutableBufferPointer<Int32>,
    used: UnsafeMutableBufferPointer<Int32>, sources: UnsafeMutableBufferPointer<Int32>
  ) {
    let tokens = probabilities.count / experts
    precondition(
      probabilities.count == tokens * experts,
      "route: \(probabilities.count) probabilities are no whole number of rows of \(experts) experts")
    precondition(
      chosen.count == tokens * topK && used.count == tokens * topK && sources.count == tokens * topK,
      "route: \(tokens) tokens × \(topK) experts do not fit into \(chosen.count), \(used.count), \(sources.count)")
    guard
      let p = probabilities.baseAddress, let chosen = chosen.baseAddress, let used = used.baseAddress,
      let sources = sources.baseAddress
    else { return }
    Scratch.with(experts: experts, topK: topK, devices: devices) { scratch in
      for token in 0..<tokens {
        routeToken(
          p + token * experts, number: firstToken + token, chosen: chosen + token * topK, used: used + token * topK,
          sources: sources + token * topK, scratch)
      }
    }
  }

  /// The same from and to arrays.
  ///
  /// - Parameters:
  ///   - probabilities: p, `[tokens, experts]`, row-major.
  ///   - firstToken: number of the first token; only `random_devices` reads it.
  /// - Returns: plain choice, experts used, sources of their weights, each `[tokens, k]`.
  public func route(_ probabilities: [Float], firstToken: Int = 0) -> (
    chosen: [Int32], used: [Int32], sources: [Int32]
  ) {
    let count = probabilities.count / experts * topK
    var chosen = [Int32](repeating: -1, count: count)
    var used = chosen
    var sources = chosen
    probabilities.withUnsafeBufferPointer { p in
      chosen.withUnsafeMutableBufferPointer { chosen in
        used.withUnsafeMutableBufferPointer { used in
          sources.withUnsafeMutableBufferPointer { sources in
            route(p, firstToken: firstToken, chosen: chosen, used: used, sources: sources)
          }
        }
      }
    }
    return (chosen, used, sources)
  }

  @inline(__always)
  private func routeToken(
    _ p: UnsafePointer<Float>, number: Int, chosen: UnsafeMutablePointer<Int32>, used: UnsafeMutablePointer<Int32>,
    sources: UnsafeMutablePointer<Int32>, _ scratch: Scratch
  ) {
    var filled = 0
    for expert in 0..<experts { RankKey(p[expert], expert).insert(into: scratch.top, &filled, capacity: topK) }
    for slot in 0..<topK {
      let expert = Int32(truncatingIfNeeded: scratch.top[slot].index)
      chosen[slot] = expert
      used[slot] = expert
      sources[slot] = expert
    }
    if isUnpruned { return }
    for device in 0..<devices { scratch.kept[device] = false }
    if keepDevices(p, number: number, scratch) { return }
    replaceExperts(p, used: used, sources: sources, scratch)
  }
}

/// An expert's rank as one integer: larger probability first, then lower index; NaN last of all.
///
/// The float's bits are made to order as unsigned integers, and the index fills the low half upside down,
/// so that one comparison decides both.
struct RankKey {
  var bits: UInt64

  @inline(__always)
  init(_ probability: Float, _ index: Int) {
    var ordered: UInt32 = 0
    if probability == probability {
      let raw = (probability + 0).bitPattern  // −0 + 0 = +0: equal numbers get equal bits
      ordered = raw & 0x8000_0000 == 0 ? raw | 0x8000_0000 : ~raw
    }
    bits = UInt64(ordered) << 32 | UInt64(~UInt32(truncatingIfNeeded: index))
  }

  @inline(__always)
  var index: Int { Int(~UInt32(truncatingIfNeeded: bits)) }

  /// Puts the key in its place in a falling list of at most `capacity`.
  @inline(__always)
  func insert(into list: UnsafeMutablePointer<RankKey>, _ filled: inout Int, capacity: Int) {
    var slot = filled
    if filled == capacity {
      if bits < list[capacity - 1].bits { return }
      slot = capacity - 1
    } else {
      filled += 1
    }
    while slot > 0 && list[slot - 1].bits < bits {
      list[slot] = list[slot - 1]
      slot -= 1
    }
    list[slot] = self
  }
}

/// Working memory of one call of `route`, shared by its tokens: nothing is allocated per token.
struct Scratch {
  /// [k]: the plain choice by falling p.
  let top: UnsafeMutablePointer<RankKey>
  /// [k]: the choice after the limit by falling weight.
  let best: UnsafeMutablePointer<RankKey>
  /// [devices, k]: each device's best experts (`best_mass`).
  let lists: UnsafeMutablePointer<RankKey>
  /// [devices]: filled part of each list, and the merge's position in it.
  let lengths: UnsafeMutablePointer<Int>
  let heads: UnsafeMutablePointer<Int>
  /// [devices]: a list of devices.
  let order: UnsafeMutablePointer<Int>
  /// [devices]: Σ p over the plain choice.
  let mass: UnsafeMutablePointer<Double>
  /// [devices]: whether the token keeps the device.
  let kept: UnsafeMutablePointer<Bool>
  /// [experts]: whether the token already uses the expert; all false between tokens.
  let taken: UnsafeMutablePointer<Bool>
  /// [experts]: the expert an expert stands in for.
  let source: UnsafeMutablePointer<Int>

  /// Lends one block of memory, cut into the parts; on the stack where it is small.
  @inline(__always)
  static func with(experts: Int, topK: Int, devices: Int, _ body: (Scratch) -> Void) {
    let words = 2 * topK + devices * topK + 4 * devices + experts
    let bytes = words * 8 + devices + experts
    withUnsafeTemporaryAllocation(byteCount: bytes, alignment: 8) { block in
      guard var next = block.baseAddress else { return }
      func part<Element>(_ type: Element.Type, _ count: Int, _ value: Element) -> UnsafeMutablePointer<Element> {
        let pointer = next.bindMemory(to: type, capacity: count)
        pointer.initialize(repeating: value, count: count)
        next += count * MemoryLayout<Element>.stride
        return pointer
      }
      let none = RankKey(.nan, 0)
      let top = part(RankKey.self, topK, none)
      let best = part(RankKey.self, topK, none)
      let lists = part(RankKey.self, devices * topK, none)
      let lengths = part(Int.self, devices, 0)
      let heads = part(Int.self, devices, 0)
      let order = part(Int.self, devices, 0)
      let mass = part(Double.self, devices, 0)
      let source = part(Int.self, experts, 0)
      let kept = part(Bool.self, devices, false)
      let taken = part(Bool.self, experts, false)
      body(
        Scratch(
          top: top, best: best, lists: lists, lengths: lengths, heads: heads, order: order, mass: mass, kept: kept,
          taken: taken, source: source))
    }
  }
}
