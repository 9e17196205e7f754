public import Files
internal import Checkpoint
public import Models
internal import Tensors

/// Every intermediate value of one pass, as an HDF5 file: for parity checks against another implementation.
///
///     logits [B, S, V] · hidden/<i> [B, S, H], 0 the embeddings · hidden/final_norm [B, S, H]
///     router_logits/<block> [B·S, E] of the sparse blocks · topk_index/<layer>, kept_index/<layer> [B·S, k] int32, ascending
///     topk_weight/<layer>, kept_weight/<layer> [B·S, k] · loss, aux_loss · gradients/… · gradients_total/…
///
/// `topk` is the model's own choice, `kept` what is left of it under a limit; where a rule keeps fewer than k experts
/// the first places hold -1 and weight 0. `loss` is the mean cross-entropy of the positions with a label, `aux_loss`
/// the balance loss in transformers' form over all positions, unscaled, and `gradients_total` those of
/// `loss + coefficient · aux_loss`. Everything is float32, whatever the weights are stored as.
public struct ModelTrace {
  /// The model, under its routing.
  public let model: LanguageModel
  /// Sequences of one length.
  public let tokens: TokenLines
  /// Labels of the same shape; -100 is left out, and position t predicts the label at t + 1.
  public let labels: TokenLines?

  /// The label of a position that does not count.
  public static let ignored: Int32 = -100

  /// Checks that tokens, labels and model fit together.
  ///
  /// - Parameters:
  ///   - model: The model, under its routing.
  ///   - tokens: Sequences of one length.
  ///   - labels: Labels of the same shape; the tokens themselves if nil.
  /// - Throws: ``TokenLinesError``.
  public init(_ model: LanguageModel, tokens: TokenLines, labels: TokenLines? = nil) throws(TokenLinesError) {
    guard tokens.length <= model.configuration.maxPositions else {
      throw .tooLong(file: tokens.file, most: model.configuration.maxPositions, found: tokens.length)
    }
    let shape = [tokens.sequences.count, tokens.length]
    if let labels {
      let found = [labels.sequences.count, labels.length]
      guard shape == found else { throw .shape(file: labels.file, expected: shape, found: found) }
    }
    guard (labels ?? tokens).sequences.contains(where: { $0.dropFirst().contains { $0 != Self.ignored } }) else {
      throw .noTargets(file: (labels ?? tokens).file)
    }
    (self.model, self.tokens, self.labels) = (model, tokens, labels)
  }

  /// Runs the model and writes the file.
  ///
  /// - Parameters:
  ///   - path: Name of the file.
  ///   - gradients: Whether gradients of all parameters are written.
  ///   - program: Name and version for `created_by`.
  ///   - progress: Told in words what is done.
  /// - Returns: Mean cross-entropy, and balance loss.
  /// - Throws: `FileError`.
  public func write(
    to path: String, gradients: Bool, program: String, progress: (String) -> Void = { _ in }
  ) throws(FileError) -> (loss: Float, auxiliary: Float) {
    let file = try HDF5Writer(creating: path)
    var model = model
    if gradients { model.train(Set(Role.allCases)) }
    let configuration = model.configuration
    let (sequences, length) = (tokens.sequences.count, tokens.length)
    progress("forward")
    let pass = model(TokenBatch(sequences: tokens.sequences), keepingHidden: true)
    try write(
      model.logits(pass.hidden.detached()), "logits", [sequences, length, configuration.vocabulary], to: file)
    for (index, hidden) in pass.hiddenStates.enumerated() {
      try write(hidden, "hidden/\(index)", [sequences, length, configuration.hidden], to: file)
    }
    try write(pass.hidden, "hidden/final_norm", [sequences, length, configuration.hidden], to: file)
    for routing in pass.routing {
      try write(routing.logits, "router_logits/\(routing.layer)", routing.logits.shape, to: file)
      try write(routing.chosen, routing.chosenWeights.elements, routing.k, "topk", routing.layer, to: file)
      try write(routing.used, routing.weights.elements, routing.k, "kept", routing.layer, to: file)
    }
    let (sum, _, count) = model.crossEntropy(pass, targets: targets)
    let loss = sum * (1 / Float(count))
    let auxiliary = pass.auxiliaryLoss(.hf)
    try write(loss, "loss", [], to: file)
    try write(auxiliary, "aux_loss", [], to: file)
    if gradients {
      let total = loss + auxiliary * Float(configuration.auxiliaryCoefficient)
      for (group, value) in [("gradients", loss), ("gradients_total", total)] {
        progress(group)
        let found = value.gradients()
        for (path, parameter) in model.parameterList {
          let gradient = found[parameter] ?? Tensor.zeros(parameter.shape)
          try write(gradient, group + "/" + path.datasetPath, parameter.shape, to: file)
        }
      }
    }
    let attributes: [(String, HDF5Attribute)] = [
      ("format", .string(Self.format)), ("version", .integer(1)), ("model_type", .string(configuration.modelType)),
      ("aux_coefficient", .real(configuration.auxiliaryCoefficient)), ("created_by", .string(program)),
    ]
    for (name, value) in attributes { try file.setAttribute(name, value) }
    try file.commit()
    return (loss.scalar, auxiliary.scalar)
  }

  /// Value of the root attribute `format`.
  static let format = "occult-trace"

  /// The token that each position predicts, -100 where none counts.
  private var targets: [Int32] {
    (labels ?? tokens).sequences.flatMap { $0.dropFirst() + [Self.ignored] }
  }

  private func write(
    _ tensor: Tensor, _ dataset: String, _ shape: [Int], to file: borrowing HDF5Writer
  ) throws(FileError) {
    try tensor.withElements { (elements) throws(FileError) in
      try file.write(dataset, shape: shape, type: .float32, bytes: UnsafeRawBufferPointer(elements))
    }
  }

  /// Experts of every token in ascending order, with their weights beside them.
  private func write(
    _ experts: [Int32], _ weights: [Float], _ k: Int, _ name: String, _ layer: Int, to file: borrowing HDF5Writer
  ) throws(FileError) {
    let order = stride(from: 0, to: experts.count, by: k).flatMap { start in
      (start..<start + k).sorted { experts[$0] < experts[$1] }
    }
    let shape = [experts.count / k, k]
    try order.map { experts[$0] }.withUnsafeBufferPointer { (values) throws(FileError) in
      try file.write("\(name)_index/\(layer)", shape: shape, type: .int32, bytes: UnsafeRawBufferPointer(values))
    }
    try order.map { experts[$0] < 0 ? 0 : weights[$0] }.withUnsafeBufferPointer { (values) throws(FileError) in
      try file.write("\(name)_weight/\(layer)", shape: shape, type: .float32, bytes: UnsafeRawBufferPointer(values))
    }
  }
}

extension LanguageModel {
  /// Every parameter with its path, in the order of the module tree.
  var parameterList: [(path: ParameterPath, tensor: Tensor)] {
    var list: [(ParameterPath, Tensor)] = []
    forEachParameter { path, tensor in list.append((path, tensor)) }
    return list
  }
}
