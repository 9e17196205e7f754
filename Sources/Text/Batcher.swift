internal import Formats
internal import Synchronization

/// Cuts documents into batches, every epoch in another order that depends on nothing but the seed and the epoch.
///
/// Any batch can be asked for at any time, so a run resumes by asking for the next one. Documents are shuffled, packed
/// into sequences by ``FirstFit`` (or one a sequence), and sequences follow one another into batches.
public struct Batcher: Sendable {
  /// What decides the order.
  public struct Options: Sendable, Equatable {
    /// Longest sequence when packing.
    public var maxTokens: Int
    /// Largest batch; a longer sequence is a batch of its own.
    public var batchTokens: Int
    /// Several documents a sequence, or one.
    public var packing: Bool
    /// Whether documents are shuffled; for evaluation they are not.
    public var shuffles: Bool
    /// The seed of every order.
    public var seed: UInt64

    /// Options; see the properties.
    public init(maxTokens: Int, batchTokens: Int, packing: Bool, shuffles: Bool = true, seed: UInt64) {
      precondition(maxTokens > 0 && batchTokens > 0, "max_tokens \(maxTokens), batch_tokens \(batchTokens): below 1")
      self.maxTokens = maxTokens
      self.batchTokens = batchTokens
      self.packing = packing
      self.shuffles = shuffles
      self.seed = seed
    }
  }

  /// Where a step lies.
  public struct Position: Sendable, Equatable {
    /// Counted from 0.
    public let epoch: Int
    /// Batch within the epoch, counted from 0.
    public let batch: Int
  }

  /// The documents, in the order they were given.
  public let documents: [TokenizedDocument]
  /// What decides the order.
  public let options: Options
  private let plans = PlanCache()

  /// A batcher.
  ///
  /// - Parameters:
  ///   - documents: at least one.
  ///   - options: what decides the order.
  public init(documents: [TokenizedDocument], options: Options) {
    precondition(!documents.isEmpty, "a batcher needs at least one document")
    self.documents = documents
    self.options = options
  }

  /// Number of batches in an epoch; with packing it differs from epoch to epoch.
  public func batchCount(epoch: Int) -> Int {
    extendEnds { $0.count > epoch }
    return plans.ends.withLock { $0[epoch] - (epoch > 0 ? $0[epoch - 1] : 0) }
  }

  /// Number of batches in the first epochs. Each epoch has to be packed to be counted, so the count stops at `most`.
  ///
  /// - Parameters:
  ///   - epochs: Epochs, at least one.
  ///   - most: Batches that are enough.
  /// - Returns: The number, or `most` if there are more.
  public func stepCount(epochs: Int, atMost most: Int = .max) -> Int {
    extendEnds { $0.count >= epochs || $0.last ?? 0 >= most }
    return plans.ends.withLock { min(most, $0[min(epochs, $0.count) - 1]) }
  }

  /// Epoch and batch of a step, counted from 0 over all epochs.
  public func position(ofStep step: Int) -> Position {
    extendEnds { $0.last ?? 0 > step }
    return plans.ends.withLock { ends in
      // The first epoch that ends behind the step.
      var (low, high) = (0, ends.count - 1)
      while low < high {
        let middle = (low + high) / 2
        if ends[middle] > step { high = middle } else { low = middle + 1 }
      }
      return Position(epoch: low, batch: step - (low > 0 ? ends[low - 1] : 0))
    }
  }

  /// Counts the batches of further epochs until there are enough. Each is packed once.
  private func extendEnds(until isEnough: ([Int]) -> Bool) {
    while true {
      let next: (epoch: Int, start: Int)? = plans.ends.withLock { isEnough($0) ? nil : ($0.count, $0.last ?? 0) }
      guard let next else { return }
      let count = plan(next.epoch).count
      plans.ends.withLock { if $0.count == next.epoch { $0.append(next.start + count) } }
    }
  }

  /// Tokens of the first batches; of whole epochs without packing them again.
  ///
  /// - Parameter steps: Batches, counted over all epochs.
  /// - Returns: Tokens.
  public func tokenCount(steps: Int) -> Int {
    guard steps > 0 else { return 0 }
    let last = position(ofStep: steps - 1)
    let sizes = documents.map(\.tokens.count)
    let isWhole = documents.allSatisfy { $0.weight == $0.weight.rounded() }
    let first = present(in: 0).reduce(0) { $0 + sizes[$1] }
    let before =
      isWhole
      ? last.epoch * first
      : (0..<last.epoch).reduce(0) { $0 + present(in: $1).reduce(0) { $0 + sizes[$1] } }
    return plan(last.epoch)[...last.batch].joined().joined().reduce(before) { $0 + sizes[$1] }
  }

