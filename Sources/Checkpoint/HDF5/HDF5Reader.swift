public import Files
internal import Formats
import CHDF5
import Foundation

/// An HDF5 file open for reading. Safe to share between threads: calls take turns.
public final class HDF5Reader: Sendable {
  /// Where the file was found.
  public let path: String
  let file: Handle

  /// Opens a file.
  ///
  /// - Throws: `FileError`: missing, a folder, empty, of another format, truncated, or locked by another program.
  public convenience init(_ path: String) throws(FileError) {
    try Self.checkSignature(path)
    try self.init(pending: nil, named: path)
  }

  /// Opens a file that its writer still holds locked under a temporary name; errors speak of `path`.
  init(pending temporaryPath: String?, named path: String) throws(FileError) {
    self.path = path
    let place = Place(file: path)
    let access = try place.handle(.properties, .open) { H5Pcreate(chdf5_p_file_access()) }
    try place.check(.open) { H5Pset_fclose_degree(access.id, H5F_CLOSE_WEAK) }
    if temporaryPath != nil { try place.check(.open) { H5Pset_file_locking(access.id, false, true) } }
    file = try place.handle(.file, .open) { H5Fopen(temporaryPath ?? path, chdf5_f_read_only(), access.id) }
  }

  /// Compares the size of the file with the end of all its data, as its own header says it.
  ///
  /// - Throws: `FileError.truncated`, also for a file that goes on behind its end.
  func checkSize() throws(FileError) {
    let place = Place(file: path)
    var (end, size): (haddr_t, hsize_t) = (0, 0)
    try place.check(.read) { H5Fget_eoa(file.id, &end) }
    try place.check(.read) { H5Fget_filesize(file.id, &size) }
    guard end == size else {
      throw .truncated(path: path, expectedBytes: Int(clamping: end), foundBytes: Int(clamping: size))
    }
  }

  /// Says in our words what is not an HDF5 file at all.
  private static func checkSignature(_ path: String) throws(FileError) {
    let map = try MappedFile(path, expected: "an HDF5 file")
    let signature: [UInt8] = [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A]
    // At 0, or after a user block of 512, 1024, 2048 … bytes.
    var offset = 0
    while offset + signature.count <= map.bytes.count {
      if map.bytes[offset..<offset + signature.count].elementsEqual(signature) { return }
      offset = max(512, offset * 2)
    }
    throw .foreign(path: path, expected: "an HDF5 file", found: describeForeignBytes(map.bytes))
  }

  /// Absolute paths of all datasets, in the order of their names, level by level below each group.
  public func datasets() throws(FileError) -> [String] {
    try objects().datasets
  }

  /// Absolute paths of all groups but the root, in the order of their names.
  public func groups() throws(FileError) -> [String] {
    try objects().groups
  }

  private func objects() throws(FileError) -> HDF5Objects {
    var objects = HDF5Objects()
    try list("/", depth: 0, into: &objects)
    return objects
  }

  /// Adds what lies below a group. A group that hard links lead to by two names is listed under the first.
  private func list(_ group: String, depth: Int, into objects: inout HDF5Objects) throws(FileError) {
    let place = Place(file: path, item: group)
    guard depth < 64 else { throw .invalid(circle: group, path: path) }
    let handle = try place.handle(.group, .list) { H5Gopen2(file.id, group, chdf5_p_default()) }
    for link in try links(of: handle.id, place) {
      objects.links += 1
      guard objects.links <= HDF5Objects.mostLinks else {
        throw .invalid(
          path: path, item: group, expected: "at most \(HDF5Objects.mostLinks) groups and datasets in a file",
          found: "more")
      }
      let child = (group == "/" ? "" : group) + "/" + link.name
      let childPlace = Place(file: path, item: child)
      let object = try childPlace.handle(.object, .list) { H5Oopen(handle.id, link.name, chdf5_p_default()) }
      switch HDF5Library.locked({ H5Iget_type(object.id) }) {
      case H5I_GROUP:
        objects.groups.append(child)
        if objects.open.contains(link.address) { throw .invalid(circle: child, path: path) }
        guard objects.seen.insert(link.address).inserted else { continue }
        objects.open.append(link.address)
        try list(child, depth: depth + 1, into: &objects)
        objects.open.removeLast()
      case H5I_DATASET: objects.datasets.append(child)
      default: break  // a named type
      }
    }
  }

  /// The hard links of a group in the order of their names, by one walk: to look a link up by its number is a walk of
  /// its own.
  private func links(of group: hid_t, _ place: Place) throws(FileError) -> [HDF5Objects.Link] {
    var links: [(name: [UInt8], address: UInt64)] = []
    try withUnsafeMutablePointer(to: &links) { (pointer) throws(FileError) in
      let collect: H5L_iterate_t = { _, name, info, data in
        guard let name, let info, let links = data?.assumingMemoryBound(to: [(name: [UInt8], address: UInt64)].self)
        else { return -1 }
        if info.pointee.type == H5L_TYPE_HARD {
          links.pointee.append(
            (Array(UnsafeRawBufferPointer(start: name, count: strlen(name))), UInt64(info.pointee.u.address)))
        }
        return 0
      }
      try place.check(.list) { chdf5_l_iterate(group, collect, pointer) }
    }
    return try links.map { (link) throws(FileError) in
      HDF5Objects.Link(name: try text(link.name, place), address: link.address)
    }
  }

