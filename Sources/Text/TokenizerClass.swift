internal import Formats

/// What a class of transformers makes of a `tokenizer.json`.
///
/// Most take the file as it is. Those of some families take its vocabulary, merges and post-processor alone, and build
/// normalizer, pre-tokenizer, decoder and the rest of the model themselves, whatever the file says of them.
///
/// - Source: `AutoTokenizer.from_pretrained` and `models/*/tokenization_*.py` of transformers 5.24.
enum TokenizerClass: String, CaseIterable {
  /// The file as it is: `TokenizersBackend`, alias `PreTrainedTokenizerFast`.
  case file = "TokenizersBackend"
  case gptNeoX = "GPTNeoXTokenizer"
  case gpt2 = "GPT2Tokenizer"
  case qwen2 = "Qwen2Tokenizer"
  case llama = "LlamaTokenizer"

  /// The class that transformers takes.
  ///
  /// - Parameters:
  ///   - configured: `tokenizer_class` of `tokenizer_config.json`.
  ///   - sides: What `config.json` says.
  ///   - isByteLevel: Whether `tokenizer.json` spells `"ByteLevel"` anywhere.
  /// - Returns: The class; nil for one that builds a pipeline which is not here.
  static func resolve(configured: String?, _ sides: TokenizerSides, isByteLevel: Bool) -> TokenizerClass? {
    let hub = configured ?? sides.modelTokenizerClass
    let registered = sides.modelType.flatMap { Self.registered[$0] }
    guard let hub, !hub.isEmpty else { return registered ?? .file }
    let name = hub.hasSuffix("Fast") ? String(hub.dropLast(4)) : hub
    // Llama 3 and DeepSeek name Llama's class beside a pipeline that is nothing like it.
    if name == llama.rawValue, isByteLevel { return .file }
    if let type = sides.modelType, backed.contains(type) { return .file }
    return others.contains(name) ? nil : TokenizerClass(rawValue: name) ?? .file
  }

  /// Classes of families that have one of their own, where no file names one.
  private static let registered: [String: TokenizerClass] = [
    "olmoe": .gptNeoX, "qwen2_moe": .qwen2, "qwen3_moe": .qwen2, "mixtral": .file,
  ]
  /// Families whose files are taken as they are, whatever class they name.
  private static let backed: Set = ["mixtral"]

  /// Classes of transformers 5.24 that build pipelines which are not here.
  private static let others: Set<String> = Set(
    """
    Albert Bart Barthez Bartpho BertJapanese Bert Bertweet BigBird BioGpt BlenderbotSmall Blenderbot ByT5 CLIP CTRL \
    Camembert Canine Clvp CodeLlama Cohere CpmAnt Cpm DPRQuestionEncoder Deberta DebertaV2 Dia DistilBert Electra Esm Esmc \
    FSMT Flaubert Funnel GPTNeoXJapanese Gemma Herbert LED Lasr LayoutLMv2 LayoutLMv3 LayoutXLM Luke Lxmert MBart50 MBart \
    MPNet MarkupLM Mgpstr MobileBert Mvp MyT5 Nllb Nougat OpenAIGPT PLBart Pegasus Perceiver Phobert ProphetNet Qwen3_5 \
    Rag Reformer RemBert RoCBert RoFormer Roberta SeamlessM4T Siglip2 Splinter T5 Tapas Udop VideoPrism Vits Wav2Vec2CTC \
    Wav2Vec2PhonemeCTC Whisper XGLM XLMRoberta XLM XLNet
    """.split(separator: " ").map { String($0) + "Tokenizer" })

  /// Named tokens that the class has where the configuration says nothing, `null` included.
  var defaults: [(name: String, content: String)] {
    switch self {
    case .file: []
    case .gptNeoX:
      [
        ("bos_token", Self.endOfText), ("eos_token", Self.endOfText), ("unk_token", Self.endOfText),
        ("pad_token", "<|padding|>"),
      ]
    case .gpt2: [("bos_token", Self.endOfText), ("eos_token", Self.endOfText), ("unk_token", Self.endOfText)]
    case .qwen2: [("eos_token", Self.endOfText), ("unk_token", Self.endOfText), ("pad_token", Self.endOfText)]
    case .llama: [("bos_token", "<s>"), ("eos_token", "</s>"), ("unk_token", "<unk>")]
    }
  }

  private static let endOfText = "<|endoftext|>"

