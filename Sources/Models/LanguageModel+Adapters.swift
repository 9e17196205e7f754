internal import Formats
internal import Routing
internal import Tensors

extension LanguageModel {
  /// Gives the model adapters of zeros, in place of any that it has: its function is that of its own weights.
  ///
  /// - Parameter settings: Which parameters are adapted.
  public mutating func attach(_ settings: AdapterSettings) {
    attachAdapters(ParameterPath(), settings)
    var (own, found): ([(path: ParameterPath, shape: [Int])], [String]) = ([], [])
    forEachParameter { path, tensor in
      if path.isAdapter { found.append(path.name) } else { own.append((path, tensor.shape)) }
    }
    // A layer that forgets to hand settings on would leave parts of a role out, and nothing else would tell.
    let expected = settings.parameters(over: own).map(\.path.name)
    precondition(
      found.sorted() == expected.sorted(),
      "attach: no adapter reached \(expected.first { !found.contains($0) } ?? "any parameter of these roles")")
  }

  /// Gives the model adapters as training begins with them: B is zero, A uniform.
  ///
  ///     A ~ U(−1/√in, 1/√in),   which is PEFT's kaiming_uniform(a = √5)
  ///
  /// Values depend on the seed and the parameter's path alone, not on what else is adapted, nor on which entries of a
  /// stack this process holds.
  ///
  /// - Parameters:
  ///   - settings: Which parameters are adapted.
  ///   - seed: Seed of the generator (SplitMix64).
  ///   - entries: Numbers of a stack's factors that this model holds, rising; nil for all.
  public mutating func attach(
    _ settings: AdapterSettings, seed: UInt64, entries: (ParameterPath) -> [Int]? = { _ in nil }
  ) {
    attach(settings)
    updateParameters { path, tensor in
      guard path.isAdapter, path.name.hasSuffix(ParameterPath.factorA) else { return }
      var hash: UInt64 = 0xcbf2_9ce4_8422_2325  // FNV-1a
      for byte in path.name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
      var generator = SplitMix64(seed: seed ^ hash)
      let bound = 1 / Double(tensor.columns).squareRoot()
      let own = entries(path) ?? Array(0..<(tensor.shape.first ?? 0))
      precondition(own.count == tensor.shape.first, "attach: \(path) has \(tensor.shape), entries \(own)")
      let width = tensor.shape.dropFirst().reduce(1, *)
      tensor = Tensor.filled(tensor.shape) { elements in
        var next = 0
        for (place, entry) in own.enumerated() {
          for _ in next * width..<entry * width { _ = generator.uniform() }
          for index in place * width..<(place + 1) * width {
            elements[index] = Float((2 * generator.uniform() - 1) * bound)
          }
          next = entry + 1
        }
      }
    }
  }

  /// Number of parameters that train by role: of the role's own where it trains fully, else of its adapters.
  public var trainedCounts: [Role: Int] {
    var counts: [Role: Int] = [:]
    forEachParameter { path, tensor in if tensor.isTracked { counts[path.role, default: 0] += tensor.count } }
    return counts
  }
}
