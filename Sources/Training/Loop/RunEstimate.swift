internal import Models
internal import Text

/// What a fine-tuning run will take, from sizes alone: nothing is loaded.
///
/// Memory is what lives at once when the backward pass begins, part by part:
///
///     weights       frozen ones as stored (float16 as float32), trained ones 4 B, adapters' included
///     gradients     4 B a trained parameter, twice with accumulation
///     moments       8 B a trained parameter
///     activations   4 B · batch_tokens · (Σ_blocks a + 3 H),
///                   a = 3 H + 3 q + 3 kv + f: inputs of norms, attention and experts, what they keep,
///                   q = heads · d, kv = kv_heads · d; + H where attention or its adapters train
///                   f = 2 E + k (2 I + 6) + 4 I_shared in a sparse block, 4 I_dense in a dense one;
///                   with checkpointing H + 5 E a block, and the largest a once
///     workspace     one layer's expert rows, 2 · 4 B · batch_tokens · k · H, a chunk of logits, 16 MiB, and 256 rows of
///                   them where there are more than 4096 classes
///     teacher       for distillation: what trains fully once more, as stored; its router logits and last hidden states
///                   4 B · batch_tokens · (2 E · sparse blocks + 4 H); for predictions three chunks of logits, of 2²⁰ or of 64
///                   rows; a projection stored in half precision once more in float32
///     program       code, tokenizer and data: 64 MiB, 8 B a token of text
///
/// Compared with the peak of nine runs of the quickstart's model (batches of 2048 to 8192 tokens; experts full, frozen
/// and adapted; everything trained; accumulation; checkpointing) it is 3 to 10 % too high; with a teacher, in one run,
/// 14 %. On several ranks each has its part of the experts and of the tokens, see ``memory(_:ranks:)``.
///
/// The time is of arithmetic: 2 flops a weight and token forward, as many for gradients of inputs, as many again for
/// those of trained weights, thrice the adapters' own, a teacher's forward pass and two products with the head more for
/// its predictions, over the rate of a short measurement of products of the experts'
/// size. Validation and the profile count forward. Activation checkpointing adds a forward pass of all but the head.
public struct RunEstimate: Sendable, Equatable, Encodable {
  /// One part of something, in bytes.
  public struct Part: Sendable, Equatable, Encodable {
    /// What takes them.
    public let name: String
    /// How many.
    public let bytes: Int
  }

  /// Bytes between devices in one step: two exchanges forward and two backward in every layer.
  ///
  ///     4 · layers · tokens · remote_copies · H · bytes per element
  public struct Wire: Sendable, Equatable, Encodable {
    /// Where C_T comes from.
    public let basis: String
    /// C_T.
    public let devicesPerToken: Double
    /// C_T · (D − 1) / D.
    public let remoteCopies: Double
    /// k · (D − 1) / D.
    public let naiveRemoteCopies: Double
    /// With one copy a device.
    public let bytesPerStep: Double
    /// With one copy an expert.
    public let naiveBytesPerStep: Double
  }

  /// Optimizer steps.
  public let steps: Int
  /// Tokens of a step, mean over the run.
  public let tokensPerStep: Double
  /// Tokens of the whole run.
  public let tokens: Int
  /// What lives in memory at once, in one process.
  public let memory: [Part]
  /// D
  public let devices: Int
  /// Bytes of each rank, where every device is one.
  public let rankMemoryBytes: Int
  /// Between devices.
  public let wire: Wire
  /// Floating-point operations of the whole run, validation and profile included.
  public let operations: Double

  /// Bytes of all parts of memory together.
  public var memoryBytes: Int { memory.reduce(0) { $0 + $1.bytes } }

  /// Time of the whole run.
  ///
  /// - Parameter operationsPerSecond: Rate of bare products on this machine.
  /// - Returns: Seconds, at ``ProductRate/efficiency`` of that rate.
  public func seconds(operationsPerSecond: Double) -> Double {
    operations / (operationsPerSecond * ProductRate.efficiency)
  }

