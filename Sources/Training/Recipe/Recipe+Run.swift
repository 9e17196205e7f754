public import ExpertParallel

extension Recipe {
  /// `optimizer`.
  public struct Optimizer: Sendable, Equatable {
    /// Default: `adamw`.
    public var name: OptimizerName = .adamw
    /// Peak learning rate. Default: 2e-5.
    public var learningRate: Double = 2e-5
    /// Decay of the first and second moment, each from 0 to below 1. Default: [0.9, 0.95].
    public var betas: [Double] = [0.9, 0.95]
    /// Added to the root of the second moment. Default: 1e-8, as in PyTorch.
    public var epsilon: Double = 1e-8
    /// Decoupled weight decay. Default: 0.
    public var weightDecay: Double = 0
    /// Largest norm of the whole gradient; `nil` (`none`) for no clipping. Default: 1.
    public var clip: Double? = 1

    /// The defaults.
    public init() {}
  }

  /// Optimizers of this version.
  public enum OptimizerName: String, Sendable, CaseIterable {
    /// Adam with decoupled weight decay.
    case adamw
  }

  /// `schedule`: how many steps, of how many tokens, at which learning rate.
  public struct Schedule: Sendable, Equatable {
    /// Largest `batch_tokens`: several times the largest sequence.
    static let mostBatchTokens = 16_777_216
    /// Largest `epochs`.
    static let mostEpochs = 1_000_000
    /// Largest `accumulation`.
    static let mostAccumulation = 1_000_000

    /// Shape after the warm-up. Default: `cosine`.
    public var name: ScheduleName = .cosine
    /// Steps of linear rise from 0. Default: 10.
    public var warmupSteps: Int = 10
    /// Passes over the training data. Default: 2.
    public var epochs: Int = 2
    /// Stop after this many optimizer steps even if epochs are left. Default: null, no bound.
    public var maxSteps: Int?
    /// Tokens of a micro-batch, padding included. Default: 4096.
    public var batchTokens: Int = 4096
    /// Micro-batches per optimizer step. Default: 1.
    public var accumulation: Int = 1

    /// The defaults.
    public init() {}
  }

  /// Learning-rate shapes.
  public enum ScheduleName: String, Sendable, CaseIterable {
    /// Flat; straight to 0; half a cosine to 0.
    case constant, linear, cosine
  }

  /// `run`.
  public struct Run: Sendable, Equatable {
    /// Largest `threads`.
    static let mostThreads = 4096

    /// Seed of order, splits and every random choice. Default: 1.
    public var seed: Int = 1
    /// Steps between validations; `nil` (`none`) only at the end. Default: 50.
    public var evaluateEvery: Int? = 50
    /// Threads; `nil` (`auto`) for one per core. Results do not depend on it. Default: auto.
    public var threads: Int?
    /// Whether blocks are computed again in the backward pass: less memory, more time. Default: false.
    public var activationCheckpointing = false
    /// Whether the result is the model of the best validation instead of the last one. Default: false.
    public var keepsBest = false
    /// When to end before the last step; nil (`none`) for never. Default: none.
    public var earlyStopping: EarlyStopping?

    /// The defaults.
    public init() {}
  }

  /// `run.early_stopping`: training ends after `patience` validations in a row without progress.
  public struct EarlyStopping: Sendable, Equatable {
    /// Validations in a row.
    public var patience: Int
    /// What a loss must gain on the best one to be progress, in nats per counted token. Default: 0.
    public var minDelta = 0.0

    /// An end after `patience` validations without progress.
    public init(patience: Int, minDelta: Double = 0) {
      (self.patience, self.minDelta) = (patience, minDelta)
    }
  }

  /// `save`: checkpoints of a run.
  public struct Save: Sendable, Equatable {
    /// Steps between checkpoints; `nil` (`none`) only at the end. Default: 100.
    public var every: Int? = 100
    /// How many `step-N.h5` stay. Default: 2.
    public var keep: Int = 2
    /// Type of the tensors in `final.h5`; `nil` keeps the base's. Default: null.
    public var dtype: SaveType?

    /// The defaults.
    public init() {}
  }

  /// Types of stored tensors.
  public enum SaveType: String, Sendable, CaseIterable {
    /// IEEE single; bfloat16; IEEE half.
    case float32, bfloat16, float16
  }

  /// `parallel`: how expert-parallel ranks work together.
  public struct Parallel: Sendable, Equatable {
    /// How many copies of a token go to one device. Default: `deduplicated`, one.
    public var dispatch: DispatchPlan.Mode = .deduplicated
    /// Whether communication overlaps with work; without effect in one process. Default: off.
    public var overlap: Bool = false
    /// Type on the wire. Default: `float32`.
    public var wire: DispatchOptions.Wire = .float32
    /// N, a divisor of the devices: a token crosses once to each node that it uses, and copies for the devices there are made
    /// inside. Default: 1, copies go to devices directly.
    public var nodes: Int = 1

    /// The defaults.
    public init() {}

    /// How rows travel.
    public var options: DispatchOptions {
      DispatchOptions(mode: dispatch, wire: wire, overlaps: overlap, nodes: nodes)
    }
  }
}
