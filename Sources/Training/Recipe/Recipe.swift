/// A fine-tuning job as a value: what a recipe file says, with every default filled in.
///
/// A recipe is YAML. It is read strictly: unknown keys, wrong types, impossible values, repeated keys and missing files
/// are all reported in one go, each with `file:line:column` and the nearest key that exists, before any work begins.
/// Changes come on top of the file, in this order: `key=value` arguments, then, in a study, the overrides of an arm.
///
/// Paths under `data` and `tasks` and `routing.placement` are relative to the recipe's file, `model` and `output` to the working
/// folder, and paths given as arguments to the working folder, where the shell completes them. Data paths are kept
/// absolute, so that the resolved recipe in a run folder means the same files.
public struct Recipe: Sendable, Equatable {
  /// The newest recipe format this version reads.
  public static let currentVersion = 1

  /// Format of the recipe; required, so that a later format can be told apart.
  public var version: Int = currentVersion
  /// A checkpoint (`.h5`) or a Hugging Face folder, relative to the working folder; required.
  public var model: String
  /// The texts: `data`.
  public var data: Datasets
  /// The routing constraint: `routing`.
  public var routing = Routing()
  /// Which parameters move: `train`.
  public var train = TrainRoles()
  /// Terms beside the cross-entropy: `loss`.
  public var loss = Loss()
  /// `optimizer`.
  public var optimizer = Optimizer()
  /// Steps and learning rate over time: `schedule`.
  public var schedule = Schedule()
  /// `run`.
  public var run = Run()
  /// Checkpoints: `save`.
  public var save = Save()
  /// `parallel`.
  public var parallel = Parallel()
  /// Questions that models are scored on: `tasks`.
  public var tasks = Tasks()
  /// What `occult study` compares: `study`.
  public var study = Study()
  /// The run folder, relative to the working folder; required.
  public var output: String

  /// A recipe with defaults for everything that has one.
  public init(model: String, data: Datasets, output: String) {
    self.model = model
    self.data = data
    self.output = output
  }

  /// Sections into which an override with a map is merged; any other value is replaced as a whole.
  static let sections: Set<String> = [
    "data", "routing", "train", "loss", "loss.aux", "loss.distillation", "optimizer", "schedule", "run", "save",
    "parallel", "tasks", "study",
  ]
}
