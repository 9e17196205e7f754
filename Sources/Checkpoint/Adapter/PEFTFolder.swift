internal import Foundation
internal import Models
internal import Tensors

/// A folder that PEFT wrote: LoRA factors over a model whose parameters are known.
///
/// PEFT may adapt part of a role, such as queries and values alone; the rest of the role then gets factors of zeros, which
/// changes nothing. Rank and alpha have to be the same within a role. Every tensor is accounted for.
struct PEFTFolder {
  let settings: AdapterSettings
  private let tensors: SafetensorsReader
  private let items: [String: PEFTAdapter.Item]

  /// Keys that change what the factors mean, or add to them; anything but nothing is refused.
  private static let refused = [
    "alora_invocation_tokens", "layer_replication", "lora_bias", "modules_to_save", "trainable_token_indices",
    "use_dora",
    "use_rslora",
  ]

  /// Reads the configuration and the names of the tensors.
  ///
  /// - Parameters:
  ///   - folder: With `adapter_config.json` and `adapter_model.safetensors`.
  ///   - parameters: Of the base model.
  /// - Throws: ``FileError``.
  init(opening folder: String, over parameters: [StoredParameter]) throws(FileError) {
    try FolderManifest(in: folder)?.verify(folder)
    let file = { (name: String) in (folder as NSString).appendingPathComponent(name) }
    let config = try Self.configuration(file("adapter_config.json"))
    tensors = try SafetensorsReader(file("adapter_model.safetensors"))
    // Names do not depend on ranks: every role that could be adapted, with rank 1.
    let probe = AdapterSettings(
      roles: Dictionary(
        uniqueKeysWithValues: [Role.attention, .experts, .router, .sharedExperts].map { ($0, .init(rank: 1, alpha: 1)) }
      ))
    var known: [String: PEFTAdapter.Item] = [:]
    for item in PEFTAdapter(settings: probe, parameters: parameters).items { known[item.name] = item }
    var roles: [Role: AdapterSettings.LowRank] = [:]
    for name in tensors.names {
      guard let item = known[name], let shape = tensors.info(name)?.shape else {
        throw .invalid(
          path: tensors.path, item: name, expected: "only factors of matrices and expert stacks of the base model",
          found: "this tensor besides")
      }
      let partner = name.replacing(item.isB ? ".lora_B." : ".lora_A.", with: item.isB ? ".lora_A." : ".lora_B.")
      guard tensors.info(partner) != nil else { throw .missing(path: tensors.path, item: partner, nearest: nil) }
      let rank = (shape.count == 2 ? shape[item.isB ? 1 : 0] : 0) / (item.experts?.count ?? 1)
      let size = AdapterSettings.LowRank(rank: max(1, rank), alpha: try config.alpha(of: item.targets))
      if let other = roles[item.path.role], other != size {
        throw .unsupported(
          path: folder, item: name, expected: "one rank and alpha for all of \(item.path.role.rawValue)",
          found: "rank \(size.rank), alpha \(size.alpha) besides rank \(other.rank), alpha \(other.alpha)")
      }
      roles[item.path.role] = size
    }
    settings = AdapterSettings(roles: roles)
    var items: [String: PEFTAdapter.Item] = [:]
    for item in PEFTAdapter(settings: settings, parameters: parameters).items {
      items[item.path.name] = item
      if let found = tensors.info(item.name)?.shape, found != item.shape {
        throw .shape(path: tensors.path, item: item.name, expected: item.shape, found: found)
      }
    }
    self.items = items
  }

  /// A or B as ours, in float32; zeros where PEFT adapted another part of the role.
  func factor(_ path: ParameterPath, _ shape: [Int]) throws(FileError) -> Tensor {
    guard let item = items[path.name] else { preconditionFailure("PEFTFolder: \(path) is no factor of these settings") }
    guard tensors.info(item.name) != nil else { return Tensor.zeros(shape) }
    let array = try tensors.tensor(named: item.name)
    let stored: Tensor
    switch array.type {
    case .float16: stored = Tensor(halves: array.bytes, shape: item.shape)
    case .float32, .bfloat16:
      stored = Tensor.read(item.shape, dtype: array.type == .float32 ? .float32 : .bfloat16) { (target) throws(Never) in
        target.copyMemory(from: array.bytes)
      }.stored(as: .float32)
    default:
      throw .type(
        path: tensors.path, item: item.name, expected: "float32, bfloat16 or float16", found: array.type.description)
    }
    guard stored.isFinite else {
      throw .invalid(path: tensors.path, item: item.name, expected: "finite numbers", found: "NaN or infinity")
    }
    return PEFTAdapter.ours(stored, item)
  }

  /// What of `adapter_config.json` decides the scale.
  private struct Configuration {
    let path: String
    let alpha: Double
    let patterns: [(key: String, alpha: Double)]

    /// The alpha of a module such as `model.layers.0.self_attn.q_proj`, or of its parameter: that of the first pattern which
    /// is an end of its name.
    func alpha(of targets: [String]) throws(FileError) -> Double {
      for (key, alpha) in patterns {
        guard key.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" || $0 == "." }) else {
          throw .unsupported(
            path: path, item: "alpha_pattern", expected: "ends of names, not expressions", found: "'\(key)'")
        }
        if targets.contains(where: { $0 == key || $0.hasSuffix("." + key) }) { return alpha }
      }
      return alpha
    }
  }

  private static func isAlpha(_ value: Double) -> Bool { value > 0 && value <= AdapterSettings.LowRank.mostAlpha }

  private static func configuration(_ path: String) throws(FileError) -> Configuration {
    let text = try TextFile.read(path)
    let json: StrictJSON
    do throws(StrictJSON.Failure) {
      json = try Array(text.utf8).withUnsafeBufferPointer { (bytes) throws(StrictJSON.Failure) in
        try StrictJSON(UnsafeRawBufferPointer(bytes))
      }
    } catch {
      throw .invalid(path: path, item: nil, expected: error.expected, found: "\(error.found) at byte \(error.offset)")
    }
    guard json["peft_type"] == .string("LORA") else {
      throw .unsupported(
        path: path, item: "peft_type", expected: "LORA", found: json["peft_type"].map { "\($0)" } ?? "nothing")
    }
    for key in refused {
      switch json[key] {
      case nil, .null, .bool(false), .array([]): continue
      case let value?: throw .unsupported(path: path, item: key, expected: "nothing", found: "\(value)")
      }
    }
    if let bias = json["bias"], bias != .string("none") {
      throw .unsupported(path: path, item: "bias", expected: "none", found: "\(bias)")
    }
    guard let alpha = json["lora_alpha"]?.number, isAlpha(alpha) else {
      throw .invalid(
        path: path, item: "lora_alpha",
        expected: "a number above 0 and at most \(AdapterSettings.LowRank.mostAlpha)",
        found: json["lora_alpha"]?.number.map { "\($0)" } ?? "none")
    }
    var patterns: [(String, Double)] = []
    if case .object(let members)? = json["alpha_pattern"] {
      for (key, value) in members {
        guard let alpha = value.number, isAlpha(alpha) else {
          throw .invalid(path: path, item: "alpha_pattern \(key)", expected: "a number above 0", found: "\(value)")
        }
        patterns.append((key, alpha))
      }
    }
    return Configuration(path: path, alpha: alpha, patterns: patterns)
  }
}

extension StrictJSON {
  /// A number of either kind.
  fileprivate var number: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .real(let value): value
    default: nil
    }
  }
}
