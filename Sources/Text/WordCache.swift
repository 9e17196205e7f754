internal import Synchronization

/// Tokens of words seen before, bounded in size: emptied when full.
struct WordCache: Sendable {
  private struct Slot: Sendable {
    var hash: UInt64 = 0
    var bytes: Range<Int32> = 0..<0  // in `bytes`; empty for a free slot
    var ids: Range<Int32> = 0..<0  // in `ids`
  }

  /// Longer words are rare and not worth their room.
  static let longestWord = 32
  private static let slotCount = 1 << 15
  private var slots: [Slot] = []
  private var bytes: [UInt8] = []
  private var ids: [Int32] = []
  private var used = 0

  static func hash(_ word: ArraySlice<UInt8>) -> UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in word { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
    return hash ^ hash >> 32
  }

  /// Appends the tokens of a word if it is known.
  func append(_ word: ArraySlice<UInt8>, hash: UInt64, to result: inout [Int32]) -> Bool {
    if slots.isEmpty { return false }
    let slot = slots[find(word, hash)]
    if slot.bytes.isEmpty { return false }
    for index in slot.ids { result.append(ids[Int(index)]) }
    return true
  }

  /// Remembers the tokens of a word that is not known.
  mutating func insert(_ word: ArraySlice<UInt8>, hash: UInt64, tokens: ArraySlice<Int32>) {
    if slots.isEmpty || used > Self.slotCount * 3 / 4 {
      slots = Array(repeating: Slot(), count: Self.slotCount)
      bytes.removeAll(keepingCapacity: true)
      ids.removeAll(keepingCapacity: true)
      used = 0
    }
    let index = find(word, hash)
    let (byteStart, idStart) = (Int32(bytes.count), Int32(ids.count))
    bytes.append(contentsOf: word)
    ids.append(contentsOf: tokens)
    slots[index] = Slot(hash: hash, bytes: byteStart..<Int32(bytes.count), ids: idStart..<Int32(ids.count))
    used += 1
  }

  /// Slot of a word, or the free one where it belongs.
  private func find(_ word: ArraySlice<UInt8>, _ hash: UInt64) -> Int {
    var index = Int(truncatingIfNeeded: hash) & (Self.slotCount - 1)
    while !slots[index].bytes.isEmpty, slots[index].hash != hash || !matches(slots[index], word) {
      index = (index + 1) & (Self.slotCount - 1)
    }
    return index
  }

  private func matches(_ slot: Slot, _ word: ArraySlice<UInt8>) -> Bool {
    guard slot.bytes.count == word.count else { return false }
    var index = Int(slot.bytes.lowerBound)
    for byte in word {
      if bytes[index] != byte { return false }
      index += 1
    }
    return true
  }
}

/// What one call of `encode` needs for itself, lent to one caller at a time: no lock is held while words are encoded.
final class EncoderPool: Sendable {
  struct State: Sendable {
    var cache = WordCache()
    var scratch = BytePairMerges.Scratch()
    var matching = SplitPattern.Scratch()
  }

  /// Kept between calls; more callers at once make their own.
  private static let most = 8
  private let idle = Mutex<[State]>([])

  func take() -> State { idle.withLock { $0.popLast() } ?? State() }

  func putBack(_ state: consuming State) {
    let state = state
    idle.withLock { if $0.count < Self.most { $0.append(state) } }
  }
}
