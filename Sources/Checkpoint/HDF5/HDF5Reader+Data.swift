public import Files
import CHDF5

extension HDF5Reader {
  /// Shape, type and place of a dataset, without its data.
  ///
  /// - Throws: `FileError.missing` with the nearest name; `.unsupported` where the data lies in other files.
  public func info(_ dataset: String) throws(FileError) -> HDF5Dataset {
    let handle = try openDataset(dataset)
    return try info(of: handle.id, Place(file: path, item: normalized(dataset)))
  }

  /// Reads a whole array into memory of exactly its size, and verifies its checksum.
  ///
  /// It must have the given shape and type; `nil` takes any.
  ///
  /// - Throws: `FileError.missing`, `.type`, `.shape`, `.corrupted`.
  public func read(
    _ dataset: String, shape: [Int]? = nil, type: ElementType? = nil, into buffer: UnsafeMutableRawBufferPointer
  ) throws(FileError) {
    try read(dataset, rows: nil, shape: shape, type: type, into: buffer)
  }

  /// Reads entries of the first axis: only the chunks they touch leave the disk.
  ///
  /// A checksum over the whole dataset cannot be verified here, see ``verify(_:)``; those of chunks and of single
  /// entries are.
  public func read(
    _ dataset: String, rows: Range<Int>, shape: [Int]? = nil, type: ElementType? = nil,
    into buffer: UnsafeMutableRawBufferPointer
  ) throws(FileError) {
    try read(dataset, rows: .some(rows), shape: shape, type: type, into: buffer)
  }

  /// Reads an array in pieces, or a text, and compares it with its checksums, without keeping it.
  ///
  /// - Throws: `FileError.corrupted`.
  public func verify(_ dataset: String) throws(FileError) { _ = try checksum(dataset) }

  /// CRC-32C of all bytes of an array or text, read in pieces and compared with its checksums on the way.
  ///
  /// - Throws: `FileError.corrupted`.
  func checksum(_ dataset: String, progress: (Int) -> Void = { _ in }) throws(FileError) -> UInt32 {
    let info = try info(dataset)
    if info.type == .string {
      let text = try string(dataset)
      progress(text.utf8.count)
      return CRC32C.checksum(text.utf8)
    }
    let pieces = ParameterPieces(info.shape, as: try element(info))
    let width = pieces.rowCount * (try element(info)).byteCount
    let memory = PageMemory((pieces.rows.first?.count ?? 0) * width)
    var crc = CRC32C()
    for rows in pieces.rows {
      let bytes = memory.prefix(rows.count * width)
      try read(dataset, rows: rows, shape: info.shape, into: bytes)
      crc.update(UnsafeRawBufferPointer(bytes))
      progress(bytes.count)
    }
    if let checksum = try checksums(dataset), checksum.count == 1, pieces.rows.count > 1, checksum[0] != crc.value {
      throw .corrupted(path: path, item: info.path, reason: "CRC-32C differs")
    }
    return crc.value
  }

  /// Reads a whole array of any supported type.
  public func bytes(_ dataset: String) throws(FileError) -> (info: HDF5Dataset, bytes: [UInt8]) {
    let handle = try openDataset(dataset)
    let info = try info(of: handle.id, Place(file: path, item: normalized(dataset)))
    // The size is the file's word: data that is not on disk must not become an allocation of terabytes.
    try checkAllocated(handle.id, info)
    var bytes = [UInt8](repeating: 0, count: info.byteCount)
    try bytes.withUnsafeMutableBufferPointer { (buffer) throws(FileError) in
      try read(dataset, into: UnsafeMutableRawBufferPointer(buffer))
    }
    return (info, bytes)
  }

