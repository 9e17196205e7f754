/// How the parameters of the module tree are named and cut in a hub folder.
///
/// A parameter is named as transformers 5 keeps it in memory, experts stacked per layer. In a folder it may lie in one
/// of several ways; each is a list of pieces whose elements, one after the other, are the parameter's. With E experts
/// of width I and hidden size H, for layer L:
///
/// | parameter | one by one, as on the hub | fused, as transformers 5 | stacked by projection, as mlx-lm |
/// |---|---|---|---|
/// | `mlp.experts.gate_up_proj` [E, 2I, H] | `mlp.experts.e.gate_proj.weight`, `….up_proj.weight` [I, H] | itself |
/// `mlp.switch_mlp.{gate,up}_proj.weight` [E, I, H] |
/// | `mlp.experts.down_proj` [E, H, I] | `mlp.experts.e.down_proj.weight` [H, I] | itself |
/// `mlp.switch_mlp.down_proj.weight` [E, H, I] |
///
/// Mixtral says `block_sparse_moe` for `mlp` on the hub and in mlx-lm, the router included, and on the hub `w1`, `w3`,
/// `w2` for the gate, up and down projection. Every other parameter has its own name everywhere.
struct HubNames: Sendable {
  /// `model_type` of the configuration.
  let modelType: String

  /// One tensor, or one entry of its first axis.
  struct Piece: Equatable, Sendable {
    /// Name in the folder.
    let tensor: String
    /// Shape of the whole tensor.
    let shape: [Int]
    /// Which entry of the first axis; nil for all of it.
    var entry: Int?

    /// Number of elements.
    var count: Int { (entry == nil ? shape[...] : shape.dropFirst()).reduce(1, *) }
  }

  /// The ways in which a parameter of this name and shape may lie in a folder: the hub's first, then transformers 5's,
  /// then mlx-lm's.
  func alternatives(_ parameter: String, shape: [Int]) -> [[Piece]] {
    let itself = [Piece(tensor: parameter, shape: shape)]
    if let stack = ExpertNames(parameter), shape.count == 3 {
      let block = hubBlock(stack.block)
      let names = stack.projections.map { isMixtral ? Self.mixtral[$0, default: $0] : $0 }
      let part = [shape[1] / stack.projections.count, shape[2]]
      let experts = 0..<shape[0]
      return [
        experts.flatMap { expert in
          names.map { Piece(tensor: "\(block).experts.\(expert).\($0).weight", shape: part) }
        },
        itself,
        experts.flatMap { expert in
          stack.projections.map {
            Piece(tensor: "\(block).switch_mlp.\($0).weight", shape: [shape[0]] + part, entry: expert)
          }
        },
      ]
    }
    if isMixtral, parameter.hasSuffix(".mlp.gate.weight") {
      let name = hubBlock(String(parameter.dropLast(".gate.weight".count))) + ".gate.weight"
      return [[Piece(tensor: name, shape: shape)], itself]
    }
    return [itself]
  }

  /// The pieces that a parameter is written as.
  func written(_ parameter: String, shape: [Int], layout: HuggingFaceLayout) -> [Piece] {
    let ways = alternatives(parameter, shape: shape)
    return layout == .perExpert || ways.count == 1 ? ways[0] : ways[1]
  }

  /// The pieces that a parameter lies in: the first way of which every tensor is there, else the one that comes
  /// nearest.
  func found(_ parameter: String, shape: [Int], isPresent: (String) -> Bool) -> [Piece] {
    let ways = alternatives(parameter, shape: shape)
    if let whole = ways.first(where: { $0.allSatisfy { isPresent($0.tensor) } }) { return whole }
    var (best, most) = (ways[0], -1)
    for way in ways {
      let present = way.count { isPresent($0.tensor) }
      if present > most { (best, most) = (way, present) }
    }
    return best
  }

  /// Whether a tensor is left out on purpose: tables that follow from the configuration, which older folders have.
  static func isDerived(_ tensor: String) -> Bool { tensor.hasSuffix(".rotary_emb.inv_freq") }

  private var isMixtral: Bool { modelType == "mixtral" }
  private static let mixtral = ["gate_proj": "w1", "up_proj": "w3", "down_proj": "w2"]

  /// `model.layers.3.mlp`, or what the hub says for it.
  private func hubBlock(_ block: String) -> String {
    isMixtral && block.hasSuffix(".mlp") ? block.dropLast("mlp".count) + "block_sparse_moe" : block
  }
}

/// A stacked expert parameter's name, taken apart.
struct ExpertNames {
  /// `model.layers.3.mlp`
  let block: String
  /// Projections that are joined along the rows, in order.
  let projections: [String]

  /// nil for a parameter that is no expert stack.
  init?(_ name: String) {
    for (suffix, projections) in [
      (".experts.gate_up_proj", ["gate_proj", "up_proj"]), (".experts.down_proj", ["down_proj"]),
    ] where name.hasSuffix(suffix) {
      (block, self.projections) = (String(name.dropLast(suffix.count)), projections)
      return
    }
    return nil
  }
}
