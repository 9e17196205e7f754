package import Formats

/// Values of a data file: a list of them, or one a line.
package enum JSONRows {
  /// The bytes of a file without a byte-order mark, checked to be UTF-8 and not blank.
  ///
  /// - Throws: ``DataError``, for a packed file and the like with what it is.
  package static func bytes(of file: String) throws(DataError) -> [UInt8] {
    var bytes: [UInt8]
    do {
      bytes = try InputFile.bytes(file)
    } catch {
      throw .unreadable(path: file, reason: error.found)
    }
    if let kind = FileContent.kind(of: bytes, path: file) {
      throw .notText(path: file, found: kind.name, hint: kind.hint)
    }
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
    guard bytes.contains(where: { !isSpace($0) }) else { throw .emptyFile(path: file) }
    if String(validating: bytes, as: UTF8.self) == nil {
      let lines = bytes.split(separator: newline, omittingEmptySubsequences: false)
      let bad = lines.firstIndex { String(validating: $0, as: UTF8.self) == nil } ?? 0
      throw .encoding(path: file, line: bad + 1)
    }
    return bytes
  }

  private static let newline = UInt8(ascii: "\n")
  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

  /// Hands over each value with the line on which it begins; lines that are blank are skipped.
  ///
  /// - Parameters:
  ///   - bytes: The file's content, a JSON list or a JSON value a line.
  ///   - file: Its name, for messages.
  ///   - body: Told each value.
  /// - Throws: ``DataError``.
  package static func read(
    _ bytes: [UInt8], file: String, _ body: (JSONValue, Int) throws(DataError) -> Void
  ) throws(DataError) {
    if bytes.first(where: { !isSpace($0) }) == UInt8(ascii: "[") {
      var parser = JSONParser(bytes)
      let error = try parser.elements { (value, line) throws(DataError) in try body(value, line) }
      if let error { throw .broken(path: file, line: error.line, column: error.column, reason: error.reason) }
      return
    }
    var start = 0
    var line = 1
    while start < bytes.count {
      let end = bytes[start...].firstIndex(of: newline) ?? bytes.count
      if bytes[start..<end].contains(where: { !isSpace($0) }) {
        var parser = JSONParser(bytes, range: start..<end, line: line)
        let value: JSONValue
        do throws(JSONError) {
          value = try parser.document()
        } catch {
          if error.reason.hasPrefix(JSONError.end), let found = spread(bytes, start..<bytes.count, line) {
            throw .notLines(path: file, line: line, found: found)
          }
          throw .broken(path: file, line: error.line, column: error.column, reason: error.reason)
        }
        try body(value, line)
      }
      start = end + 1
      line += 1
    }
  }

  /// What a value is that begins on a line and ends on a later one, in words; `nil` where it does not end.
  private static func spread(_ bytes: [UInt8], _ range: Range<Int>, _ line: Int) -> String? {
    var parser = JSONParser(bytes, range: range, line: line)
    do throws(JSONError) {
      _ = try parser.document()
      return "one value over several lines"
    } catch {
      return error.line > line && error.reason.hasSuffix(JSONError.trailing) ? "values over several lines" : nil
    }
  }

  /// The rows of a table with commas or tabs, whose first line names the columns: every cell is a text.
  ///
  /// - Parameters:
  ///   - bytes: The file's content.
  ///   - file: Its name; one that ends in `.tsv` has tabs.
  /// - Returns: An object for each row, with the line on which it begins.
  /// - Throws: ``DataError`` for a row with more or fewer cells than there are names, and for a name that is repeated.
  package static func table(_ bytes: [UInt8], file: String) throws(DataError) -> [(value: JSONValue, line: Int)] {
    let records = try records(bytes, file: file)
    guard let head = records.first else { return [] }
    var rows: [(value: JSONValue, line: Int)] = []
    for record in records.dropFirst() {
      rows.append((.object(zip(head.cells, record.cells).map { .init(key: $0, value: .string($1)) }), record.line))
    }
    return rows
  }

  /// The records of a table, all with as many cells.
  ///
  /// - Parameters:
  ///   - bytes: The file's content.
  ///   - file: Its name; one that ends in `.tsv` has tabs.
  ///   - hasNames: Tells from the records whether the first one names the columns, each once.
  /// - Returns: The records.
  /// - Throws: ``DataError``.
  package static func records(
    _ bytes: [UInt8], file: String, hasNames: ([DelimitedText.Record]) -> Bool = { _ in true }
  ) throws(DataError) -> [DelimitedText.Record] {
    let records: [DelimitedText.Record]
    do throws(DelimitedText.OpenQuote) {
      records = try DelimitedText.records(bytes, isTabs: file.lowercased().hasSuffix(".tsv") ? true : nil)
    } catch {
      throw .table(path: file, line: error.line, expected: "a quote that closes the cell", found: "none")
    }
    guard let head = records.first else { return [] }
    for record in records where record.cells.count != head.cells.count {
      throw .table(
        path: file, line: record.line, expected: "\(head.cells.count) cells as in the first line",
        found: "\(record.cells.count)")
    }
    if hasNames(records) {
      var names: Set<String> = []
      for name in head.cells where !names.insert(name).inserted {
        throw .table(path: file, line: head.line, expected: "every column once", found: "'\(name)' twice")
      }
    }
    return records
  }
}
