import Models
import Testing

@testable import Benchmarks

@Suite struct BenchmarkTests {
  @Test func benchmarksRun() throws {
    var shape = BenchmarkShape()
    (shape.layers, shape.hidden, shape.heads, shape.experts, shape.intermediate) = (2, 32, 4, 8, 16)
    (shape.topK, shape.vocabulary, shape.batch, shape.sequence, shape.prompt, shape.new) = (2, 64, 2, 8, 4, 3)
    let benchmark = Benchmark(shape, steps: 3, warmup: 1)
    var told: [Int] = []
    for report in [
      try benchmark.train { told.append($0) }, try benchmark.prefill(), try benchmark.decode(),
    ] {
      let rates = report.tokensPerSecond
      #expect(0 < rates.min && rates.min <= rates.median && rates.median <= rates.max)
      #expect(report.steps == 3 && report.parameters > 0 && report.peakBytes > 0)
    }
    #expect(told == [1, 2, 3, 4])
    let cost = try benchmark.profile()
    #expect(cost.plain.steps == 3 && cost.profiled.steps == 3 && cost.overhead.min > -1)
    #expect(try KernelBenchmark(shape, steps: 2).run().allSatisfy { $0.milliseconds > 0 && $0.rate > 0 })
    #expect(BenchmarkReport.Rates([4, 1, 3, 2]).median == 2.5 && BenchmarkReport.Rates([5, 1, 3]).median == 3)
  }

  /// Sizes that are possible one by one, and together more than any machine holds.
  @Test func whatMemoryDoesNotHoldIsRefused() {
    var wide = BenchmarkShape()
    (wide.hidden, wide.experts, wide.intermediate, wide.heads) = (1 << 20, 1 << 16, 1 << 20, 1)
    var long = BenchmarkShape()
    (long.batch, long.sequence) = (1_000_000_000, 4_000_000)
    for shape in [wide, long] {
      let error = #expect(throws: ConfigurationError.self) { try shape.model(seed: 1) }
      #expect(error?.description.hasPrefix("shape: sizes: expected weights and a batch within ") == true, "\(error)")
    }
  }
}
