import Files
import Formats
import Placements
import Routing
import Foundation
import Models
import TestSupport
import Testing

@testable import Checkpoint

/// Limited models in folders: the code for transformers, its routing there and back.
@Suite struct ExportTests {
  /// Logits of transformers running the exported code, float32 on both sides: 1e-5 absolute.
  ///
  /// The exported file has to be the one that ran, so that a changed template asks for new logits.
  @Test(arguments: ["olmoe", "qwen2_moe"]) func logitsAreThoseOfTransformers(family: String) throws {
    let oracle = try HDF5Reader(fixture("export/\(family).h5"))
    let code = "modeling_occult_\(family).py"
    let shape = try oracle.info("input_ids").shape
    let ids = values(try oracle.bytes("input_ids").1, as: Int32.self)
    let batch = TokenBatch(sequences: (0..<shape[0]).map { Array(ids[$0 * shape[1]..<($0 + 1) * shape[1]]) })
    var limits: Set<Int> = []
    for index in 0..<(try oracle.integer(attribute: "cases")) {
      let name = try oracle.string(attribute: "model", of: "case-\(index)")
      let section = try oracle.string(attribute: "routing", of: "case-\(index)")
      let scratch = try TemporaryFolder()
      let checkpoint = try limited(name, section, in: scratch)
      let folder = scratch.path("folder")
      _ = try Conversion(source: checkpoint, destination: folder, writesCode: true).run(program: "test")
      #expect(
        try contents("\(folder)/\(code)") == contents(fixture("export/\(code)")), "make_limited.py has to run again")
      let config = ConfigurationText(String(decoding: try contents(folder + "/config.json"), as: UTF8.self))
      #expect(config.value(of: "occult") == section)

      let files = try ModelFiles(opening: folder)
      let routing = try #require(files.routing)
      limits.insert(try #require(routing.deviceLimit))
      let model = try files.model()
      let found = model.logits(model(batch).hidden).elements
      let expected = values(try oracle.bytes("case-\(index)/logits").1, as: Float.self)
      let worst = zip(found, expected).map { abs($0 - $1) }.max()
      #expect(found.count == expected.count && found.allSatisfy(\.isFinite))
      #expect(try #require(worst) <= 1e-5, "\(name), \(routing.policy), L = \(routing.deviceLimit ?? 0)")
    }
    #expect(limits == [1, 2])
  }

