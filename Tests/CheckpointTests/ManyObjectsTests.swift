import Files
import CHDF5
import Foundation
import TestSupport
import Testing

@testable import Checkpoint

/// Files with more groups, datasets and attributes than any model has: the time to list them grows with their number.
@Suite struct ManyObjectsTests {
  /// A file of so many empty groups.
  private static func groups(_ count: Int, in path: String) {
    HDF5Library.locked {
      let file = H5Fcreate(path, chdf5_f_truncate(), chdf5_p_default(), chdf5_p_default())
      defer { H5Fclose(file) }
      for index in 0..<count {
        let group = H5Gcreate2(file, "unknown\(index)", chdf5_p_default(), chdf5_p_default(), chdf5_p_default())
        H5Gclose(group)
      }
    }
  }

  /// Looked up by their numbers, so many would take an hour.
  @Test func manyGroupsAreListedInOneWalk() throws {
    let scratch = try TemporaryFolder()
    let path = scratch.path("many.h5")
    Self.groups(60_000, in: path)
    let began = ContinuousClock.now
    #expect(try HDF5Reader(path).groups().count == 60_000)
    #expect(ContinuousClock.now - began < .seconds(60))
  }

  @Test func theirNumberHasALimitThatIsNamed() throws {
    let scratch = try TemporaryFolder()
    let path = scratch.path("too-many.h5")
    // Groups with links to others, named anew: what is listed is more than what is there.
    Self.groups(1000, in: path)
    HDF5Library.locked {
      let file = H5Fopen(path, 1, chdf5_p_default())
      for group in 0..<300 {
        for other in 0..<900 {
          H5Lcreate_hard(
            file, "unknown\(999 - other % 90)", file, "unknown\(group)/link\(other)", chdf5_p_default(),
            chdf5_p_default())
        }
      }
      H5Fclose(file)
    }
    #expect(
      failure { _ = try HDF5Reader(path).groups() }?.description.contains(
        "expected at most 262144 groups and datasets in a file, found more") == true)
  }

  /// 2⁴⁰ paths lead through forty groups that each hold the next by two names.
  @Test func groupsOfSeveralNamesAreListedOnce() throws {
    let scratch = try TemporaryFolder()
    let path = scratch.path("diamond.h5")
    HDF5Library.locked {
      let file = H5Fcreate(path, chdf5_f_truncate(), chdf5_p_default(), chdf5_p_default())
      var group = ""
      for _ in 0..<40 {
        let made = H5Gcreate2(file, group + "/a", chdf5_p_default(), chdf5_p_default(), chdf5_p_default())
        H5Gclose(made)
        H5Lcreate_hard(file, group + "/a", file, group + "/b", chdf5_p_default(), chdf5_p_default())
        group += "/a"
      }
      H5Fclose(file)
    }
    #expect(try HDF5Reader(path).groups().count == 80)
  }

  @Test func manyAttributesAreListedInOneWalk() throws {
    let scratch = try TemporaryFolder()
    let path = scratch.path("attributes.h5")
    HDF5Library.locked {
      let access = H5Pcreate(chdf5_p_file_access())
      H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V110)
      let file = H5Fcreate(path, chdf5_f_truncate(), chdf5_p_default(), access)
      let space = H5Screate(H5S_SCALAR)
      for index in 0..<20_000 {
        let attribute = H5Acreate2(
          file, "unknown\(index)", chdf5_t_i64(), space, chdf5_p_default(), chdf5_p_default())
        var value = Int64(index)
        H5Awrite(attribute, chdf5_t_i64(), &value)
        H5Aclose(attribute)
      }
      H5Sclose(space)
      H5Fclose(file)
    }
    let began = ContinuousClock.now
    #expect(try HDF5Reader(path).attributes().count == 20_000)
    #expect(ContinuousClock.now - began < .seconds(60))
  }
}