  /// A batch by its place.
  public func batch(at position: Position) -> Batch {
    Batch(sequences: plan(position.epoch)[position.batch].map { $0.map { documents[$0] } })
  }

  /// A batch by its step, counted from 0 over all epochs.
  public func batch(at step: Int) -> Batch { batch(at: position(ofStep: step)) }

  /// A hash of the first batches: of their documents (ids and tokens), order and borders.
  ///
  /// Two runs with the same hash have seen the same data in the same order.
  public func orderHash(steps: Int) -> String {
    if let known = plans.hash.withLock({ $0?.steps == steps ? $0?.hash : nil }) { return known }
    let hash = makeOrderHash(steps: steps)
    plans.hash.withLock { $0 = (steps, hash) }
    return hash
  }

  private func makeOrderHash(steps: Int) -> String {
    let contents = documents.map { document in
      var hash = StableHash()
      for (token, target) in zip(document.tokens, document.targets) {
        hash.combine(Int(token) << 32 ^ Int(target))
      }
      return hash.value
    }
    var hash = StableHash()
    var (epoch, left) = (0, steps)
    while left > 0 {
      for batch in plan(epoch).prefix(left) {
        hash.combine(batch.count)
        for sequence in batch {
          hash.combine(sequence.count)
          for document in sequence {
            hash.combine(documents[document].id)
            hash.combine(Int(truncatingIfNeeded: contents[document]))
          }
        }
      }
      left -= min(left, plan(epoch).count)
      epoch += 1
    }
    return hash.hexadecimal
  }
}

extension Batcher {
  /// Batches of sequences of indices into `documents`.
  fileprivate typealias Plan = [[[Int]]]

  /// The last plans, since an epoch is asked for batch by batch, and where all end, which places a step in its epoch.
  private final class PlanCache: Sendable {
    let recent = Mutex<[(epoch: Int, plan: Plan)]>([])
    /// Batches up to the end of each epoch that was counted.
    let ends = Mutex<[Int]>([])
    /// The hash that was asked for last: every checkpoint names it.
    let hash = Mutex<(steps: Int, hash: String)?>(nil)
    static let most = 3
  }

  private func plan(_ epoch: Int) -> Plan {
    precondition(epoch >= 0, "epoch \(epoch): counted from 0")
    if let known = plans.recent.withLock({ $0.first { $0.epoch == epoch }?.plan }) { return known }
    let plan = makePlan(epoch)
    plans.recent.withLock { recent in
      recent.append((epoch, plan))
      if recent.count > PlanCache.most { recent.removeFirst() }
    }
    return plan
  }

  private func makePlan(_ epoch: Int) -> Plan {
    var order = present(in: epoch)
    if options.shuffles {
      var generator = SplitMix64(seed: options.seed, stream: RandomStream.order, UInt64(epoch))
      order = generator.permutation(order.count).map { order[$0] }
    }
    let sizes = order.map { documents[$0].tokens.count }
    let sequences =
      options.packing ? FirstFit.pack(sizes, capacity: options.maxTokens) : order.indices.map { [$0] }
    var batches: Plan = []
    var room = 0
    for sequence in sequences {
      let size = sequence.reduce(0) { $0 + sizes[$1] }
      let members = sequence.map { order[$0] }
      if size <= room {
        batches[batches.count - 1].append(members)
        room -= size
      } else {
        batches.append([members])
        room = options.batchTokens - size
      }
    }
    return batches
  }

  /// Documents of an epoch by the weights of their sources: whole copies, and for the fraction that is left the next
  /// part of a fixed random order, so that over the epochs every document has its turn.
  private func present(in epoch: Int) -> [Int] {
    let bySource = Dictionary(grouping: documents.indices) { documents[$0].sourceIndex }
    var present: [Int] = []
    for (source, members) in bySource.sorted(by: { $0.key < $1.key }) {
      let weight = documents[members[0]].weight
      let copies = Int(weight)
      for _ in 0..<copies { present += members }
      let fraction = weight - Double(copies)
      guard fraction > 0 else { continue }
      let count = max(1, Int((fraction * Double(members.count)).rounded()))
      var generator = SplitMix64(seed: options.seed, stream: RandomStream.fraction, UInt64(source))
      let order = generator.permutation(members.count)
      present += (0..<count).map { members[order[(epoch * count + $0) % members.count]] }.sorted()
    }
    return present
  }
}
