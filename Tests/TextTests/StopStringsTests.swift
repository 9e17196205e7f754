import Testing

@testable import Text

@Suite struct StopStringsTests {
  /// The text before the earliest of the strings, wherever the text is cut into pieces.
  @Test(arguments: [
    ("one two three", ["two"], "one ", true),
    ("abababc", ["abc"], "abab", true),
    ("aaab", ["aab", "b"], "a", true),
    ("end\n\nmore", ["\n\n", "more"], "end", true),
    ("nothing here", ["##", "stop"], "nothing here", false),
    ("almost st", ["stop"], "almost st", false),
    ("grün … Übung", ["Üb"], "grün … ", true),
    ("xyz", [], "xyz", false),
    ("stop", ["stop"], "", true),
  ]) func findsThemAcrossPieces(text: String, stops: [String], expected: String, isStopped: Bool) {
    let bytes = Array(text.utf8)
    for size in 1...max(bytes.count, 1) {
      var watch = StopStrings(stops)
      var shown: [UInt8] = []
      for start in stride(from: 0, to: bytes.count, by: size) {
        shown += watch.take(bytes[start..<min(start + size, bytes.count)])
      }
      #expect(watch.isStopped == isStopped, "pieces of \(size)")
      if !watch.isStopped { #expect(expected.utf8.starts(with: shown), "nothing that may be a stop is shown") }
      shown += watch.finish()
      #expect(String(decoding: shown, as: UTF8.self) == expected, "pieces of \(size)")
      #expect(watch.take([65]) == (isStopped ? [] : [65]))
    }
  }

  @Test func emptyStringsAreNoStops() {
    var watch = StopStrings([""])
    #expect(watch.take([65, 66]) == [65, 66] && !watch.isStopped)
  }
}
