import Files
import Placements
import Routing
import Formats
import Foundation
import Models
import Tensors
import TestSupport
import Testing

@testable import Checkpoint

/// Adapters in checkpoints and in PEFT's folders: what does not fit is named.
@Suite struct AdapterFileTests {
  private static let gate = "/adapter/model/layers/1/mlp/gate/lora_A"
  private static let list = "/adapter/model/layers/0/mlp/experts/adapted"

  /// A checkpoint with adapters on routers and on experts 1 and 5 of layer 0, over olmoe-tiny; `edit` may spoil it.
  private func checkpoint(
    in scratch: TemporaryFolder, experts: [Int] = [1, 5], alpha: Double = 8, besides: Bool = false,
    routing: RoutingSettings? = nil,
    _ edit: (ParameterPath, inout Tensor) -> Void = { _, _ in }
  ) throws -> String {
    let files = try ModelFiles(opening: oracleFolder("olmoe-tiny"))
    var model = try files.model()
    let settings = AdapterSettings(
      roles: [.router: .init(rank: 2, alpha: alpha), .experts: .init(rank: 3, alpha: 3)],
      experts: ["model.layers.0.mlp.experts": [1, 5]])
    model.attach(settings, seed: 3)
    model.updateParameters { path, tensor in
      if path.name.hasSuffix("lora_B") { tensor = Tensor.filled(tensor.shape) { $0.update(repeating: 0.25) } }
      edit(path, &tensor)
    }
    var extras = CheckpointExtras(files)
    extras.base = try BaseReference(files, stored: [])
    extras.adapters = settings
    extras.routing = routing
    extras.adapters?.experts["model.layers.0.mlp.experts"] = experts
    if besides { extras.adapters?.roles[.router] = nil }
    let path = scratch.path("adapter.h5")
    try CheckpointWriter.write(path, weights: ModelBytes(model), extras: extras, program: "test")
    return path
  }

  private func message(_ scratch: TemporaryFolder, _ path: String) -> String? {
    failure { _ = try ModelFiles(opening: path).model() }.map { "\($0)".replacing(scratch.path + "/", with: "") }
  }