  /// Soft and external links are not followed: what they lead to is listed where it is, or lies in another file.
  private func isHardLink(_ group: hid_t, _ name: String, _ place: Place) throws(FileError) -> Bool {
    var info = H5L_info_t()
    try place.check(.list) { chdf5_l_get_info(group, name, &info) }
    return info.type == H5L_TYPE_HARD
  }

  /// Whether a group or dataset of this path is in the file itself.
  public func contains(_ object: String) throws(FileError) -> Bool {
    var path = ""
    for name in object.split(separator: "/") {
      path += "/" + name
      let place = Place(file: self.path, item: path)
      guard try exists(path, place), try isHardLink(file.id, path, place) else { return false }
    }
    return true
  }

  /// Whether a link is there. Asking below a dataset is an error to the library, and simply "no" to us; what cannot be
  /// read, or is damaged, is not absent.
  private func exists(_ path: String, _ place: Place) throws(FileError) -> Bool {
    do {
      return try place.check(.read) { H5Lexists(file.id, path, chdf5_p_default()) } > 0
    } catch {
      if case .library = error { return false }
      throw error
    }
  }

  /// An attribute of a group or dataset, the root if not said otherwise; `nil` if there is none of that name.
  public func attribute(_ name: String, of object: String = "/") throws(FileError) -> HDF5Attribute? {
    let handle = try open(object)
    let place = Place(file: path, item: normalized(object))
    return try HDF5AttributeAccess(object: handle.id, place: place).read(name)
  }

  /// All attributes of a group or dataset, in the order of their names.
  public func attributes(of object: String = "/") throws(FileError) -> [(name: String, value: HDF5Attribute)] {
    let handle = try open(object)
    let place = Place(file: path, item: normalized(object))
    let access = HDF5AttributeAccess(object: handle.id, place: place)
    var result: [(name: String, value: HDF5Attribute)] = []
    for name in try access.names() {
      if let value = try access.read(name) { result.append((name, value)) }
    }
    return result
  }

  /// A text attribute that must be there.
  public func string(attribute name: String, of object: String = "/") throws(FileError) -> String {
    guard case .string(let value) = try required(name, object) else { throw mismatch(name, object, "a text") }
    return value
  }

  /// A whole number attribute that must be there.
  public func integer(attribute name: String, of object: String = "/") throws(FileError) -> Int {
    guard case .integer(let value) = try required(name, object) else { throw mismatch(name, object, "a whole number") }
    return value
  }

  /// A number attribute that must be there.
  public func real(attribute name: String, of object: String = "/") throws(FileError) -> Double {
    switch try required(name, object) {
    case .real(let value): return value
    case .integer(let value): return Double(value)
    default: throw mismatch(name, object, "a number")
    }
  }

  private func required(_ name: String, _ object: String) throws(FileError) -> HDF5Attribute {
    if let value = try attribute(name, of: object) { return value }
    let names = try attributes(of: object).map(\.name)
    throw .missing(path: path, item: attributePath(name, object), nearest: Spelling.nearest(to: name, in: names))
  }

  private func mismatch(_ name: String, _ object: String, _ expected: String) -> FileError {
    .type(path: path, item: attributePath(name, object), expected: expected, found: "a value of another type")
  }

  private func attributePath(_ name: String, _ object: String) -> String {
    "\(normalized(object)) attribute \(name)"
  }

  /// Opens any object, or says which name comes nearest.
  func open(_ object: String) throws(FileError) -> Handle {
    let item = normalized(object)
    guard try contains(item) else {
      throw .missing(path: path, item: item, nearest: Spelling.nearest(to: item, in: try datasets()))
    }
    return try Place(file: path, item: item).handle(.object, .open) { H5Oopen(file.id, item, chdf5_p_default()) }
  }
}

/// What lies in a file, in the order in which it is listed.
private struct HDF5Objects {
  /// A name in a group, and the object it leads to.
  struct Link {
    let name: String
    let address: UInt64
  }

  /// Most links that are followed: some times what the largest models have, and little enough to be listed in a second
  /// or so.
  static let mostLinks = 262_144

  var datasets: [String] = []
  var groups: [String] = []
  var links = 0
  /// Addresses of groups that are listed or being listed: links that lead back and forth would be followed for ever.
  var seen: Set<UInt64> = []
  /// Those that are being listed, each in the one before.
  var open: [UInt64] = []
}

extension FileError {
  /// Groups that lie too deep, or in themselves.
  fileprivate static func invalid(circle group: String, path: String) -> FileError {
    .invalid(path: path, item: group, expected: "at most 64 levels of groups", found: "more, or a circle")
  }
}
