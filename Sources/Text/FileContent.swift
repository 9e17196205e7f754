/// Tells files that are no text from their first bytes, so that a message can say what they are.
enum FileContent {
  /// What a file is, and what makes text of it.
  struct Kind: Equatable {
    let name: String
    let hint: String
  }

  /// What the bytes are if they are known not to be samples; `nil` for anything else.
  static func kind(of bytes: [UInt8], path: String) -> Kind? {
    for (first, name, hint) in known where bytes.starts(with: first) {
      return Kind(name: name, hint: hint.replacing("FILE", with: path))
    }
    return nil
  }

  private static let table =
    "JSON lines: python -c \"import pandas; pandas.%('FILE').to_json('FILE.jsonl', orient='records', lines=True)\""

  private static let known: [(first: [UInt8], name: String, hint: String)] = [
    (Array("PAR1".utf8), "a Parquet file", table.replacing("%", with: "read_parquet")),
    (Array("ARROW1".utf8), "an Arrow file", table.replacing("%", with: "read_feather")),
    ([0xFF, 0xFF, 0xFF, 0xFF], "an Arrow stream", "JSON lines: `Dataset.from_file('FILE').to_json('FILE.jsonl')`"),
    ([0x1F, 0x8B], "a file packed with gzip", "`gunzip -k FILE`"),
    ([0x28, 0xB5, 0x2F, 0xFD], "a file packed with zstd", "`zstd -d FILE`"),
    ([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00], "a file packed with xz", "`xz -dk FILE`"),
    (Array("BZh".utf8), "a file packed with bzip2", "`bunzip2 -k FILE`"),
    ([0x50, 0x4B, 0x03, 0x04], "a ZIP archive (or a spreadsheet)", "`unzip FILE`, or an export as CSV"),
    ([0x89, 0x48, 0x44, 0x46], "an HDF5 file", "an export as JSON lines"),
    (Array("SQLite format 3".utf8), "an SQLite database", "an export as JSON lines"),
    ([0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59], "an array of NumPy's", "the texts that it was made of"),
    (Array("version https://git-lfs.".utf8), "a Git LFS pointer in place of the file", "`git lfs pull`"),
  ]
}
