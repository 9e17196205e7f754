import Checkpoint
import Foundation
import Models
import Testing

@testable import Evaluation

@Suite struct TraceTests {
  static let folder =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
    + "/ModelsTests/Oracles/olmoe-tiny"

  /// What transformers computes in float64 for the oracle's batch, read back from the file of a trace.
  @Test func equalsTheOracle() throws {
    let oracle = try HDF5Reader(Self.folder + "/oracle.h5")
    func lines(_ name: String) throws -> TokenLines {
      let shape = try oracle.info(name).shape
      let values = try numbers(oracle, name)
      let text = (0..<shape[0]).map { row in
        values[row * shape[1]..<(row + 1) * shape[1]].map { "\(Int($0))" }.joined(separator: " ")
      }
      return try TokenLines(text: text.joined(separator: "\n"), file: name, in: 0..<512, ignored: -100)
    }
    let path = NSTemporaryDirectory() + "/trace-\(UUID().uuidString).h5"
    defer { try? FileManager.default.removeItem(atPath: path) }
    let model = try ModelFiles(opening: Self.folder).model()
    let trace = try ModelTrace(model, tokens: try lines("input_ids"), labels: try lines("labels"))
    _ = try trace.write(to: path, gradients: true, program: "test")
    let file = try HDF5Reader(path)
    var names = ["logits", "loss", "aux_loss", "hidden/0", "hidden/2", "hidden/final_norm"]
    names += (0..<2).flatMap { layer in ["router_logits", "topk_index", "topk_weight"].map { "\($0)/\(layer)" } }
    for name in names {
      #expect(try file.info(name).shape == oracle.info(name).shape, "\(name)")
      #expect(relativeError(try numbers(file, name), try numbers(oracle, name)) <= 1e-5, "\(name)")
    }
    for (ours, theirs) in [("gradients", "grad"), ("gradients_total", "grad_total")] {
      for name in ["model.embed_tokens.weight", "model.layers.1.mlp.gate.weight", "lm_head.weight"] {
        let found = try numbers(file, ours + "/" + name.replacing(".", with: "/"))
        #expect(relativeError(found, try numbers(oracle, theirs + "/" + name)) <= 1e-4, "\(ours)/\(name)")
      }
      #expect(
        try file.datasets().count { $0.hasPrefix("/\(ours)/") } == ModelFamily.parameters(model.configuration).count)
    }
    #expect(try numbers(file, "kept_index/1") == numbers(file, "topk_index/1"))
    #expect(
      try file.datasets().allSatisfy { try file.info($0).type == .element($0.contains("_index/") ? .int32 : .float32) })
  }

  @Test(arguments: [
    ("", "t: expected a sequence of token ids a line, found none; try a line such as '335 715 416'"),
    ("1 2\n3 x\n", "t:2: expected integers in 0..<8, found 'x'; try ids of this model's tokenizer"),
    ("1 2\n\n3 8\n", "t:3: expected integers in 0..<8, found '8'; try ids of this model's tokenizer"),
    ("1,2,3\n\n4\t5\n", "t:3: expected 3 tokens as in the lines before, found 2; try one file for each length"),
  ])
  func brokenLinesAreNamed(text: String, message: String) {
    let error = #expect(throws: TokenLinesError.self) { try TokenLines(text: text, file: "t", in: 0..<8) }
    #expect(error?.description == message)
  }

  @Test func shapesMustFit() throws {
    let model = try ModelFiles(opening: Self.folder).model()
    func lines(_ text: String) throws -> TokenLines {
      try TokenLines(text: text, file: "t", in: 0..<512, ignored: -100)
    }
    func message(_ tokens: String, _ labels: String?) throws -> String? {
      let (tokens, labels) = (try lines(tokens), try labels.map(lines))
      return #expect(throws: TokenLinesError.self) { try ModelTrace(model, tokens: tokens, labels: labels) }?
        .description
    }
    #expect(
      try message("1 2 3", "1 2") == "t: expected 1 line of 3 labels as the tokens have, found 1 of 2; "
        + "try a label for every token, -100 where none counts")
    #expect(
      try message("1 2 3", "7 -100 -100")
        == "t: expected a label to predict, found none after the first position of each "
        + "line; try longer lines, or fewer -100")
    #expect(
      try message(String(repeating: "1 ", count: 257), nil)
        == "t: expected at most 256 tokens a line (the model's context), found 257; try shorter lines")
  }

  private func numbers(_ file: HDF5Reader, _ name: String) throws -> [Double] {
    let (info, bytes) = try file.bytes(name)
    return bytes.withUnsafeBytes { raw in
      switch info.type {
      case .element(.float32): raw.bindMemory(to: Float.self).map(Double.init)
      case .element(.float64): Array(raw.bindMemory(to: Double.self))
      case .element(.int32): raw.bindMemory(to: Int32.self).map(Double.init)
      case .element(.int64): raw.bindMemory(to: Int64.self).map(Double.init)
      default: []
      }
    }
  }

  private func relativeError(_ a: [Double], _ b: [Double]) -> Double {
    guard a.count == b.count else { return .nan }
    let difference = zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    return (difference / b.reduce(0) { $0 + $1 * $1 }).squareRoot()
  }
}
