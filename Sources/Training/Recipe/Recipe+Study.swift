internal import Formats
internal import Text

extension Recipe {
  /// `study`: what `occult study` compares; other commands do not read it.
  public struct Study: Sendable, Equatable {
    /// The arms in file order. Default: none.
    public var arms: [Arm] = []
    /// Rules under which the base and the arms without a limit are evaluated as well, beside those of the arms. Default: none.
    public var rules: [Arm] = []
    /// Under which rules the limited arms are evaluated. Default: `full`.
    public var matrix: Matrix = .full
    /// Learning rates tried for each arm, the best chosen on validation. Default: `[]`, only `optimizer.learning_rate`.
    public var learningRates: [Double] = []
    /// Seeds, shared by all arms. Default: `[]`, only `run.seed`.
    public var seeds: [Int] = []
    /// Test and retention documents that are evaluated, at most so many of each, spread over all. Default: all.
    public var documents: Int?
    /// Whether the weights of every arm are kept once it is measured. Default: yes.
    public var keepsCheckpoints = true

    /// The defaults.
    public init() {}
  }

  /// `study.matrix`: under which rules a limited arm is evaluated, beside none.
  public enum Matrix: String, Sendable, CaseIterable {
    /// Every rule of the study.
    case full
    /// Its own.
    case own
  }

  /// One arm of a study: a name and what it changes.
  public struct Arm: Sendable, Equatable {
    /// Names the arm in tables and its folder: letters, digits, `.`, `_` and `-`.
    public let name: String
    /// The changes in file order.
    public let overrides: [ArmOverride]

    /// An arm that changes `overrides`.
    public init(name: String, overrides: [ArmOverride]) {
      self.name = name
      self.overrides = overrides
    }
  }

  /// One change of an arm. Where it was written does not count in comparisons.
  public struct ArmOverride: Sendable, Equatable {
    /// The dotted key.
    public let key: String
    /// The value in YAML's flow style.
    public let value: String
    /// Where errors point.
    public let position: RecipePosition

    /// A change of `key` to `value`, which is YAML.
    public init(key: String, value: String, position: RecipePosition = .resolved) {
      self.key = key
      self.value = value
      self.position = position
    }

    /// Whether both change the same key to the same value.
    public static func == (a: ArmOverride, b: ArmOverride) -> Bool {
      a.key == b.key && a.value == b.value
    }
  }

  /// What an arm may change. Arms share base, data, seed and batch order, or they could not be compared.
  static let armSections = ["routing", "train", "loss", "optimizer", "schedule", "parallel"]

  /// What a rule may change.
  static let ruleSections = ["routing"]

  /// The recipe of one arm or rule: this one with its overrides.
  ///
  /// - Parameter name: One of `study.arms` or `study.rules`.
  /// - Returns: A complete recipe; its `study` and `output` are still those of the whole.
  /// - Throws: `RecipeError` at the arm's line for an override that makes the recipe impossible, or for an unknown name.
  public func arm(_ name: String) throws(RecipeError) -> Recipe {
    guard let arm = (study.arms + study.rules).first(where: { $0.name == name }) else {
      let names = (study.arms + study.rules).map(\.name)
      let hint = Spelling.nearest(to: name, in: names).map { "; did you mean '\($0)'?" } ?? ""
      let message = "expected one of \(names.joined(separator: ", ")), found '\(name)'\(hint)"
      throw RecipeError([.init(position: .resolved, key: "study.arms", message: message)])
    }
    let reader = RecipeReader(folders: .init(recipe: "/", working: "/"), checksFiles: false)
    let tree = Self.tree(node, with: arm, sections: Self.armSections, reader: reader)
    let recipe = Self.decode(tree, reader: reader, purpose: .finetune)
    guard reader.issues.isEmpty else { throw RecipeError(reader.issues) }
    return recipe
  }

  /// `root` with the overrides of `arm`, which may change the keys of `admitted`.
  static func tree(
    _ root: RecipeNode, with arm: Arm, sections admitted: [String], reader: RecipeReader
  ) -> RecipeNode {
    var root = root
    for item in arm.overrides {
      let top = item.key.prefix { $0 != "." }
      guard let path = RecipeOverride.split(item.key), admitted.contains(String(top)) else {
        let isRule = admitted == ruleSections
        let message =
          "\(isRule ? "a rule" : "an arm") may change only keys of \(admitted.joined(separator: ", ")), found "
          + "'\(item.key)'" + (isRule ? "" : ": arms share model, data, seed and saving")
        reader.report("study.\(isRule ? "rules" : "arms").\(arm.name)", item.position, message)
        continue
      }
      let value =
        RecipeNode.parse(item.value, issues: &reader.issues) { _, _ in item.position }
        ?? RecipeNode(content: .scalar("", plain: true), position: item.position)
      let change = RecipeOverride(path: path, value: value, position: item.position)
      root.apply(change, sections: sections, issues: &reader.issues)
    }
    return root
  }
}
