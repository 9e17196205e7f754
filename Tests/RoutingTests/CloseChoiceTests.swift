import Testing

@testable import Routing

@Suite struct CloseChoiceTests {
  /// k = 2 of 4: only the distance of the second from the third counts.
  @Test func namesTokensWhoseLastChoiceIsClose() {
    let probabilities: [Float] = [
      0.4, 0.3, 0.2, 0.1,
      0.1, 0.3, 0.3, 0.3,
      0.25, 0.25, 0.1, 0.4,
      0.2999999, 0.1, 0.3, 0.3000001,
      0.45, 0.45, 0.05, 0.05,
      .nan, .nan, .nan, .nan,
    ]
    #expect(CloseChoice.tokens(probabilities, experts: 4, k: 2) == [1, 2, 3, 5])
    #expect(CloseChoice.tokens(probabilities, experts: 4, k: 4) == [])
    #expect(CloseChoice.tokens([], experts: 4, k: 2) == [])
  }

  /// Probabilities a millionth apart and more are not close.
  @Test func theMarginIsAMillionth() {
    #expect(CloseChoice.tokens([0.5, 0.25, 0.249998, 0.000002], experts: 4, k: 2) == [])
    #expect(CloseChoice.tokens([0.5, 0.25, 0.2499995, 0.0000005], experts: 4, k: 2) == [0])
  }
}
