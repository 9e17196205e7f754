import Checkpoint
import Placements
import Foundation
import Tensors
import Testing

@testable import Models

/// LoRA against PEFT and autograd in float64 (make_lora.py): attention, plain or latent, routers, shared experts, dense
/// layers, and all or half of each layer's experts.
@Suite struct LoRAOracleTests {
  static let variants = ["olmoe-tiny", "qwen2_moe-tiny", "deepseek_v2-odd"]

  /// Paths of the oracle, and a checkpoint of its adapters over the variant.
  private final class Adapted {
    let base: Oracle
    let oracle: Oracle
    let folder: String
    let checkpoint: String

    init(_ variant: String = "olmoe-tiny") throws {
      (base, oracle) = (try Oracle(variant), try Oracle(variant + "-lora"))
      folder = NSTemporaryDirectory() + "lora-" + UUID().uuidString
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      checkpoint = folder + "/adapter.h5"
      _ = try AdapterImport(source: oracle.folder, base: base.folder, destination: checkpoint).run(program: "test")
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func model() throws -> LanguageModel { try ModelFiles(opening: checkpoint).model() }
  }

  private static let adapted = [[0, 1, 3, 6], [2, 3, 4, 7]]

  /// The same adapters on the experts that have them alone.
  private func narrowed(_ model: LanguageModel) -> LanguageModel {
    var narrow = model
    narrow.attach(
      AdapterSettings(
        roles: [
          .attention: .init(rank: 4, alpha: 8), .router: .init(rank: 2, alpha: 3), .experts: .init(rank: 3, alpha: 6),
        ],
        experts: [
          "model.layers.0.mlp.experts": Self.adapted[0], "model.layers.1.mlp.experts": Self.adapted[1],
        ]))
    var wide: [String: Tensor] = [:]
    model.forEachParameter { path, tensor in wide[path.name] = tensor }
    narrow.updateParameters { path, tensor in
      guard path.isAdapter, let all = wide[path.name] else { return }
      guard tensor.shape.count == 3 else { tensor = all; return }
      let rows = path.name.hasPrefix("model.layers.0") ? Self.adapted[0] : Self.adapted[1]
      tensor = all.reshaped([all.shape[0], all.count / all.shape[0]]).gatherRows(rows.map(Int32.init))
        .reshaped(tensor.shape)
    }
    return narrow
  }

  /// PEFT's name of a factor, and its elements in our order for the given experts.
  private func gradient(
    _ oracle: Oracle, _ path: ParameterPath, _ shape: [Int], experts: [Int], of count: Int
  ) throws -> [Double] {
    let letter = path.name.hasSuffix("lora_A") ? "A" : "B"
    var module = path.parent.name
    if shape.count == 3 {
      module = path.parent.parent.name + (module.hasSuffix(".gate_up_proj") ? ".base_layer" : "")
    }
    let all = try oracle.floats("grad_total/base_model.model.\(module).lora_\(letter).weight")
    if shape.count == 2 { return all }
    let (rows, columns) = (shape[1], shape[2])
    return experts.flatMap { expert in
      (0..<rows).flatMap { row in
        (0..<columns).map { column in
          letter == "A"
            ? all[(expert * rows + row) * columns + column] : all[(row * columns + column) * count + expert]
        }
      }
    }
  }

  @Test(arguments: variants + ["half of olmoe-tiny"]) func logitsAndEveryGradient(variant: String) throws {
    let isNarrow = variant.hasPrefix("half")
    let adapted = try Adapted(isNarrow ? "olmoe-tiny" : variant)
    var model = try adapted.model()
    if isNarrow { model = narrowed(model) }
    model.train([])
    let (batch, targets) = try adapted.base.batch()
    let pass = model(batch)
    #expect(relativeError(model.logits(pass.hidden).elements, try adapted.oracle.floats("logits")) <= 1e-5)
    let (sum, _, count) = model.crossEntropy(pass, targets: targets)
    var total = sum * (1 / Float(count))
    if !variant.hasPrefix("deepseek") {  // whose loss transformers leaves alone
      total = total + pass.auxiliaryLoss(.hf) * Float(model.configuration.auxiliaryCoefficient)
    }
    #expect(relativeError([total.scalar], try adapted.oracle.floats("loss_total")) <= 1e-5)
    let gradients = total.gradients()
    var factors = 0
    try model.forEachParameter { path, tensor in
      guard path.isAdapter else {
        #expect(gradients[tensor] == nil && !tensor.isTracked, "\(path) is frozen")
        return
      }
      factors += 1
      let all = model.configuration.experts
      let experts =
        isNarrow ? (path.name.hasPrefix("model.layers.0") ? Self.adapted[0] : Self.adapted[1]) : Array(0..<all)
      let expected = try gradient(adapted.oracle, path, tensor.shape, experts: experts, of: all)
      let found = try #require(gradients[tensor], "\(path) has no gradient")
      #expect(found.shape == tensor.shape && expected.contains { $0 != 0 })
      #expect(relativeError(found.elements, expected) <= 1e-4, "\(path)")
    }
    let stored = try SafetensorsReader(adapted.oracle.folder + "/adapter_model.safetensors").names.count
    #expect(factors == stored && factors == gradients.count)
  }

