internal import Host
public import Files
import CHDF5
internal import Tensors

/// A new HDF5 file, visible under its name only after `commit`.
///
///     let file = try HDF5Writer(creating: "model.h5")
///     try file.write("model/norm/weight", shape: [192], type: .bfloat16, bytes: bytes)
///     try file.setAttribute("format", .string("occult"))
///     try file.commit()
///
/// Dropped without `commit`, it leaves nothing behind. The same calls make the same bytes. Files are in the format of
/// HDF5 1.10, whose headers and chunk indices carry checksums.
public struct HDF5Writer: ~Copyable, Sendable {
  private let pending: PendingFile
  private let file: Handle
  private let groupProperties: Handle
  private let ledger = HDF5Ledger()
  /// Where the file will be.
  public var path: String { pending.path }

  /// Starts a file at a temporary name beside `path`.
  ///
  /// Every dataset's first byte is a multiple of `alignment`, a power of two: 4096 for files that are to be
  /// memory-mapped. Each object of the file then takes at least so many bytes.
  ///
  /// - Throws: `FileError.system` if the folder is missing or not writable, `.notAFile` if `path` is a folder.
  public init(creating path: String, alignment: Int = 1) throws(FileError) {
    precondition(alignment > 0 && alignment & (alignment - 1) == 0, "alignment \(alignment) is not a power of two")
    let pending = try PendingFile(path, expected: "an HDF5 file")
    Activity.note("writing \(path)")
    let place = Place(file: path)

    let access = try place.handle(.properties, .create) { H5Pcreate(chdf5_p_file_access()) }
    try place.check(.create) { H5Pset_libver_bounds(access.id, H5F_LIBVER_V110, H5F_LIBVER_V110) }
    try place.check(.create) { H5Pset_fclose_degree(access.id, H5F_CLOSE_STRONG) }
    // Our own lock on the temporary file is enough, and the library's would collide with it.
    try place.check(.create) { H5Pset_file_locking(access.id, false, true) }
    if alignment > 1 {
      // From one byte on: HDF5 would pack small datasets at odd addresses, where no vector can be loaded.
      try place.check(.create) { H5Pset_alignment(access.id, 1, hsize_t(alignment)) }
    }
    let creation = try place.handle(.properties, .create) { H5Pcreate(chdf5_p_file_create()) }
    try place.check(.create) { H5Pset_obj_track_times(creation.id, false) }

    let groups = try place.handle(.properties, .create) { H5Pcreate(chdf5_p_group_create()) }
    try place.check(.create) { H5Pset_obj_track_times(groups.id, false) }
    file = try place.handle(.file, .create) {
      H5Fcreate(pending.temporaryPath, chdf5_f_truncate(), creation.id, access.id)
    }
    groupProperties = groups
    self.pending = pending
  }

  /// Writes one array, chunked with Fletcher-32 where `layout` does not say otherwise.
  ///
  /// Groups on the way to the dataset are created; a leading `/` makes no difference. `bytes` are all elements,
  /// little-endian, row-major.
  ///
  /// - Throws: `FileError`, for instance on a full disk.
  public func write(
    _ dataset: String, shape: [Int], type: ElementType, bytes: UnsafeRawBufferPointer, layout: HDF5Layout? = nil
  ) throws(FileError) {
    var target = try self.dataset(dataset, shape: shape, type: type, layout: layout)
    try target.append(bytes)
    try target.finish()
  }

  /// Starts an array that is written piece by piece.
  public func dataset(
    _ dataset: String, shape: [Int], type: ElementType, layout: HDF5Layout? = nil
  ) throws(FileError) -> HDF5DatasetWriter {
    let layout = layout ?? .chunked(shape: shape, type: type)
    let place = Place(file: path, item: normalized(dataset))
    let fileType = try type.makeHDF5(place)
    let space = try makeSpace(place, shape)
    let properties = try layout.makeProperties(shape: shape, place)
    let id = try create(place) { group, name in
      H5Dcreate2(group, name, fileType.id, space.id, chdf5_p_default(), properties.id, chdf5_p_default())
    }
    if type == .bfloat16 {
      try HDF5AttributeAccess(object: id.id, place: place, ledger: ledger).write("dtype", .string(type.rawValue))
    }
    return HDF5DatasetWriter(
      id: id, type: fileType, space: space, place: place, ledger: ledger, shape: shape, elementSize: type.byteCount,
      layout: layout)
  }

