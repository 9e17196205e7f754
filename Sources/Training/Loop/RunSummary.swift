internal import Files
internal import Checkpoint
internal import Foundation

/// `summary.json`: what a run did, in numbers.
public struct RunSummary: Codable, Sendable, Equatable {
  /// Identity of the run, which its folder's marker, recipe, records and checkpoints have too; nil of version 0.1.
  public var run: String?
  /// Name and version of the program.
  public var program: String
  /// Identity of what the recipe computes.
  public var recipeHash: String
  /// Path of the base model.
  public var model: String
  /// Seed of data order and random policies.
  public var seed: Int
  /// Optimizer steps done.
  public var steps: Int
  /// Tokens trained on.
  public var tokens: Int
  /// Identity of the order of batches.
  public var batchOrder: String
  /// Time of the run, or of its last part after a resume.
  public var seconds: Double
  /// Highest resident memory in bytes; of several ranks, that of the one with the most.
  public var peakMemory: Int
  /// Highest resident memory of each rank in bytes; nil in one process.
  public var rankMemory: [Int]?
  /// Bytes passed to MPI by all ranks together, by level (``insideNodes``, and ``betweenNodes`` where there are
  /// several) and purpose; nil in one process.
  public var sentBytes: [String: [String: Int]]?
  /// Trained parameters by role.
  public var trainedParameters: [String: Int]
  /// Validation loss of `final.h5` in nats per token; nil without validation data.
  public var validationLoss: Double?
  /// Step of the model in `final.h5`, where it is that of the best validation; nil where it is the last one.
  public var bestStep: Int?
  /// Whether training ended before its last step because validation made no progress.
  public var stoppedEarly: Bool?
  /// L of each MoE layer in turn, where they differ.
  public var deviceLimits: [Int]?
  /// C_T on validation data, under the limit that the run ends with; nil without validation data.
  public var devicesPerToken: Double?
  /// Validation loss with the rule off: the model's plain top-k; nil without validation data.
  public var validationLossUnlimited: Double?
  /// C_T on validation data with the rule off; nil without validation data.
  public var devicesPerTokenUnlimited: Double?
}

extension RunSummary {
  /// Bytes that stayed inside nodes.
  public static let insideNodes = "inside_nodes"
  /// Bytes that crossed between nodes.
  public static let betweenNodes = "between_nodes"

  /// What `summary.json` holds.
  func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
  }

  /// Reads what a finished run has written.
  ///
  /// - Parameter path: `summary.json`.
  /// - Throws: `FileError`, also where the file is no summary.
  public init(path: String) throws {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let text = try TextFile.read(path)
    do {
      self = try decoder.decode(RunSummary.self, from: Data(text.utf8))
    } catch {
      throw FileError.invalid(path: path, item: nil, expected: "the summary of a run", found: "something else")
    }
  }
}
