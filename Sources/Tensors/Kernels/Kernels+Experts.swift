internal import CKernels

/// Operands of a grouped expert product and its loops; one task an expert.
package struct ExpertProduct: Sendable {
  let assignment: ExpertAssignment
  /// H
  let hidden: Int
  /// I
  let intermediate: Int
  /// `[tokens, H]`
  let x: Storage
  /// `[tokens, k]`
  let weights: Storage
  /// `[E, 2I, H]`
  let gateUp: Storage
  /// `[E, H, I]`
  let down: Storage
  /// Low-rank terms of both weights; nil for none.
  var adapters: (gateUp: LowRankFactors, down: LowRankFactors)?
  /// Called whenever an expert's rows are done, by the thread that did them; nil for nothing.
  let afterExpert: (@Sendable () -> Void)?

  /// Operands; see the properties.
  package init(
    assignment: ExpertAssignment, hidden: Int, intermediate: Int, x: Storage, weights: Storage, gateUp: Storage,
    down: Storage, adapters: (gateUp: LowRankFactors, down: LowRankFactors)? = nil,
    afterExpert: (@Sendable () -> Void)? = nil
  ) {
    (self.assignment, self.hidden, self.intermediate) = (assignment, hidden, intermediate)
    (self.x, self.weights, self.gateUp, self.down) = (x, weights, gateUp, down)
    (self.adapters, self.afterExpert) = (adapters, afterExpert)
  }

  private var tokens: Int { x.count / hidden }
  private var rowCount: Int { assignment.slots.count }

  /// Rows that one product works off at a time: they and the expert's weights fit the second-level cache.
  private static let blockRows = 256

  /// The outputs `[tokens, H]` and, on request, the joint projections `[rows, 2I]` that the backward pass needs.
  package func forward(keepingActivations: Bool) -> (y: Storage, activations: Storage?) {
    let (h, i, k) = (hidden, intermediate, assignment.k)
    let outputs = Storage(rowCount * h)
    let kept = keepingActivations ? Storage(rowCount * 2 * i) : nil
    let order = assignment.heaviestFirst
    Parallel.run(assignment.experts) { task in
      let expert = order[task]
      let rows = assignment.offsets[expert]..<assignment.offsets[expert + 1]
      if rows.isEmpty { return }
      defer { afterExpert?() }
      let block = min(rows.count, Self.blockRows)
      let (input, wide, narrow, scale) = (
        Storage(block * h), Storage(block * 2 * i), Storage(block * i), Storage(block)
      )
      defer { withExtendedLifetime((input, wide, narrow, scale)) {} }
      var (upScratch, downScratch): (Storage?, Storage?)
      for start in stride(from: rows.lowerBound, to: rows.upperBound, by: Self.blockRows) {
        let m = min(block, rows.upperBound - start)
        gather(x, from: start, m, into: input.floats)
        for row in 0..<m { scale.floats[row] = weights.floats[Int(assignment.slots[start + row])] }
        let projected = kept.map { $0.floats + start * 2 * i } ?? wide.floats
        product(input.floats, gateUp, expert: expert, n: 2 * i, k: h, m: m, into: projected, scratch: &upScratch)
        adapters?.gateUp.add(expert, input.floats, into: projected, rows: m)
        ck_swiglu(projected, scale.floats, narrow.floats, m, i)
        product(
          narrow.floats, down, expert: expert, n: h, k: i, m: m, into: outputs.floats + start * h, scratch: &downScratch
        )
        adapters?.down.add(expert, narrow.floats, into: outputs.floats + start * h, rows: m)
      }
    }
    let y = Storage(x.count)
    Kernels.combine(outputs, assignment.rows, weights: nil, into: y, tokens: tokens, k: k, columns: h)
    return (y, kept)
  }

  /// Gradients of x, weights, gate_up and down, then of A and B of both adapters if there are any; those not `wanted`
  /// are nil and cost nothing but what others share.
  ///
  /// - Parameters:
  ///   - dy: Gradient of the outputs, `[tokens, H]`.
  ///   - activations: What the forward pass kept.
  ///   - wanted: Which gradients.
  ///   - sums: Gradients of the parameters (from gate_up on) of other tokens, to which those of these are added; nil to
  ///     begin anew.
  /// - Returns: The gradients in the order above.
  package func backward(
    dy: Storage, activations: Storage, wanted: [Bool], adding sums: [Storage?]? = nil
  ) -> [Storage?] {
    let (h, i) = (hidden, intermediate)
    let (wantX, wantW, wantUp, wantDown) = (wanted[0], wanted[1], wanted[2], wanted[3])
    let inputGradients = wantX ? Storage(rowCount * h) : nil
    let dw = wantW ? Storage.zeros(weights.count) : nil
    let dUp = wantUp ? sums?[0] ?? Storage(gateUp.count) : nil
    let dDown = wantDown ? sums?[1] ?? Storage(down.count) : nil
    // Added to, expert by expert and block by block.
    let dFactors = wanted.dropFirst(4).enumerated().map { index, isWanted in
      isWanted ? sums?[2 + index] ?? Storage.zeros(factors[index].count) : nil
    }
    let (wantFactorsUp, wantFactorsDown) = (
      wanted.dropFirst(4).prefix(2).contains(true), wanted.dropFirst(6).contains(true)
    )
    let order = assignment.heaviestFirst
    defer { withExtendedLifetime((dy, activations)) {} }
    Parallel.run(assignment.experts) { task in
      let expert = order[task]
      let rows = assignment.offsets[expert]..<assignment.offsets[expert + 1]
      if rows.isEmpty {
        if sums != nil { return }
        if let dUp { (dUp.floats + expert * 2 * i * h).update(repeating: 0, count: 2 * i * h) }
        if let dDown { (dDown.floats + expert * h * i).update(repeating: 0, count: h * i) }
        return
      }
      defer { afterExpert?() }
      let block = min(rows.count, Self.blockRows)
      let (outer, input, scale, dots) = (Storage(block * h), Storage(block * h), Storage(block), Storage(block))
      let (da, act, dWide) = (Storage(block * i), Storage(block * i), Storage(block * 2 * i))
      defer { withExtendedLifetime((outer, input, scale, dots, da, act, dWide)) {} }
      var (upScratch, downScratch): (Storage?, Storage?)
      for start in stride(from: rows.lowerBound, to: rows.upperBound, by: Self.blockRows) {
        let m = min(block, rows.upperBound - start)
        let beta: Float = start == rows.lowerBound && sums == nil ? 0 : 1
        gather(dy, from: start, m, into: outer.floats)
        for row in 0..<m { scale.floats[row] = weights.floats[Int(assignment.slots[start + row])] }
        // da = dy · W_down, before the gate weight: ⟨da, act⟩ is then the weight's gradient.
        Kernels.withFloats(down, offset: expert * h * i, count: h * i, scratch: &downScratch) { w in
          Kernels.gemmSerial(
            MatrixView(outer.floats, stride: h), MatrixView(w, stride: i), da.floats, stride: i, m: m, n: i, k: h)
        }
        let pulledDown = adapters?.down.pulled(expert, outer.floats, rows: m)
        adapters?.down.addInputGradient(expert, pulledDown, into: da.floats, rows: m)
        ck_swiglu_backward(
          activations.floats + start * 2 * i, scale.floats, da.floats, dWide.floats, dots.floats, act.floats, m, i)
        if let dw { for row in 0..<m { dw.floats[Int(assignment.slots[start + row])] = dots.floats[row] } }
        if let dDown {
          // dW_down = dyᵀ · (w act)
          Kernels.gemmSerial(
            MatrixView(outer.floats, stride: h, transposed: true), MatrixView(act.floats, stride: i),
            dDown.floats + expert * h * i, stride: i, m: h, n: i, k: m, beta: beta)
        }
        if wantFactorsDown {
          adapters?.down.addGradients(
            expert, pulledDown, x: act.floats, dy: outer.floats, a: dFactors[2], b: dFactors[3], rows: m)
        }
        let pulledUp = adapters?.gateUp.pulled(expert, dWide.floats, rows: m)
        if let inputGradients {
          Kernels.withFloats(gateUp, offset: expert * 2 * i * h, count: 2 * i * h, scratch: &upScratch) { w in
            Kernels.gemmSerial(
              MatrixView(dWide.floats, stride: 2 * i), MatrixView(w, stride: h), inputGradients.floats + start * h,
              stride: h, m: m, n: h, k: 2 * i)
          }
          adapters?.gateUp.addInputGradient(expert, pulledUp, into: inputGradients.floats + start * h, rows: m)
        }
        if dUp != nil || wantFactorsUp { gather(x, from: start, m, into: input.floats) }
        if wantFactorsUp {
          adapters?.gateUp.addGradients(
            expert, pulledUp, x: input.floats, dy: dWide.floats, a: dFactors[0], b: dFactors[1], rows: m)
        }
        if let dUp {
          Kernels.gemmSerial(
            MatrixView(dWide.floats, stride: 2 * i, transposed: true), MatrixView(input.floats, stride: h),
            dUp.floats + expert * 2 * i * h, stride: h, m: 2 * i, n: h, k: m, beta: beta)
        }
      }
    }
    let dx = inputGradients.map { rows in
      let dx = Storage(x.count)
      Kernels.combine(rows, assignment.rows, weights: nil, into: dx, tokens: tokens, k: assignment.k, columns: h)
      return dx
    }
    return [dx, dw, dUp, dDown] + dFactors
  }

  /// A and B of gate_up, A and B of down.
  private var factors: [Storage] {
    adapters.map { [$0.gateUp.a, $0.gateUp.b, $0.down.a, $0.down.b] } ?? []
  }

  /// Copies the token rows of `count` assigned rows from `start` on.
  private func gather(_ source: Storage, from start: Int, _ count: Int, into target: UnsafeMutablePointer<Float>) {
    for row in 0..<count {
      let token = Int(assignment.slots[start + row]) / assignment.k
      (target + row * hidden).update(from: source.floats + token * hidden, count: hidden)
    }
  }

  /// `rows · W[expert]ᵀ` with `W` `[E, n, k]`; few rows go through the matrix-vector loop, as in decoding.
  private func product(
    _ rows: UnsafePointer<Float>, _ weight: Storage, expert: Int, n: Int, k: Int, m: Int,
    into out: UnsafeMutablePointer<Float>, scratch: inout Storage?
  ) {
    if m <= Kernels.matvecRows {
      Kernels.matvec(rows, weight, offset: expert * n * k, out, rows: m, n: n, k: k, outStride: n)
      return
    }
    Kernels.withFloats(weight, offset: expert * n * k, count: n * k, scratch: &scratch) { w in
      Kernels.gemmSerial(
        MatrixView(rows, stride: k), MatrixView(w, stride: k, transposed: true), out, stride: n, m: m, n: n, k: k)
    }
  }
}
