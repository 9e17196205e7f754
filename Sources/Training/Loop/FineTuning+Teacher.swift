internal import Checkpoint
internal import Models
internal import Tensors

extension FineTuning {
  /// The base model without a limit, for distillation; nil where the recipe asks for none.
  ///
  /// It holds the student's own memory for all that does not train, so only what trains fully is there twice.
  ///
  /// - Parameter student: The model that trains.
  /// - Returns: A model outside the graph.
  /// - Throws: What reading the base model throws.
  func teacher(of student: LanguageModel) throws -> LanguageModel? {
    guard recipe.loss.distillation.isOn else { return nil }
    var shared: [String: Tensor] = [:]
    student.forEachParameter { path, parameter in
      if !path.isAdapter, !parameter.isTracked { shared[path.name] = parameter }
    }
    var teacher = try base.model(shard: shard).untracked().unlimited()
    try spread(&teacher)
    teacher.updateParameters { path, parameter in
      if let tensor = shared[path.name] { parameter = tensor }
    }
    return teacher
  }
}