  /// Estimates a run.
  ///
  /// - Parameters:
  ///   - run: What is to be run.
  ///   - devicesPerToken: C_T.
  ///   - basis: Where it comes from.
  public init(_ run: RunPreparation, devicesPerToken: Double, basis: String) {
    let (recipe, c) = (run.recipe, run.base.configuration)
    let batcher = FineTuning.batcher(recipe, run.data)
    devices = recipe.routing.devices
    steps = FineTuning.stepCount(recipe, batcher)
    tokens = batcher.tokenCount(steps: FineTuning.microBatchCount(recipe, batcher))
    tokensPerStep = Double(tokens) / Double(max(steps, 1))
    memory = Self.memory(run)
    rankMemoryBytes = Self.memory(run, ranks: recipe.routing.devices).reduce(0) { $0 + $1.bytes }
    operations = Self.operations(run, steps: steps, tokens: tokens)
    let away = Double(recipe.routing.devices - 1) / Double(recipe.routing.devices)
    let bytes = 4 * Double(c.sparseLayers.count) * tokensPerStep * Double(c.hidden) * 4
    wire = Wire(
      basis: basis, devicesPerToken: devicesPerToken, remoteCopies: devicesPerToken * away,
      naiveRemoteCopies: Double(c.topK) * away, bytesPerStep: bytes * devicesPerToken * away,
      naiveBytesPerStep: bytes * Double(c.topK) * away)
  }

  private static func operations(_ run: RunPreparation, steps: Int, tokens: Int) -> Double {
    let (recipe, c) = (run.recipe, run.base.configuration)
    let documents = run.data.train
    let count = documents.reduce(0) { $0 + $1.tokens.count }
    let losses = documents.reduce(0) { $0 + $1.lossTokens }
    let length = Double(count) / Double(max(documents.count, 1))
    let (q, kv) = (c.attention.heads * c.attention.headDimension, c.attention.kvHeads * c.attention.headDimension)
    let (layers, sparse) = (Double(c.layers), Double(c.sparseLayers.count))
    let dense = (layers - sparse) * Double(c.denseIntermediate) + sparse * Double(c.shared?.intermediate ?? 0)
    let forward: [Role: Double] = [
      .attention: layers * (Double(4 * c.hidden * (q + kv)) + 2 * Double(q) * length),
      .router: sparse * Double(2 * c.hidden * c.experts),
      .experts: sparse * Double(6 * c.topK * c.intermediate * c.hidden),
      .sharedExperts: 6 * dense * Double(c.hidden),
      .embeddings: Double(2 * c.vocabulary * c.hidden) * Double(losses) / Double(max(count, 1)),
    ]
    let all = forward.values.reduce(0, +)
    let trained = recipe.train.fullRoles.reduce(0) { $0 + forward[$1, default: 0] }
    // Every adapter's parameter meets every token, or of experts those that use it.
    let adapters = run.roles.filter { recipe.train.adaptedRoles[$0.role] != nil }.reduce(0.0) { sum, role in
      sum + 2 * Double(role.trained) * (role.role == .experts ? Double(c.topK) / Double(c.experts) : 1)
    }
    let evaluations = 1 + (recipe.run.evaluateEvery.map { steps / $0 + 1 } ?? 0)
    let validation = run.data.validation.reduce(0) { $0 + $1.tokens.count }
    let profiled = run.needsProfile ? run.data.profileDocuments.reduce(0) { $0 + $1.tokens.count } : 0
    let withoutHead = all - forward[.embeddings, default: 0]
    let again = recipe.run.activationCheckpointing ? withoutHead : 0
    let distillation = recipe.loss.distillation
    let head = forward[.embeddings, default: 0]
    let teacher = (distillation.isOn ? withoutHead : 0) + (distillation.logits > 0 ? 3 * head : 0)
    return Double(tokens) * (2 * all + trained + 3 * adapters + again + teacher)
      + Double(evaluations * validation) * (all + adapters) + Double(profiled) * withoutHead
  }
}
