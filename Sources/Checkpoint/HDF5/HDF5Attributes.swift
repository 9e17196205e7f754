internal import Files
import CHDF5
import Foundation

/// The value of an attribute; numbers are widened to 64 bits.
public enum HDF5Attribute: Equatable, Sendable {
  /// Text; UTF-8 of fixed length in files, `bytes` in h5py.
  case string(String)
  /// A whole number.
  case integer(Int)
  /// A real number.
  case real(Double)
  /// A list of whole numbers.
  case integers([Int])
  /// A list of real numbers.
  case reals([Double])
  /// A list of texts.
  case strings([String])
  /// Something else, in words: for listings only.
  case other(String)
}

/// Attribute reading and writing on an open object.
struct HDF5AttributeAccess {
  let object: hid_t
  let place: Place
  /// Where what is written is noted, to be compared with the file.
  var ledger: HDF5Ledger?

  func names() throws(FileError) -> [String] {
    // One walk: to look an attribute up by its number is a walk of its own.
    var names: [[UInt8]] = []
    try withUnsafeMutablePointer(to: &names) { (pointer) throws(FileError) in
      let collect: H5A_operator2_t = { _, name, _, data in
        guard let name, let names = data?.assumingMemoryBound(to: [[UInt8]].self) else { return -1 }
        names.pointee.append(Array(UnsafeRawBufferPointer(start: name, count: strlen(name))))
        return 0
      }
      try place.check(.list) { H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, nil, collect, pointer) }
    }
    return try names.map { (name) throws(FileError) in try text(name, place) }
  }

  func read(_ name: String) throws(FileError) -> HDF5Attribute? {
    guard try place.check(.read, { H5Aexists(object, name) }) > 0 else { return nil }
    let attribute = try place.handle(.attribute, .read) { H5Aopen(object, name, chdf5_p_default()) }
    let type = try place.handle(.type, .read) { H5Aget_type(attribute.id) }
    let space = try place.handle(.space, .read) { H5Aget_space(attribute.id) }
    let rank = try place.check(.read) { H5Sget_simple_extent_ndims(space.id) }
    let count = Int(try place.check(.read) { H5Sget_simple_extent_npoints(space.id) })
    let bytes = HDF5Library.locked { H5Aget_storage_size(attribute.id) }
    // A damaged extent must not become an allocation of terabytes: every element takes at least a byte in the file.
    guard rank <= 1, count <= bytes else { return .other("\(count) values of rank \(rank)") }
    let (typeClass, nothing) = HDF5Library.locked {
      (H5Tget_class(type.id), H5Sget_simple_extent_type(space.id) == H5S_NULL)
    }
    if nothing { return .other("nothing") }
    switch typeClass {
    case H5T_INTEGER:
      var values = [Int](repeating: 0, count: count)
      try place.check(.read) { H5Aread(attribute.id, chdf5_t_i64(), &values) }
      return rank == 0 ? .integer(values[0]) : .integers(values)
    case H5T_FLOAT:
      var values = [Double](repeating: 0, count: count)
      try place.check(.read) { H5Aread(attribute.id, chdf5_t_f64(), &values) }
      return rank == 0 ? .real(values[0]) : .reals(values)
    case H5T_STRING:
      let values = try readStrings(place, type: type.id, space: space.id, count: count) { type, buffer in
        H5Aread(attribute.id, type, buffer)
      }
      return rank == 0 ? .string(values[0]) : .strings(values)
    default:
      return .other(HDF5StoredType(type.id, markedBFloat16: false).description)
    }
  }

  func write(_ name: String, _ value: HDF5Attribute) throws(FileError) {
    switch value {
    case .integer(let value): try write(name, [value], nil, chdf5_t_i64())
    case .integers(let values): try write(name, values, values.count, chdf5_t_i64())
    case .real(let value): try write(name, [value], nil, chdf5_t_f64())
    case .reals(let values): try write(name, values, values.count, chdf5_t_f64())
    case .string(let value): try writeStrings(name, [value], nil)
    case .strings(let values): try writeStrings(name, values, values.count)
    case .other(let words): preconditionFailure("attribute \(name): cannot write \(words)")
    }
    ledger?.add(attribute: name, value, of: place.item ?? "/")
  }

  private func write<T: BitwiseCopyable>(
    _ name: String, _ values: [T], _ extent: Int?, _ type: hid_t
  ) throws(FileError) {
    let attribute = try create(name, extent, type)
    try place.check(.write) { H5Awrite(attribute.id, type, values) }
    try attribute.close(place)
  }

  private func writeStrings(_ name: String, _ values: [String], _ extent: Int?) throws(FileError) {
    for value in values where value.utf8.contains(0) {
      throw .unsupported(
        path: place.file, item: place.item ?? "/", expected: "text without a zero byte in attribute '\(name)'",
        found: "one")
    }
    // Fixed length, padded with zeros: it lies in the object header, which has a checksum. Text of variable length lies
    // in the global heap, where one flipped bit makes libhdf5 1.10 read on for ever.
    let size = values.map(\.utf8.count).max() ?? 0
    let type = try makeTextType(place, byteCount: size)
    let attribute = try create(name, extent, type.id)
    let block = values.flatMap { Array($0.utf8) + [UInt8](repeating: 0, count: max(1, size) - $0.utf8.count) }
    try place.check(.write) { H5Awrite(attribute.id, type.id, block) }
    try attribute.close(place)
  }

  private func create(_ name: String, _ extent: Int?, _ type: hid_t) throws(FileError) -> Handle {
    let space = try makeSpace(place, extent.map { [$0] } ?? [])
    return try place.handle(.attribute, .create) {
      H5Acreate2(object, name, type, space.id, chdf5_p_default(), chdf5_p_default())
    }
  }
}
