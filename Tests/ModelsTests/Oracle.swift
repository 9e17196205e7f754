import Checkpoint
import Foundation
import Models
import Tensors
import Testing

/// A folder of `Oracles/`: a model in hub layout and what transformers computes for it in float64.
struct Oracle {
  let folder: String
  let file: HDF5Reader

  init(_ name: String, file: String = "oracle.h5") throws {
    folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Oracles/" + name
    self.file = try HDF5Reader(folder + "/" + file)
  }

  func model() throws -> LanguageModel { try ModelFiles(opening: folder).model() }

  func floats(_ dataset: String) throws -> [Double] {
    let (info, bytes) = try file.bytes(dataset)
    return bytes.withUnsafeBytes { raw in
      switch info.type {
      case .element(.float32): raw.bindMemory(to: Float.self).map(Double.init)
      case .element(.float64): Array(raw.bindMemory(to: Double.self))
      default: []
      }
    }
  }

  func integers(_ dataset: String) throws -> [Int32] {
    let (info, bytes) = try file.bytes(dataset)
    return bytes.withUnsafeBytes { raw in
      switch info.type {
      case .element(.int32): Array(raw.bindMemory(to: Int32.self))
      case .element(.int64): raw.bindMemory(to: Int64.self).map(Int32.init)
      default: []
      }
    }
  }

  func shape(_ dataset: String) throws -> [Int] { try file.info(dataset).shape }

  /// The oracle's batch: sequences, and targets shifted so that position t predicts t + 1.
  func batch() throws -> (batch: TokenBatch, targets: [Int32]) {
    let shape = try shape("input_ids")
    let (ids, labels) = (try integers("input_ids"), try integers("labels"))
    let rows = (0..<shape[0]).map { $0 * shape[1]..<($0 + 1) * shape[1] }
    return (
      TokenBatch(sequences: rows.map { Array(ids[$0]) }),
      rows.flatMap { row in labels[row].dropFirst() + [-100] }
    )
  }

  /// The gradient of a parameter of ours, stacked from the hub's per-expert names.
  func gradient(_ group: String, _ name: String, _ configuration: ModelConfiguration) throws -> [Double] {
    let mixtral = configuration.modelType == "mixtral"
    let name = mixtral ? name.replacing(".mlp.", with: ".block_sparse_moe.") : name
    guard let range = name.range(of: ".experts.") else { return try floats("\(group)/\(name)") }
    let prefix = name[..<range.upperBound]
    let words = mixtral ? ["w1", "w3", "w2"] : ["gate_proj", "up_proj", "down_proj"]
    let projections = name.hasSuffix("gate_up_proj") ? words[..<2] : words[2...]
    return try (0..<configuration.experts).flatMap { expert in
      try projections.flatMap { try floats("\(group)/\(prefix)\(expert).\($0).weight") }
    }
  }
}

/// ‖a − b‖ / ‖b‖; not a number where one of them is.
func relativeError(_ a: [Float], _ b: [Double]) -> Double {
  guard a.count == b.count else { return .nan }
  var (difference, norm) = (0.0, 0.0)
  for (x, y) in zip(a, b) {
    difference += (Double(x) - y) * (Double(x) - y)
    norm += y * y
  }
  return norm == 0 ? difference.squareRoot() : (difference / norm).squareRoot()
}
