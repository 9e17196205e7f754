import Checkpoint
import Foundation
import Tensors
import Testing

@testable import Models

/// Adapter folders in every layout that PEFT 0.18.1, 0.20.0 and 0.21.2 write, against PEFT's logits in float64
/// (make_peft.py).
@Suite struct PEFTOracleTests {
  private static let folder =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Oracles/peft/"
  static let cases = (try? FileManager.default.contentsOfDirectory(atPath: folder).sorted()) ?? []

  private struct Place: ~Copyable {
    let path = NSTemporaryDirectory() + "peft-" + UUID().uuidString
    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: path) }
  }

  /// Error of a model's logits at the positions that the reference holds.
  private func error(_ case: String, _ base: Oracle, _ checkpoint: String) throws -> Double {
    let stored = try SafetensorsReader(Self.folder + `case` + "/reference.safetensors").tensor(named: "logits")
    let expected = stored.bytes.withMemoryRebound(to: Double.self) { Array($0) }
    let model = try ModelFiles(opening: checkpoint).model()
    let (batch, _) = try base.batch()
    let logits = model.logits(model(batch).hidden).elements
    let (rows, positions, width) = (stored.shape[0], stored.shape[1], stored.shape[2])
    let length = logits.count / rows / width
    let found = (0..<rows).flatMap { logits[$0 * length * width..<($0 * length + positions) * width] }
    return relativeError(found, expected)
  }

  @Test(arguments: cases) func logitsAsInPEFT(name: String) throws {
    let place = try Place()
    let reference = try SafetensorsReader(Self.folder + name + "/reference.safetensors")
    let base = try Oracle(try #require(reference.metadata["base"]))
    let checkpoint = place.path + "/adapter.h5"
    _ = try AdapterImport(source: Self.folder + name, base: base.folder, destination: checkpoint).run(program: "test")
    #expect(try error(name, base, checkpoint) <= 1e-5)
    // What we write of it is read as the same function, and merged it is that as well.
    _ = try AdapterExport(source: checkpoint, destination: place.path + "/peft").run()
    let again = place.path + "/again.h5"
    _ = try AdapterImport(source: place.path + "/peft", base: base.folder, destination: again).run(program: "test")
    #expect(try error(name, base, again) <= 1e-5)
    _ = try Conversion(source: checkpoint, destination: place.path + "/merged.h5").run(program: "test")
    #expect(try error(name, base, place.path + "/merged.h5") <= 1e-5)
  }

  @Test func everyCaseIsThere() { #expect(Self.cases.count == 15) }
}
