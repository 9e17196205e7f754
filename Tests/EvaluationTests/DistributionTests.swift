import Testing

@testable import Evaluation

/// Against scipy 1.17.1 and statsmodels; the calls stand beside the values.
struct DistributionTests {
  static func isClose(_ value: Double, _ expected: Double) -> Bool {
    abs(value - expected) <= 1e-11 + 1e-10 * abs(expected)
  }

  // scipy.stats.norm.cdf(z)
  @Test(arguments: [
    (-3.0, 0.0013498980316300933), (-1.5, 0.06680720126885807), (0, 0.5), (0.3, 0.6179114221889526),
    (2.5, 0.9937903346742238),
  ])
  func normal(z: Double, expected: Double) { #expect(Self.isClose(Distributions.normal(z), expected)) }

  // scipy.stats.norm.ppf(p)
  @Test(arguments: [
    (0.001, -3.090232306167813), (0.025, -1.9599639845400545), (0.5, 0), (0.8, 0.8416212335729143),
    (0.975, 1.959963984540054), (0.995, 2.5758293035489004),
  ])
  func normalQuantile(p: Double, expected: Double) {
    #expect(Self.isClose(Distributions.normalQuantile(p), expected))
  }

  // scipy.stats.t.cdf(t, v)
  @Test(arguments: [
    (-2.0, 1.0, 0.14758361765043326), (1.5, 3, 0.8847080673775886), (2.776445, 4, 0.9749999973089543),
    (-0.7, 7.5, 0.2525278109369252), (3, 100, 0.9982960423283352), (2, 0.8, 0.8298057216804333),
  ])
  func student(t: Double, degrees: Double, expected: Double) {
    #expect(Self.isClose(Distributions.student(t, degrees: degrees), expected))
  }

  // scipy.stats.t.ppf(p, v)
  @Test(arguments: [
    (0.975, 1.0, 12.706204736174694), (0.975, 4, 2.7764451051977934), (0.95, 2, 2.9199855803537242),
    (0.975, 3.7, 2.8675207071911895), (0.05, 10, -1.812461122811676), (0.975, 1000, 1.9623390808264083),
  ])
  func studentQuantile(p: Double, degrees: Double, expected: Double) {
    #expect(Self.isClose(Distributions.studentQuantile(p, degrees: degrees), expected))
  }

  // scipy.stats.binom.sf(k - 1, n, p)
  @Test(arguments: [
    (8, 20, 0.25, 0.10181185692272265), (5, 10, 0.5, 0.623046875), (60, 200, 0.25, 0.06247223105646413),
    (0, 5, 0.3, 1), (300, 1000, 0.25, 0.0001935903219490758), (5, 5, 0.2, 0.00032), (6, 5, 0.2, 0),
  ])
  func binomial(k: Int, n: Int, p: Double, expected: Double) {
    #expect(Self.isClose(Distributions.binomialUpperTail(k, of: n, p: p), expected))
  }

  // scipy.special.betainc(a, b, x)
  @Test(arguments: [
    (0.4, 2.0, 3.0, 0.5248), (0.9, 0.5, 0.5, 0.7951672353008665), (0.95, 40, 3, 0.6489863906537717),
    (0.3, 100, 200, 0.10884306564490986),
  ])
  func incompleteBeta(x: Double, a: Double, b: Double, expected: Double) {
    #expect(Self.isClose(Distributions.incompleteBeta(x, a, b), expected))
  }

  // scipy.stats.binomtest(gained, gained + lost, 0.5).pvalue; the same as
  // statsmodels.stats.contingency_tables.mcnemar(exact)
  @Test(arguments: [
    (0, 0, 1.0), (1, 0, 1), (5, 1, 0.21875), (8, 20, 0.03569813817739487), (3, 3, 1), (60, 40, 0.05688793364098089),
    (250, 200, 0.02079180024760781),
  ])
  func mcNemar(gained: Int, lost: Int, expected: Double) {
    #expect(Self.isClose(PairedTests.mcNemar(gained: gained, lost: lost), expected))
    #expect(Self.isClose(PairedTests.mcNemar(gained: lost, lost: gained), expected))
  }

  // statsmodels.stats.multitest.multipletests(p, method="holm")[1]
  @Test(arguments: [
    ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]), ([0.5, 0.9, 0.001], [1, 1, 0.003]), ([0.04], [0.04]),
    ([], []),
  ])
  func holm(values: [Double], expected: [Double]) {
    let adjusted = PairedTests.holm(values)
    #expect(adjusted.count == expected.count)
    for (value, expected) in zip(adjusted, expected) { #expect(Self.isClose(value, expected)) }
  }
}
