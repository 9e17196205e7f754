import Files
import Foundation
import Models
import Tensors
import TestSupport
import Testing

@testable import Checkpoint

/// From files to tensors, in every layout; what is damaged there is named before it is used.
@Suite struct LoadingTests {
  private func tensors(_ path: String) throws -> [String: Tensor] {
    var result: [String: Tensor] = [:]
    try ModelFiles(opening: path).model().forEachParameter { result[$0.name] = $1 }
    return result
  }

  /// Chunked and mapped checkpoints hold what the folder holds; only the latter stay in the file.
  @Test(arguments: [nil, ElementType.bfloat16, .float16])
  func everyLayoutLoadsTheSame(dtype: ElementType?) throws {
    let scratch = try TemporaryFolder()
    let folder = oracleFolder("olmoe-odd")
    for (name, layout) in [("chunked.h5", WeightLayout.chunked()), ("mapped.h5", .mapped)] {
      _ = try Conversion(source: folder, destination: scratch.path(name), dtype: dtype, weightLayout: layout)
        .run(program: "test")
    }
    let (chunked, mapped) = (try tensors(scratch.path("chunked.h5")), try tensors(scratch.path("mapped.h5")))
    #expect(chunked.count == mapped.count && !chunked.isEmpty)
    for (name, tensor) in chunked {
      #expect(tensor.elements == mapped[name]?.elements && tensor.shape == mapped[name]?.shape, "\(name)")
      #expect(tensor.dtype == (dtype == .bfloat16 ? .bfloat16 : .float32))
      #expect(tensor.storage.isPooled && mapped[name]?.storage.isPooled == (dtype == .float16), "\(name)")
    }
    #expect(try ModelFiles(opening: scratch.path("mapped.h5")).verify().parameters == mapped.count)
  }

  /// One flipped bit, in a dataset with one checksum and in one with a checksum an expert.
  @Test(arguments: [
    ("model.embed_tokens.weight", "CRC-32C differs"),
    ("model.layers.1.mlp.experts.down_proj", "CRC-32C of entry 0 differs"),
  ])
  func damageInAMappedFileIsNamed(name: String, reason: String) throws {
    let scratch = try TemporaryFolder()
    let path = scratch.path("mapped.h5")
    _ = try Conversion(source: oracleFolder("olmoe-odd"), destination: path, weightLayout: .mapped).run(program: "test")
    let dataset = "/" + ParameterPath(name).datasetPath
    guard case .contiguous(let offset?) = try HDF5Reader(path).info(dataset).storage else {
      Issue.record("\(dataset) is not contiguous")
      return
    }
    var file = try contents(path)
    file[offset + 8] ^= 1
    _ = try scratch.write("mapped.h5", file)
    let text =
      "\(path) \(dataset): expected intact data, found damage (\(reason)); try copying or fetching the file again"
    #expect(failure { _ = try ModelFiles(opening: path).model() }?.description == text)
    #expect(failure { _ = try ModelFiles(opening: path).verify() }?.description == text)
    let conversion = Conversion(source: path, destination: scratch.path("folder"))
    #expect(failure { _ = try conversion.run(program: "test") }?.description == text)
  }

  /// A dataset of several pieces, with one checksum over all of them: damage in the last one is found.
  @Test func verificationGoesOverAllPieces() throws {
    let scratch = try TemporaryFolder()
    let path = scratch.path("large.h5")
    let rows = 5_000
    let writer = try HDF5Writer(creating: path)
    var dataset = try writer.dataset("x", shape: [rows, 1000], type: .float32, layout: .contiguous())
    let pieces = ParameterPieces([rows, 1000], as: .float32)
    #expect(pieces.rows.count > 1 && pieces.rows.last?.upperBound == rows)
    for piece in pieces.rows {
      try [UInt8](repeating: 7, count: piece.count * 4000).withUnsafeBytes { try dataset.append($0) }
    }
    try dataset.finish()
    try writer.commit()
    try HDF5Reader(path).verify("x")
    let info = try HDF5Reader(path).info("x")
    guard case .contiguous(let offset?) = info.storage else {
      Issue.record("x is not contiguous")
      return
    }
    let handle = try #require(FileHandle(forUpdatingAtPath: path))
    try handle.seek(toOffset: UInt64(offset + info.byteCount - 1))
    try handle.write(contentsOf: [8])
    try handle.close()
    #expect(
      failure { try HDF5Reader(path).verify("x") }?.description
        == "\(path) /x: expected intact data, found damage (CRC-32C differs); try copying or fetching the file again")
  }

  /// Pieces are whole chunks and whole experts, and together all of the parameter.
  @Test(arguments: [
    ([64, 2048, 2048], 2, 2048 * 2048), ([50304, 2048], 4096, 2048), ([7], 7, 1), ([], 1, 1),
    ([3, 5000, 5000], 1, 25_000_000),
  ])
  func piecesAreWholeEntries(shape: [Int], step: Int, rowCount: Int) {
    let pieces = ParameterPieces(shape, as: .bfloat16)
    #expect(pieces.rowCount == rowCount && pieces.rows.first?.count == step)
    #expect(pieces.rows.flatMap { Array($0) } == Array(0..<(shape.first ?? 1)))
  }
}
