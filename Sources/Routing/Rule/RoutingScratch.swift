/// An expert's rank as one integer: larger probability first, then lower index; NaN last of all.
///
/// The float's bits are made to order as unsigned integers, and the index fills the low half upside down,
/// so that one comparison decides both.
struct RankKey {
  var bits: UInt64

  @inline(__always)
  init(bits: UInt64) { self.bits = bits }

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

/// Keys of all experts, from which the largest are taken one by one.
///
/// Eight keys share a group whose largest is at hand, so taking one looks at E/8 + 8 keys. There is no branch on
/// data, which is what makes insertion into a sorted list slow.
/// 64 experts, k = 8: 0.3 µs a token, 0.5 µs with policy `router` (`OCCULT_TIMING=1 swift test -c release
/// -Xswiftc -enable-testing --filter timing`, one core of a Xeon with AVX-512).
struct KeyPool {
  static let width = 8

  /// [groups × 8]: 0 where there is no expert or it has been taken; no expert's key is 0.
  let keys: UnsafeMutablePointer<UInt64>
  /// [groups].
  let largest: UnsafeMutablePointer<UInt64>
  let groups: Int

  /// Starts with every expert of a token.
  @inline(__always)
  func fill(_ probabilities: UnsafePointer<Float>, count: Int) {
    for expert in 0..<count { keys[expert] = RankKey(probabilities[expert], expert).bits }
    for group in 0..<groups { findLargest(group) }
  }

  /// Forgets every expert that is not on a kept device.
  @inline(__always)
  func restrict(to kept: UnsafePointer<Bool>, _ placement: [Int]) {
    placement.withUnsafeBufferPointer { placement in restrict(count: placement.count) { kept[placement[$0]] } }
  }

  /// Forgets every expert of `0..<count` that is not wanted.
  @inline(__always)
  func restrict(count: Int, _ isWanted: (Int) -> Bool) {
    for expert in 0..<count { keys[expert] = isWanted(expert) ? keys[expert] : 0 }
    for group in 0..<groups { findLargest(group) }
  }

  /// Forgets one expert.
  @inline(__always)
  func remove(_ expert: Int) {
    keys[expert] = 0
    findLargest(expert / Self.width)
  }

  @inline(__always)
  func removeLargest() -> RankKey {
    var bits: UInt64 = 0
    for group in 0..<groups { bits = max(bits, largest[group]) }
    let key = RankKey(bits: bits)
    remove(key.index)
    return key
  }

  @inline(__always)
  private func findLargest(_ group: Int) {
    let keys = keys + group * Self.width
    // Two chains of comparisons instead of one.
    var (even, odd) = (keys[0], keys[1])
    for slot in stride(from: 2, to: Self.width, by: 2) {
      even = max(even, keys[slot])
      odd = max(odd, keys[slot + 1])
    }
    largest[group] = max(even, odd)
  }
}

/// Working memory of one call of `route`, shared by its tokens: nothing is allocated per token.
struct Scratch {
  /// [experts]: keys not yet chosen.
  let pool: KeyPool
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
  /// [experts]: whether the model's own selection keeps a group; there are at most as many groups as experts.
  let groups: UnsafeMutablePointer<Bool>
  /// [experts]: the expert an expert stands in for.
  let source: UnsafeMutablePointer<Int>

  /// Lends one block of memory, cut into the parts; on the stack where it is small.
  @inline(__always)
  static func with(experts: Int, topK: Int, devices: Int, _ body: (Scratch) -> Void) {
    let groups = (experts + KeyPool.width - 1) / KeyPool.width
    let words = groups * (KeyPool.width + 1) + 2 * topK + devices * topK + 4 * devices + experts
    let bytes = words * 8 + devices + 2 * experts
    withUnsafeTemporaryAllocation(byteCount: bytes, alignment: 8) { block in
      guard var next = block.baseAddress else { return }
      func part<Element>(_ type: Element.Type, _ count: Int, _ value: Element) -> UnsafeMutablePointer<Element> {
        let pointer = next.bindMemory(to: type, capacity: count)
        pointer.initialize(repeating: value, count: count)
        next += count * MemoryLayout<Element>.stride
        return pointer
      }
      let keys = part(UInt64.self, groups * KeyPool.width, 0)
      let largest = part(UInt64.self, groups, 0)
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
      let keptGroups = part(Bool.self, experts, false)
      body(
        Scratch(
          pool: KeyPool(keys: keys, largest: largest, groups: groups), top: top, best: best, lists: lists,
          lengths: lengths, heads: heads, order: order, mass: mass, kept: kept,
          taken: taken, groups: keptGroups, source: source))
    }
  }
}
