import Formats
import Checkpoint
import Placements
import Routing
import Foundation
import Models
import Text
import Training

/// One file of a run folder that a run goes on from: recipe, metrics, checkpoint, summary.
struct RunFolderReading: Reader {
  let fileName: String
  let corpus: [[UInt8]]
  /// The file of the folder that the input takes the place of.
  private let part: String
  private let run: SampleRun

  init(_ part: String) throws {
    run = try SampleRun.shared.get()
    self.part = part
    fileName = "run-" + (part as NSString).lastPathComponent
    corpus = [try fixture(run.path + "/" + part, isAbsolute: true)]
  }

  /// One reader a file.
  static func all() throws -> [RunFolderReading] {
    try ["recipe.yaml", "metrics.jsonl", "checkpoints/step-1.h5", "summary.json"].map { try RunFolderReading($0) }
  }

  func mutate(_ input: inout [UInt8], _ random: inout SplitMix64) {
    if part.hasSuffix(".h5") { Mutations.bytes(&input, &random) } else { mutateText(&input, &random) }
  }

  func variants(of input: [UInt8], _ body: ([UInt8], String) throws -> Void) throws {
    if !part.hasSuffix(".h5") { try textVariants(of: input, body) }
  }

  var isWithoutNumbers: Bool { part.hasSuffix(".h5") }

  func read(_ path: String) throws {
    // A run writes into its folder: it has a copy each time.
    let copy = run.path + "-input"
    try? FileManager.default.removeItem(atPath: copy)
    try FileManager.default.copyItem(atPath: run.path, toPath: copy)
    try FileManager.default.removeItem(atPath: copy + "/" + part)
    try FileManager.default.copyItem(atPath: path, toPath: copy + "/" + part)
    if part == "summary.json" {
      _ = try RunSummary(path: copy + "/" + part)
    } else {
      _ = try run.tuning(copy).run(.resume)
    }
  }
}

/// A run of two steps with a checkpoint after the first, made once.
struct SampleRun {
  let path: String
  private let base: ModelFiles
  private let recipe: Recipe

  // unsafe: made once, and used by one thread.
  nonisolated(unsafe) static let shared = Result { try SampleRun() }

  private init() throws {
    let samples = try Samples.shared.get()
    path = samples.folder + "/run"
    base = try ModelFiles(opening: samples.folder + "/chunked.h5")
    var recipe = Recipe(
      model: samples.folder + "/chunked.h5", data: .init(train: [.init(path: "/data.jsonl", format: .alpaca)]),
      output: path)
    recipe.data.maxTokens = 8
    recipe.data.validation = .share(0)
    recipe.routing.devices = 3
    recipe.schedule.batchTokens = 8
    recipe.schedule.warmupSteps = 1
    recipe.schedule.maxSteps = 2
    recipe.run.evaluateEvery = nil
    recipe.save.every = 1
    self.recipe = recipe
    _ = try tuning(path).run(.new)
  }

  /// The run in a folder.
  func tuning(_ folder: String) throws -> FineTuning {
    let c = base.configuration
    let layers = c.sparseLayers.map { Placement.Layer(layer: $0, expertDevice: [0, 1, 2]) }
    let documents = (0..<4).map { id in
      TokenizedDocument(
        tokens: [1, 2, 3, Int32(id)], hasLoss: [false, true, true, true], id: id, source: "made:\(id)")
    }
    return FineTuning(
      recipe: recipe, base: base,
      routing: RoutingSettings(
        placement: try Placement(modelType: c.modelType, experts: c.experts, devices: 3, layers: layers), seed: 1),
      data: TrainingData(train: documents), folder: RunFolder(folder), program: "fuzz")
  }
}

/// Adapters of PEFT over the smallest model: their configuration, or their factors.
struct AdapterReading: Reader {
  let fileName: String
  let corpus: [[UInt8]]
  private let folder: String
  private let samples: Samples
  private let part: String

  init(_ part: String) throws {
    samples = try Samples.shared.get()
    folder = samples.folder + "/adapters"
    self.part = part
    fileName = part
    if !FileManager.default.fileExists(atPath: folder) { try Self.make(samples, folder) }
    corpus = [try fixture(folder + "/" + part, isAbsolute: true)]
  }

  private static func make(_ samples: Samples, _ folder: String) throws {
    let path = samples.folder + "/chunked.h5"
    var model = try ModelFiles(opening: path).model()
    let adapters = AdapterSettings(roles: [.attention: .init(rank: 2, alpha: 4), .experts: .init(rank: 1, alpha: 2)])
    model.attach(adapters, seed: 1) { _ in nil }
    var extras = CheckpointExtras(configuration: model.configuration)
    extras.adapters = adapters
    extras.base = try BaseReference(ModelFiles(opening: path), stored: [])
    try CheckpointWriter.write(
      samples.folder + "/adapted.h5", weights: ModelBytes(model), extras: extras, program: "fuzz")
    _ = try AdapterExport(source: samples.folder + "/adapted.h5", destination: folder).run()
  }

  func mutate(_ input: inout [UInt8], _ random: inout SplitMix64) {
    if part.hasSuffix(".json") { mutateText(&input, &random) } else { mutateSafetensors(&input, &random) }
  }

  func variants(of input: [UInt8], _ body: ([UInt8], String) throws -> Void) throws {
    if part.hasSuffix(".json") { try textVariants(of: input, body) } else { try headerVariants(of: input, body) }
  }

  func read(_ path: String) throws {
    let copy = try samples.folder(folder, named: "adapters-\(part)", with: path, as: part)
    let target = samples.folder + "/imported.h5"
    defer { try? FileManager.default.removeItem(atPath: target) }
    _ = try AdapterImport(source: copy, base: samples.folder + "/chunked.h5", destination: target).run(program: "fuzz")
  }
}