  /// Checkpoint → folder with code → checkpoint loses nothing, and the configuration comes back word for word.
  @Test(arguments: ModelCode.policies)
  func routingComesBack(policy: RoutingPolicy) throws {
    let scratch = try TemporaryFolder()
    let checkpoint = try limited("olmoe-odd", routing(policy: policy), in: scratch)
    let (folder, back) = (scratch.path("folder"), scratch.path("back.h5"))
    _ = try Conversion(source: checkpoint, destination: folder, verifies: true, writesCode: true).run(program: "test")
    _ = try Conversion(source: folder, destination: back, verifies: true).run(program: "test")
    #expect(try contents(back) == contents(checkpoint))
    #expect(try ModelFiles(opening: folder).routing == ModelFiles(opening: checkpoint).routing)
    #expect(throws: ConversionError.self) {
      try Conversion(source: folder, destination: scratch.path("again")).run(program: "test")
    }
  }

  /// As transformers writes the configuration again, its keys sorted.
  @Test func configurationSavedAgain() throws {
    let scratch = try TemporaryFolder()
    let folder = scratch.path("folder")
    let checkpoint = try limited("olmoe-tiny", routing(policy: .mass), in: scratch)
    _ = try Conversion(source: checkpoint, destination: folder, writesCode: true).run(program: "test")
    let before = try ModelFiles(opening: folder)
    // It is another program's folder then.
    unlink(folder + "/occult.json")
    let config = URL(fileURLWithPath: folder + "/config.json")
    let object = try JSONSerialization.jsonObject(with: Data(contentsOf: config))
    try JSONSerialization.data(withJSONObject: object, options: .sortedKeys).write(to: config)
    let after = try ModelFiles(opening: folder)
    #expect(after.routing == before.routing)
    #expect(!after.configuration.json.contains("ccult") && after.configuration.json.contains("OlmoeForCausalLM"))
  }

  @Test func whatCannotBeExported() throws {
    let scratch = try TemporaryFolder()
    let plain = oracleFolder("olmoe-tiny")
    let (deepseek, similar, run) = (scratch.path("v1.h5"), scratch.path("similar.h5"), scratch.path("step-7.h5"))
    _ = try limited("deepseek-tiny", routing(policy: .router), named: "v1.h5", in: scratch)
    _ = try limited("olmoe-tiny", routing(policy: .similarity), named: "similar.h5", in: scratch)
    let files = try ModelFiles(opening: plain)
    var extras = CheckpointExtras(files)
    extras.routing = try settings(routing(policy: .router), files)
    extras.training = TrainingState(step: 7, tokens: 99, batchOrder: "abc", moments: [:])
    try CheckpointWriter.write(run, weights: files, extras: extras, program: "test")
    let groups = try limited("deepseek_v2-odd", routing(policy: .router), named: "groups.h5", in: scratch)
    let own = try limited("olmoe-tiny", routing(policy: .router), named: "own.h5", in: scratch) { config in
      config.append("auto_map", "{}")
    }
    let cases: [(source: String, bakes: Bool, text: String)] = [
      (plain, false, "expected a model under a device limit for --with-code, found none; try without --with-code"),
      (
        deepseek, false,
        "expected one of deepseek_v2, mixtral, olmoe, qwen2_moe, qwen3_moe for --with-code, found deepseek, which "
          + "transformers has no class of; try --allow-unlimited for the weights alone"
      ),
      (
        similar, false,
        "expected one of router, mass, best_mass, adaptive, drop, random_devices for --with-code, found similarity, which "
          + "the code does not know; try --allow-unlimited for the weights alone"
      ),
      (
        own, false,
        "expected a configuration without code of its own for --with-code, found auto_map; try removing it"
      ),
      (
        plain, true,
        "expected a model with a placement for --bake-placement, found none; try a checkpoint with routing, such as the "
          + "final.h5 of a run"
      ),
      (
        run, true,
        "expected a finished model for --bake-placement, found the state of a run, whose moments are in the order of the "
          + "experts; try the run's final.h5"
      ),
      (
        groups, true,
        "expected a model that chooses among all experts for --bake-placement, found topk_method group_limited_greedy, "
          + "whose groups are the order of the experts; try without --bake-placement"
      ),
    ]
    for (source, bakes, text) in cases {
      let conversion = Conversion(
        source: source, destination: scratch.path(bakes ? "baked.h5" : "folder"), writesCode: !bakes,
        bakesPlacement: bakes)
      let error = #expect(throws: ConversionError.self) { try conversion.run(program: "test") }
      #expect(error?.description == "\(source): \(text)")
    }
  }

  /// The `occult` section, damaged.
  @Test func damagedSectionsAreNamed() throws {
    let scratch = try TemporaryFolder()
    let folder = scratch.path("folder")
    let checkpoint = try limited("olmoe-tiny", routing(policy: .router), in: scratch)
    _ = try Conversion(source: checkpoint, destination: folder, writesCode: true).run(program: "test")
    unlink(folder + "/occult.json")
    let config = folder + "/config.json"
    let good = String(decoding: try contents(config), as: UTF8.self)
    let again = "; try writing or fetching the file again"
    let cases: [(old: String, new: String, text: String)] = [
      ("\"version\": 1", "\"version\": 2", "occult.version: expected version 1, found 2\(again)"),
      ("\"devices\": 2,", "", "occult.devices: expected an integer, found nothing\(again)"),
      (
        "\"router\"", "\"rooter\"",
        "occult.policy: expected one of none, router, similarity, output_similarity, mass, best_mass, adaptive, "
          + "group_limited, c2r, drop, fewer_experts, random_devices, found 'rooter'\(again)"
      ),
      ("\"device_limit\": 1", "\"device_limit\": true", "occult.device_limit: expected an integer, found true\(again)"),
      ("\"epsilon\": 0.2", "\"epsilon\": []", "occult.epsilon: expected a number, found a list of 0\(again)"),
      (
        "\"layer\": 1,", "",
        "occult.layers: expected entries of 'layer' and 'expert_device', found a list of 2\(again)"
      ),
      (
        "\"seed\": 3,", "\"seed\": 3, \"seed\": 4,",
        "occult: expected JSON with every key once, found the key 'seed' a second time\(again)"
      ),
    ]
    for (old, new, text) in cases {
      #expect(good.contains(old))
      try Data(good.replacing(old, with: new).utf8).write(to: URL(fileURLWithPath: config))
      let error = failure { _ = try ModelFiles(opening: folder) }
      #expect(error?.description == "\(config) \(text)")
    }
  }

  /// Every family's code speaks of its own classes alone.
  @Test(arguments: ModelCode.supported) func codeOfEveryFamily(family: String) throws {
    let code = try #require(ModelCode(modelType: family))
    #expect(code.name == "modeling_occult_\(family).py")
    #expect(code.text.contains("from transformers.models.\(family).modeling_\(family) import"))
    #expect(family == "olmoe" || !code.text.lowercased().contains("olmoe"))
    #expect(code.text.split(separator: "\n", omittingEmptySubsequences: false).count <= 250)
  }

  private func routing(policy: RoutingPolicy) -> (ModelConfiguration) -> RoutingSettings? {
    { configuration in
      let layers = configuration.sparseLayers.map { layer in
        Placement.Layer(layer: layer, expertDevice: (0..<configuration.experts).map { ($0 / 2 + layer) % 2 })
      }
      let placement = try? Placement(
        modelType: configuration.modelType, experts: configuration.experts, devices: 2, layers: layers)
      return placement.map {
        RoutingSettings(
          placement: $0, policy: policy, deviceLimit: 1, weightSource: .inherited, renormalization: .originalMass,
          options: PolicyOptions(epsilon: 0.2), seed: 3)
      }
    }
  }

  private func settings(
    _ routing: (ModelConfiguration) -> RoutingSettings?, _ files: ModelFiles
  ) throws -> RoutingSettings {
    try #require(routing(files.configuration))
  }

  /// A checkpoint of a random model under the routing of an `occult` section.
  private func limited(_ name: String, _ section: String, in scratch: TemporaryFolder) throws -> String {
    let configuration = try ModelFiles(opening: oracleFolder(name)).configuration
    let json = try JSONValue.parse(section, file: "oracle", item: "routing")
    let settings = try RoutingSettings(json, configuration, file: "oracle")
    return try limited(name, { _ in settings }, in: scratch)
  }

  private func limited(
    _ name: String, _ routing: (ModelConfiguration) -> RoutingSettings?, named file: String = "limited.h5",
    in scratch: TemporaryFolder, _ edit: (inout ConfigurationText) -> Void = { _ in }
  ) throws -> String {
    let files = try ModelFiles(opening: oracleFolder(name))
    var extras = CheckpointExtras(files)
    extras.routing = try settings(routing, files)
    var config = ConfigurationText(extras.configurationJSON)
    edit(&config)
    extras.configurationJSON = config.text
    try CheckpointWriter.write(scratch.path(file), weights: files, extras: extras, program: "test")
    return scratch.path(file)
  }
}
