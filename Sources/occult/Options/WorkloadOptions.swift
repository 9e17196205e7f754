import ArgumentParser
import Checkpoint
internal import Placements
internal import Profiles
import Formats

/// What every device works on, for `plan`.
struct WorkloadOptions: ParsableArguments {
  @Option(
    help: "The profiled model, for its sizes: a checkpoint, a Hugging Face folder, its config.json, or a run.",
    completion: .file())
  var model: String?

  @Option(help: "H, where no model is given.", transform: count)
  var hidden: Int?

  @Option(help: "I of one expert, where no model is given.", transform: count)
  var intermediate: Int?

  @Option(help: "Tokens of a device in a step. (default: 4096)", transform: count)
  var tokens = 4096

  @Option(
    help: "Bytes of an element on the wire and of a weight: 2 for bfloat16, 4 for float32. (default: 2)",
    transform: count)
  var bytesPerElement = 2

  @Option(
    help: "Operations per token and layer outside the routed experts, forward (default: 8·H², four H × H projections).",
    transform: number)
  var denseFlops: Double?

  func validate() throws {
    for (name, value) in [
      ("--hidden", hidden), ("--intermediate", intermediate), ("--tokens", tokens),
      ("--bytes-per-element", bytesPerElement),
    ] {
      if let value, value < 1 { throw ValidationError("\(name): expected at least 1, found \(value)") }
    }
    if let denseFlops, !(denseFlops >= 0 && denseFlops.isFinite) {
      throw ValidationError("--dense-flops: expected a number of at least 0, found \(denseFlops)")
    }
    if model != nil, hidden != nil || intermediate != nil {
      throw ValidationError("--hidden, --intermediate: expected no --model beside them, found '\(model ?? "")'")
    }
  }

  /// The work, with sizes from the model or the options.
  func workload(for profile: CollaborationProfile) throws -> Workload {
    if let model {
      let found = try ModelLocation.configuration(at: model)
      guard found.experts == profile.experts, found.topK == profile.topK else {
        throw PlanError.model(
          path: model, expected: "\(counted(profile.experts, "expert")), top \(profile.topK)",
          found: "\(counted(found.experts, "expert")), top \(found.topK)")
      }
      return Workload(
        tokens: tokens, hidden: found.hidden, intermediate: found.intermediate, bytesPerElement: bytesPerElement,
        denseFlops: denseFlops)
    }
    guard let hidden, let intermediate else {
      throw ValidationError("plan: expected the model's sizes, found none; try --model, or --hidden and --intermediate")
    }
    return Workload(
      tokens: tokens, hidden: hidden, intermediate: intermediate, bytesPerElement: bytesPerElement,
      denseFlops: denseFlops)
  }
}
