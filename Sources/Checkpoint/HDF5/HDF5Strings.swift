internal import Files
import CHDF5

/// A dataspace of fixed extents; rank 0 is a scalar.
func makeSpace(_ place: Place, _ shape: [Int]) throws(FileError) -> Handle {
  let extents = shape.map(hsize_t.init)
  return try place.handle(.space, .create) {
    shape.isEmpty ? H5Screate(H5S_SCALAR) : H5Screate_simple(Int32(shape.count), extents, nil)
  }
}

/// UTF-8 text of a fixed length, padded with zeros; HDF5 has no length 0.
func makeTextType(_ place: Place, byteCount: Int) throws(FileError) -> Handle {
  let type = try place.handle(.type, .create) { H5Tcopy(chdf5_t_c_string()) }
  try place.check(.create) { H5Tset_size(type.id, max(1, byteCount)) }
  try place.check(.create) { H5Tset_cset(type.id, H5T_CSET_UTF8) }
  try place.check(.create) { H5Tset_strpad(type.id, H5T_STR_NULLPAD) }
  return type
}

/// Texts of an attribute or dataset, of fixed or variable length, ASCII or UTF-8.
/// `read` gets the memory type, which is the file's own, and the buffer.
func readStrings(
  _ place: Place, type: hid_t, space: hid_t, count: Int, read: (hid_t, UnsafeMutableRawPointer) -> herr_t
) throws(FileError) -> [String] {
  if try place.check(.read, { H5Tis_variable_str(type) }) > 0 {
    let pointers = UnsafeMutableBufferPointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: max(1, count))
    pointers.initialize(repeating: nil)
    defer { pointers.deallocate() }
    guard let base = UnsafeMutableRawPointer(pointers.baseAddress) else { return [] }
    try place.check(.read) { read(type, base) }
    defer { _ = HDF5Library.locked { H5Dvlen_reclaim(type, space, chdf5_p_default(), base) } }
    var values: [String] = []
    for pointer in pointers.prefix(count) {
      guard let pointer else {
        values.append("")
        continue
      }
      var length = 0
      while pointer[length] != 0 { length += 1 }
      values.append(try text(UnsafeRawBufferPointer(start: pointer, count: length), place))
    }
    return values
  }

  let (size, padding) = HDF5Library.locked { (H5Tget_size(type), H5Tget_strpad(type)) }
  guard let byteCount = checkedProduct([count, size]) else {
    throw .invalid(path: place.file, item: place.item, expected: "text", found: "\(count) texts of \(size) bytes")
  }
  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, byteCount), alignment: 8)
  defer { buffer.deallocate() }
  guard let base = buffer.baseAddress else { return [] }
  try place.check(.read) { read(type, base) }
  var values: [String] = []
  for index in 0..<count {
    var bytes = buffer[index * size..<(index + 1) * size]
    switch padding {
    case H5T_STR_NULLTERM: bytes = bytes.prefix { $0 != 0 }
    case H5T_STR_SPACEPAD: while bytes.last == UInt8(ascii: " ") { bytes.removeLast() }
    default: while bytes.last == 0 { bytes.removeLast() }
    }
    values.append(try text(bytes, place))
  }
  return values
}

/// Bytes of a name or a text, which have to be UTF-8.
func text(_ bytes: some Sequence<UInt8>, _ place: Place) throws(FileError) -> String {
  guard let text = String(validating: Array(bytes), as: UTF8.self) else {
    throw .invalid(path: place.file, item: place.item, expected: "UTF-8 text", found: "other bytes")
  }
  return text
}
