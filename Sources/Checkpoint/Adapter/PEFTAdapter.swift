internal import Formats
internal import Models
internal import Tensors

/// Adapters in the layout of Hugging Face's PEFT: what its tensors are called, how they lie, and the configuration
/// beside.
///
/// PEFT adapts modules by `target_modules`, and parameters of modules, as routers and stacked experts are in
/// transformers 5, by `target_parameters`. Of two parameters of one module the second wraps the first: factors of
/// `down_proj` are named after the stack, those of `gate_up_proj` after its `base_layer`. All experts of a stack share
/// one pair of matrices:
///
///     lora_A [E · r, in],  row e · r + j is A_e[j]        lora_B [out, r · E],  column j · E + e is B_e[:, j]
///
/// An expert without an adapter of ours has zeros there. Projections of shared experts and dense layers are written as
/// parameters too: PEFT takes a module called `gate_proj` for one of the experts that transformers 5 has stacked, and
/// would rewrite what is asked for.
/// - Source: peft 0.21, `tuners/lora/layer.py`, `ParamWrapper`.
struct PEFTAdapter {
  let settings: AdapterSettings
  let parameters: [StoredParameter]

  /// One tensor of `adapter_model.safetensors`: a factor of ours, under PEFT's name and shape.
  struct Item {
    let name: String
    let shape: [Int]
    /// The factor of ours.
    let path: ParameterPath
    let ownShape: [Int]
    let isB: Bool
    /// Stacked: the number of experts, and which of them are adapted.
    let experts: (count: Int, adapted: [Int])?
  }

  /// Every tensor, in the order of the module tree.
  var items: [Item] {
    parameters.flatMap { parameter -> [Item] in
      guard let factors = settings.factors(of: parameter.path, shape: parameter.shape) else { return [] }
      let isStack = parameter.shape.count == 3
      let layer = parameter.path.parent.name
      let experts =
        isStack ? (parameter.shape[0], settings.experts(of: layer, count: parameter.shape[0])) : nil
      let module = isStack && parameter.path.name.hasSuffix(".gate_up_proj") ? layer + ".base_layer" : layer
      return [(factors.a, false), (factors.b, true)].map { factor, isB in
        let own = factor.shape
        var shape = own
        if isStack { shape = isB ? [own[1], own[2] * parameter.shape[0]] : [own[1] * parameter.shape[0], own[2]] }
        return Item(
          name: "base_model.model.\(module).lora_\(isB ? "B" : "A").weight", shape: shape, path: factor.path,
          ownShape: own, isB: isB, experts: experts)
      }
    }
  }

  /// A factor as PEFT has it.
  static func arranged(_ factor: Tensor, _ item: Item) -> Tensor {
    if item.experts == nil { return factor }
    return factor.withElements { source in
      Tensor.filled(item.shape) { target in
        target.update(repeating: 0)
        item.forEachElement { own, place in target[place] = source[own] }
      }
    }
  }

  /// Names that PEFT takes for projections of single experts.
  private static let namesOfExperts = ["gate_proj", "up_proj", "down_proj"]

  /// Text of `adapter_config.json`.
  ///
  /// Rank and alpha of one role are the common ones, all others' go by pattern. Roles that are adapted as parameters
  /// come first: PEFT applies patterns to them as well, but warns that they match no module.
  ///
  /// - Parameter baseModel: What PEFT calls the model; nil for nothing.
  /// - Returns: JSON, one key a line.
  func configuration(baseModel: String?) -> String {
    var (modules, parameterTargets): ([String], [String]) = ([], [])
    var sizes: [(target: String, role: Role)] = []
    for parameter in parameters where settings.factors(of: parameter.path, shape: parameter.shape) != nil {
      let isParameter =
        parameter.shape.count == 3 || parameter.path.role == .router
        || Self.namesOfExperts.contains { parameter.path.parent.name.hasSuffix("." + $0) }
      let name = Self.withoutLayer(isParameter ? parameter.path.name : parameter.path.parent.name)
      if sizes.contains(where: { $0.target == name }) { continue }
      sizes.append((name, parameter.path.role))
      if isParameter { parameterTargets.append(name) } else { modules.append(name) }
    }
    let order: [Role] = [.experts, .router] + Role.allCases
    let common = order.first { settings.roles[$0] != nil }.flatMap { settings.roles[$0] } ?? .init(rank: 1, alpha: 1)
    func pattern(_ value: (AdapterSettings.LowRank) -> Double) -> String {
      let entries = sizes.compactMap { target, role -> String? in
        guard let size = settings.roles[role], value(size) != value(common) else { return nil }
        return "\(JSONValue.quoted(target)): \(Self.number(value(size)))"
      }
      return "{" + entries.joined(separator: ", ") + "}"
    }
    func list(_ names: [String]) -> String { "[" + names.map(JSONValue.quoted).joined(separator: ", ") + "]" }
    let members = [
      ("alpha_pattern", pattern { $0.alpha }), ("base_model_name_or_path", baseModel.map(JSONValue.quoted) ?? "null"),
      ("bias", "\"none\""), ("fan_in_fan_out", "false"), ("inference_mode", "true"), ("init_lora_weights", "true"),
      ("lora_alpha", Self.number(common.alpha)), ("lora_dropout", "0.0"), ("peft_type", "\"LORA\""),
      // Since 0.19 factors of experts lie as they are written here.
      ("peft_version", "\"0.21.2\""), ("r", "\(common.rank)"),
      ("rank_pattern", pattern { Double($0.rank) }), ("target_modules", list(modules)),
      ("target_parameters", parameterTargets.isEmpty ? "null" : list(parameterTargets)),
      ("task_type", "\"CAUSAL_LM\""), ("use_dora", "false"), ("use_rslora", "false"),
    ]
    return "{\n" + members.map { "  \(JSONValue.quoted($0)): \($1)" }.joined(separator: ",\n") + "\n}\n"
  }

  /// Whole numbers without a point.
  private static func number(_ value: Double) -> String {
    Int(exactly: value).map(String.init) ?? "\(value)"
  }

  /// `model.layers.3.self_attn.q_proj` → `self_attn.q_proj`: PEFT compares ends of names, and a role is adapted in
  /// every layer that has it.
  private static func withoutLayer(_ name: String) -> String {
    name.replacing(/^model\.layers\.[0-9]+\./, with: "")
  }
}

extension PEFTAdapter.Item {
  /// Places of every element of a stacked factor: in ours, and in PEFT's.
  fileprivate func forEachElement(_ body: (_ own: Int, _ place: Int) -> Void) {
    guard let (count, adapted) = experts else { return }
    // A: rows are r, columns the input. B: rows are the output, columns r.
    let (rows, columns) = (ownShape[1], ownShape[2])
    for (index, expert) in adapted.enumerated() {
      for row in 0..<rows {
        for column in 0..<columns {
          body(
            (index * rows + row) * columns + column,
            isB ? (row * columns + column) * count + expert : (expert * rows + row) * columns + column)
        }
      }
    }
  }
}
