internal import Checkpoint

extension RunPreparation {
  /// Refuses a run that cannot fit, before a weight is loaded.
  ///
  /// - Parameter available: Bytes that the run may use.
  /// - Throws: ``PreparationError/memory(needed:available:fits:)`` with the changes of the recipe that would fit.
  public func checkMemory(available: Int) throws(PreparationError) {
    let needed = Self.bytes(self)
    if needed <= available { return }
    let fits = alternatives.compactMap { change, recipe -> String? in
      var copy = self
      copy.recipe = recipe
      let bytes = Self.bytes(copy)
      return bytes <= available ? "\(change) (\(ByteSize.words(bytes)))" : nil
    }
    throw .memory(needed: needed, available: available, fits: fits)
  }

  private static func bytes(_ run: RunPreparation) -> Int { RunEstimate.memory(run).reduce(0) { $0 + $1.bytes } }

  /// What a person would try next, the smallest change first.
  private var alternatives: [(change: String, recipe: Recipe)] {
    var list: [(String, Recipe)] = []
    var saving = recipe
    saving.run.activationCheckpointing = true
    let checkpointing = recipe.run.activationCheckpointing ? "" : " run.activation_checkpointing=true"
    if !checkpointing.isEmpty { list.append((String(checkpointing.dropFirst()), saving)) }
    let changes: [(String, (inout Recipe) -> Void)] = [
      ("'train.experts={lora: {rank: 16}}'", { $0.train.experts = .lora(.init()) }),
      ("train.experts=frozen", { $0.train.experts = .frozen }),
      (
        "train.experts=frozen train.attention=frozen train.shared_experts=frozen train.embeddings=frozen",
        {
          ($0.train.experts, $0.train.attention) = (.frozen, .frozen)
          ($0.train.sharedExperts, $0.train.embeddings) = (.frozen, .frozen)
        }
      ),
    ]
    for (words, change) in changes {
      for (suffix, start) in [("", recipe), (checkpointing, saving)] where suffix == checkpointing || suffix.isEmpty {
        var changed = start
        change(&changed)
        if changed != start, !changed.train.fullRoles.union(changed.train.adaptedRoles.keys).isEmpty {
          list.append((words + suffix, changed))
        }
      }
    }
    return list
  }
}
