public import Files
import CHDF5

/// A dataset under way: whole entries of the first axis are appended until it is full.
public struct HDF5DatasetWriter: ~Copyable, Sendable {
  private let id: Handle
  private let type: Handle
  private let space: Handle
  private let place: Place
  private let ledger: HDF5Ledger
  private let shape: [Int]
  private let layout: HDF5Layout
  /// Entries of the first axis, 1 for a scalar, and the bytes of each.
  private let rows: Int
  private let rowBytes: Int
  private var written = 0
  private var whole = CRC32C()
  private var rowChecksums: [Int] = []

  init(
    id: consuming Handle, type: consuming Handle, space: consuming Handle, place: Place, ledger: HDF5Ledger,
    shape: [Int], elementSize: Int, layout: HDF5Layout
  ) {
    guard let rowBytes = checkedProduct(shape.dropFirst() + [elementSize]),
      checkedProduct([rowBytes, shape.first ?? 1]) != nil
    else {
      preconditionFailure("\(place.item ?? "dataset"): shape \(shape) is impossible")
    }
    self.id = id
    self.type = type
    self.space = space
    (self.place, self.ledger, self.shape, self.layout) = (place, ledger, shape, layout)
    (rows, self.rowBytes) = (shape.first ?? 1, rowBytes)
  }

  /// Writes the next entries of the first axis.
  ///
  /// - Parameter bytes: a whole number of entries, little-endian, row-major; all of it for a scalar.
  /// - Throws: `FileError`, for instance on a full disk.
  public mutating func append(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    let count = rowBytes == 0 ? (bytes.isEmpty ? rows - written : 0) : bytes.count / rowBytes
    precondition(
      count * rowBytes == bytes.count && written + count <= rows,
      "\(place.item ?? "dataset"): \(bytes.count) bytes after \(written) of \(rows) rows of \(rowBytes) bytes")
    defer { written += count }
    guard let base = bytes.baseAddress, !bytes.isEmpty else { return }
    if count == rows {
      try place.check(.write) { H5Dwrite(id.id, type.id, chdf5_s_all(), chdf5_s_all(), chdf5_p_default(), base) }
    } else {
      let memory = try selectRows(written..<written + count, shape: shape, of: space.id, place)
      try place.check(.write) { H5Dwrite(id.id, type.id, memory.id, space.id, chdf5_p_default(), base) }
    }
    guard case .contiguous(.rows) = layout else { return whole.update(bytes) }
    for row in 0..<count {
      let checksum = CRC32C.checksum(UnsafeRawBufferPointer(rebasing: bytes[row * rowBytes..<(row + 1) * rowBytes]))
      rowChecksums.append(Int(checksum))
      whole.append(checksum, of: rowBytes)
    }
  }

  /// Adds the checksums and closes: bytes that the library still held reach the file, or the error is here. Traps if
  /// entries are missing: a caller's bug.
  public consuming func finish() throws(FileError) {
    precondition(written == rows || rowBytes == 0, "\(place.item ?? "dataset"): \(written) of \(rows) rows written")
    let attributes = HDF5AttributeAccess(object: id.id, place: place, ledger: ledger)
    switch layout {
    case .contiguous(.whole): try attributes.write(checksumAttribute, .integer(Int(whole.value)))
    case .contiguous(.rows) where !rowChecksums.isEmpty:
      try attributes.write(checksumAttribute, shape.isEmpty ? .integer(rowChecksums[0]) : .integers(rowChecksums))
    case .contiguous, .chunked: break
    }
    try id.close(place)
    ledger.add(dataset: place.item ?? "/", checksum: whole.value)
  }
}

/// Selects entries of the first axis in `space`, and makes the memory's space for them.
func selectRows(_ rows: Range<Int>, shape: [Int], of space: hid_t, _ place: Place) throws(FileError) -> Handle {
  let extents = [rows.count] + shape.dropFirst()
  var start = [hsize_t](repeating: 0, count: shape.count)
  start[0] = hsize_t(rows.lowerBound)
  let count = extents.map(hsize_t.init)
  try place.check(.read) { H5Sselect_hyperslab(space, H5S_SELECT_SET, start, nil, count, nil) }
  return try makeSpace(place, extents)
}
