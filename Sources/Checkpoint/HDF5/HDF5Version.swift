internal import CHDF5

/// The HDF5 library in use.
public enum HDF5Version {
  /// Its version, `1.10.8`.
  public static var current: String {
    var (major, minor, release): (UInt32, UInt32, UInt32) = (0, 0, 0)
    _ = HDF5Library.locked { H5get_libversion(&major, &minor, &release) }
    return "\(major).\(minor).\(release)"
  }
}