  /// A limit is left behind only if that is asked for, and nothing is advised that is refused then.
  @Test func aLimitHasNoPlaceInAFolderOfPEFT() throws {
    let scratch = try TemporaryFolder()
    let routing = RoutingSettings(
      placement: try Placement(
        modelType: "olmoe", experts: 8, devices: 4,
        layers: (0..<2).map { .init(layer: $0, expertDevice: [0, 0, 1, 1, 2, 2, 3, 3]) }), policy: .router,
      deviceLimit: 1)
    let path = try checkpoint(in: scratch, routing: routing)
    var export = AdapterExport(source: path, destination: scratch.path("peft"))
    let error = #expect(throws: AdapterExportError.self) { try export.run(program: "test") }
    #expect(
      error?.description
        == "\(scratch.path("peft")): expected adapters of a run without a device limit, found policy router with a limit of "
        + "1 of 4 devices in \(path), which PEFT does not know; try --allow-unlimited for the adapters alone, or converting "
        + "without --adapter to keep the limit")
    export.allowsUnlimited = true
    #expect(try export.run(program: "test").tensors > 0)
  }

  @Test func roundTrip() throws {
    let scratch = try TemporaryFolder()
    let path = try checkpoint(in: scratch)
    let files = try ModelFiles(opening: path)
    #expect(files.adapters?.experts == ["model.layers.0.mlp.experts": [1, 5]])
    #expect(files.adapters?.roles == [.router: .init(rank: 2, alpha: 8), .experts: .init(rank: 3, alpha: 3)])
    let model = try files.model()
    #expect(model.layers[0].moe?.experts.adapter?.down.a.shape == [2, 3, 64])
    #expect(model.layers[1].moe?.experts.adapter?.down.a.shape == [8, 3, 64])
    #expect(model.layers[0].moe?.gate.adapter?.b.elements == [Float](repeating: 0.25, count: 16))
    #expect((model.layers[0].attention as? Attention)?.queryProjection.adapter == nil)
    let facts = try Inspection(path).facts
    #expect(
      facts.first { $0.name == "adapters" }?.value
        == "experts of rank 3, alpha 3.0 (9600 parameters), router of rank 2, "
        + "alpha 8.0 (288 parameters)")
    #expect(facts.first { $0.name == "partial" }?.value == "holds adapters alone, the rest is read from its base")
  }

  /// W + s · B · A on adapted experts, all others and unadapted roles keep their bytes, also where W is bfloat16.
  @Test func mergingTouchesWhatIsAdapted() throws {
    let scratch = try TemporaryFolder()
    let path = try checkpoint(in: scratch)
    let files = try ModelFiles(opening: path)
    let base = try ModelFiles(opening: oracleFolder("olmoe-tiny"))
    let model = try files.model()
    let adapter = try #require(model.layers[0].moe?.experts.adapter).gateUp
    let (a, b, w) = (adapter.a.elements, adapter.b.elements, try #require(model.layers[0].moe).experts.gateUp.elements)
    for parameter in try files.inventory() {
      var (merged, plain): ([UInt8], [UInt8]) = ([], [])
      try files.withBytes(parameter, as: .bfloat16) { merged += $0 }
      try base.withBytes(parameter, as: .bfloat16) { plain += $0 }
      #expect((merged == plain) == !["experts", "router"].contains(parameter.path.role.rawValue), "\(parameter.path)")
      guard parameter.path.name == "model.layers.0.mlp.experts.gate_up_proj" else { continue }
      let (ours, theirs) = (values(merged, as: UInt16.self), values(plain, as: UInt16.self))
      for expert in 0..<8 {
        let range = expert * 128 * 64..<(expert + 1) * 128 * 64
        guard let index = [1, 5].firstIndex(of: expert) else {
          #expect(ours[range] == theirs[range])
          continue
        }
        for (row, column) in [(0, 0), (127, 63), (40, 7)] {
          let sum = (0..<3).reduce(0.0) {
            $0 + Double(b[(index * 128 + row) * 3 + $1]) * Double(a[(index * 3 + $1) * 64 + column])
          }
          let place = range.lowerBound + row * 64 + column
          let found = Double(Float(bitPattern: UInt32(ours[place]) << 16))
          #expect(abs(found - Double(w[place]) - sum) <= 0.004 * max(abs(found), 1e-3), "\(expert) \(row) \(column)")
        }
      }
    }
  }

  @Test func damageIsNamed() throws {
    let scratch = try TemporaryFolder()
    #expect(
      message(scratch, try checkpoint(in: scratch, experts: [5, 1]))
        == "adapter.h5 \(Self.list): expected ascending experts below 8, found [5, 1]; try writing or fetching the file "
        + "again")
    #expect(
      message(scratch, try checkpoint(in: scratch, experts: [1, 8]))
        == "adapter.h5 \(Self.list): expected ascending experts below 8, found [1, 8]; try writing or fetching the file "
        + "again")
    #expect(
      message(scratch, try checkpoint(in: scratch, experts: [1]))
        == "adapter.h5 /adapter/model/layers/0/mlp/experts/gate_up_proj/lora_A: expected shape [1, 3, 64], found "
        + "[2, 3, 64]; try the file that belongs to this model")
    #expect(
      message(scratch, try checkpoint(in: scratch, alpha: -1))
        == "adapter.h5 /adapter router: expected a role with a rank in 1...65536 and an alpha above 0 and at most 1000000.0, found rank 2, alpha -1.0; try "
        + "writing or fetching the file again")
    #expect(
      message(scratch, try checkpoint(in: scratch, besides: true))
        == "adapter.h5 /adapter/model/layers/0/mlp/gate/lora_A: expected only factors of the adapters that /adapter "
        + "names, found this dataset besides; try writing or fetching the file again")
    let error = #expect(throws: FileError.self) {
      try checkpoint(in: scratch) { path, tensor in
        guard "/" + path.datasetPath == Self.gate else { return }
        tensor = Tensor.filled(tensor.shape) { $0.update(repeating: .nan) }
      }
    }
    #expect(error?.description.contains("lora_A: expected finite numbers, found nan at element 0") == true)
    #expect {
      _ = try AdapterExport(source: oracleFolder("olmoe-tiny"), destination: scratch.path("peft")).run()
    } throws: {
      "\($0)".hasSuffix(
        "olmoe-tiny: expected a checkpoint with adapters, found none in it; try converting it without --adapter")
    }
  }

  /// A copy of PEFT's folder with changes in the configuration and other tensors.
  private func peft(
    _ scratch: TemporaryFolder, _ change: (String, String)? = nil, keep: (String) -> Bool = { _ in true },
    besides: [(String, [Int])] = []
  ) throws -> String {
    let (source, folder) = (oracleFolder("olmoe-tiny-lora"), scratch.path(UUID().uuidString))
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    var text = try String(contentsOfFile: source + "/adapter_config.json", encoding: .utf8)
    if let change { text = text.replacing(change.0, with: change.1) }
    try TextFile.write(text, to: folder + "/adapter_config.json")
    let tensors = try SafetensorsReader(source + "/adapter_model.safetensors")
    let kept = try tensors.names.filter(keep).map { (name: $0, array: try tensors.tensor(named: $0)) }
    var writer = try SafetensorsWriter(
      file: folder + "/adapter_model.safetensors",
      tensors: kept.map { .init(name: $0.name, type: .float32, shape: $0.array.shape) }
        + besides.map { .init(name: $0.0, type: .float32, shape: $0.1) })
    for (name, array) in kept { try writer.write(name, array.bytes) }
    for (name, shape) in besides {
      try [UInt8](repeating: 0, count: 4 * shape.reduce(1, *)).withUnsafeBytes { try writer.write(name, $0) }
    }
    try writer.commit()
    return folder
  }

  private func imported(_ scratch: TemporaryFolder, _ folder: String) -> String? {
    let run = AdapterImport(
      source: folder, base: oracleFolder("olmoe-tiny"), destination: scratch.path("new.h5"), overwrites: true)
    return failure { _ = try run.run(program: "test") }.map { "\($0)".replacing(folder + "/", with: "") }
  }

  private static let query = "base_model.model.model.layers.0.self_attn.q_proj.lora_"

  @Test func foldersOfPEFTThatCannotBeReadAreRefused() throws {
    let scratch = try TemporaryFolder()
    let (again, other) = ("; try writing or fetching the file again", "; try writing it in another way")
    for (change, message) in [
      (("\"LORA\"", "\"IA3\""), "peft_type: expected 'LORA', found 'IA3'" + other),
      (
        ("\"use_dora\": false", "\"use_dora\": true"),
        "use_dora: expected nothing, found true, which scales the rows of W (DoRA); PEFT's merge_and_unload makes a whole "
          + "model of both" + other
      ),
      (
        ("\"bias\": \"none\"", "\"bias\": \"all\""),
        "bias: expected 'none', found 'all', with which biases were trained as well" + other
      ),
      (
        ("\"lora_alpha\": 6", "\"lora_alpha\": null"),
        "lora_alpha: expected a number above 0 and at most \(AdapterSettings.LowRank.mostAlpha), found null" + again
      ),
      (("\"r\": 3", "\"r\": 0"), "r: expected an integer in 1...65536, found 0" + again),
      (
        ("\"mlp.gate.weight\": 3", "\"mlp.(gate\": 3"),
        "alpha_pattern: expected regular expressions of at most 100 brackets, found 'mlp.(gate'" + again
      ),
      (
        ("\"mlp.gate.weight\": 2", "\"\(String(repeating: "[", count: 60_000))\": 2"),
        "rank_pattern: expected regular expressions of at most 100 brackets, found '\(String(repeating: "[", count: 80))'"
          + again
      ),
      (
        ("\"mlp.gate.weight\": 2", "\"mlp.gate.weight\": 2.5"),
        "rank_pattern mlp.gate.weight: expected an integer in 1...65536, found 2.5" + again
      ),
      (
        ("\"use_rslora\": false", "\"use_rslora\": \"yes\""),
        "use_rslora: expected true or false, found 'yes'" + again
      ),
    ] {
      #expect(imported(scratch, try peft(scratch, change)) == "adapter_config.json " + message)
    }
    #expect(
      imported(scratch, try peft(scratch, besides: [("base_model.model.lm_head.lora_A.weight", [4, 64])]))
        == "adapter_model.safetensors base_model.model.lm_head.lora_A.weight: expected only factors of matrices and expert "
        + "stacks of the base model, found this tensor besides; try writing or fetching the file again")
    #expect(
      imported(scratch, try peft(scratch, keep: { $0 != Self.query + "B.weight" }))
        == "adapter_model.safetensors: expected '\(Self.query)B.weight', found nothing of that name; try listing what the "
        + "file holds")
    let others = try peft(
      scratch, keep: { !$0.hasPrefix(Self.query) },
      besides: [(Self.query + "A.weight", [5, 64]), (Self.query + "B.weight", [64, 5])])
    #expect(
      imported(scratch, others)
        == "adapter_model.safetensors \(Self.query)A.weight: expected shape [4, 64], found [5, 64]; "
        + "try the file that belongs to this model")
    let twice = try peft(
      scratch,
      besides: [
        ("base_model.model.model.layers.0.mlp.experts.3.down_proj.lora_A.weight", [3, 64]),
        ("base_model.model.model.layers.0.mlp.experts.3.down_proj.lora_B.weight", [64, 3]),
      ])
    #expect(try #require(imported(scratch, twice)).contains("expected one pair of factors for each parameter, found"))
    let wide = try peft(
      scratch, keep: { $0 != Self.query + "A.weight" }, besides: [(Self.query + "A.weight", [4, 65])])
    #expect(
      imported(scratch, wide)
        == "adapter_model.safetensors \(Self.query)A.weight: expected shape [4, 64], found [4, 65]; "
        + "try the file that belongs to this model")
  }

  /// Weights that PEFT changes as it loads them, by name.
  @Test(arguments: ["pissa", "pissa_niter_16", "olora", "corda", "loftq", "lora_ga", "what comes next"])
  func initializationsThatChangeTheWeightsAreRefused(name: String) throws {
    let scratch = try TemporaryFolder()
    let folder = try peft(scratch, ("\"init_lora_weights\": true", "\"init_lora_weights\": \"\(name)\""))
    #expect(
      imported(scratch, folder)
        == "adapter_config.json init_lora_weights: expected true, false or one of eva, gaussian, mica, orthogonal, found "
        + "'\(name)', whose factors belong to weights that PEFT changes when it begins; PEFT makes plain LoRA of them with "
        + "'save_pretrained(…, path_initial_model_for_weight_conversion=…)'; try writing it in another way")
  }

  @Test(arguments: ["\"eva\"", "\"gaussian\"", "\"orthogonal\"", "\"mica\"", "false", "null"])
  func initializationsThatLeaveTheWeightsAreRead(value: String) throws {
    let scratch = try TemporaryFolder()
    let folder = try peft(scratch, ("\"init_lora_weights\": true", "\"init_lora_weights\": \(value)"))
    #expect(imported(scratch, folder) == nil)
  }

  /// Every key of PEFT 0.18.1 and 0.21.2 is used, without effect, or refused; any other is an error that names it.
  @Test func everyKeyIsKnownOrRefused() throws {
    let scratch = try TemporaryFolder()
    func with(_ entry: String) throws -> String? {
      imported(scratch, try peft(scratch, ("\"bias\"", "\(entry), \"bias\"")))
    }
    #expect(
      try with("\"use_rs_lora\": true")
        == "adapter_config.json use_rs_lora: expected a key of PEFT 0.18.1 or 0.21.2, found another, true, and nothing tells "
        + "what it changes (did you mean 'use_rslora'?); try writing it in another way")
    #expect(try with("\"surprise\": {}")?.contains("json surprise: expected a key of PEFT") == true)
    #expect(try with("\"use_new_lora\": false") == nil)
    #expect(try with("\"surprise\": null") == nil)
    let keys = PEFTConfiguration.keys
    #expect(keys.refused.keys.allSatisfy { !keys.used.contains($0) && !keys.withoutEffect.contains($0) })
    for (key, refused) in keys.refused {
      for (value, isOff) in [(JSONValue.null, true), (.array([]), true), (.integer(3), false), (.string("on"), false)] {
        let found = failure { try keys.check(.object([.init(key: key, value: value)]), "c.json") }.map { "\($0)" }
        #expect((found == nil) == isOff, "\(key) \(value)")
        if !isOff {
          #expect(found?.hasPrefix("c.json \(key): expected ") == true && found?.contains(refused.meaning) == true)
        }
      }
    }
  }

  /// Of experts that are as wide as the model is, shapes do not tell which way they lie: the version has to.
  @Test func orientationOfExpertsNeedsAVersion() throws {
    let scratch = try TemporaryFolder()
    let source = oracleFolder("peft/down-alone-0.21")
    let folder = scratch.path("unsaid")
    try FileManager.default.copyItem(atPath: source, toPath: folder)
    let path = folder + "/adapter_config.json"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    try TextFile.write(text.replacing("\"0.21.2\"", with: "null"), to: path)
    #expect(
      imported(scratch, folder)
        == "adapter_config.json peft_version: expected what wrote factors of experts whose shapes fit W and its "
        + "transpose, found nothing; try writing or fetching the file again")
    try TextFile.write(text.replacing("\"0.21.2\"", with: "\"new\""), to: path)
    #expect(imported(scratch, folder)?.contains("peft_version: expected a version such as 0.21.2, found 'new'") == true)
  }

  @Test func picklesAreNotRead() throws {
    let scratch = try TemporaryFolder()
    let folder = try peft(scratch)
    try FileManager.default.moveItem(
      atPath: folder + "/adapter_model.safetensors", toPath: folder + "/adapter_model.bin")
    #expect(imported(scratch, folder)?.contains("expected adapter_model.safetensors, found adapter_model.bin") == true)
  }

  /// As Python's `re.match(rf"(.*\.)?({key})$", name)`.
  @Test(arguments: [
    ("q_proj", "model.layers.0.self_attn.q_proj", true), ("q_proj", "model.layers.0.self_attn.xq_proj", false),
    ("self_attn.q_proj", "self_attn.q_proj", true), ("self_attn.q_proj", "self_attnXq_proj", true),
    ("q_pro", "self_attn.q_proj", false), (#".*\.gate_up_proj"#, "model.layers.0.mlp.experts.gate_up_proj", true),
    (#".*\.gate_up_proj"#, "gate_up_proj", false), (#"layers\.[1-9]\..*(v|o)_proj"#, "model.layers.3.a.v_proj", true),
    (#"layers\.[1-9]\..*(v|o)_proj"#, "model.layers.0.a.v_proj", false), ("q_proj|v_proj", "a.v_proj", true),
    ("(?P<kind>k|q)_proj", "a.k_proj", true), ("", "model.", true), ("", "model", false),
  ])
  func patternsOfNames(key: String, name: String, matches: Bool) throws {
    #expect(try #require(PEFTPattern(key)).matches(name) == matches)
  }

  /// Queries and values alone, PEFT's habit: the rest of the role gets zeros.
  @Test func partOfARole() throws {
    let scratch = try TemporaryFolder()
    let folder = try peft(scratch, keep: { $0.contains("q_proj") || $0.contains("v_proj") })
    #expect(imported(scratch, folder) == nil)
    let model = try ModelFiles(opening: scratch.path("new.h5")).model()
    let attention = try #require(model.layers[1].attention as? Attention)
    #expect(try #require(attention.valueProjection.adapter).b.elements.contains { $0 != 0 })
    #expect(try #require(attention.keyProjection.adapter).a.elements.allSatisfy { $0 == 0 })
    #expect(model.layers[1].moe?.gate.adapter == nil && model.layers[1].moe?.experts.adapter == nil)
  }
}
