internal import Checkpoint
internal import Models
internal import Tensors

extension FineTuning {
  /// Whether steps of this run can lead to a state that a checkpoint holds.
  ///
  /// - Parameters:
  ///   - saved: The state.
  ///   - step: The step in the file's name.
  ///   - path: The checkpoint.
  /// - Throws: ``RunFolderError/state(path:item:expected:found:)``.
  func check(_ saved: TrainingState, step: Int, _ path: String) throws(RunFolderError) {
    func refuse(_ item: String, _ expected: String, _ found: some CustomStringConvertible) -> RunFolderError {
      .state(path: path, item: "/training@" + item, expected: expected, found: found.description)
    }
    guard saved.step == step else { throw refuse("step", "\(step), as the file's name says", saved.step) }
    guard (1...steps).contains(step) else { throw refuse("step", "a step in 1...\(steps)", step) }
    let tokens = batcher.tokenCount(steps: microBatches(ofStep: step - 1).upperBound)
    guard saved.tokens == tokens else { throw refuse("tokens", "\(tokens), as the data has", saved.tokens) }
    guard let best = saved.best else { return }
    guard (1...step).contains(best.step) else { throw refuse("best_step", "a step in 1...\(step)", best.step) }
    guard best.loss.isFinite else { throw refuse("best_loss", "a finite number", best.loss) }
    guard (0...step).contains(best.stale) else {
      throw refuse("best_stale", "a count in 0...\(step)", best.stale)
    }
  }

  /// Whether moments, which a reader knows to be finite, belong to what trains of a model: names, shapes, no second
  /// moment below zero.
  ///
  /// - Throws: ``RunFolderError/state(path:item:expected:found:)``.
  func check(
    _ moments: [String: (first: Tensor, second: Tensor)], of model: LanguageModel, _ path: String
  ) throws(RunFolderError) {
    var shapes: [String: [Int]] = [:]
    model.forEachParameter { name, parameter in if parameter.isTracked { shapes[name.name] = parameter.shape } }
    for (name, pair) in moments.sorted(by: { $0.key < $1.key }) {
      for (group, moment) in [("first_moment", pair.first), ("second_moment", pair.second)] {
        let item = "/training/\(group)/\(name.replacing(".", with: "/"))"
        guard let shape = shapes[name] else {
          throw .state(path: path, item: item, expected: "moments of what trains", found: "a parameter that does not")
        }
        guard moment.shape == shape else {
          throw .state(path: path, item: item, expected: "shape \(shape)", found: "\(moment.shape)")
        }
      }
      if pair.second.withBytes({ $0.bindMemory(to: Float.self).contains { $0 < 0 } }) {
        throw .state(
          path: path, item: "/training/second_moment/\(name.replacing(".", with: "/"))",
          expected: "numbers of at least 0", found: "others")
      }
    }
  }
}
