extension Batch {
  /// A device's part of a batch: the sequences that are at home there.
  public struct Share: Sendable, Equatable {
    /// Those sequences, in their order.
    public let batch: Batch
    /// Number of each segment's first token in the whole batch.
    public let firstTokens: [Int]
  }

  /// The sequences with home `device`: sequence j of the global batch lives on device j mod D.
  ///
  /// - Parameters:
  ///   - device: 0..<devices.
  ///   - devices: D.
  ///   - firstSequence: Number of this batch's first sequence in the global batch, where that has several parts.
  /// - Returns: The device's part; it may be empty.
  public func share(of device: Int, among devices: Int, firstSequence: Int = 0) -> Share {
    precondition((0..<devices).contains(device), "share: device \(device) of \(devices)")
    let own = sequences.enumerated().filter { (firstSequence + $0.offset) % devices == device }.map(\.element)
    var (tokens, targets): ([Int32], [Int32]) = ([], [])
    var (ranges, sequenceRanges, ids, firsts): ([Range<Int>], [Range<Int>], [Int], [Int]) = ([], [], [], [])
    var segment = 0
    for sequence in own {
      let start = tokens.count
      // Segments are in order, each inside one sequence.
      while segments[segment].lowerBound < sequence.lowerBound { segment += 1 }
      while segment < segments.count, segments[segment].lowerBound < sequence.upperBound {
        ranges.append(tokens.count..<tokens.count + segments[segment].count)
        firsts.append(segments[segment].lowerBound)
        ids.append(documents[segment])
        tokens += self.tokens[segments[segment]]
        targets += self.targets[segments[segment]]
        segment += 1
      }
      sequenceRanges.append(start..<tokens.count)
    }
    let part = Batch(tokens: tokens, targets: targets, segments: ranges, sequences: sequenceRanges, documents: ids)
    return Share(batch: part, firstTokens: firsts)
  }
}
