internal import Files
public import Host
internal import Checkpoint
internal import Tensors

extension RunPreparation {
  /// Refuses a run that cannot fit, before a weight is loaded.
  ///
  /// The host's limit is for all ranks there together, a process's own for the one that needs most.
  ///
  /// - Parameters:
  ///   - limits: What the system sets on this host and for this process.
  ///   - ranks: Processes of the run.
  ///   - here: Those on this host.
  /// - Throws: ``PreparationError/memory(needed:available:ranks:fits:)`` with the changes of the recipe that would fit.
  public func checkMemory(_ limits: MemoryLimits, ranks: Int = 1, here: [Int] = [0]) throws(PreparationError) {
    try check(limits.host, ranks: here.count) { RunEstimate.hostBytes($0, ranks: ranks, here: here) }
    guard let own = limits.process else { return }
    try check(own, ranks: 1) { run in here.map { RunEstimate.hostBytes(run, ranks: ranks, here: [$0]) }.max() ?? 0 }
  }

  private func check(
    _ limit: MemoryLimit, ranks: Int, _ bytes: (RunPreparation) -> Int
  ) throws(PreparationError) {
    let needed = bytes(self)
    if needed <= limit.bytes { return }
    var (fits, seen): ([String], Set<Int>) = ([], [])
    for change in alternatives {
      // A change that saves no more than an earlier one freezes what the model does not have.
      guard let (words, bytes) = fit(change, limit.bytes, bytes), seen.insert(bytes).inserted else { continue }
      fits.append("\(words) (\(ByteSize.words(bytes)))")
    }
    throw .memory(needed: needed, available: limit, ranks: ranks, fits: fits)
  }

  /// One change of the recipe.
  private typealias Change = (words: String, apply: (inout Recipe) -> Void)

  /// What a person would try next, the smallest change first.
  private var alternatives: [Change] {
    [
      ("", { _ in }), ("'train.experts={lora: {rank: 16}}'", { $0.train.experts = .lora(.init()) }),
      ("train.experts=frozen", { $0.train.experts = .frozen }),
      (
        "train.experts=frozen train.attention=frozen train.shared_experts=frozen train.embeddings=frozen",
        {
          ($0.train.experts, $0.train.attention) = (.frozen, .frozen)
          ($0.train.sharedExperts, $0.train.embeddings) = (.frozen, .frozen)
        }
      ),
    ]
  }

  /// A change that fits and makes a difference, with activation checkpointing where it does not fit without; nil for
  /// none.
  private func fit(
    _ change: Change, _ available: Int, _ needed: (RunPreparation) -> Int
  ) -> (words: String, bytes: Int)? {
    let checkpointing = "run.activation_checkpointing=true"
    var copy = self
    change.apply(&copy.recipe)
    let trains = !copy.recipe.train.fullRoles.union(copy.recipe.train.adaptedRoles.keys).isEmpty
    guard trains, copy.recipe.train != recipe.train || change.words.isEmpty else { return nil }
    var words = change.words
    if needed(copy) > available {
      copy.recipe.run.activationCheckpointing = true
      words += (words.isEmpty ? "" : " ") + checkpointing
    }
    let bytes = needed(copy)
    return bytes <= available ? (words, bytes) : nil
  }
}