  /// Reads a text dataset: scalar or of one element, of fixed or variable length.
  ///
  /// - Throws: `FileError.type` if it is not text, `.corrupted` if its checksum differs.
  public func string(_ dataset: String) throws(FileError) -> String {
    let handle = try openDataset(dataset)
    let place = Place(file: path, item: normalized(dataset))
    let info = try info(of: handle.id, place)
    guard info.type == .string else {
      throw .type(path: path, item: info.path, expected: "text", found: info.type.description)
    }
    guard checkedProduct(info.shape) == 1 else {
      throw .shape(path: path, item: info.path, expected: [], found: info.shape)
    }
    try checkAllocated(handle.id, info)
    let type = try place.handle(.type, .read) { H5Dget_type(handle.id) }
    let space = try place.handle(.space, .read) { H5Dget_space(handle.id) }
    let values = try readStrings(place, type: type.id, space: space.id, count: 1) { type, buffer in
      H5Dread(handle.id, type, chdf5_s_all(), chdf5_s_all(), chdf5_p_default(), buffer)
    }
    if case .integer(let checksum) = try HDF5AttributeAccess(object: handle.id, place: place).read(checksumAttribute),
      checksum != Int(CRC32C.checksum(values[0].utf8))
    {
      throw .corrupted(path: path, item: info.path, reason: "CRC-32C differs")
    }
    return values[0]
  }

  /// The CRC-32C values stored with a contiguous dataset: one, or one for each entry of the first axis.
  public func checksums(_ dataset: String) throws(FileError) -> [UInt32]? {
    switch try attribute(checksumAttribute, of: dataset) {
    case .integer(let value): [UInt32(truncatingIfNeeded: value)]
    case .integers(let values): values.map { UInt32(truncatingIfNeeded: $0) }
    default: nil
    }
  }

  /// A contiguous dataset as memory, without reading it, in a map of this file that all its datasets share.
  ///
  /// Nothing is verified: see `checksums`.
  ///
  /// - Throws: `FileError.unsupported` if it is chunked or compact, `.truncated` if the file ends before it does.
  public func map(_ dataset: String, in map: MappedFile) throws(FileError) -> MappedArray {
    precondition(map.path == path, "map of \(map.path) for a dataset of \(path)")
    let info = try info(dataset)
    let type = try element(info)
    guard case .contiguous(let offset) = info.storage else {
      throw .unsupported(path: path, item: info.path, expected: "contiguous storage to map", found: "\(info.storage)")
    }
    let start = offset ?? 0
    let (end, overflow) = start.addingReportingOverflow(info.byteCount)
    guard !overflow, end <= map.bytes.count else {
      throw .truncated(path: path, expectedBytes: overflow ? .max : end, foundBytes: map.bytes.count)
    }
    guard offset != nil || info.byteCount == 0 else { throw unallocated(info) }
    return MappedArray(type: type, shape: info.shape, offset: start, byteCount: info.byteCount, owner: map)
  }

  private func read(
    _ dataset: String, rows: Range<Int>?, shape: [Int]?, type: ElementType?,
    into buffer: UnsafeMutableRawBufferPointer
  ) throws(FileError) {
    let handle = try openDataset(dataset)
    let place = Place(file: path, item: normalized(dataset))
    let info = try info(of: handle.id, place)
    let found = try element(info)
    if let type, type != found {
      throw .type(path: path, item: info.path, expected: type.description, found: found.description)
    }
    if let shape, shape != info.shape {
      throw .shape(path: path, item: info.path, expected: shape, found: info.shape)
    }
    let total = info.shape.first ?? 1
    let wanted = rows ?? 0..<total
    precondition(
      wanted.lowerBound >= 0 && wanted.upperBound <= total, "\(info.path): rows \(wanted) of \(total)")
    let rowBytes = total == 0 ? 0 : info.byteCount / total
    precondition(
      buffer.count == rowBytes * wanted.count,
      "\(info.path): a buffer of \(buffer.count) bytes for \(rowBytes * wanted.count)")
    try checkAllocated(handle.id, info)
    guard let base = buffer.baseAddress, !buffer.isEmpty else { return }

    // The file's own type is the memory's: bytes move, nothing is converted.
    let fileType = try place.handle(.type, .read) { H5Dget_type(handle.id) }
    if wanted.count == total {
      try checkRead(place) {
        H5Dread(handle.id, fileType.id, chdf5_s_all(), chdf5_s_all(), chdf5_p_default(), base)
      }
    } else {
      let space = try place.handle(.space, .read) { H5Dget_space(handle.id) }
      let memory = try selectRows(wanted, shape: info.shape, of: space.id, place)
      try checkRead(place) { H5Dread(handle.id, fileType.id, memory.id, space.id, chdf5_p_default(), base) }
    }
    let checksums = try HDF5AttributeAccess(object: handle.id, place: place).read(checksumAttribute)
    try verify(UnsafeRawBufferPointer(buffer), rows: wanted, rowBytes, checksums, info)
  }

