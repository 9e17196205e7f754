import Files
import Formats
import Checkpoint
import Placements
import Profiles
import Routing
import Extremes
import Foundation
import Models
import Text
import Training

/// A reader under test: sound inputs, how to damage them, and what is done with a file.
protocol Reader {
  /// Name of the input's file, which tells the reader.
  var fileName: String { get }
  /// Sound inputs.
  var corpus: [[UInt8]] { get }
  func mutate(_ input: inout [UInt8], _ random: inout SplitMix64)
  func read(_ path: String) throws
  /// Hands over the input with one number after the other made extreme, and what was done.
  func variants(of input: [UInt8], _ body: ([UInt8], String) throws -> Void) throws
  /// Whether its inputs have no number that can be seen as one.
  var isWithoutNumbers: Bool { get }
  /// Whether an input is no sound file by itself, but good to begin from.
  func isPartOfAnother(_ input: [UInt8]) -> Bool
}

extension Reader {
  func variants(of input: [UInt8], _ body: ([UInt8], String) throws -> Void) throws {
    try textVariants(of: input, body)
  }
  var isWithoutNumbers: Bool { false }
  func isPartOfAnother(_ input: [UInt8]) -> Bool { false }

  func textVariants(of input: [UInt8], _ body: ([UInt8], String) throws -> Void) rethrows {
    try Extremes.variants(of: input, body)
  }

  /// Variants of the header of a safetensors file, whose length follows.
  func headerVariants(of input: [UInt8], _ body: ([UInt8], String) throws -> Void) rethrows {
    let length = (0..<8).reduce(0) { $0 | Int(input[$1]) << (8 * $1) }
    try Extremes.variants(of: Array(input[8..<8 + length])) { header, what in
      let count = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
      try body(count + header + input[(8 + length)...], what)
    }
  }
}

/// Where a fixture of the other tests is.
func fixturePath(_ name: String) -> String {
  let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  return tests.appendingPathComponent(name).path
}

/// Bytes of a fixture of the other tests.
func fixture(_ name: String, isAbsolute: Bool = false) throws -> [UInt8] {
  Array(try Data(contentsOf: URL(fileURLWithPath: isAbsolute ? name : fixturePath(name))))
}

/// The first lines of a text, as many as are in the first bytes.
func wholeLines(_ text: [UInt8], upTo most: Int) -> [UInt8] {
  let first = text.prefix(most)
  return Array(first.prefix((first.lastIndex(of: 0x0A) ?? first.endIndex - 1) + 1))
}

/// The smallest model in every layout, written by the product into a folder that is made once.
struct Samples {
  let folder: String

  static let shared = Result { try Samples() }

  /// Where a process keeps its samples.
  static func folder(of process: Int32) -> String { NSTemporaryDirectory() + "/occult-fuzz-\(process)" }

  private init() throws {
    folder = Self.folder(of: getpid())
    let model = ModelFamily.random(
      try OLMoE.configuration(
        layers: 1, hidden: 8, heads: 2, experts: 3, intermediate: 4, topK: 2, vocabulary: 16, context: 8), seed: 1)
    let extras = CheckpointExtras(configuration: model.configuration)
    let weights = ModelBytes(model)
    try HuggingFaceWriter.write(folder + "/one", weights: weights, extras: extras)
    try HuggingFaceWriter.write(folder + "/fused", weights: weights, dtype: .bfloat16, layout: .fused, extras: extras)
    try HuggingFaceWriter.write(folder + "/shards", weights: weights, maximumShardBytes: 2000, extras: extras)
    // A manifest would refuse every damaged file before its reader sees it.
    for sample in ["one", "fused", "shards"] {
      try FileManager.default.removeItem(atPath: "\(folder)/\(sample)/occult.json")
    }
    try CheckpointWriter.write(folder + "/chunked.h5", weights: weights, extras: extras, program: "fuzz")
    try CheckpointWriter.write(
      folder + "/mapped.h5", weights: weights, dtype: .bfloat16, layout: .mapped, extras: extras, program: "fuzz")
  }

  func bytes(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: folder + "/" + name)))
  }

  /// A folder of the sample in which one file is a link to the input.
  func folder(_ sample: String, with path: String, as name: String) throws -> String {
    try folder(folder + "/" + sample, named: sample, with: path, as: name)
  }

  /// A copy of a folder in which one file is a link to the input.
  func folder(_ original: String, named copy: String, with path: String, as name: String) throws -> String {
    let place = folder + "/\(copy)-input"
    if FileManager.default.fileExists(atPath: place) { return place }
    try FileManager.default.copyItem(atPath: original, toPath: place)
    try FileManager.default.removeItem(atPath: place + "/" + name)
    try FileManager.default.createSymbolicLink(
      at: URL(fileURLWithPath: place + "/" + name), withDestinationURL: URL(fileURLWithPath: path))
    return place
  }
}

