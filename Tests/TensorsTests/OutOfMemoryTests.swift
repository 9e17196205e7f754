import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Host
@testable import Tensors

/// Processes that run out of memory say so and end with 1; a bug stays a crash.
@Suite struct OutOfMemoryTests {
  /// Leaves this process so many bytes of addresses.
  static func leave(_ bytes: Int) {
    let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
    let pages = text.split(separator: " ").first.flatMap { UInt($0) } ?? 0
    var limit = rlimit(rlim_cur: pages * 4096 + UInt(bytes), rlim_max: rlim_t.max)
    setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
  }

  /// Leaves this process not a byte.
  static func leaveNothing() {
    leave(0)
    for size in [64 << 10, 1 << 10, 16] { while malloc(size) != nil {} }
  }

  private static func text(_ result: ExitTest.Result?) -> String {
    String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
  }

  @Test func aTensorThatDoesNotFit() async {
    let result = await #expect(processExitsWith: .exitCode(1), observing: [\.standardErrorContent]) {
      OutOfMemory.install()
      Activity.note("training step 12")
      OutOfMemoryTests.leave(64 << 20)
      _ = Storage(1 << 30)
    }
    #expect(
      Self.text(result).contains("memory: expected 4294967296 bytes more for training step 12, found none; "),
      "\(Self.text(result))")
    #expect(Self.text(result).contains("; try more memory, a smaller batch, or fewer threads (OCCULT_THREADS)\n"))
  }

  /// What nobody uses goes back before the process gives up.
  @Test func idleBlocksMakeRoom() async {
    await #expect(processExitsWith: .success) {
      let pool = BlockPool()
      let blocks = (0..<8).map { _ in pool.take(6 << 20) }
      for block in blocks { pool.give(block.address, capacity: block.capacity) }
      OutOfMemoryTests.leave(0)
      let large = pool.take(32 << 20)
      precondition(large.capacity == 32 << 20 && pool.held == 32 << 20)
    }
  }

  /// Swift's own arrays end in the runtime.
  @Test func anArrayThatDoesNotFit() async {
    let result = await #expect(processExitsWith: .exitCode(1), observing: [\.standardErrorContent]) {
      OutOfMemory.install()
      Activity.note("reading a\u{1B}[2Jname")
      OutOfMemoryTests.leave(64 << 20)
      var rows: [[UInt8]] = []
      while true { rows.append(Array(repeating: 1, count: 1 << 16)) }
    }
    // Names of files may hold anything; a terminal gets none of it.
    #expect(Self.text(result).contains("memory: expected more for reading a?[2Jname, found none; "))
  }

  /// C code follows the null pointer that it got.
  @Test func aNullPointerOfMalloc() async {
    let result = await #expect(processExitsWith: .exitCode(1), observing: [\.standardErrorContent]) {
      OutOfMemory.install()
      OutOfMemoryTests.leave(16 << 20)
      let memory = malloc(1 << 30)
      // A few bytes into the first page, as a C library would write.
      UnsafeMutablePointer<Int>(bitPattern: UInt(bitPattern: memory) + 8)?.pointee = 1
    }
    #expect(Self.text(result).contains("memory: expected more for this, found none; "))
  }

  /// The last words need no memory themselves.
  @Test func notAByteIsLeft() async {
    let result = await #expect(processExitsWith: .exitCode(1), observing: [\.standardErrorContent]) {
      OutOfMemory.install()
      OutOfMemoryTests.leaveNothing()
      UnsafeMutablePointer<Int>(bitPattern: 8)?.pointee = 1
    }
    #expect(Self.text(result).contains("memory: expected more for this, found none; "))
  }

  @Test func aBugStaysACrash() async {
    func isCrash(_ result: ExitTest.Result?) -> Bool {
      if case .signal = result?.exitStatus { return !Self.text(result).contains("memory:") }
      return false
    }
    let trap = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      OutOfMemory.install()
      let empty = Array(CommandLine.arguments.prefix(0))
      print(empty[3])
    }
    #expect(isCrash(trap))
    let pointer = await #expect(processExitsWith: .signal(SIGSEGV), observing: [\.standardErrorContent]) {
      OutOfMemory.install()
      UnsafeMutablePointer<Int>(bitPattern: 8)?.pointee = 1
    }
    #expect(isCrash(pointer))
    let sent = await #expect(processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]) {
      OutOfMemory.install()
      abort()
    }
    #expect(isCrash(sent))
  }

  /// OpenBLAS would ask for its buffers for ever: there is room for the library and for one of two.
  @Test(.timeLimit(.minutes(Hang.minutes))) func openBLASWithoutRoom() async {
    let result = await #expect(processExitsWith: .exitCode(1), observing: [\.standardErrorContent]) {
      setenv("OCCULT_THREADS", "2", 1)
      OutOfMemoryTests.leave((128 + 120) << 20)
      _ = BLAS.shared
    }
    #expect(Self.text(result).contains("memory: expected 134217728 bytes more for this, found none"))
    let library = await #expect(processExitsWith: .exitCode(1), observing: [\.standardErrorContent]) {
      OutOfMemoryTests.leave(20 << 20)
      _ = BLAS.shared
    }
    #expect(Self.text(library).contains("memory: expected") && !Self.text(library).contains("apt install"))
  }

  /// Once its buffers are there, products need no more; threads beyond the team wait for one.
  @Test(.timeLimit(.minutes(Hang.minutes))) func productsWithoutRoom() async {
    await #expect(processExitsWith: .success) {
      setenv("OCCULT_THREADS", "2", 1)
      let n = 400
      let (a, b, c) = (Storage.zeros(n * n), Storage.zeros(n * n), (0..<6).map { _ in Storage.zeros(n * n) })
      Kernels.fill(a.floats, 1, n * n)
      Kernels.fill(b.floats, 2, n * n)
      _ = (BLAS.shared, Parallel.threads)
      let ready = Mutex(0)
      let go = Mutex(false)
      let threads = (0..<6).map { index in
        Thread {
          // Whatever a thread takes at its beginning, it has.
          ready.withLock { $0 += 1 }
          while !go.withLock({ $0 }) { usleep(1000) }
          for _ in 0..<20 {
            Kernels.gemmSerial(
              MatrixView(a.floats, stride: n), MatrixView(b.floats, stride: n), c[index].floats, stride: n, m: n, n: n,
              k: n)
          }
        }
      }
      for thread in threads { thread.start() }
      while ready.withLock({ $0 }) < 6 { usleep(1000) }
      OutOfMemoryTests.leave(0)
      go.withLock { $0 = true }
      for thread in threads { while !thread.isFinished { usleep(1000) } }
      for index in c.indices { precondition((0..<n * n).allSatisfy { c[index].floats[$0] == Float(2 * n) }) }
    }
  }

  /// A team that lacks a thread would wait for it for ever.
  @Test(.timeLimit(.minutes(Hang.minutes))) func threadsWithoutRoom() async {
    let result = await #expect(processExitsWith: .exitCode(1), observing: [\.standardErrorContent]) {
      setenv("OCCULT_THREADS", "64", 1)
      OutOfMemoryTests.leave(60 << 20)
      Parallel.run(1000) { _ in }
    }
    #expect(Self.text(result).contains("memory: expected 4194304 bytes more for this, found none"))
  }
}