  /// Writes text as a scalar string dataset (UTF-8, `asstr()[()]` in h5py), with its CRC-32C in the attribute `crc32c`.
  ///
  /// - Throws: `FileError.unsupported` if the text contains a zero byte, which would end it for every reader.
  public func write(_ dataset: String, string: String) throws(FileError) {
    let place = Place(file: path, item: normalized(dataset))
    let bytes = Array(string.utf8)
    guard !bytes.contains(0) else {
      throw .unsupported(
        path: path, item: place.item ?? dataset, expected: "text without a zero byte", found: "one")
    }
    let type = try makeTextType(place, byteCount: bytes.count)
    let space = try makeSpace(place, [])
    let properties = try HDF5Layout.contiguous(checksum: .none).makeProperties(shape: [], place)
    let id = try create(place) { group, name in
      H5Dcreate2(group, name, type.id, space.id, chdf5_p_default(), properties.id, chdf5_p_default())
    }
    let padded = bytes.isEmpty ? [0] : bytes
    try place.check(.write) {
      H5Dwrite(id.id, type.id, chdf5_s_all(), chdf5_s_all(), chdf5_p_default(), padded)
    }
    let checksum = CRC32C.checksum(bytes)
    try HDF5AttributeAccess(object: id.id, place: place, ledger: ledger)
      .write(checksumAttribute, .integer(Int(checksum)))
    try id.close(place)
    ledger.add(dataset: place.item ?? "/", checksum: checksum)
  }

  /// Creates an empty group, and those above it, where missing.
  public func makeGroup(_ group: String) throws(FileError) {
    let handle = try openGroup(normalized(group).split(separator: "/").map(String.init))
    try handle.close(Place(file: path, item: normalized(group)))
  }

  /// Adds an attribute to a group or dataset that is there, the root if not said otherwise. Keep it below 64 KiB.
  public func setAttribute(_ name: String, _ value: HDF5Attribute, of object: String = "/") throws(FileError) {
    let place = Place(file: path, item: normalized(object))
    let handle = try place.handle(.object, .write) { H5Oopen(file.id, normalized(object), chdf5_p_default()) }
    try HDF5AttributeAccess(object: handle.id, place: place, ledger: ledger).write(name, value)
    try handle.close(place)
  }

  /// Flushes, closes, reads everything again, syncs to disk, and moves the file to its name in one step.
  ///
  /// What is read is compared with what was handed over, dataset by dataset and attribute by attribute: the library can
  /// lose a write without a word, and a chunk that never came reads as zeros.
  ///
  /// - Throws: `FileError`; the file that was there before is then still there, untouched.
  public consuming func commit() throws(FileError) {
    let place = Place(file: pending.path)
    try place.check(.write) { H5Fflush(self.file.id, H5F_SCOPE_LOCAL) }
    let pending = pending
    try file.close(place)
    try ledger.compare(with: HDF5Reader(pending: pending.temporaryPath, named: pending.path))
    try pending.commit()
  }

  /// Calls `make` with the group and last name of the place's path, under created groups.
  private func create(_ place: Place, _ make: (hid_t, String) -> hid_t) throws(FileError) -> Handle {
    var names = (place.item ?? "").split(separator: "/").map(String.init)
    guard let name = names.popLast() else { preconditionFailure("a dataset needs a name") }
    let group = try openGroup(names)
    let dataset = try place.handle(.dataset, .create) { make(group.id, name) }
    try group.close(place)
    return dataset
  }

  private func openGroup(_ names: [String]) throws(FileError) -> Handle {
    var path = "/"
    let root = Place(file: pending.path, item: path)
    var group = try root.handle(.group, .create) { H5Gopen2(file.id, "/", chdf5_p_default()) }
    for name in names {
      path += (path == "/" ? "" : "/") + name
      let place = Place(file: pending.path, item: path)
      let exists = try place.check(.create) { H5Lexists(group.id, name, chdf5_p_default()) } > 0
      let next = try place.handle(.group, .create) {
        exists
          ? H5Gopen2(group.id, name, chdf5_p_default())
          : H5Gcreate2(group.id, name, chdf5_p_default(), groupProperties.id, chdf5_p_default())
      }
      try group.close(place)
      group = next
    }
    return group
  }
}

/// The attribute that holds CRC-32C values of contiguous data.
let checksumAttribute = "crc32c"

/// An absolute path without empty parts.
func normalized(_ path: String) -> String {
  "/" + path.split(separator: "/").joined(separator: "/")
}
