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
    if let known = plans.counts.withLock({ $0[epoch] }) { return known }
    let count = plan(epoch).count
    plans.counts.withLock { $0[epoch] = count }
    return count
  }

  /// Number of batches in the first epochs.
  public func stepCount(epochs: Int) -> Int { (0..<epochs).reduce(0) { $0 + batchCount(epoch: $1) } }

  /// Epoch and batch of a step, counted from 0 over all epochs.
  public func position(ofStep step: Int) -> Position {
    var (epoch, batch) = (0, step)
    while batch >= batchCount(epoch: epoch) {
      batch -= batchCount(epoch: epoch)
      epoch += 1
    }
    return Position(epoch: epoch, batch: batch)
  }

  /// A batch by its place.
  public func batch(at position: Position) -> Batch {
    Batch(sequences: plan(position.epoch)[position.batch].map { $0.map { documents[$0] } })
  }

  /// A batch by its step, counted from 0 over all epochs.
  public func batch(at step: Int) -> Batch { batch(at: position(ofStep: step)) }

  /// Tokens in the first batches.
  public func tokenCount(steps: Int) -> Int {
    var (tokens, epoch, left) = (0, 0, steps)
    while left > 0 {
      for batch in plan(epoch).prefix(left) {
        tokens += batch.joined().reduce(0) { $0 + documents[$1].tokens.count }
      }
      left -= min(left, batchCount(epoch: epoch))
      epoch += 1
    }
    return tokens
  }

  /// A hash of the first batches: of their documents (ids and tokens), order and borders.
  ///
  /// Two runs with the same hash have seen the same data in the same order.
  public func orderHash(steps: Int) -> String {
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
      left -= min(left, batchCount(epoch: epoch))
      epoch += 1
    }
    return hash.hexadecimal
  }
}

extension Batcher {
  /// Batches of sequences of indices into `documents`.
  fileprivate typealias Plan = [[[Int]]]

  /// The last plans, since an epoch is asked for batch by batch, and the sizes of all, which place a step in its epoch.
  private final class PlanCache: Sendable {
    let recent = Mutex<[(epoch: Int, plan: Plan)]>([])
    let counts = Mutex<[Int: Int]>([:])
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
      var generator = SeededGenerator(seed: options.seed, stream: RandomStream.order, UInt64(epoch))
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
      var generator = SeededGenerator(seed: options.seed, stream: RandomStream.fraction, UInt64(source))
      let order = generator.permutation(members.count)
      present += (0..<count).map { members[order[(epoch * count + $0) % members.count]] }.sorted()
    }
    return present
  }
}
