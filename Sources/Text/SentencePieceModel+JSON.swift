internal import Formats
public import Foundation

extension SentencePieceModel {
  /// The `tokenizer.json` that gives the same tokens, laid out as the published ones of Llama 2 and Mixtral.
  ///
  /// SentencePiece joins the two neighbours whose whole has the highest score, so every way to cut a piece in two
  /// pieces is a merge, in the order of scores. Control pieces become special tokens, which are cut out of the text
  /// wherever they are spelled. Nothing stands around a text: that is for the files beside it to say.
  ///
  /// - Parameter isLegacy: Whether a space goes before every piece of a text between special tokens, or before the
  ///   first alone, and there only where no space is.
  /// - Returns: The file's content.
  /// - Source: `SpmConverter.build_tokenizer_from_spm_proto` of transformers 5.24.
  func tokenizerJSON(isLegacy: Bool) -> Data {
    var vocabulary: [String] = []
    var added: [String] = []
    for (id, piece) in pieces.enumerated() {
      let text = Self.quoted(piece.text)
      vocabulary.append("\(text):\(id)")
      guard piece.kind == .control || piece.kind == .unknown else { continue }
      let rules = #""single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true"#
      added.append(#"{"id":\#(id),"content":\#(text),\#(rules)}"#)
    }
    let unknown = pieces.first { $0.kind == .unknown }.map { Self.quoted($0.text) } ?? "null"
    let merges = merges().map { "[\(Self.quoted($0.left)),\(Self.quoted($0.right))]" }
    let prepend = putsSpaceBefore && isLegacy ? #"{"type":"Prepend","prepend":"▁"},"# : ""
    let cut =
      putsSpaceBefore && !isLegacy
      ? #"{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":false}"# : "null"
    let strip = putsSpaceBefore ? #",{"type":"Strip","content":" ","start":1,"stop":0}"# : ""
    let json =
      #"{"version":"1.0","truncation":null,"padding":null,"added_tokens":["# + added.joined(separator: ",")
      + #"],"normalizer":{"type":"Sequence","normalizers":["# + prepend
      + #"{"type":"Replace","pattern":{"String":" "},"content":"▁"}]},"pre_tokenizer":"# + cut
      + #","post_processor":null,"decoder":{"type":"Sequence","decoders":["#
      + #"{"type":"Replace","pattern":{"String":"▁"},"content":" "},"#
      + #"{"type":"ByteFallback"},{"type":"Fuse"}"# + strip + #"]},"model":{"type":"BPE","dropout":null,"unk_token":"#
      + unknown + #","continuing_subword_prefix":null,"end_of_word_suffix":null,"fuse_unk":true,"byte_fallback":true,"#
      + #""ignore_merges":false,"vocab":{"# + vocabulary.joined(separator: ",") + #"},"merges":["#
      + merges.joined(separator: ",") + "]}}"
    return Data(json.utf8)
  }

  /// Every way to join two pieces to one, best score first; of one piece the earlier left part first.
  private func merges() -> [(left: String, right: String)] {
    var ids: [ExactText: Int] = [:]
    for (id, piece) in pieces.enumerated() where piece.kind == .normal { ids[ExactText(piece.text)] = id }
    let order = pieces.indices.filter { pieces[$0].kind == .normal }.sorted {
      (-pieces[$0].score, $0) < (-pieces[$1].score, $1)
    }
    var merges: [(left: String, right: String)] = []
    for whole in order {
      let text = pieces[whole].text
      var ways: [(left: Int, right: Int)] = []
      for cut in text.unicodeScalars.indices.dropFirst() {
        if let left = ids[ExactText(String(text.unicodeScalars[..<cut]))],
          let right = ids[ExactText(String(text.unicodeScalars[cut...]))]
        {
          ways.append((left, right))
        }
      }
      merges += ways.sorted { $0 < $1 }.map { (pieces[$0.left].text, pieces[$0.right].text) }
    }
    return merges
  }

  /// A text as JSON has it.
  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": result += "\\\(scalar)"
      case "\u{0}"..<" ":
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}

extension Tokenizer {
  /// Reads a `tokenizer.model` of SentencePiece, as `AutoTokenizer` of transformers 5.24 does: `add_bos_token` and
  /// `add_eos_token` say what stands around a text, `legacy` where a space is put before it.
  ///
  /// - Parameters:
  ///   - sentencePiece: content of the file.
  ///   - source: name of the file, for messages.
  ///   - sides: what stands beside it.
  /// - Throws: ``TokenizerError`` for bytes that are not such a file, and for every feature not supported here.
  public init(
    sentencePiece: Data, source: String, sides: TokenizerSides = TokenizerSides()
  ) throws(TokenizerError) {
    let model = try SentencePieceModel(sentencePiece, source: source)
    let texts = Set(model.pieces.map { ExactText($0.text) })
    for byte in UInt8.min...UInt8.max {
      let digits = String(byte, radix: 16, uppercase: true)
      let piece = "<0x" + (digits.count == 1 ? "0" : "") + digits + ">"
      guard texts.contains(ExactText(piece)) else {
        throw .invalid(
          source: source, key: "model.vocab", expected: "a token for every byte, as byte_fallback needs",
          found: "none for '\(piece)'")
      }
    }
    let configuration = try TokenizerConfiguration(sides, source: source)
    let json = model.tokenizerJSON(isLegacy: configuration.isLegacy ?? true)
    try self.init(json: json, source: source, sides: sides, model: model)
  }
}
