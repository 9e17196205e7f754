internal import Checkpoint
internal import Models

extension RunEstimate {
  /// What lives in memory at once when the backward pass begins.
  ///
  /// Of D ranks each has 1/D of the experts with their gradients and moments, all else whole, and its sequences of the
  /// batch. To its experts come rows of all ranks, at most as many more than the mean as `load_cap` says; rows that
  /// arrived are kept for the backward pass, and copies on their way both ways are workspace.
  ///
  /// - Parameters:
  ///   - run: What is to be run.
  ///   - ranks: Processes that share it, one a device; memory is that of one of them.
  /// - Returns: Part by part.
  static func memory(_ run: RunPreparation, ranks: Int = 1) -> [Part] {
    let (recipe, c) = (run.recipe, run.base.configuration)
    let roles = recipe.train.fullRoles
    func held(_ role: Role, _ amount: Int) -> Int { role == .experts ? (amount + ranks - 1) / ranks : amount }
    let trained = run.roles.reduce(0) { $0 + held($1.role, $1.trained) }
    let frozen = run.parameters.filter { !roles.contains($0.path.role) }.reduce(0) { sum, parameter in
      sum + held(parameter.path.role, stored(parameter))
    }
    let (q, kv) = (c.attention.heads * c.attention.headDimension, c.attention.kvHeads * c.attention.headDimension)
    let layer = 3 * c.hidden + 3 * q + 3 * kv + (recipe.train.attention == .frozen ? 0 : c.hidden)
    let (sparse, dense) = (2 * c.experts + 4 * (c.shared?.intermediate ?? 0), 4 * c.denseIntermediate)
    let (sparseLayers, denseLayers) = (c.sparseLayers.count, c.layers - c.sparseLayers.count)
    let spread = Spread(run, ranks: ranks)
    let batch = spread.tokens
    let experts = spread.expertRows * (2 * c.intermediate + 6) + spread.receivedRows * c.hidden
    let kept =
      recipe.run.activationCheckpointing
      ? batch * (c.layers * (c.hidden + 5 * c.experts) + layer) + max(batch * sparse + experts, batch * dense)
      : batch * (c.layers * layer + sparseLayers * sparse + denseLayers * dense) + sparseLayers * experts
    let text = [run.data.train, run.data.validation, run.data.profile].joined().reduce(0) { $0 + $1.tokens.count }
    let logits = 4 << 20 + (c.vocabulary > 4096 ? 256 * c.vocabulary : 0)
    let workspace = 4 * (2 * spread.expertRows + spread.travellingRows) * c.hidden + 4 * logits
    let parts = [
      Part(name: "weights", bytes: frozen + 4 * trained),
      Part(name: "gradients", bytes: 4 * trained * (recipe.schedule.accumulation > 1 ? 2 : 1)),
      Part(name: "moments", bytes: 8 * trained),
      Part(name: "activations", bytes: 4 * (kept + batch * 3 * c.hidden)),
      Part(name: "workspace", bytes: workspace),
      Part(name: "program", bytes: program + 8 * text),
    ]
    return parts + teacher(run, ranks: ranks, batch: batch)
  }

  /// Bytes of the ranks on one host. Where text is profiled, rank 0 does it: before training it holds the whole model
  /// and what it records, and 64 MiB of what that leaves free stay with the process.
  ///
  /// - Parameters:
  ///   - run: What is to be run.
  ///   - ranks: Processes that share it.
  ///   - here: Those on the host.
  /// - Returns: What they need together at most.
  static func hostBytes(_ run: RunPreparation, ranks: Int, here: [Int]) -> Int {
    let each = memory(run, ranks: ranks).reduce(0) { $0 + $1.bytes }
    if ranks == 1 { return each }
    guard run.needsProfile else { return each * here.count }
    let weights = run.parameters.reduce(0) { $0 + stored($1) }
    let c = run.base.configuration
    let sets = run.data.profileDocuments.reduce(0) { $0 + $1.tokens.count } * c.topK * c.sparseLayers.count * 8
    let first = max(each + (64 << 20), weights + program) + sets
    return here.reduce(0) { $0 + ($1 == 0 ? first : each) }
  }

  private static let program = 64 << 20

  /// Bytes of a parameter that stays as stored.
  private static func stored(_ parameter: StoredParameter) -> Int {
    parameter.count * (parameter.type == .bfloat16 ? 2 : 4)
  }

  /// Rows that one rank has at once in a layer.
  private struct Spread {
    /// Of its own sequences.
    let tokens: Int
    /// For its experts, one for each token and expert.
    let expertRows: Int
    /// Arrived from other ranks or itself, one for each token; nothing in one process.
    let receivedRows: Int
    /// On their way to experts and back.
    let travellingRows: Int

    init(_ run: RunPreparation, ranks: Int) {
      let (recipe, k) = (run.recipe, run.base.configuration.topK)
      let whole = max(recipe.schedule.batchTokens, recipe.data.maxTokens)
      guard ranks > 1 else {
        (tokens, expertRows, receivedRows, travellingRows) = (whole, whole * k, 0, 0)
        return
      }
      // Sequences stay whole.
      let sequences = (whole / recipe.data.maxTokens + ranks - 1) / ranks
      tokens = min(whole, sequences * recipe.data.maxTokens)
      let uneven = min(recipe.routing.loadCap ?? 1.5, Double(ranks))
      let copies = min(k, ranks, recipe.routing.deviceLimit ?? ranks)
      expertRows = Int(Double(whole * k) / Double(ranks) * uneven)
      // A relay has the rows of its node besides.
      let levels = recipe.parallel.nodes > 1 ? 2 : 1
      receivedRows = levels * Int(Double(whole * copies) / Double(ranks) * uneven)
      travellingRows = 2 * levels * tokens * copies + receivedRows
    }
  }

  /// What the teacher of a distillation takes; nothing without one.
  private static func teacher(_ run: RunPreparation, ranks: Int, batch: Int) -> [Part] {
    let (distillation, c) = (run.recipe.loss.distillation, run.base.configuration)
    guard distillation.isOn else { return [] }
    let roles = run.recipe.train.fullRoles
    let own = run.parameters.filter { roles.contains($0.path.role) }.reduce(0) { sum, parameter in
      sum + stored(parameter) / (parameter.path.role == .experts ? ranks : 1)
    }
    let pass = 4 * batch * (2 * c.experts * c.sparseLayers.count + 4 * c.hidden)
    var logits = 0
    if distillation.logits > 0 {
      let isHalf = run.parameters.contains { $0.path.role == .embeddings && $0.type == .bfloat16 }
      logits = 12 * max(1 << 20, 64 * c.vocabulary) + (isHalf ? 4 * c.vocabulary * c.hidden : 0)
    }
    return [Part(name: "teacher", bytes: own + pass + logits)]
  }
}
