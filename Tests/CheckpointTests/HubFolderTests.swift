import Files
import Foundation
import Models
import TestSupport
import Testing

@testable import Checkpoint

/// A tensor of a folder under construction.
struct HubTensor {
  var name: String
  var type = ElementType.float32
  var shape: [Int]
  var bytes: [UInt8]

  /// All tensors of a folder.
  static func all(in folder: String) throws -> [HubTensor] {
    let reader = try SafetensorsReader(folder)
    return try reader.names.map {
      let tensor = try reader.tensor(named: $0)
      return HubTensor(name: $0, type: tensor.type, shape: tensor.shape, bytes: Array(tensor.bytes))
    }
  }

  /// Writes a folder of these tensors.
  static func write(_ tensors: [HubTensor], to folder: String, config: String) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    var writer = try SafetensorsWriter(
      folder: folder, tensors: tensors.map { .init(name: $0.name, type: $0.type, shape: $0.shape) },
      maximumShardBytes: 200_000)
    for tensor in tensors { try tensor.bytes.withUnsafeBytes { try writer.write(tensor.name, $0) } }
    try writer.commit()
    try TextFile.write(config, to: folder + "/config.json")
  }
}

/// Folders of every layout give the same model; what is missing, twice or foreign in them is named.
@Suite struct HubFolderTests {
  /// Three layers, 12 experts, tied embeddings.
  private static let odd = oracleFolder("olmoe-odd")
  private static let config = try? TextFile.read(odd + "/config.json")

  /// Stacks a layer's experts as transformers 5 does, or by projection as mlx-lm does.
  private func stacked(_ tensors: [HubTensor], layer: Int, mlx: Bool) -> [HubTensor] {
    let block = "model.layers.\(layer).mlp."
    func stack(_ projections: [String], as name: String) -> HubTensor {
      let parts = (0..<12).flatMap { expert in
        projections.compactMap { projection in
          tensors.first { $0.name == "\(block)experts.\(expert).\(projection).weight" }
        }
      }
      let rows = (parts.first?.shape[0] ?? 0) * projections.count
      return HubTensor(
        name: block + name, shape: [12, rows, parts.first?.shape[1] ?? 0], bytes: parts.flatMap(\.bytes))
    }
    let rest = tensors.filter { !$0.name.hasPrefix(block + "experts.") }
    return rest
      + (mlx
        ? ["gate_proj", "up_proj", "down_proj"].map { stack([$0], as: "switch_mlp.\($0).weight") }
        : [stack(["gate_proj", "up_proj"], as: "experts.gate_up_proj"), stack(["down_proj"], as: "experts.down_proj")])
  }

  /// Every parameter's bytes.
  private func parameters(_ path: String) throws -> [String: [UInt8]] {
    let files = try ModelFiles(opening: path)
    var result: [String: [UInt8]] = [:]
    for parameter in try files.inventory() {
      try files.withBytes(parameter, as: parameter.type) { result[parameter.path.name, default: []] += Array($0) }
    }
    return result
  }

  /// One layer fused, one stacked by projection, one expert by expert: the same parameters as all one by one.
  @Test func layoutsMayDifferByLayer() throws {
    let scratch = try TemporaryFolder()
    let config = try #require(Self.config)
    var tensors = stacked(try HubTensor.all(in: Self.odd), layer: 0, mlx: false)
    tensors = stacked(tensors, layer: 2, mlx: true)
    try HubTensor.write(tensors, to: scratch.path("mixed"), config: config)
    #expect(try scratch.files == ["mixed"])
    #expect(try parameters(scratch.path("mixed")) == parameters(Self.odd))

    // Parts of a parameter, in pieces that end nowhere near its tensors' ends.
    let folder = try HuggingFaceFolder(opening: scratch.path("mixed"))
    for name in ["model.layers.0", "model.layers.1", "model.layers.2"].map({ $0 + ".mlp.experts.gate_up_proj" }) {
      let whole = try #require(try parameters(Self.odd)[name])
      var part = [UInt8](repeating: 0, count: whole.count / 12 * 5)
      try part.withUnsafeMutableBytes { try folder.read(name, shape: [12, 56, 48], rows: 4..<9, into: $0) }
      #expect(part == Array(whole[whole.count / 12 * 4..<whole.count / 12 * 9]))
    }
  }