/// A safetensors file, alone and as the weights of a model.
struct SafetensorsReading: Reader {
  let fileName = "model.safetensors"
  let corpus: [[UInt8]]
  private let samples: Samples

  init() throws {
    samples = try Samples.shared.get()
    corpus = [
      try samples.bytes("one/model.safetensors"), try samples.bytes("fused/model.safetensors"),
      try fixture("CheckpointTests/Fixtures/numpy.safetensors"),
    ]
  }

  func mutate(_ input: inout [UInt8], _ random: inout SplitMix64) { mutateSafetensors(&input, &random) }

  func variants(of input: [UInt8], _ body: ([UInt8], String) throws -> Void) throws {
    try headerVariants(of: input, body)
  }

  /// An array of NumPy's alone, and a model with fused experts where those of the other have a tensor each.
  func isPartOfAnother(_ input: [UInt8]) -> Bool { input != corpus[0] }

  func read(_ path: String) throws {
    _ = try? SafetensorsReader(path)
    let files = try ModelFiles(opening: try samples.folder("one", with: path, as: fileName))
    _ = try files.model()
  }
}

/// The index of a sharded folder.
struct IndexReading: Reader {
  /// But for the total size, which nobody reads.
  let isWithoutNumbers = true
  let fileName = "model.safetensors.index.json"
  let corpus: [[UInt8]]
  private let samples: Samples

  init() throws {
    samples = try Samples.shared.get()
    corpus = [try samples.bytes("shards/" + fileName)]
  }

  func mutate(_ input: inout [UInt8], _ random: inout SplitMix64) { mutateText(&input, &random) }

  func read(_ path: String) throws {
    _ = try ModelFiles(opening: try samples.folder("shards", with: path, as: fileName)).model()
  }
}

/// A model's configuration beside its weights.
struct ConfigurationReading: Reader {
  let fileName = "config.json"
  let corpus: [[UInt8]]
  private let samples: Samples

  init() throws {
    samples = try Samples.shared.get()
    corpus = [try samples.bytes("fused/config.json")]
  }

  func mutate(_ input: inout [UInt8], _ random: inout SplitMix64) { mutateText(&input, &random) }

  func read(_ path: String) throws {
    _ = try ModelFiles(opening: try samples.folder("fused", with: path, as: fileName)).inventory()
  }
}

/// A tokenizer, then a text there and back.
struct TokenizerReading: Reader {
  let fileName = "tokenizer.json"
  let corpus: [[UInt8]]

  init() throws {
    corpus = [try fixture("TextTests/Oracles/base.tokenizer.json")]
  }

  func mutate(_ input: inout [UInt8], _ random: inout SplitMix64) { mutateText(&input, &random) }

  func read(_ path: String) throws {
    let tokenizer = try Tokenizer(json: try Data(contentsOf: URL(fileURLWithPath: path)), source: path)
    _ = tokenizer.decode(tokenizer.encode("The quick brown fox, 12 über naïve\n\n 你好 🦊 can't"))
  }
}

/// One of the files beside a tokenizer, then a text there and back.
struct TokenizerSideReading: Reader {
  let fileName: String
  let corpus: [[UInt8]]
  /// `added_tokens.json` has ids and nothing else, the map of special tokens no number at all.
  let isWithoutNumbers: Bool

