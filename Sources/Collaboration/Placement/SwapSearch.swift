/// Swaps of two experts that lower the true Σ C_T over recorded sets, with counts kept up to date instead of recounted.
///
/// With n_d(t) the number of experts that token t uses on device d, moving expert e from device x to d alone changes Σ C_T by
///
///     enter(e, d) − leave(e),   enter(e, d) = #{t ∋ e: n_d(t) = 0},   leave(e) = #{t ∋ e: n_x(t) = 1}
///
/// and swapping a (on x) with b (on y) by both moves, plus what tokens that use both a and b were charged although
/// nothing changes for them:
///
///     Δ = enter(a, y) − leave(a) + enter(b, x) − leave(b) + #{t ∋ a, b: n_x(t) = 1} + #{t ∋ a, b: n_y(t) = 1}
///
/// The last two terms are never negative, so the first four, which are four look-ups, rule out nearly all swaps.
struct SwapSearch {
  let experts: Int
  let topK: Int
  let devices: Int
  let sets: [Int32]
  let load: [Int64]
  /// Most load a device may carry.
  let cap: Int64

  private(set) var placement: [Int]
  /// Σ C_T.
  private(set) var deviceRows: Int
  /// [devices]: Σ load.
  private(set) var loads: [Int64]
  /// [tokens, devices]: n_d(t).
  private(set) var counts: [UInt16]
  /// [experts, devices] and [experts], as above.
  private(set) var enter: [Int]
  private(set) var leave: [Int]

  /// Tokens by expert: expert e is used by `tokensOf[starts[e]..<starts[e + 1]]`.
  private let tokensOf: [Int32]
  private let starts: [Int]
  /// [experts, words]: the same as bits.
  private let bits: [UInt64]
  private let words: Int

  init(_ profile: LayerProfile, placement: [Int], devices: Int, cap: Int64) {
    experts = profile.experts
    topK = profile.topK
    self.devices = devices
    sets = profile.sets
    load = profile.load
    self.cap = cap
    self.placement = placement
    loads = Prediction.loads(profile.load, placement: placement, devices: devices)
    words = (profile.recorded + 63) / 64
    var bits = [UInt64](repeating: 0, count: experts * words)
    var lists = [[Int32]](repeating: [], count: experts)
    for (slot, expert) in sets.enumerated() {
      let token = slot / topK
      lists[Int(expert)].append(Int32(truncatingIfNeeded: token))
      bits[Int(expert) * words + token / 64] |= 1 << UInt64(token % 64)
    }
    self.bits = bits
    tokensOf = lists.flatMap { $0 }
    starts = lists.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.count) }
    counts = [UInt16](repeating: 0, count: profile.recorded * devices)
    enter = [Int](repeating: 0, count: experts * devices)
    leave = [Int](repeating: 0, count: experts)
    deviceRows = 0
    recount()
  }

  /// Starts again from another placement.
  mutating func restart(from placement: [Int]) {
    self.placement = placement
    loads = Prediction.loads(load, placement: placement, devices: devices)
    recount()
  }

  private mutating func recount() {
    for slot in counts.indices { counts[slot] = 0 }
    for (slot, expert) in sets.enumerated() { counts[slot / topK * devices + placement[Int(expert)]] += 1 }
    deviceRows = counts.reduce(0) { $0 + ($1 > 0 ? 1 : 0) }
    for slot in enter.indices { enter[slot] = 0 }
    for slot in leave.indices { leave[slot] = 0 }
    for token in 0..<sets.count / topK { charge(token, 1) }
  }

  /// Adds (`sign` 1) or takes back (−1) a token's part in `enter` and `leave`.
  @inline(__always)
  private mutating func charge(_ token: Int, _ sign: Int) {
    for slot in token * topK..<(token + 1) * topK {
      let expert = Int(sets[slot])
      for device in 0..<devices where counts[token * devices + device] == 0 { enter[expert * devices + device] += sign }
      if counts[token * devices + placement[expert]] == 1 { leave[expert] += sign }
    }
  }

  /// The four look-ups: Δ is at least this.
  @inline(__always)
  func bound(_ a: Int, _ b: Int) -> Int {
    let (x, y) = (placement[a], placement[b])
    return enter[a * devices + y] - leave[a] + enter[b * devices + x] - leave[b]
  }

  /// Δ of swapping a and b, exactly.
  func change(_ a: Int, _ b: Int) -> Int {
    let (x, y) = (placement[a], placement[b])
    var change = bound(a, b)
    for word in 0..<words {
      var both = bits[a * words + word] & bits[b * words + word]
      while both != 0 {
        let row = (word * 64 + both.trailingZeroBitCount) * devices
        both &= both - 1
        change += (counts[row + x] == 1 ? 1 : 0) + (counts[row + y] == 1 ? 1 : 0)
      }
    }
    return change
  }

  /// Swaps a and b; `change` is Δ.
  mutating func swap(_ a: Int, _ b: Int, change: Int) {
    let (x, y) = (placement[a], placement[b])
    eachUser(a, b) { search, token, _ in search.charge(token, -1) }
    eachUser(a, b) { search, token, user in
      guard let user else { return }
      let (from, to) = user == a ? (x, y) : (y, x)
      search.counts[token * search.devices + from] -= 1
      search.counts[token * search.devices + to] += 1
    }
    placement[a] = y
    placement[b] = x
    eachUser(a, b) { search, token, _ in search.charge(token, 1) }
    loads[x] += load[b] - load[a]
    loads[y] += load[a] - load[b]
    deviceRows += change
  }

  /// Visits each token that uses a or b once, with the one that it uses, `nil` for both.
  @inline(__always)
  private mutating func eachUser(_ a: Int, _ b: Int, _ body: (inout Self, Int, Int?) -> Void) {
    for (user, other) in [(a, b), (b, a)] {
      for slot in starts[user]..<starts[user + 1] {
        let token = Int(tokensOf[slot])
        let both = bits[other * words + token / 64] & (1 << UInt64(token % 64)) != 0
        if both && user == b { continue }
        body(&self, token, both ? nil : user)
      }
    }
  }

  /// Load above the cap, summed over devices.
  var excess: Int64 { loads.reduce(0) { $0 + max(0, $1 - cap) } }

  /// Excess after swapping a and b, minus excess before.
  @inline(__always)
  func excessChange(_ a: Int, _ b: Int) -> Int64 {
    let (x, y) = (placement[a], placement[b])
    let shift = load[a] - load[b]
    return max(0, loads[x] - shift - cap) + max(0, loads[y] + shift - cap)
      - max(0, loads[x] - cap) - max(0, loads[y] - cap)
  }
}
