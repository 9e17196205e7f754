extension LayerProfile {
  /// A layer of some recorded tokens alone, counted anew.
  ///
  /// - Parameter rows: numbers of recorded tokens, ascending.
  /// - Returns: the part, without similarities.
  package func part(_ rows: [Int]) -> LayerProfile {
    recounted(
      sets: rows.flatMap { sets[$0 * topK..<($0 + 1) * topK] },
      weights: weights.isEmpty ? [] : rows.flatMap { weights[$0 * topK..<($0 + 1) * topK] },
      documents: rows.map { documents[$0] })
  }

  /// At most `limit` recorded tokens, evenly spread.
  package func sample(_ limit: Int) -> LayerProfile {
    recorded <= limit
      ? recounted(sets: sets, weights: weights, documents: documents)
      : part((0..<limit).map { $0 * recorded / limit })
  }

  /// The same layer with other sets, and the counts that follow from them.
  package func recounted(sets: [Int32], weights: [Float], documents: [Int32]) -> LayerProfile {
    var coactivation = [Int64](repeating: 0, count: experts * experts)
    var load = [Int64](repeating: 0, count: experts)
    for start in stride(from: 0, to: sets.count, by: topK) {
      for first in start..<start + topK {
        let i = Int(sets[first])
        load[i] += 1
        for second in first + 1..<max(start + topK, first + 1) {
          let j = Int(sets[second])
          coactivation[i * experts + j] += 1
          coactivation[j * experts + i] += 1
        }
      }
    }
    return LayerProfile(
      layer: layer, experts: experts, topK: topK, tokens: documents.count, coactivation: coactivation, load: load,
      sets: sets, weights: weights, documents: documents)
  }

  /// Fewest documents that are enough to divide tokens by.
  package static let leastUnits = 8
  /// Recorded tokens in a block, where documents are too few.
  static let blockTokens = 200

  /// Recorded tokens in units that may be taken for independent: documents, or blocks of 200 tokens where there are
  /// fewer than 8 documents. Neighbouring tokens are alike, so splits and intervals never go by token.
  package var units: [[Int]] {
    var number: [Int32: Int] = [:]
    var units: [[Int]] = []
    for (row, document) in documents.enumerated() {
      if let unit = number[document] {
        units[unit].append(row)
      } else {
        number[document] = units.count
        units.append([row])
      }
    }
    if units.count >= Self.leastUnits { return units }
    let blocks = max(1, recorded / Self.blockTokens)
    return (0..<blocks).map { Array($0 * recorded / blocks..<($0 + 1) * recorded / blocks) }
  }

  /// The recorded tokens of some units.
  package func part(_ units: some Sequence<some Sequence<Int>>) -> LayerProfile { part(units.flatMap { $0 }.sorted()) }
}
