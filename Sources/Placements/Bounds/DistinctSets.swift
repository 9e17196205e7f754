/// Recorded sets with equal ones collapsed: what a search over placements walks through.
///
/// Real text repeats itself: early layers choose by token, so a recording of thousands of tokens may hold hundreds of
/// sets. Everything is flat, and in the order of first occurrence.
struct DistinctSets: Sendable, Equatable {
  let experts: Int
  let topK: Int
  /// `[rows, topK]`: experts, each row ascending.
  let sets: [Int32]
  /// `[rows]`: what each set counts.
  let weights: [Int32]

  var rows: Int { weights.count }
  /// Σ weights.
  var total: Int { weights.reduce(0) { $0 + Int($1) } }

  /// Sets that are distinct already.
  init(experts: Int, topK: Int, sets: [Int32], weights: [Int32]) {
    precondition(
      sets.count == weights.count * topK, "DistinctSets: \(sets.count) ids for \(weights.count) sets of \(topK)")
    self.experts = experts
    self.topK = topK
    self.sets = sets
    self.weights = weights
  }

  /// Collapses recorded sets.
  ///
  /// - Parameters:
  ///   - experts: E.
  ///   - topK: k.
  ///   - sets: `[tokens, topK]`, each row ascending.
  ///   - tokens: which of them; all if `nil`.
  init(experts: Int, topK: Int, sets: [Int32], tokens: [Int]? = nil) {
    let count = topK == 0 ? 0 : sets.count / topK
    var slots = [Int32](repeating: -1, count: max(16, (tokens?.count ?? count) * 2).nextPowerOfTwo)
    let mask = slots.count - 1
    var distinct: [Int32] = []
    var weights: [Int32] = []
    distinct.reserveCapacity((tokens?.count ?? count) * topK)
    sets.withUnsafeBufferPointer { sets in
      func add(_ token: Int) {
        let row = token * topK
        var hash: UInt64 = 0
        for slot in 0..<topK { hash = (hash ^ UInt64(UInt32(bitPattern: sets[row + slot]))) &* 0x9E37_79B9_7F4A_7C15 }
        var slot = Int(truncatingIfNeeded: hash >> 20) & mask
        // Open addressing: the table is at most half full.
        while slots[slot] >= 0 {
          let known = Int(slots[slot])
          if (0..<topK).allSatisfy({ distinct[known * topK + $0] == sets[row + $0] }) {
            weights[known] += 1
            return
          }
          slot = (slot + 1) & mask
        }
        slots[slot] = Int32(truncatingIfNeeded: weights.count)
        weights.append(1)
        for slot in 0..<topK { distinct.append(sets[row + slot]) }
      }
      if let tokens { for token in tokens { add(token) } } else { for token in 0..<count { add(token) } }
    }
    self.init(experts: experts, topK: topK, sets: distinct, weights: weights)
  }
}

extension Int {
  fileprivate var nextPowerOfTwo: Int { self <= 1 ? 1 : 1 << (Int.bitWidth - (self - 1).leadingZeroBitCount) }
}
