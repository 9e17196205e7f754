public import Text

extension Recipe {
  /// `data`: which texts are trained on, held out and measured, and how they become tokens.
  public struct Datasets: Sendable, Equatable {
    /// Largest `max_tokens`: no model has more positions.
    static let mostTokens = 4_194_304

    /// Training sources; required. A file, a glob, `{path, format, column_map, weight}`, or a list of these.
    public var train: [Source]
    /// Held out for choosing a learning rate and for curves. Default: the share 0.05 of `train`.
    public var validation: Validation = .share(0.05)
    /// Held out for the final figures; never read while training. Default: none.
    public var test: [Source] = []
    /// Text of the base model's own domain, to measure what is forgotten. Default: none.
    public var retention: [Source] = []
    /// Text on which expert collaboration is counted. It must be training text, never evaluation text.
    /// Default: none written, which means `train`.
    public var profile: [Source] = []
    /// How instructions become prompts. Default: `alpaca`.
    public var template: PromptTemplate = .alpaca
    /// Which tokens the cross-entropy counts. Default: `response`.
    public var lossOn: LossScope = .response
    /// Longest sample, in tokens. Default: 512.
    public var maxTokens: Int = 512
    /// What becomes of samples that no template has words for: calls of tools, thoughts, pictures. Default: `error`.
    public var onUnsupported: UnsupportedSamples = .error
    /// Whether several samples share a row, kept apart by a block-diagonal mask. Default: true.
    public var packing: Bool = true

    /// Training on `train` with defaults for the rest.
    public init(train: [Source]) {
      self.train = train
    }
  }

  /// A file, or the files that match a glob, with the format of their records.
  public struct Source: Sendable, Equatable {
    /// An absolute path; `*`, `?` and `[…]` match as in a shell.
    public var path: String
    /// Format of a record. Default: `text` for `.txt`; any other file must say.
    public var format: DataFormat
    /// The file's own name for a column of the format, where it differs: `{prompt: question, completion: answer}`.
    public var columnMap: [String: String] = [:]
    /// Copies of the source in an epoch: 2 shows every sample twice, 0.5 another half of them each epoch. Default: 1.
    public var weight: Double = 1

    /// A source with the format's own column names.
    public init(path: String, format: DataFormat) {
      self.path = path
      self.format = format
    }
  }

  /// Where validation samples come from.
  public enum Validation: Sendable, Equatable {
    /// This share of the training samples, from 0 to below 1; 0 means no validation.
    case share(Double)
    /// Sources of their own.
    case sources([Source])
  }
}