  /// Sound files, with every kind of key.
  private static let sound = [
    "tokenizer_config.json": #"""
    {"tokenizer_class": "GPT2Tokenizer", "model_max_length": 1024, "add_bos_token": true, "add_prefix_space": true,
     "split_special_tokens": true, "bos_token": "<|endoftext|>", "image_token": "<img>",
     "eos_token": {"__type": "AddedToken", "content": "</s>", "lstrip": true, "rstrip": false, "normalized": true,
      "single_word": true, "special": true},
     "added_tokens_decoder": {"0": {"content": "<|endoftext|>", "special": true}, "4096": {"content": "<x>"}},
     "extra_special_tokens": ["<y>", {"content": "<z>"}], "chat_template": [{"name": "a", "template": "{{ b }}"}]}
    """#,
    "special_tokens_map.json":
      #"{"eos_token": {"content": "</s>", "rstrip": true}, "my_token": "<x>", "additional_special_tokens": ["<y>"]}"#,
    "added_tokens.json": #"{"<x>": 4096, "<y>": 4097}"#,
  ]

  init(_ name: String) throws {
    (fileName, corpus) = (name, [Array((Self.sound[name] ?? "").utf8)])
    isWithoutNumbers = name == "special_tokens_map.json"
  }

  static func all() throws -> [any Reader] { try sound.keys.sorted().map { try TokenizerSideReading($0) } }

  func mutate(_ input: inout [UInt8], _ random: inout SplitMix64) { mutateText(&input, &random) }

  func read(_ path: String) throws {
    let text = String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
    let json = Data(try fixture("TextTests/Oracles/base.tokenizer.json"))
    let sides = TokenizerSides(texts: [fileName: text], configurationJSON: nil)
    let tokenizer = try Tokenizer(json: json, source: path, sides: sides)
    _ = tokenizer.decode(tokenizer.encode("The <x> quick</s> brown fox<|endoftext|>, 12 über naïve\n\n<y>can't"))
  }
}

/// A recipe, as `occult recipes validate` reads it but for the files that it names.
struct RecipeReading: Reader {
  let fileName = "recipe.yaml"
  let corpus: [[UInt8]]

  init() throws {
    corpus = [try fixture("../recipes/quickstart.yaml"), try fixture("../recipes/olmoe/finetune.yaml")]
  }

  func mutate(_ input: inout [UInt8], _ random: inout SplitMix64) { mutateText(&input, &random) }

  func read(_ path: String) throws {
    let text = try TextFile.read(path)
    _ = try Recipe.parse(text, file: path, checksFiles: false)
  }
}

/// An HDF5 checkpoint in either layout.
struct CheckpointReading: Reader {
  let fileName = "model.h5"
  let corpus: [[UInt8]]
  let isWithoutNumbers = true

  func variants(of input: [UInt8], _ body: ([UInt8], String) throws -> Void) throws {}

  init() throws {
    let samples = try Samples.shared.get()
    corpus = [try samples.bytes("chunked.h5"), try samples.bytes("mapped.h5")]
  }

  func mutate(_ input: inout [UInt8], _ random: inout SplitMix64) { Mutations.bytes(&input, &random) }

  func read(_ path: String) throws { _ = try ModelFiles(opening: path).model() }
}

/// Recorded routing: an array as NumPy writes it, or JSON lines.
struct RecordingReading: Reader {
  let fileName: String
  let corpus: [[UInt8]]
  private let isText: Bool

  init(lines: Bool) throws {
    isText = lines
    fileName = lines ? "routing.jsonl" : "routing.npy"
    let oracles = "ProfilesTests/Oracles/"
    corpus =
      lines
      ? [try wholeLines(fixture(oracles + "recorded_routing.jsonl"), upTo: 4096)]
      : try ["int16", "uint8_fortran"].map { try fixture(oracles + "routed_experts_\($0).npy") }
  }

  func mutate(_ input: inout [UInt8], _ random: inout SplitMix64) {
    if isText { mutateText(&input, &random) } else { Mutations.bytes(&input, &random) }
  }

  /// The first lines of a recording are too few to tell text from what a server warms up with.
  func isPartOfAnother(_ input: [UInt8]) -> Bool { isText }

  /// Of an array the numbers of its header, padded to its length; of lines all.
  func variants(of input: [UInt8], _ body: ([UInt8], String) throws -> Void) throws {
    if isText { return try textVariants(of: input, body) }
    let length = Int(input[8]) | Int(input[9]) << 8
    try Extremes.variants(of: Array(input[10..<10 + length])) { header, what in
      let count = [UInt8(truncatingIfNeeded: header.count), UInt8(truncatingIfNeeded: header.count >> 8)]
      try body(Array(input[..<8]) + count + header + input[(10 + length)...], what)
    }
  }

  func read(_ path: String) throws {
    _ = try? RecordedLoads.profile(path: path, topK: 2, experts: nil, layers: nil)
    _ = try RecordedRouting(path: path)
  }
}

/// Mostly the header, as text.
func mutateSafetensors(_ input: inout [UInt8], _ random: inout SplitMix64) {
  guard input.count > 16, random.below(4) > 0 else { return Mutations.bytes(&input, &random) }
  let length = (0..<8).reduce(0) { $0 | Int(input[$1]) << (8 * $1) }
  guard (0...input.count - 8).contains(length) else { return Mutations.bytes(&input, &random) }
  var header = Array(input[8..<8 + length])
  Mutations.tokens(&header, &random)
  // Mostly the length follows, so that what comes behind it is read; now and then it lies.
  let said = random.below(8) == 0 ? Mutations.number(&random) : header.count
  let data = input[(8 + length)...]
  input = (0..<8).map { UInt8(truncatingIfNeeded: said >> (8 * $0)) } + header + data
}

func mutateText(_ input: inout [UInt8], _ random: inout SplitMix64) {
  if random.below(4) == 0 { Mutations.bytes(&input, &random) } else { Mutations.tokens(&input, &random) }
}
