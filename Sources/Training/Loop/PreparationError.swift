internal import Files
public import Host
internal import Checkpoint
internal import Formats
internal import Tensors

/// Why a recipe does not fit its model.
public enum PreparationError: Error, Equatable, CustomStringConvertible {
  /// Samples may be longer than the model has positions.
  case tooLong(found: Int, positions: Int)
  /// More epochs than can be counted.
  case epochs(found: Int, most: Int, documents: Int)
  /// Every role that the model has is frozen.
  case nothingTrains
  /// The run ends before the limit is reached.
  case schedule(reached: Int, limit: Int, steps: Int)
  /// Rank 0, which plans for all, could not.
  case firstRank
  /// The run would need more memory than there is on a host, of which so many ranks are; `fits` are changes of the
  /// recipe that would not.
  case memory(needed: Int, available: MemoryLimit, ranks: Int, fits: [String])

  /// The message for a person.
  public var description: String {
    switch self {
    case .tooLong(let found, let positions):
      "data.max_tokens: expected at most \(positions), the positions of the model, found \(found); "
        + "try data.max_tokens=\(positions)"
    case .schedule(let reached, let limit, let steps):
      "routing.device_limit_schedule: expected device_limit \(limit) to be reached before the last of \(counted(steps, "step")), found "
        + "it after step \(reached); try \(max(steps / 2, 1))"
    case .epochs(let found, let most, let documents):
      "schedule.epochs: expected at most \(counted(most, "epoch")) of \(counted(documents, "document")) "
        + "(\(counted(RunPreparation.mostDocuments, "document")) in all), found \(found); try schedule.epochs=\(most), or a smaller "
        + "schedule.max_steps"
    case .nothingTrains:
      "train: expected a role that trains and that the model has, found all frozen; try train.experts=full"
    case .firstRank: "mpirun: expected a plan from rank 0, found that it failed; its message says why"
    case .memory(let needed, let available, let ranks, let fits):
      "memory: expected at most \(ByteSize.words(available.bytes)) (\(available.source.words)), found "
        + (ranks == 1 ? "a run that needs" : "\(counted(ranks, "rank")) on one host that together need")
        + " about \(ByteSize.words(needed)): a parameter that trains takes 16 bytes, one that does not 2 or 4; try "
        + (fits.isEmpty
          ? "\(available.source == .machine ? "a machine with more memory" : "a higher limit"), or a smaller "
            + "schedule.batch_tokens" : fits.joined(separator: ", or "))
    }
  }
}