  /// Blocks that are computed again lead the same gradients to the adapters in them, but for the order of sums.
  @Test(arguments: variants) func recomputedBlocksGiveTheSameGradients(variant: String) throws {
    let adapted = try Adapted(variant)
    var model = try adapted.model()
    model.train([])
    let (batch, targets) = try adapted.base.batch()
    var found: [[String: [Float]]] = []
    for recomputes in [false, true] {
      model.recomputesActivations = recomputes
      let gradients = model.crossEntropy(model(batch), targets: targets).sum.gradients()
      var elements: [String: [Float]] = [:]
      model.forEachParameter { path, tensor in elements[path.name] = gradients[tensor]?.elements }
      found.append(elements)
    }
    #expect(found[0].keys.allSatisfy { $0.contains(".lora_") } && !found[0].isEmpty && found[0].keys == found[1].keys)
    for (name, kept) in found[0] {
      #expect(relativeError(found[1][name] ?? [], kept.map(Double.init)) <= 1e-5, "\(name)")
    }
  }

  /// W + α/r · B · A in place of W: the same function, and no adapters left.
  @Test(arguments: variants, [false, true]) func mergingKeepsTheFunction(variant: String, isFolder: Bool) throws {
    let adapted = try Adapted(variant)
    let merged = adapted.folder + (isFolder ? "/merged" : "/merged.h5")
    let outcome = try Conversion(source: adapted.checkpoint, destination: merged, verifies: true).run(program: "test")
    #expect(outcome.verified == outcome.tensors)
    let files = try ModelFiles(opening: merged)
    #expect(files.adapters == nil && files.base == nil)
    let model = try files.model()
    model.forEachParameter { path, _ in #expect(!path.isAdapter) }
    let (batch, _) = try adapted.base.batch()
    let logits = model.logits(model(batch).hidden).elements
    #expect(relativeError(logits, try adapted.oracle.floats("logits")) <= 1e-5)
  }

  /// What is written is what PEFT wrote, name by name and byte by byte.
  @Test(arguments: variants) func exportIsWhatPEFTWrites(variant: String) throws {
    let adapted = try Adapted(variant)
    let exported = adapted.folder + "/peft"
    let outcome = try AdapterExport(source: adapted.checkpoint, destination: exported).run()
    let (ours, theirs) = (
      try SafetensorsReader(exported + "/adapter_model.safetensors"),
      try SafetensorsReader(adapted.oracle.folder + "/adapter_model.safetensors")
    )
    #expect(ours.names.sorted() == theirs.names.sorted() && outcome.tensors == ours.names.count)
    for name in theirs.names {
      let (a, b) = (try ours.tensor(named: name), try theirs.tensor(named: name))
      #expect(a.type == b.type && a.shape == b.shape && a.bytes.elementsEqual(b.bytes), "\(name)")
    }
    func configuration(_ folder: String) throws -> [String: Any] {
      let data = try Data(contentsOf: URL(fileURLWithPath: folder + "/adapter_config.json"))
      return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }
    let (a, b) = (try configuration(exported), try configuration(adapted.oracle.folder))
    for key in ["peft_type", "task_type", "bias"] { #expect(a[key] as? String == b[key] as? String, "\(key)") }
    for key in ["r", "lora_alpha"] { #expect(a[key] as? Double == b[key] as? Double, "\(key)") }
    for key in ["rank_pattern", "alpha_pattern"] {
      #expect(a[key] as? [String: Double] == b[key] as? [String: Double], "\(key)")
    }
    for key in ["target_modules", "target_parameters"] {
      #expect((a[key] as? [String])?.sorted() == (b[key] as? [String])?.sorted(), "\(key)")
    }
    #expect(Set(a.keys).isSubset(of: b.keys))
  }

  /// Factors on some experts are written as zeros for the others.
  @Test func aShareOfExpertsIsExportedWithZeros() throws {
    let adapted = try Adapted()
    let model = narrowed(try adapted.model())
    let (path, base) = (adapted.folder + "/narrow.h5", try ModelFiles(opening: adapted.checkpoint))
    var extras = CheckpointExtras(base)
    extras.base = base.base
    extras.adapters = AdapterSettings(
      roles: base.adapters?.roles ?? [:],
      experts: ["model.layers.0.mlp.experts": Self.adapted[0], "model.layers.1.mlp.experts": Self.adapted[1]])
    try CheckpointWriter.write(path, weights: ModelBytes(model), extras: extras, program: "test")
    #expect(try ModelFiles(opening: path).adapters == extras.adapters)
    _ = try AdapterExport(source: path, destination: adapted.folder + "/peft").run()
    let ours = try SafetensorsReader(adapted.folder + "/peft/adapter_model.safetensors")
    let theirs = try SafetensorsReader(adapted.oracle.folder + "/adapter_model.safetensors")
    for name in theirs.names {
      #expect(try ours.tensor(named: name).bytes.elementsEqual(theirs.tensor(named: name).bytes), "\(name)")
    }
  }

  @Test func adaptersMoveWithTheirExpertsAndLeaveWeightsAsStored() throws {
    let adapted = try Adapted()
    var model = narrowed(try adapted.model())
    let (batch, _) = try adapted.base.batch()
    let before = model.logits(model(batch).hidden)
    let layers = (0..<2).map { Placement.Layer(layer: $0, expertDevice: [1, 0, 1, 0, 0, 1, 0, 1]) }
    let placement = try Placement(modelType: "olmoe", experts: 8, devices: 2, layers: layers)
    try model.arrange(placement)
    #expect(model.layers[0].moe?.expertOrder != nil)
    #expect(model.logits(model(batch).hidden).elements == before.elements)
    // Attached when experts have moved already.
    let settings = AdapterSettings(
      roles: [.experts: .init(rank: 2, alpha: 2)], experts: ["model.layers.0.mlp.experts": [5]])
    model.attach(settings)
    let order = try #require(model.layers[0].moe?.expertOrder)
    let indices = try #require(model.layers[0].moe?.experts.adapter).down.indices
    #expect(indices.firstIndex(of: 0) == order.firstIndex(of: 5) && indices.filter { $0 >= 0 }.count == 1)
    #expect((model.layers[0].attention as? Attention)?.keyProjection.adapter == nil, "the settings name no attention")
  }

  @Test func frozenWeightsStayInBFloat16() throws {
    var model = ModelFamily.random(try Adapted().model().configuration, seed: 3)
    model.updateParameters { _, tensor in tensor = tensor.stored(as: .bfloat16) }
    let (batch, targets) = try Oracle("olmoe-tiny").batch()
    let before = model.logits(model(batch).hidden).elements
    let settings = AdapterSettings(roles: [.attention: .init(rank: 2, alpha: 4), .experts: .init(rank: 2, alpha: 4)])
    model.attach(settings, seed: 7)
    // B is zero: nothing has changed yet, and A is as large as PEFT's.
    #expect(model.logits(model(batch).hidden).elements == before)
    let a = try model.layers.map { layer in
      try #require((layer.attention as? Attention)?.valueProjection.adapter).a.elements
    }
    #expect(a[0].allSatisfy { abs($0) < 0.125 } && a[0].contains { abs($0) > 0.12 } && a[1] != a[0])
    model.train([])
    model.forEachParameter { path, tensor in
      #expect(tensor.dtype == (path.isAdapter ? .float32 : .bfloat16), "\(path)")
    }
    let (sum, _, _) = model.crossEntropy(model(batch), targets: targets)
    let gradients = sum.gradients()
    // With B zero the gradient of A is zero, and that of B is not.
    model.forEachParameter { path, tensor in
      guard path.isAdapter, let gradient = gradients[tensor] else { return }
      #expect(gradient.elements.contains { $0 != 0 } == path.name.hasSuffix("lora_B"), "\(path)")
    }
    #expect(model.trainedCounts == [.attention: 2 * 4 * 2 * 128, .experts: 2 * 8 * 2 * (64 + 128 + 64 + 64)])
  }
}
