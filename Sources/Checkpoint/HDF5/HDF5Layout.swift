public import Files
import CHDF5

/// How a dataset's bytes lie in the file.
public enum HDF5Layout: Equatable, Sendable {
  /// One run of bytes that can be memory-mapped. HDF5 does not check it: `checksum` adds an attribute `crc32c` that
  /// reading verifies.
  case contiguous(checksum: HDF5Checksum = .whole)
  /// Blocks of the given shape, each checked by Fletcher-32 on reading; `deflate` is gzip's level 1...9.
  case chunked([Int], deflate: Int? = nil, shuffle: Bool = false, fletcher32: Bool = true)

  /// Chunks for an array of this type: at most 1 MiB each, and at most one entry of the first axis where there are
  /// three or more, so that a rank reads its own experts and nothing else.
  ///
  /// Scalars and empty arrays cannot be chunked: they come out `.contiguous`.
  public static func chunked(
    shape: [Int], type: ElementType, deflate: Int? = nil, shuffle: Bool = false
  ) -> HDF5Layout {
    guard !shape.isEmpty, !shape.contains(0) else { return .contiguous() }
    var chunk = [Int](repeating: 1, count: shape.count)
    var room = max(1, (1 << 20) / type.byteCount)
    for axis in shape.indices.reversed() where axis > 0 || shape.count < 3 {
      chunk[axis] = min(shape[axis], room)
      room /= chunk[axis]
      if room == 0 || chunk[axis] < shape[axis] { break }
    }
    return .chunked(chunk, deflate: deflate, shuffle: shuffle)
  }
}

/// What the attribute `crc32c` of a contiguous dataset holds.
public enum HDF5Checksum: Equatable, Sendable {
  /// There is none.
  case none
  /// One number over all bytes.
  case whole
  /// One number for each entry of the first axis, so that each expert is verified alone.
  case rows
}

/// What the file says about a dataset, without its data.
public struct HDF5Dataset: Equatable, Sendable {
  /// Where the bytes are.
  public enum Storage: Equatable, Sendable {
    /// One run, from this byte of the file on; `nil` where there are no bytes.
    case contiguous(offset: Int?)
    /// Blocks of this shape.
    case chunked([Int])
    /// Inside the dataset's header.
    case compact
  }

  /// Absolute path, `/model/norm/weight`.
  public let path: String
  /// Extents, row-major; empty for a scalar.
  public let shape: [Int]
  /// What the elements are.
  public let type: HDF5StoredType
  /// Where the bytes are.
  public let storage: Storage
  /// Names of the filters in writing order, `["shuffle", "deflate", "fletcher32"]`.
  public let filters: [String]
  /// Bytes of all elements in memory; 0 for strings of variable length.
  public let byteCount: Int
}

extension HDF5Layout {
  /// Dataset creation properties: nothing that depends on the time of day, no fill value written first.
  func makeProperties(shape: [Int], _ place: Place) throws(FileError) -> Handle {
    let properties = try place.handle(.properties, .create) { H5Pcreate(chdf5_p_dataset_create()) }
    try place.check(.create) { H5Pset_obj_track_times(properties.id, false) }
    try place.check(.create) { H5Pset_fill_time(properties.id, H5D_FILL_TIME_NEVER) }
    switch self {
    case .contiguous:
      try place.check(.create) { H5Pset_layout(properties.id, H5D_CONTIGUOUS) }
    case .chunked(let chunk, let deflate, let shuffle, let fletcher32):
      precondition(
        chunk.count == shape.count && !shape.isEmpty && !shape.contains(0)
          && zip(chunk, shape).allSatisfy { (1...$1).contains($0) },
        "\(place.item ?? "dataset"): chunk \(chunk) does not fit into shape \(shape)")
      let extents = chunk.map(hsize_t.init)
      try place.check(.create) { H5Pset_chunk(properties.id, Int32(chunk.count), extents) }
      if shuffle { try place.check(.create) { H5Pset_shuffle(properties.id) } }
      if let deflate {
        precondition((1...9).contains(deflate), "deflate level \(deflate) is not in 1...9")
        try place.check(.create) { H5Pset_deflate(properties.id, UInt32(deflate)) }
      }
      // Last: it guards the bytes that are on disk.
      if fletcher32 { try place.check(.create) { H5Pset_fletcher32(properties.id) } }
    }
    return properties
  }
}
