/// The merges of a BPE model.
struct BytePairMerges: Sendable {
  /// What a pair of neighbours becomes, and how early.
  struct Merge: Sendable {
    let rank: UInt32
    let id: Int32
  }

  private let merges: [UInt64: Merge]

  init(_ merges: [UInt64: Merge]) { self.merges = merges }

  /// Key of a pair in the table of merges.
  static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  /// Working memory of ``encode(_:into:)``, kept from word to word.
  struct Scratch: Sendable {
    /// The word as the tokens of its smallest parts, before they are merged.
    var symbols: [Int32] = []
    fileprivate var previous: [Int32] = []
    fileprivate var next: [Int32] = []
    /// Merge of each symbol with its right neighbour; rank `.max` for none.
    fileprivate var pairs: [Merge] = []
    fileprivate var heap = MinHeap()
  }

  /// Appends the tokens of one word, of which the symbols are in `scratch`: always the merge of lowest rank, the
  /// leftmost of equals, until none is left.
  ///
  /// Symbols are a linked list and pending merges a heap, so n of them take O(n log n): a word may be a megabyte long.
  func encode(_ scratch: inout Scratch, into ids: inout [Int32]) {
    let count = scratch.symbols.count
    if count <= 1 {
      ids += scratch.symbols
      return
    }
    let none = Merge(rank: .max, id: -1)
    scratch.previous.removeAll(keepingCapacity: true)
    scratch.next.removeAll(keepingCapacity: true)
    scratch.pairs.removeAll(keepingCapacity: true)
    for position in 0..<count {
      scratch.previous.append(Int32(position) - 1)
      scratch.next.append(position + 1 < count ? Int32(position) + 1 : -1)
    }
    for position in 0..<count {
      scratch.pairs.append(none)
      if position + 1 < count { offer(position, position + 1, &scratch) }
    }
    while let top = scratch.heap.popMin() {
      let position = Int(UInt32(truncatingIfNeeded: top))
      let merge = scratch.pairs[position]
      guard merge.rank == UInt32(top >> 32) else { continue }  // outdated: a neighbour has changed since
      let right = Int(scratch.next[position])
      let after = scratch.next[right]
      scratch.symbols[position] = merge.id
      scratch.next[position] = after
      scratch.pairs[right] = none
      scratch.pairs[position] = none
      if after >= 0 {
        scratch.previous[Int(after)] = Int32(position)
        offer(position, Int(after), &scratch)
      }
      let before = Int(scratch.previous[position])
      if before >= 0 { offer(before, position, &scratch) }
    }
    var position = 0
    while position >= 0 {
      ids.append(scratch.symbols[position])
      position = Int(scratch.next[position])
    }
  }

  /// Notes the merge of two neighbours, if there is one.
  @inline(__always)
  private func offer(_ left: Int, _ right: Int, _ scratch: inout Scratch) {
    let merge = merges[Self.key(scratch.symbols[left], scratch.symbols[right])] ?? Merge(rank: .max, id: -1)
    scratch.pairs[left] = merge
    if merge.id >= 0 { scratch.heap.push(UInt64(merge.rank) << 32 | UInt64(left)) }
  }
}

/// A binary heap of integers, smallest first.
struct MinHeap: Sendable {
  private var keys: [UInt64] = []

  mutating func push(_ key: UInt64) {
    keys.append(key)
    var child = keys.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard key < keys[parent] else { break }
      keys[child] = keys[parent]
      child = parent
    }
    keys[child] = key
  }

  mutating func popMin() -> UInt64? {
    guard let smallest = keys.first, let key = keys.popLast() else { return nil }
    guard !keys.isEmpty else { return smallest }
    var parent = 0
    while true {
      var child = 2 * parent + 1
      guard child < keys.count else { break }
      if child + 1 < keys.count, keys[child + 1] < keys[child] { child += 1 }
      guard keys[child] < key else { break }
      keys[parent] = keys[child]
      parent = child
    }
    keys[parent] = key
    return smallest
  }
}