  @Test(arguments: [ElementType.bfloat16, .float16])
  func otherTypesAreRead(type: ElementType) throws {
    let scratch = try TemporaryFolder()
    _ = try Conversion(source: Self.odd, destination: scratch.path("half"), dtype: type, verifies: true)
      .run(program: "test")
    let files = try ModelFiles(opening: scratch.path("half"))
    #expect(try files.inventory().allSatisfy { $0.type == type })
    var worst: Float = 0
    var elements: [String: [Float]] = [:]
    try ModelFiles(opening: Self.odd).model().forEachParameter { elements[$0.name] = $1.elements }
    try files.model().forEachParameter { path, tensor in
      for (a, b) in zip(elements[path.name] ?? [.nan], tensor.elements) {
        worst = max(worst, abs(a - b) / max(abs(a), 1e-3))
      }
    }
    // Half a unit in the last of 8 or 11 bits.
    #expect(worst > 0 && worst <= (type == .bfloat16 ? 0x1p-8 : 0x1p-11) * 1.001)
  }

  /// A change to a sound folder, and what is said about it.
  @Test(arguments: [
    ("missing", "model.layers.1.mlp.experts.7.up_proj.weight: nothing"),
    ("fused beside", "model.layers.0.mlp.experts.0.down_proj.weight: others"),
    ("extra layer", "model.layers.3.input_layernorm.weight: others"),
    ("scales", "model.layers.0.mlp.gate.scales: others"), ("mixed types", "float32 as the layer's other experts"),
    ("integers", "float32, bfloat16 or float16, found int64"), ("shape", "expected shape [12, 48], found [48, 12]"),
    ("not finite", "expected finite numbers, found nan at element 2"),
  ])
  func whatIsWrongIsNamed(change: String, text: String) throws {
    let scratch = try TemporaryFolder()
    var tensors = try HubTensor.all(in: Self.odd)
    func index(_ name: String) throws -> Int { try #require(tensors.firstIndex { $0.name == name }) }
    switch change {
    case "missing": tensors.remove(at: try index("model.layers.1.mlp.experts.7.up_proj.weight"))
    case "fused beside":
      let experts = tensors.filter { $0.name.hasPrefix("model.layers.0.mlp.experts.") }
      tensors = stacked(tensors, layer: 0, mlx: false) + experts.filter { $0.name.hasSuffix("0.down_proj.weight") }
    case "extra layer":
      var norm = tensors[try index("model.layers.2.input_layernorm.weight")]
      norm.name = "model.layers.3.input_layernorm.weight"
      tensors.append(norm)
    case "scales": tensors.append(.init(name: "model.layers.0.mlp.gate.scales", shape: [1], bytes: bytes([Float(1)])))
    case "mixed types":
      let place = try index("model.layers.1.mlp.experts.7.up_proj.weight")
      tensors[place].type = .bfloat16
      tensors[place].bytes.removeLast(tensors[place].bytes.count / 2)
    case "integers":
      tensors[try index("model.norm.weight")] = .init(
        name: "model.norm.weight", type: .int64, shape: [48], bytes: .init(repeating: 0, count: 8 * 48))
    case "shape": tensors[try index("model.layers.0.mlp.gate.weight")].shape = [48, 12]
    default: tensors[try index("model.norm.weight")].bytes.replaceSubrange(8..<12, with: [0, 0, 0xC0, 0x7F])
    }
    let folder = scratch.path("folder")
    try HubTensor.write(tensors, to: folder, config: try #require(Self.config))
    // A conversion reads as a model does: nothing passes that could not be used.
    let messages = [
      failure { _ = try ModelFiles(opening: folder).model() },
      failure { _ = try Conversion(source: folder, destination: scratch.path("x.h5")).run(program: "test") },
    ].map { "\($0.map(\.description) ?? "no error")" }
    for message in messages {
      switch text.components(separatedBy: ": ").last {
      case "nothing":
        #expect(message.hasPrefix("\(folder): expected '\(text.dropLast(9))', found nothing of that name; try "))
      case "others":
        #expect(message.hasPrefix("\(folder) \(text.dropLast(8)): expected only tensors of olmoe as its configuration"))
      default: #expect(message.contains(text))
      }
    }
  }

  /// An output projection that the configuration ties is left out if it is the embedding, and an error if not.
  @Test func aTiedHeadHasToBeTheEmbedding() throws {
    let scratch = try TemporaryFolder()
    let config = try #require(Self.config)
    var tensors = try HubTensor.all(in: Self.odd)
    var head = try #require(tensors.first { $0.name == "model.embed_tokens.weight" })
    head.name = "lm_head.weight"
    let table = HubTensor(name: "model.layers.0.self_attn.rotary_emb.inv_freq", shape: [4], bytes: bytes(ramp(4)))
    tensors += [head, table]
    try HubTensor.write(tensors, to: scratch.path("same"), config: config)
    let files = try ModelFiles(opening: scratch.path("same"))
    #expect(files.unused == [head.name, table.name])
    #expect(try parameters(scratch.path("same")) == parameters(Self.odd))
    let fact = try Inspection(scratch.path("same")).facts.first { $0.name == "left out" }
    #expect(fact?.value == "\(head.name), \(table.name)")
    _ = try Conversion(source: scratch.path("same"), destination: scratch.path("out")).run(program: "test")
    #expect(try SafetensorsReader(scratch.path("out")).info(head.name) == nil)

    tensors[tensors.count - 2].bytes[head.bytes.count - 1] ^= 1
    try HubTensor.write(tensors, to: scratch.path("other"), config: config)
    #expect(
      failure { _ = try ModelFiles(opening: scratch.path("other")).model() }?.description
        == "\(scratch.path("other")) lm_head.weight: expected the bytes of model.embed_tokens.weight, to which the "
        + "configuration ties it, found others; try writing or fetching the file again")
    tensors[tensors.count - 2].shape = [150, 96]
    try HubTensor.write(tensors, to: scratch.path("shape"), config: config)
    let text = failure { _ = try ModelFiles(opening: scratch.path("shape")).inventory() }?.description
    #expect(text?.contains("expected F32 [300, 48] as model.embed_tokens.weight") == true)
  }

  /// The hub's cache keeps files elsewhere and links to them.
  @Test func linkedShardsAreFollowed() throws {
    let scratch = try TemporaryFolder()
    try HubTensor.write(
      try HubTensor.all(in: Self.odd), to: scratch.path("blobs"), config: try #require(Self.config))
    let (blobs, snapshot) = (scratch.path("blobs"), scratch.path("snapshot"))
    try FileManager.default.createDirectory(atPath: snapshot, withIntermediateDirectories: true)
    let names = try FileManager.default.contentsOfDirectory(atPath: blobs)
    #expect(names.count > 4)
    for name in names {
      try FileManager.default.createSymbolicLink(atPath: snapshot + "/" + name, withDestinationPath: "../blobs/" + name)
    }
    #expect(try parameters(snapshot) == parameters(Self.odd))
  }

  /// Small files go along, to the byte, through a checkpoint as well.
  @Test func companionsAreCarried() throws {
    let scratch = try TemporaryFolder()
    let folder = scratch.path("source")
    var config = try #require(Self.config)
    config = config.replacing(
      "{\n", with: "{\n  \"auto_map\": {\"AutoModel\": \"modeling_x.X\", \"AutoY\": \"a/b--y.Y\"},\n",
      maxReplacements: 1)
    try HubTensor.write(try HubTensor.all(in: Self.odd), to: folder, config: config)
    let texts = [
      "added_tokens.json", "chat_template.jinja", "generation_config.json", "merges.txt", "modeling_x.py",
      "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "vocab.json",
    ]
    for name in texts { try TextFile.write("{\"text of\": \"\(name) ü\"}\n", to: folder + "/" + name) }
    let model: [UInt8] = [10, 0, 0xFF, 0xFE, 0x80]
    _ = try scratch.write("source/tokenizer.model", model)
    for name in ["README.md", "y.py", "evil.py"] { try TextFile.write("not carried", to: folder + "/" + name) }

    _ = try Conversion(source: folder, destination: scratch.path("a.h5")).run(program: "test")
    _ = try Conversion(source: scratch.path("a.h5"), destination: scratch.path("back"), carriesCode: true)
      .run(program: "test")
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: scratch.path("back")).sorted()
        == (texts + ["config.json", "model.safetensors", "occult.json", "tokenizer.model"]).sorted())
    for name in texts + ["config.json", "tokenizer.model"] {
      #expect(try contents(scratch.path("back/" + name)) == contents(folder + "/" + name))
    }
    #expect(try ModelFiles(opening: scratch.path("a.h5")).tokenizerModel == model)
  }

