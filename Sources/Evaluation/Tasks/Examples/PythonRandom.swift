/// Python's `random.Random(seed)`: lm-evaluation-harness draws its examples with it, and so the same examples are drawn
/// here.
///
/// - Source: MT19937 of Matsumoto and Nishimura (1998), "Mersenne Twister"; `random.sample` of CPython 3.11 and later.
struct PythonRandom {
  private static let size = 624
  private var state: [UInt32]
  private var place = Self.size

  /// A generator.
  ///
  /// - Parameter seed: The seed, as a Python integer.
  init(seed: UInt32) {
    state = [19_650_218]
    for index in 1..<Self.size { state.append(1_812_433_253 &* Self.folded(state[index - 1]) &+ UInt32(index)) }
    for index in Self.rounds(from: 1, Self.size) {
      state[index] = (state[index] ^ (Self.folded(state[index - 1]) &* 1_664_525)) &+ seed
      if index == Self.size - 1 { state[0] = state[index] }
    }
    for index in Self.rounds(from: 2, Self.size - 1) {
      state[index] = (state[index] ^ (Self.folded(state[index - 1]) &* 1_566_083_941)) &- UInt32(index)
      if index == Self.size - 1 { state[0] = state[index] }
    }
    state[0] = 1 << 31
  }

  /// The next 32 bits.
  mutating func next() -> UInt32 {
    if place == Self.size { twist() }
    var bits = state[place]
    place += 1
    bits ^= bits >> 11
    bits ^= bits << 7 & 0x9d2c_5680
    bits ^= bits << 15 & 0xefc6_0000
    return bits ^ bits >> 18
  }

  /// Draws distinct numbers of `0..<bound`: `random.sample(range(bound), count)`.
  ///
  /// - Parameters:
  ///   - count: How many, at most `bound`.
  ///   - bound: What they are below, at most 2³².
  /// - Returns: The numbers in the order drawn.
  mutating func sample(_ count: Int, below bound: Int) -> [Int] {
    precondition(count <= bound, "PythonRandom: a sample of \(count) of \(bound)")
    // As Python does: few numbers of many are drawn again where they repeat, otherwise a list of all is drawn from.
    var most = 21
    if count > 5 {
      var power = 1
      while power < count * 3 { power *= 4 }
      most += power
    }
    var drawn: [Int] = []
    if bound > most {
      while drawn.count < count {
        let number = below(bound)
        if !drawn.contains(number) { drawn.append(number) }
      }
      return drawn
    }
    var pool = Array(0..<bound)
    for index in 0..<count {
      let place = below(bound - index)
      drawn.append(pool[place])
      pool[place] = pool[bound - index - 1]
    }
    return drawn
  }

  private mutating func below(_ bound: Int) -> Int {
    let width = Int.bitWidth - bound.leadingZeroBitCount
    while true {
      let number = Int(next() >> (32 - width))
      if number < bound { return number }
    }
  }

  private mutating func twist() {
    for index in 0..<Self.size {
      let bits = state[index] & 1 << 31 | state[(index + 1) % Self.size] & (1 << 31 - 1)
      state[index] = state[(index + 397) % Self.size] ^ bits >> 1 ^ (bits & 1 == 0 ? 0 : 0x9908_b0df)
    }
    place = 0
  }

  private static func folded(_ bits: UInt32) -> UInt32 { bits ^ bits >> 30 }

  /// `count` numbers from `first` on, with 1 after 623.
  private static func rounds(from first: Int, _ count: Int) -> some Sequence<Int> {
    (0..<count).lazy.map { (first - 1 + $0) % (size - 1) + 1 }
  }
}
