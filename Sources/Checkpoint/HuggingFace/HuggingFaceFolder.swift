internal import Foundation
internal import Models

/// A folder in the hub's layout: `config.json`, safetensors in one file or several, a tokenizer and small files.
///
/// Experts may lie one by one (`experts.7.gate_proj.weight`), as on the hub, or stacked (`experts.gate_up_proj`), as
/// transformers 5 keeps them in memory; a mixture is fine. They come out stacked.
struct HuggingFaceFolder: TensorSource {
  let path: String
  let configuration: ModelConfiguration
  let tokenizerJSON: String?
  let companions: [String: String]
  /// What `convert --with-code` wrote into the configuration; nil for every other folder.
  let routing: RoutingSettings?
  private let tensors: SafetensorsReader

  init(opening path: String) throws {
    self.path = path
    func text(_ name: String) throws(FileError) -> String? {
      let file = (path as NSString).appendingPathComponent(name)
      guard FileManager.default.fileExists(atPath: file) else { return nil }
      return try TextFile.read(file)
    }
    guard let config = try text("config.json") else {
      throw FileError.missing(path: path, item: "config.json", nearest: nil)
    }
    let file = (path as NSString).appendingPathComponent("config.json")
    let parts = try ModelCode.parts(config, file: file)
    let configuration = try ModelFamily.configuration(json: parts.configuration, file: file)
    self.configuration = configuration
    routing = try parts.routing.map { try RoutingSettings($0, configuration, file: file) }
    tokenizerJSON = try text("tokenizer.json")
    var companions: [String: String] = [:]
    for name in ModelFiles.companionNames { companions[name] = try text(name) }
    self.companions = companions
    tensors = try SafetensorsReader(path)
  }

  func type(of name: String, shape: [Int]) throws(FileError) -> ElementType {
    let parts = try parts(name, shape)
    var found: ElementType?
    for part in parts {
      guard let info = tensors.info(part.name) else { _ = try tensors.tensor(named: part.name); break }
      guard info.shape == part.shape else {
        throw .shape(path: path, item: part.name, expected: part.shape, found: info.shape)
      }
      let type = try tensors.tensor(named: part.name).type
      if let found, found != type {
        throw .type(
          path: path, item: part.name, expected: "\(found) as the layer's other experts", found: type.description)
      }
      found = type
    }
    guard let found else { throw .missing(path: path, item: name, nearest: nil) }
    return found
  }

  func read(_ name: String, shape: [Int], into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
    var offset = 0
    for part in try parts(name, shape) {
      let bytes = try tensors.tensor(named: part.name).bytes
      guard offset + bytes.count <= buffer.count else {
        throw .shape(path: path, item: part.name, expected: part.shape, found: tensors.info(part.name)?.shape ?? [])
      }
      UnsafeMutableRawBufferPointer(rebasing: buffer[offset..<offset + bytes.count]).copyMemory(from: bytes)
      offset += bytes.count
    }
  }

  func unexpected(besides names: [String]) throws(FileError) -> [String] {
    var known = Set(names)
    for name in names where ExpertNames(name) != nil && tensors.info(name) == nil {
      known.formUnion(ExpertNames(name)?.perExpert(configuration.experts) ?? [])
    }
    return tensors.names.filter { !known.contains($0) }
  }

  /// The tensors in the files that make up a parameter, in the order of its elements.
  private func parts(_ name: String, _ shape: [Int]) throws(FileError) -> [(name: String, shape: [Int])] {
    guard let experts = ExpertNames(name), tensors.info(name) == nil else { return [(name, shape)] }
    return experts.perExpert(shape[0]).map { ($0, [shape[1] / experts.projections.count, shape[2]]) }
  }
}

/// Names of a stacked expert parameter's parts on the hub.
struct ExpertNames {
  /// `model.layers.3.mlp.experts`
  let prefix: String
  /// Projections that are joined along the rows, in order.
  let projections: [String]

  /// nil for a parameter that is no expert stack.
  init?(_ name: String) {
    guard let dot = name.lastIndex(of: ".") else { return nil }
    prefix = String(name[..<dot])
    guard prefix.hasSuffix(".experts") else { return nil }
    switch name[name.index(after: dot)...] {
    case "gate_up_proj": projections = ["gate_proj", "up_proj"]
    case "down_proj": projections = ["down_proj"]
    default: return nil
    }
  }

  /// `prefix.0.gate_proj.weight`, `prefix.0.up_proj.weight`, `prefix.1.…`, …
  func perExpert(_ experts: Int) -> [String] {
    (0..<experts).flatMap { expert in projections.map { "\(prefix).\(expert).\($0).weight" } }
  }
}
