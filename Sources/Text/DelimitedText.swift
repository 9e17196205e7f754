/// Tables with commas or tabs, record by record (RFC 4180).
///
/// Records end in `\n`, `\r\n` or `\r`. With commas a cell may stand in quotes: what is between them stays as it is,
/// line ends included, and a doubled quote is one. Text behind a closing quote is taken into the cell and a quote
/// inside of a bare cell is a letter, as Python's `csv` and pandas read both. With tabs a quote is always a letter.
package enum DelimitedText {
  /// One line of a table, or several where a cell has line ends.
  package struct Record: Sendable, Equatable {
    /// The cells, at least one.
    package let cells: [String]
    /// Line on which it begins, from 1.
    package let line: Int
  }

  /// A quote that nothing closes, on the line on which it opens.
  package struct OpenQuote: Error, Equatable {
    package let line: Int
  }

  /// Reads the records that are not empty lines.
  ///
  /// - Parameters:
  ///   - bytes: UTF-8 without a byte-order mark.
  ///   - isTabs: Whether cells are parted by tabs; nil to tell it from the first record: by tabs if it has some and no
  ///     comma.
  /// - Returns: The records in order.
  /// - Throws: ``OpenQuote``.
  package static func records(_ bytes: [UInt8], isTabs: Bool? = nil) throws(OpenQuote) -> [Record] {
    if let isTabs { return try read(bytes, isTabs ? tab : comma, quotes: !isTabs) }
    let records = try read(bytes, comma, quotes: true)
    guard let first = records.first, first.cells.count == 1, first.cells[0].utf8.contains(tab) else { return records }
    return try read(bytes, tab, quotes: false)
  }

  private static let (comma, tab) = (UInt8(ascii: ","), UInt8(ascii: "\t"))
  private static let (quote, feed, carriage) = (UInt8(ascii: "\""), UInt8(ascii: "\n"), UInt8(ascii: "\r"))

  private enum State {
    /// Nothing of the cell was read.
    case start
    case bare
    case quoted
    /// Behind a quote in a quoted cell: it closes the cell unless another one follows.
    case closing
  }

  private static func read(_ bytes: [UInt8], _ separator: UInt8, quotes: Bool) throws(OpenQuote) -> [Record] {
    var records: [Record] = []
    var (cells, cell): ([String], [UInt8]) = ([], [])
    var (state, index, line, first, opened) = (State.start, 0, 1, 1, 1)
    var isEmpty = true  // nothing of the record was read
    func endCell() {
      cells.append(String(decoding: cell, as: UTF8.self))
      cell.removeAll(keepingCapacity: true)
      state = .start
    }
    while index < bytes.count {
      let byte = bytes[index]
      index += 1
      // `\r\n` is one line end: the line is counted at its second half.
      let endsLine = byte == feed || (byte == carriage && (index == bytes.count || bytes[index] != feed))
      if endsLine { line += 1 }
      if state == .quoted {
        if byte == quote { state = .closing } else { cell.append(byte) }
        continue
      }
      if byte == feed || byte == carriage {
        guard endsLine else { continue }
        if !isEmpty {
          endCell()
          records.append(Record(cells: cells, line: first))
        }
        (cells, isEmpty, first) = ([], true, line)
        continue
      }
      isEmpty = false
      switch (byte, state) {
      case (separator, _): endCell()
      case (quote, .start) where quotes: (state, opened) = (.quoted, line)
      case (quote, .closing):
        cell.append(byte)
        state = .quoted
      default:
        cell.append(byte)
        state = .bare
      }
    }
    guard state != .quoted else { throw OpenQuote(line: opened) }
    if !isEmpty {
      endCell()
      records.append(Record(cells: cells, line: first))
    }
    return records
  }
}