  /// The `tokenizer.json` that stands for what the class builds.
  ///
  /// - Parameters:
  ///   - file: The one that was read.
  ///   - spaces: `add_prefix_space` of the configuration.
  ///   - isLegacy: `legacy` of the configuration.
  /// - Returns: The file with the class's own parts, and names of the parts that differ.
  func rebuilt(_ file: JSONValue, addPrefixSpace spaces: Bool?, isLegacy: Bool) -> (file: JSONValue, differs: [String])
  {
    if self == .file { return (file, []) }
    var parts: [(key: String, value: JSONValue)]
    switch self {
    case .file: parts = []
    case .gptNeoX, .gpt2:
      let normalizer: JSONValue = self == .gptNeoX ? .step("NFC") : .null
      let cut = JSONValue.step("ByteLevel", ("add_prefix_space", .bool(spaces ?? false)), ("use_regex", .bool(true)))
      parts = [("normalizer", normalizer), ("pre_tokenizer", cut), ("decoder", .step("ByteLevel"))]
      // The one class that also drops the post-processor.
      if self == .gptNeoX { parts.append(("post_processor", .null)) }
    case .qwen2:
      let split = JSONValue.step(
        "Split", ("pattern", .object([.init(key: "Regex", value: .string(Self.qwenPattern))])),
        ("behavior", .string("Isolated")), ("invert", .bool(false)))
      let bytes = JSONValue.step("ByteLevel", ("add_prefix_space", .bool(spaces ?? false)), ("use_regex", .bool(false)))
      parts = [
        ("normalizer", .step("NFC")), ("pre_tokenizer", .step("Sequence", ("pretokenizers", .array([split, bytes])))),
        ("decoder", .step("ByteLevel")),
      ]
    case .llama:
      let prepends = spaces ?? true
      let scheme = !prepends ? "never" : isLegacy ? "always" : "first"
      let cut = JSONValue.step(
        "Metaspace", ("replacement", .string("▁")), ("prepend_scheme", .string(scheme)), ("split", .bool(false)))
      var steps: [JSONValue] = [
        .step(
          "Replace", ("pattern", .object([.init(key: "String", value: .string("▁"))])), ("content", .string(" "))),
        .step("ByteFallback"), .step("Fuse"),
      ]
      if prepends {
        steps.append(.step("Strip", ("content", .string(" ")), ("start", .integer(1)), ("stop", .integer(0))))
      }
      parts = [
        ("normalizer", .null), ("pre_tokenizer", cut), ("decoder", .step("Sequence", ("decoders", .array(steps)))),
      ]
    }
    var differs: [String] = []
    var result = file
    for (key, value) in parts {
      let found = file[key] ?? .null
      let isIdle = key == "post_processor" && found["type"] == .string("ByteLevel")
      if !isIdle, !found.hasMeaning(of: value) { differs.append(key) }
      result = result.replacing(key, value)
    }
    let model = file["model"] ?? .null
    let isLlama = self == .llama
    let rebuilt = JSONValue.step(
      "BPE", ("fuse_unk", .bool(isLlama)), ("byte_fallback", .bool(isLlama)), ("vocab", model["vocab"] ?? .null),
      ("merges", model["merges"] ?? .null))
    for key in ["unk_token", "fuse_unk", "byte_fallback", "ignore_merges"] {
      let found = model[key] ?? .null
      if !found.hasMeaning(of: rebuilt[key] ?? .null) { differs.append("model." + key) }
    }
    return (result.replacing("model", rebuilt), differs)
  }

  private static let qwenPattern =
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
}

extension JSONValue {
  /// A step of a pipeline.
  fileprivate static func step(_ type: String, _ members: (String, JSONValue)...) -> JSONValue {
    .object([.init(key: "type", value: .string(type))] + members.map { .init(key: $0.0, value: $0.1) })
  }

  /// The object with another value of a key.
  fileprivate func replacing(_ key: String, _ value: JSONValue) -> JSONValue {
    guard case .object(let members) = self else { return self }
    return .object(members.filter { $0.key != key } + [.init(key: key, value: value)])
  }

  /// Whether a part of a file says the same as a part that a class builds: keys of offsets and defaults aside.
  fileprivate func hasMeaning(of other: JSONValue) -> Bool {
    switch (self, other) {
    case (.null, .bool(false)), (.bool(false), .null): return true
    case (.array(let left), .array(let right)):
      return left.count == right.count && zip(left, right).allSatisfy { $0.hasMeaning(of: $1) }
    case (.object(let left), .object(let right)):
      let isDecoder = self["type"]?.string == "ByteLevel" && other["use_regex"] == nil
      let keys = Set(left.map(\.key) + right.map(\.key)).subtracting(["trim_offsets", "invert"])
      return keys.allSatisfy { key in
        if isDecoder, key != "type" { return true }
        let fallback: JSONValue = key == "use_regex" || key == "add_prefix_space" ? .bool(true) : .null
        return (self[key] ?? fallback).hasMeaning(of: other[key] ?? fallback)
      }
    default: return self == other
    }
  }
}