  /// Code that the source brings along is left out unless asked for, with what configurations say of it and no more.
  @Test func foreignCodeIsLeftOut() throws {
    let scratch = try TemporaryFolder()
    let folder = scratch.path("source")
    let plain = try #require(Self.config)
    let maps = [
      "\"auto_map\": {\"AutoConfig\": \"configuration_x.X\", \"AutoModel\": \"modeling_x.X\", "
        + "\"AutoY\": \"a/b--y.Y\"}",
      "\"auto_map\": {\"AutoY\": \"a/b--y.Y\"}",
    ].map { plain.replacing("{\n", with: "{\n  \($0),\n", maxReplacements: 1) }
    try HubTensor.write(try HubTensor.all(in: Self.odd), to: folder, config: maps[0])
    let tokenizer = "{\"a\": 1.50, \"auto_map\": {\"AutoTokenizer\": [\"tokenization_x.X\", null]}, \"b\": 2}"
    try TextFile.write(tokenizer, to: folder + "/tokenizer_config.json")
    let code = ["configuration_x.py", "modeling_x.py", "tokenization_x.py"]
    for name in code { try TextFile.write("code", to: folder + "/" + name) }
    let checkpoint = scratch.path("a.h5")
    let there = try Conversion(source: folder, destination: checkpoint).run(program: "test")
    #expect(there.leftOut.isEmpty)
    // What a checkpoint of others may hold besides: names that lead elsewhere, or that pass for our own code.
    let files = try ModelFiles(opening: checkpoint)
    var extras = CheckpointExtras(files)
    for name in ["modeling_occult_olmoe.py", "x y.py", "run.sh", "README.md"] { extras.companions[name] = "evil" }
    let crafted = scratch.path("crafted.h5")
    try CheckpointWriter.write(crafted, weights: files, extras: extras, program: "test")
    for (source, carries) in [(folder, false), (checkpoint, false), (crafted, false), (crafted, true)] {
      let out = scratch.path(UUID().uuidString)
      let outcome = try Conversion(source: source, destination: out, carriesCode: carries).run(program: "test")
      #expect(outcome.leftOut == (carries ? [] : code))
      let names = Set(try FileManager.default.contentsOfDirectory(atPath: out))
      #expect(
        names
          == Set(
            ["config.json", "model.safetensors", "occult.json", "tokenizer_config.json"] + (carries ? code : [])))
      #expect(try TextFile.read(out + "/config.json") == maps[carries ? 0 : 1])
      #expect(
        try TextFile.read(out + "/tokenizer_config.json") == (carries ? tokenizer : "{\"a\": 1.50, \"b\": 2}"))
    }
  }
}
