import CKernels
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Tensors

@Suite struct ParallelTests {
  /// Runs `count` tasks and returns how often each index came up.
  static func visits(_ count: Int, around body: (Int) -> Void = { _ in }) -> [Int] {
    let seen = Mutex(Array(repeating: 0, count: max(count, 0)))
    Parallel.run(count) { index in
      body(index)
      seen.withLock { $0[index] += 1 }
    }
    return seen.withLock { $0 }
  }

  @Test(arguments: [-1, 0, 1, 2, 3, 64, 1000]) func everyIndexOnce(count: Int) {
    for _ in 0..<20 { #expect(Self.visits(count).allSatisfy { $0 == 1 }) }
  }

  @Test func blocksCoverTheRange() {
    for (count, grain) in [(0, 4), (1, 4), (4, 4), (5, 4), (1003, 7), (3, 0), (5, 100)] {
      let ranges = Mutex([Range<Int>]())
      Parallel.blocks(count, grain: grain) { block in ranges.withLock { $0.append(block) } }
      let sorted = ranges.withLock { $0 }.sorted { $0.lowerBound < $1.lowerBound }
      #expect(sorted.flatMap(Array.init) == Array(0..<count))
      #expect(sorted.allSatisfy { !$0.isEmpty && $0.count <= max(grain, 1) })
    }
  }

  @Test func nestedCallsRunOnTheCallersThread() {
    let strangers = Atomic<Int>(0)
    let visits = Self.visits(8) { _ in
      let own = pthread_self()
      Parallel.run(8) { _ in if pthread_equal(own, pthread_self()) == 0 { strangers.add(1, ordering: .relaxed) } }
    }
    #expect(visits.allSatisfy { $0 == 1 } && strangers.load(ordering: .relaxed) == 0)
  }

  /// Several Swift tasks at once: one gets the team, the others work alone, none waits for ever.
  @Test(.timeLimit(.minutes(Hang.minutes))) func concurrentCallers() async {
    await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<8 {
        group.addTask { (0..<50).allSatisfy { _ in Self.visits(17).allSatisfy { $0 == 1 } } }
      }
      for await exact in group { #expect(exact) }
    }
  }

  @Test func threadsAreAtLeastOne() { #expect(Parallel.threads >= 1) }
}

@Suite struct BlockPoolTests {
  /// A class holds what is asked for, wastes at most an eighth above 1 KiB, and is a class itself.
  @Test func sizeClasses() {
    #expect([0, 1, 64, 65, 1000, 1024].map(BlockPool.sizeClass) == [64, 64, 64, 128, 1024, 1024])
    #expect([1025, 1152, 1153, 2048, 2049, 4097].map(BlockPool.sizeClass) == [1152, 1152, 1280, 2048, 2304, 4608])
    var last = 0
    for bytes in stride(from: 1, to: 300_000, by: 37) {
      let size = BlockPool.sizeClass(bytes)
      #expect(size >= bytes && size % 64 == 0 && size >= last && BlockPool.sizeClass(size) == size)
      #expect(bytes <= 1024 || Double(size) <= 1.125 * Double(bytes))
      last = size
    }
  }

  /// A block serves a request of up to a quarter less, and no smaller one.
  @Test func blocksAreReused() {
    let (pool, bytes) = (BlockPool(), 8 << 20)
    let (first, other) = (pool.take(bytes), pool.take(bytes))
    #expect(first.address != other.address && first.capacity == bytes && pool.held == 2 * bytes)
    pool.give(first.address, capacity: first.capacity)
    let smaller = pool.take(bytes - bytes / 5)
    #expect(smaller == first)
    pool.give(smaller.address, capacity: smaller.capacity)
    let half = pool.take(bytes / 2)
    #expect(half.address != first.address && half.capacity == bytes / 2)
    #expect(Int(bitPattern: half.address) % (2 << 20) == 0)
  }

  /// Before a block is taken from the system, large idle ones go back until few are left.
  @Test func idleBlocksGoBack() {
    let (pool, bytes) = (BlockPool(), 48 << 20)
    let blocks = (0..<4).map { _ in pool.take(bytes) }
    for block in blocks { pool.give(block.address, capacity: block.capacity) }
    #expect(pool.held == 4 * bytes)
    _ = pool.take(2 * bytes)
    #expect(pool.held == 3 * bytes)
    #expect(Memory.peakResidentBytes > 0)
  }
}

@Suite struct BLASTests {
  @Test func coreTypes() {
    #expect(BLAS.coreType(vectorLevel: 2) == "SkylakeX")
    #expect(BLAS.coreType(vectorLevel: 1) == "Haswell")
    #expect(BLAS.coreType(vectorLevel: 0) == nil)
  }

  /// OpenBLAS must not fall back to SSE3 where the processor has more.
  @Test func kernelsFitTheProcessor() {
    let blas = BLAS.shared
    #expect(!blas.coreName.isEmpty && blas.coreName != "unknown" && blas.configuration.contains("OpenBLAS"))
    if ck_vector_level() >= 1 { #expect(blas.coreName != "Prescott") }
    if let chosen = blas.chosenCoreType { #expect(blas.coreName.lowercased() == chosen.lowercased()) }
    #expect(["x86-64-v4", "x86-64-v3", "default"].contains(BLAS.kernelVariant))
  }
}
