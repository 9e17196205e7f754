import Testing

@testable import Tensors

@Suite struct TensorTests {
  @Test func shapeAndElements() {
    let x = Tensor([1, 2, 3, 4, 5, 6], shape: [2, 1, 3])
    #expect(x.rows == 2 && x.columns == 3 && x.count == 6 && x.dtype == .float32 && !x.isTracked)
    #expect(x.elements == [1, 2, 3, 4, 5, 6])
    #expect(Tensor(2.5).shape == [] && Tensor(2.5).scalar == 2.5 && Tensor(2.5).rows == 1 && Tensor(2.5).columns == 1)
    #expect(Tensor.zeros([2, 0]).elements.isEmpty && Tensor.zeros([3]).elements == [0, 0, 0])
    let filled = Tensor.filled([4]) { target in for index in target.indices { target[index] = Float(index) } }
    #expect(filled.elements == [0, 1, 2, 3])
    let raw = Tensor.read([2], dtype: .bfloat16) { $0.copyBytes(from: [0x80, 0x3F, 0x00, 0xC0]) }
    #expect(raw.elements == [1, -2] && raw.withBytes { Array($0) } == [0x80, 0x3F, 0x00, 0xC0])
  }

  @Test func storageIsAligned() {
    for count in [0, 1, 15, 17, 1000, 1 << 20, 1 << 21] {
      for dtype in DType.allCases {
        #expect(UInt(bitPattern: Storage(count, dtype: dtype).address) % 64 == 0)
      }
    }
  }

  /// Written in place while it has one holder; a copy as soon as there are two.
  @Test func mutationIsInPlaceOnlyWhereUnique() {
    var x = Tensor.random([100], seed: 1)
    let address = x.storage.address
    x.withMutableElements { $0[0] = 7 }
    #expect(x.storage.address == address && x.elements[0] == 7)
    let shared = x
    x.withMutableElements { $0[0] = 8 }
    #expect(x.storage.address != address && x.elements[0] == 8)
    #expect(shared.elements[0] == 7 && shared.storage.address == address)
    #expect(x.elements.dropFirst() == shared.elements.dropFirst())
    // A view of the same memory is a holder too.
    let view = x.reshaped([10, 10])
    x.withMutableElements { $0[1] = 9 }
    #expect(view.elements[1] == shared.elements[1] && x.elements[1] == 9)
  }

  @Test func mappedMemoryIsNeverWritten() {
    final class Owner {
      let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: 4)
      let onRelease: () -> Void
      init(onRelease: @escaping () -> Void) {
        memory.initialize(repeating: 1)
        self.onRelease = onRelease
      }
      deinit {
        memory.deallocate()
        onRelease()
      }
    }
    var released = false
    do {
      let owner = Owner { released = true }
      let pointer = UnsafeRawPointer(owner.memory.baseAddress)
      guard let pointer else { return }
      var x = Tensor(mapped: pointer, shape: [4], dtype: .float32, owner: owner)
      let original = x
      x.withMutableElements { $0[0] = 5 }
      #expect(x.elements == [5, 1, 1, 1] && original.elements == [1, 1, 1, 1] && owner.memory[0] == 1)
      #expect(!released)
    }
    #expect(released)
  }

  @Test func bfloat16IsConvertedBeforeItIsWritten() {
    var x = Tensor([1, 2, 3]).stored(as: .bfloat16)
    #expect(x.dtype == .bfloat16)
    x.withMutableElements { $0[1] = 2.125 }
    #expect(x.dtype == .float32 && x.elements == [1, 2.125, 3])
    #expect(x.stored(as: .float32).storage === x.storage, "nothing to convert, nothing to copy")
  }

  @Test func wrongCountsTrap() async {
    await #expect(processExitsWith: .failure) { _ = Tensor([1, 2, 3], shape: [2, 2]) }
    await #expect(processExitsWith: .failure) { _ = Tensor([1, 2]).scalar }
    await #expect(processExitsWith: .failure) { _ = Tensor([1]).stored(as: .bfloat16).silu() }
  }
}
