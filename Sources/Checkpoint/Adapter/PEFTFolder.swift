internal import Files
internal import Foundation
internal import Models
internal import Tensors

/// A folder that PEFT wrote: LoRA factors over a model whose parameters are known.
///
/// PEFT may adapt part of a role, such as queries and values alone; the rest of the role then gets factors of zeros,
/// which changes nothing. Our ranks and scales are those of a role: smaller ranks are filled up with zeros, and where a
/// pair has another scale than the role's, B takes the ratio. Every tensor is accounted for.
struct PEFTFolder {
  let settings: AdapterSettings
  private let tensors: SafetensorsReader
  /// By what our factors are named under.
  private let parts: [String: [PEFTPart]]

  /// Reads the configuration and the names of the tensors.
  ///
  /// - Parameters:
  ///   - folder: With `adapter_config.json` and `adapter_model.safetensors`.
  ///   - parameters: Of the base model.
  ///   - modelType: The base model's family.
  /// - Throws: ``FileError``.
  init(opening folder: String, over parameters: [StoredParameter], modelType: String) throws(FileError) {
    let file = { (name: String) in (folder as NSString).appendingPathComponent(name) }
    let config = try PEFTConfiguration(file("adapter_config.json"))
    let weights = file("adapter_model.safetensors")
    let files = FileManager.default
    if !files.fileExists(atPath: weights), files.fileExists(atPath: file("adapter_model.bin")) {
      throw .foreign(
        path: folder, expected: "adapter_model.safetensors",
        found: "adapter_model.bin, which is not read (PEFT's save_pretrained writes the former)")
    }
    let tensors = try SafetensorsReader(weights)
    let modules = try Self.modules(tensors)
    let places = try PEFTPlaces(
      modules, tensors, config, in: PEFTModules(parameters, modelType: modelType))
    var parts: [String: [PEFTPart]] = [:]
    var roles: [String: Role] = [:]
    for module in modules {
      let (target, layout) = try places.place(module)
      let size = config.size(
        module: layout.isStack ? target.parameter.path.parent.name : module,
        parameter: layout.isStack ? target.lastName : "weight", isStacked: layout.isStack)
      let part = PEFTPart(module: module, layout: layout, size: size)
      for (name, isB) in [(part.nameA, false), (part.nameB, true)] {
        guard let found = tensors.info(name)?.shape else {
          throw .missing(path: tensors.path, item: name, nearest: nil)
        }
        let expected = part.shape(isB: isB, of: target.parameter.shape)
        guard found == expected else {
          throw .shape(path: tensors.path, item: name, expected: expected, found: found)
        }
      }
      try Self.add(part, to: &parts[target.host, default: []], tensors.path)
      roles[target.host] = target.parameter.path.role
    }
    settings = Self.settings(parts, roles)
    for (role, size) in settings.roles
    where !AdapterGroup.ranks.contains(size.rank) || size.alpha > AdapterSettings.LowRank.mostAlpha {
      throw .unsupported(
        path: folder, item: role.rawValue,
        expected: "a rank in \(AdapterGroup.ranks) and an alpha of at most \(AdapterSettings.LowRank.mostAlpha) of its "
          + "factors together", found: "rank \(size.rank), alpha \(size.alpha)")
    }
    (self.tensors, self.parts) = (tensors, parts)
  }

  /// Modules that have factors, in the order of their names.
  private static func modules(_ tensors: SafetensorsReader) throws(FileError) -> [String] {
    var modules: Set<String> = []
    for name in tensors.names {
      guard let module = PEFTPart.module(of: name) else { throw stranger(name, tensors.path) }
      modules.insert(module)
    }
    return modules.sorted()
  }

  static func stranger(_ name: String, _ path: String) -> FileError {
    .invalid(
      path: path, item: name, expected: "only factors of matrices and expert stacks of the base model",
      found: "this tensor besides")
  }

  /// Adds a pair of factors to those of the same parameter: projections of an expert are ranked one after the other.
  private static func add(_ part: PEFTPart, to parts: inout [PEFTPart], _ path: String) throws(FileError) {
    var part = part
    for other in parts {
      guard case .projection(let expert, let rows) = part.layout, case .projection(let its, let its2) = other.layout,
        expert != its || rows != its2
      else {
        throw .invalid(
          path: path, item: part.nameA, expected: "one pair of factors for each parameter",
          found: "another for the same, \(other.nameA)")
      }
      if expert == its { part.offset += other.size.rank }
    }
    parts.append(part)
  }

  /// Rank and α of each role: the largest rank, and the scale of its first pair.
  private static func settings(_ parts: [String: [PEFTPart]], _ roles: [String: Role]) -> AdapterSettings {
    var sizes: [Role: AdapterSettings.LowRank] = [:]
    for role in Role.allCases {
      let own = parts.filter { roles[$0.key] == role }.sorted { $0.key < $1.key }.flatMap(\.value)
      guard let first = own.first else { continue }
      let rank = own.reduce(0) { max($0, $1.offset + $1.size.rank) }
      let isPlain = first.size.rank == rank && !first.size.isRankStabilized
      sizes[role] = .init(rank: rank, alpha: isPlain ? first.size.alpha : first.size.scale * Double(rank))
    }
    return AdapterSettings(roles: sizes)
  }

  /// A or B as ours, in float32; zeros where PEFT adapted another part of the role.
  func factor(_ path: ParameterPath, _ shape: [Int]) throws(FileError) -> Tensor {
    guard let size = settings.roles[path.role] else {
      preconditionFailure("PEFTFolder: \(path) is no factor of these settings")
    }
    let isB = path.name.hasSuffix(".lora_B")
    var pieces: [(part: PEFTPart, tensor: Tensor)] = []
    for part in parts[path.parent.name] ?? [] { pieces.append((part, try stored(part.tensor(isB: isB)))) }
    return Tensor.filled(shape) { target in
      target.update(repeating: 0)
      for (part, tensor) in pieces {
        // Ranks that differ have the same scale in most folders: 1 but for rounding is 1.
        let ratio = part.size.scale / (size.alpha / Double(size.rank))
        let factor = abs(ratio - 1) < 1e-12 ? 1 : Float(ratio)
        tensor.withElements { part.copy($0, isB: isB, shape: shape, factor: factor, to: target) }
      }
    }
  }

  /// A tensor of the file in float32.
  private func stored(_ name: String) throws(FileError) -> Tensor {
    let array = try tensors.tensor(named: name)
    let stored: Tensor
    switch array.type {
    case .float16: stored = Tensor(halves: array.bytes, shape: array.shape)
    case .float32, .bfloat16:
      let read = Tensor.read(array.shape, dtype: array.type == .float32 ? .float32 : .bfloat16) {
        (target) throws(Never) in target.copyMemory(from: array.bytes)
      }
      stored = read.stored(as: .float32)
    case .float64:
      stored = Tensor.filled(array.shape) { target in
        for index in target.indices {
          target[index] = Float(array.bytes.loadUnaligned(fromByteOffset: 8 * index, as: Double.self))
        }
      }
    default:
      throw .type(
        path: tensors.path, item: name, expected: "float32, float64, bfloat16 or float16",
        found: array.type.description)
    }
    guard stored.isFinite else {
      throw .invalid(path: tensors.path, item: name, expected: "finite numbers", found: "NaN or infinity")
    }
    return stored
  }
}
