internal import Models

/// A pair of factors in a folder of PEFT's, and where it goes in a pair of ours.
struct PEFTPart {
  /// How PEFT has it.
  enum Layout: Equatable {
    /// Of a matrix: A `[r, in]`, B `[out, r]`.
    case matrix
    /// Of all experts at once, see ``PEFTAdapter``; swapped, as before PEFT 0.19, A is `[E · r, out]` and holds Bᵀ, B
    /// is `[in, r · E]` and holds Aᵀ.
    case stack(isSwapped: Bool)
    /// Of one projection of one expert, which has these rows of the expert's matrix: A `[r, in]`, B `[rows, r]`.
    case projection(expert: Int, rows: Range<Int>)

    /// Whether all experts share the pair.
    var isStack: Bool { if case .stack = self { true } else { false } }
  }

  /// As the file calls it, without PEFT's prefix.
  let module: String
  let layout: Layout
  let size: PEFTConfiguration.Size
  /// First of its ranks in ours: projections of one expert stand one after the other there, B block-diagonal.
  var offset = 0

  var nameA: String { Self.name(module, "A") }
  var nameB: String { Self.name(module, "B") }

  static func name(_ module: String, _ letter: String) -> String { "base_model.model.\(module).lora_\(letter).weight" }

  /// The module of a factor's name; nil for another tensor.
  static func module(of name: String) -> String? {
    guard let found = name.wholeMatch(of: /base_model\.model\.(.+)\.lora_[AB]\.weight/) else { return nil }
    return String(found.1)
  }

  /// Shape of A or B in the file, for a parameter `[out, in]` or `[E, out, in]` of ours.
  func shape(isB: Bool, of parameter: [Int]) -> [Int] {
    let (out, input) = (parameter[parameter.count - 2], parameter[parameter.count - 1])
    switch layout {
    case .matrix: return isB ? [out, size.rank] : [size.rank, input]
    case .projection(_, let rows): return isB ? [rows.count, size.rank] : [size.rank, input]
    case .stack(let isSwapped):
      let all = size.rank * parameter[0]
      return isB ? [isSwapped ? input : out, all] : [all, isSwapped ? out : input]
    }
  }

  /// The tensor that holds our B, or else our A: where a stack is swapped, the other one.
  func tensor(isB: Bool) -> String { isB != (layout == .stack(isSwapped: true)) ? nameB : nameA }

  /// Puts the pair's elements into ours.
  ///
  /// - Parameters:
  ///   - source: What ``tensor(isB:)`` names.
  ///   - isB: Which of ours is wanted.
  ///   - shape: Of ours, `[r, in]` or `[out, r]`, or with the experts before.
  ///   - factor: What B is multiplied with.
  ///   - target: Elements of ours, zeros where nothing is put.
  func copy(
    _ source: UnsafeBufferPointer<Float>, isB: Bool, shape: [Int], factor: Float,
    to target: UnsafeMutableBufferPointer<Float>
  ) {
    let (r, rows, width) = (size.rank, shape[shape.count - 2], shape[shape.count - 1])
    switch layout {
    case .matrix where !isB: for index in 0..<r * width { target[index] = source[index] }
    case .matrix:
      for row in 0..<rows { for j in 0..<r { target[row * width + j] = source[row * r + j] * factor } }
    case .projection(let expert, _) where !isB:
      let start = (expert * rows + offset) * width
      for index in 0..<r * width { target[start + index] = source[index] }
    case .projection(let expert, let part):
      for row in 0..<part.count {
        let start = (expert * rows + part.lowerBound + row) * width + offset
        for j in 0..<r { target[start + j] = source[row * r + j] * factor }
      }
    case .stack(let isSwapped) where !isB:
      let experts = shape[0]
      for expert in 0..<experts {
        for j in 0..<r {
          for i in 0..<width {
            target[(expert * rows + j) * width + i] =
              isSwapped ? source[(i * r + j) * experts + expert] : source[(expert * r + j) * width + i]
          }
        }
      }
    case .stack(let isSwapped):
      let experts = shape[0]
      for expert in 0..<experts {
        for row in 0..<rows {
          for j in 0..<r {
            let element =
              isSwapped ? source[(expert * r + j) * rows + row] : source[(row * r + j) * experts + expert]
            target[(expert * rows + row) * width + j] = element * factor
          }
        }
      }
    }
  }
}
