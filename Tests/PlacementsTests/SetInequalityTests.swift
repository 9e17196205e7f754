import Formats
import Testing

@testable import Placements
@testable import Routing

@Suite struct SetInequalityTests {
  /// Every split of k experts over at most D devices with at most `room` each: the device of each.
  static func splits(_ k: Int, devices: Int, room: Int) -> [[Int]] {
    var all: [[Int]] = [[]]
    for _ in 0..<k {
      all = all.flatMap { split in
        (0..<min((split.max() ?? -1) + 2, devices)).compactMap { device in
          split.count { $0 == device } < room ? split + [device] : nil
        }
      }
    }
    return all
  }

  static func pairs(_ split: [Int]) -> [Double] { split.flatMap { a in split.map { a == $0 ? 1 : 0 } } }

  /// constant − Σ slopes · y at the pairs of a split, or between splits.
  static func value(_ inequality: SetInequality, _ y: [Double]) -> Double {
    let k = inequality.topK
    var value = inequality.constant
    for a in 0..<k {
      for b in 0..<k where b != a && inequality.members >> b & 1 == 1 { value -= inequality.slopes[a] * y[a * k + b] }
    }
    return value
  }

  /// (k, D, room): with few devices, with little room, with sets too large to look at all subsets.
  @Test(arguments: [(5, 2, 4), (6, 4, 3), (6, 8, 6), (7, 3, 3), (1, 4, 4), (11, 2, 8)])
  func holdsForEverySplitAndIsTightThere(shape: (k: Int, devices: Int, room: Int)) {
    let (k, devices, room) = shape
    let splits = Self.splits(k, devices: devices, room: room)
    let corners = splits.map { (y: Self.pairs($0), devices: Double(Set($0).count)) }
    var inequality = SetInequality(topK: k, devices: devices, room: room)
    var generator = SplitMix64(seed: UInt64(k))
    for draw in 0..<15 {
      // At one split, between two, and anywhere.
      let (one, other) = (splits[generator.below(splits.count)], splits[generator.below(splits.count)])
      switch draw % 3 {
      case 0: inequality.near = Self.pairs(one)
      case 1: inequality.near = zip(Self.pairs(one), Self.pairs(other)).map { 0.3 * $0 + 0.7 * $1 }
      default:
        inequality.near = Self.pairs(one).map { _ in generator.uniform() }
        for a in 0..<k { for b in 0..<a { inequality.near[a * k + b] = inequality.near[b * k + a] } }
      }
      inequality.choose()
      #expect(inequality.slopes.allSatisfy { $0 >= 0 })
      #expect(corners.allSatisfy { Self.value(inequality, $0.y) <= $0.devices + 1e-9 })
      if draw % 3 == 0 {
        #expect(abs(Self.value(inequality, Self.pairs(one)) - Double(Set(one).count)) <= 1e-9)
      }
    }
  }

  /// Half {0, 1, 2} with {3}, half {0} with {1, 2, 3}: C = 2 both times. On the whole set n = 5/2 for 1 and 2 and 2 for
  /// the others: 2·(5/12) + 2·(1/2) = 11/6. Experts 0 and 3 never meet, and say 2.
  @Test func aSubsetSeesThroughAMean() {
    var inequality = SetInequality(topK: 4, devices: 4, room: 4)
    inequality.near = zip(Self.pairs([0, 0, 0, 1]), Self.pairs([0, 1, 1, 1])).map { ($0 + $1) / 2 }
    inequality.choose()
    #expect(inequality.members == 0b1001)
    #expect(Self.value(inequality, inequality.near) == 2)
  }

  /// Eight experts: C = 1, 2, 3, 4 need at least 28, 12, 7, 4 pairs.
  @Test func linesAreTheHullOfEvenSplits() {
    let four = SetInequality.lines(experts: 8, devices: 4, room: 16)
    let slopes: [Double] = [1.0 / 3, 1.0 / 5, 1.0 / 16, 0]
    #expect(four.map(\.slope) == slopes)
    let atTwelve = four.map { line in line.intercept - line.slope * 12 }
    #expect(atTwelve.max() == 2)
    #expect(four.last?.intercept == 1)
    // With room for four there are at least two devices, and with two devices exactly two.
    let two = SetInequality.lines(experts: 8, devices: 2, room: 4)
    #expect(two == [SetInequality.Line(intercept: 2, slope: 0)])
  }
}
