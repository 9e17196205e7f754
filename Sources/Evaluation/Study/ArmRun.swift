internal import Files
internal import Checkpoint
internal import Foundation
internal import Training

/// One arm from one seed: the base, or a fine-tuning run of the study.
struct ArmRun {
  let name: String
  /// Rule it is trained under; nil for none.
  let rule: StudyRule?
  /// Seed it is trained from; nil for the base.
  let seed: Int?
  /// Identity of its weights: all that they depend on.
  let key: String
  /// The run; nil for the base.
  let tuning: FineTuning?

  /// The model before fine-tuning.
  static var base: ArmRun { ArmRun(name: "base", rule: nil, seed: nil, key: "base", tuning: nil) }

  /// As messages call it: `L2`, or `L2, seed 3` where a study has several.
  func title(of seeds: [Int]) -> String {
    seeds.count > 1 ? seed.map { "\(name), seed \($0)" } ?? name : name
  }

  /// What the finished run says of itself.
  func summary() throws -> RunSummary {
    guard let tuning else { preconditionFailure("ArmRun: the base has no summary") }
    return try RunSummary(path: tuning.folder.summary)
  }

  /// Losses during fine-tuning.
  func curve() throws -> LossCurve {
    guard let tuning else { preconditionFailure("ArmRun: the base has no curve") }
    struct Record: Decodable {
      let step: Int
      let tokens: Double?
      let ce: Double?
      let validation_ce: Double?
    }
    let lines = try TextFile.read(tuning.folder.metrics).split(separator: "\n")
    let records = try lines.map { try JSONDecoder().decode(Record.self, from: Data($0.utf8)) }
    return LossCurve(
      arm: name,
      points: records.map {
        .init(
          step: $0.step, tokens: Int(exactly: ($0.tokens ?? 0).rounded()) ?? 0, train: $0.ce,
          validation: $0.validation_ce)
      })
  }
}