  /// A filter that fails on reading means damage, whatever its message.
  private func checkRead(_ place: Place, _ body: () -> herr_t) throws(FileError) {
    do throws(FileError) {
      try place.check(.read, body)
    } catch .library(let path, let item, _, let reason) {
      throw .corrupted(path: path, item: item ?? "/", reason: reason)
    }
  }

  private func verify(
    _ bytes: UnsafeRawBufferPointer, rows: Range<Int>, _ rowBytes: Int, _ checksums: HDF5Attribute?, _ info: HDF5Dataset
  ) throws(FileError) {
    switch checksums {
    case .integer(let checksum) where rows.count == info.shape.first ?? 1:
      guard checksum == Int(CRC32C.checksum(bytes)) else {
        throw .corrupted(path: path, item: info.path, reason: "CRC-32C differs")
      }
    case .integers(let checksums):
      guard checksums.count == info.shape.first else {
        throw .invalid(
          path: path, item: info.path, expected: "\(info.shape.first ?? 1) checksums", found: "\(checksums.count)")
      }
      for (index, row) in rows.enumerated() {
        let part = UnsafeRawBufferPointer(rebasing: bytes[index * rowBytes..<(index + 1) * rowBytes])
        guard checksums[row] == Int(CRC32C.checksum(part)) else {
          throw .corrupted(path: path, item: info.path, reason: "CRC-32C of entry \(row) differs")
        }
      }
    default: break
    }
  }

  private func element(_ info: HDF5Dataset) throws(FileError) -> ElementType {
    guard case .element(let type) = info.type else {
      throw .type(
        path: path, item: info.path, expected: "little-endian numbers", found: info.type.description)
    }
    return type
  }

  private func openDataset(_ dataset: String) throws(FileError) -> Handle {
    let handle = try open(dataset)
    guard HDF5Library.locked({ H5Iget_type(handle.id) }) == H5I_DATASET else {
      throw .type(path: path, item: normalized(dataset), expected: "a dataset", found: "a group")
    }
    return handle
  }

  /// Checks that all of a dataset's data is in the file, before memory of its size is taken.
  ///
  /// - Throws: `FileError.invalid` where some was never written.
  func checkHasData(_ dataset: String) throws(FileError) {
    let handle = try openDataset(dataset)
    try checkAllocated(handle.id, try info(of: handle.id, Place(file: path, item: normalized(dataset))))
  }

  /// HDF5 would make up values for data that was never written.
  private func checkAllocated(_ dataset: hid_t, _ info: HDF5Dataset) throws(FileError) {
    guard info.byteCount > 0 else { return }
    let place = Place(file: path, item: info.path)
    if case .chunked(let chunk) = info.storage {
      // Counted by us: the library's space status compares bytes, which filters change.
      let space = try place.handle(.space, .read) { H5Dget_space(dataset) }
      var count: hsize_t = 0
      try place.check(.read) { H5Dget_num_chunks(dataset, space.id, &count) }
      let expected = checkedProduct(zip(info.shape, chunk).map { ($0 - 1) / max(1, $1) + 1 })
      guard expected == Int(clamping: count) else { throw unallocated(info) }
    } else {
      var status = H5D_SPACE_STATUS_NOT_ALLOCATED
      try place.check(.read) { H5Dget_space_status(dataset, &status) }
      guard status == H5D_SPACE_STATUS_ALLOCATED else { throw unallocated(info) }
    }
  }

