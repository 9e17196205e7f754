import Files
import Testing

@testable import Checkpoint

/// Files written by h5py: see `Fixtures/make_fixtures.py`.
@Suite struct HDF5ForeignTests {
  static let files = ["h5py-default.h5", "h5py-v110.h5"]

  @Test(arguments: files)
  func readsNumbers(file: String) throws {
    let file = try HDF5Reader(fixture(file))
    #expect(values(try file.bytes("a/f32").bytes, as: Float.self) == ramp(6))
    #expect(values(try file.bytes("/a/f64").bytes, as: Double.self) == ramp(6).map(Double.init))
    #expect(values(try file.bytes("a/bf16").bytes, as: UInt16.self) == bfloat16(ramp(6)))
    // -3, -2.75 … as halves
    #expect(
      values(try file.bytes("a/f16").bytes, as: UInt16.self) == [0xC200, 0xC180, 0xC100, 0xC080, 0xC000, 0xBF00])
    #expect(values(try file.bytes("a/i64").bytes, as: Int64.self) == [-2, -1, 0, 1])
    #expect(try file.bytes("a/u8").bytes == [0, 1, 2, 3])
    #expect(values(try file.bytes("a/scalar").bytes, as: Float.self) == [1.5])
    #expect(try file.info("a/scalar").shape == [])
    #expect(try file.bytes("a/empty").info.shape == [0, 4])
    #expect(values(try file.bytes("c/chunked").bytes, as: Float.self) == ramp(24))
    #expect(values(try file.bytes("c/gzip").bytes, as: Float.self) == ramp(24))
  }

  @Test(arguments: files)
  func recognisesTypesAndStorage(file: String) throws {
    let file = try HDF5Reader(fixture(file))
    let types: [(String, HDF5StoredType)] = [
      ("a/f32", .element(.float32)), ("a/f64", .element(.float64)), ("a/f16", .element(.float16)),
      ("a/bf16", .element(.bfloat16)), ("a/i64", .element(.int64)), ("a/u8", .element(.uint8)),
      ("b/big", .other("big-endian float32")), ("b/flags", .other("an enumeration (h5py's booleans are)")),
      ("b/marked", .element(.bfloat16)), ("b/unmarked", .element(.uint16)), ("b/opaque", .element(.bfloat16)),
      ("s/variable", .string), ("s/fixed", .string),
    ]
    for (path, type) in types { #expect(try file.info(path).type == type, "\(path)") }
    let gzip = try file.info("c/gzip")
    #expect(gzip.storage == .chunked([4, 3]) && gzip.filters == ["shuffle", "deflate"] && gzip.byteCount == 96)
    #expect(try file.info("c/chunked").filters == ["fletcher32"])
    for path in ["b/marked", "b/opaque"] {
      #expect(values(try file.bytes(path).bytes, as: UInt16.self) == bfloat16(ramp(6)))
    }
    // The offset really leads to the data.
    let array = try file.map("a/f32", in: MappedFile(file.path))
    #expect(values(Array(array.bytes), as: Float.self) == ramp(6))
  }

  @Test(arguments: files)
  func readsTextAndAttributes(file: String) throws {
    let file = try HDF5Reader(fixture(file))
    #expect(try file.string("s/variable") == "grüße, 世界")
    #expect(try file.string("s/fixed") == "plain")
    #expect(try file.string("s/one") == "single")
    #expect(try file.string("s/empty") == "")
    #expect(try file.string(attribute: "format") == "fixture")
    #expect(try file.integer(attribute: "version") == 3)
    #expect(try file.real(attribute: "share") == 0.25)
    #expect(try file.real(attribute: "version") == 3)
    #expect(try file.attribute("sizes") == .integers([1, 2, 3]))
    #expect(try file.attribute("rates") == .reals([0.5, 1.5]))
    #expect(try file.attribute("names") == .strings(["one", "zwei"]))
    #expect(try file.attribute("fixed") == .string("ascii"))
    #expect(try file.attribute("flag") == .other("an enumeration (h5py's booleans are)"))
    #expect(try file.attribute("absent") == nil)
    #expect(
      try file.attributes().map(\.name)
        == ["fixed", "flag", "format", "names", "rates", "share", "sizes", "version"])
  }

  @Test(arguments: files)
  func listsInOrderWithoutLinks(file: String) throws {
    let file = try HDF5Reader(fixture(file))
    #expect(try file.groups() == ["/a", "/b", "/c", "/s"])
    #expect(
      try file.datasets() == [
        "/a/bf16", "/a/empty", "/a/f16", "/a/f32", "/a/f64", "/a/i64", "/a/scalar", "/a/u8", "/b/big", "/b/flags",
        "/b/marked", "/b/opaque", "/b/unmarked", "/c/chunked", "/c/gzip", "/c/lzf", "/c/partial", "/c/unwritten",
        "/s/empty", "/s/fixed", "/s/one", "/s/two", "/s/variable",
      ])
    #expect(try file.contains("a") && file.contains("/a/f32/"))
    #expect(try !file.contains("a/f33") && !file.contains("a/f32/x") && !file.contains("link"))
    #expect(try !file.contains("outside"))
  }

  @Test(arguments: files)
  func namesWhatItCannotRead(name: String) throws {
    let path = fixture(name)
    let file = try HDF5Reader(path)
    let table: [(String, String)] = [
      ("b/big", "\(path) /b/big: expected little-endian numbers, found big-endian float32; try converting the file"),
      (
        "b/flags",
        "\(path) /b/flags: expected little-endian numbers, found an enumeration (h5py's booleans are); "
          + "try converting the file"
      ),
      (
        "c/lzf",
        "\(path) /c/lzf: expected filters of the HDF5 library itself, found 'lzf'; try writing it in another way"
      ),
      (
        "c/unwritten",
        "\(path) /c/unwritten: expected 96 bytes of data, found data never written; try writing or fetching the file again"
      ),
      (
        "c/partial",
        "\(path) /c/partial: expected 96 bytes of data, found data never written; try writing or fetching the file again"
      ),
      ("a", "\(path) /a: expected a dataset, found a group; try converting the file"),
      (
        "a/f31",
        "\(path): expected '/a/f31', found nothing of that name; try '/a/f32', the nearest name in the file"
      ),
      (
        "nothing/like/it",
        "\(path): expected '/nothing/like/it', found nothing of that name; try listing what the file holds"
      ),
      (
        "outside",
        "\(path): expected '/outside', found nothing of that name; try listing what the file holds"
      ),
    ]
    for (dataset, text) in table {
      #expect(failure { _ = try file.bytes(dataset) }?.description == text)
    }
    #expect(
      failure { _ = try file.string("a/f32") }?.description
        == "\(path) /a/f32: expected text, found float32; try converting the file")
    #expect(
      failure { _ = try file.string("s/two") }?.description
        == "\(path) /s/two: expected shape [], found [2]; try the file that belongs to this model")
    #expect(
      failure { _ = try file.integer(attribute: "format") }?.description
        == "\(path) / attribute format: expected a whole number, found a value of another type; try converting the file"
    )
    #expect(
      failure { _ = try file.integer(attribute: "versio") }?.description
        == "\(path): expected '/ attribute versio', found nothing of that name; try 'version', the nearest name in the file"
    )
  }

  @Test func saysThatTheFormatIsTooNew() throws {
    let path = fixture("h5py-latest.h5")
    #expect(
      failure { _ = try HDF5Reader(path).bytes("new") }?.description
        == "\(path) /new: expected the HDF5 1.10 format, found a later one or damage "
        + "(bad version number for layout message); try writing the file with h5py.File(…, libver='v110')")
  }

  @Test func circlesEnd() throws {
    let file = try HDF5Reader(fixture("circle.h5"))
    guard case .invalid(_, _, let expected, let found)? = failure({ _ = try file.datasets() }) else {
      Issue.record("a circle of groups was listed")
      return
    }
    #expect(expected == "at most 64 levels of groups" && found == "more, or a circle")
  }
}
