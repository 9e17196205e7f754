internal import Foundation

/// The small files of a hub folder that go along with the weights, verbatim: all that a tokenizer may need, and code that
/// the configuration names.
struct HubFiles: Sendable {
  /// Text of `tokenizer.json`.
  var tokenizerJSON: String?
  /// Bytes of `tokenizer.model`, a SentencePiece model.
  var tokenizerModel: [UInt8]?
  /// Other text files by name.
  var texts: [String: String] = [:]

  static let configurationName = "config.json"
  static let tokenizerName = "tokenizer.json"
  static let tokenizerModelName = "tokenizer.model"
  private static let textNames: Set = [
    "added_tokens.json", "chat_template.jinja", "chat_template.json", "generation_config.json", "merges.txt",
    "special_tokens_map.json", "tokenizer_config.json", "vocab.json",
  ]

  /// The three properties.
  var parts: (tokenizerJSON: String?, tokenizerModel: [UInt8]?, texts: [String: String]) {
    (tokenizerJSON, tokenizerModel, texts)
  }

  init() {}

  /// Reads what is there.
  ///
  /// - Throws: ``FileError``, for instance for text that is no UTF-8.
  init(folder: String) throws(FileError) {
    func existing(_ name: String) -> String? {
      let path = (folder as NSString).appendingPathComponent(name)
      return FileManager.default.fileExists(atPath: path) ? path : nil
    }
    tokenizerJSON = try existing(Self.tokenizerName).map { (path) throws(FileError) in try TextFile.read(path) }
    if let path = existing(Self.tokenizerModelName) {
      let file = try MappedFile(path)
      guard file.bytes.count <= TextFile.maximumBytes else { throw TextFile.tooLong(path, file.bytes.count) }
      tokenizerModel = Array(file.bytes)
    }
    var names = Self.textNames
    for source in [Self.configurationName, "tokenizer_config.json"] {
      if let path = existing(source) { names.formUnion(Self.code(namedIn: try TextFile.read(path))) }
    }
    for name in names {
      if let path = existing(name) { texts[name] = try TextFile.read(path) }
    }
  }

  /// Whether a text of this name is carried along; no name leads out of its folder.
  static func isCompanion(_ name: String) -> Bool {
    textNames.contains(name) || (name.hasSuffix(".py") && !name.contains("/") && name != ".py")
  }

  /// Python files that `auto_map` names: `{"AutoModel": "modeling_x.XModel"}`, or a list of such names. Those in another
  /// repository, `owner/name--modeling_x.XModel`, are not here.
  private static func code(namedIn json: String) -> [String] {
    var json = json
    let root = json.withUTF8 { try? StrictJSON(UnsafeRawBufferPointer($0)) }
    guard case .object(let members)? = root?["auto_map"] else { return [] }
    let values = members.flatMap { member in
      if case .array(let elements) = member.value { elements } else { [member.value] }
    }
    return values.compactMap { (value) -> String? in
      guard case .string(let name) = value, !name.contains("--"), let module = name.split(separator: ".").first
      else { return nil }
      let file = String(module) + ".py"
      // Our own code is made anew from the routing.
      return isCompanion(file) && !file.hasPrefix(ModelCode.prefix) ? file : nil
    }
  }
}