  private func unallocated(_ info: HDF5Dataset) -> FileError {
    .invalid(path: path, item: info.path, expected: "\(info.byteCount) bytes of data", found: "data never written")
  }

  private func info(of dataset: hid_t, _ place: Place) throws(FileError) -> HDF5Dataset {
    let item = place.item ?? "/"
    let type = try place.handle(.type, .read) { H5Dget_type(dataset) }
    let space = try place.handle(.space, .read) { H5Dget_space(dataset) }
    let properties = try place.handle(.properties, .read) { H5Dget_create_plist(dataset) }

    let rank = Int(try place.check(.read) { H5Sget_simple_extent_ndims(space.id) })
    var extents = [hsize_t](repeating: 0, count: max(1, rank))
    try place.check(.read) { H5Sget_simple_extent_dims(space.id, &extents, nil) }
    let size = HDF5Library.locked { H5Tget_size(type.id) }
    let shape = extents.prefix(rank).map { Int(clamping: $0) }
    guard let byteCount = checkedProduct(shape + [size]) else {
      throw .invalid(path: path, item: item, expected: "a shape that fits into memory", found: "\(shape)")
    }

    let dtype = try HDF5AttributeAccess(object: dataset, place: place).read("dtype")
    let stored = HDF5StoredType(type.id, markedBFloat16: dtype == .string("BF16"))
    let variable = HDF5Library.locked { H5Tis_variable_str(type.id) } > 0
    return HDF5Dataset(
      path: item, shape: shape, type: stored, storage: try storage(dataset, properties.id, rank, place),
      filters: try filters(properties.id, place), byteCount: variable ? 0 : byteCount)
  }

  private func storage(
    _ dataset: hid_t, _ properties: hid_t, _ rank: Int, _ place: Place
  ) throws(FileError) -> HDF5Dataset.Storage {
    switch HDF5Library.locked({ H5Pget_layout(properties) }) {
    case H5D_COMPACT: return .compact
    case H5D_CHUNKED:
      var chunk = [hsize_t](repeating: 0, count: max(1, rank))
      try place.check(.read) { H5Pget_chunk(properties, Int32(rank), &chunk) }
      return .chunked(chunk.prefix(rank).map { Int(clamping: $0) })
    case H5D_CONTIGUOUS where HDF5Library.locked({ H5Pget_external_count(properties) }) == 0:
      let offset = HDF5Library.locked { H5Dget_offset(dataset) }
      return .contiguous(offset: offset == chdf5_address_undefined() ? nil : Int(clamping: offset))
    default:
      throw .unsupported(
        path: path, item: place.item ?? "/", expected: "data in the file itself", found: "data kept in other files")
    }
  }

  private func filters(_ properties: hid_t, _ place: Place) throws(FileError) -> [String] {
    var names: [String] = []
    let count = try place.check(.read) { H5Pget_nfilters(properties) }
    for index in 0..<count {
      var (flags, parameters, settings) = (UInt32(0), 0, UInt32(0))
      var name = [CChar](repeating: 0, count: 64)
      let filter = try place.check(.read) {
        H5Pget_filter2(properties, UInt32(index), &flags, &parameters, nil, name.count, &name, &settings)
      }
      let label = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      names.append(label.isEmpty ? "filter \(filter)" : label)
      guard HDF5Library.locked({ H5Zfilter_avail(filter) }) > 0 else {
        throw .unsupported(
          path: path, item: place.item ?? "/", expected: "filters of the HDF5 library itself",
          found: "'\(names[names.count - 1])'")
      }
    }
    return names
  }
}
