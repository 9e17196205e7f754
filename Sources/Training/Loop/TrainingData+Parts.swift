internal import Formats
public import Text

extension TrainingData {
  /// A part of the data by its key in the recipe.
  public enum Part: String, Sendable, CaseIterable {
    /// What is trained on; held out for curves; held out for figures; base-domain text; text for profiles.
    case train, validation, test, retention, profile

    /// What has to be read for it.
    public var needed: Parts {
      switch self {
      case .train, .validation: .training
      case .test, .retention: .evaluation
      case .profile: .profile
      }
    }
  }

  /// The documents of a part.
  public subscript(_ part: Part) -> [TokenizedDocument] {
    switch part {
    case .train: train
    case .validation: validation
    case .test: test
    case .retention: retention
    case .profile: profile
    }
  }

  /// Some documents of a part to look at: the first, or by chance.
  ///
  /// - Parameters:
  ///   - count: How many, at most.
  ///   - part: Which part.
  ///   - seed: Of the choice; nil for the first.
  /// - Returns: In the order of the files.
  public func documents(_ count: Int, of part: Part, seed: UInt64?) -> [TokenizedDocument] {
    let all = self[part]
    guard let seed else { return Array(all.prefix(count)) }
    var generator = SplitMix64(seed: seed)
    return generator.permutation(all.count).prefix(count).sorted().map { all[$0] }
  }
}
