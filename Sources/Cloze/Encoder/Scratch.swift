internal import CClozeKernels
internal import ClozeIO

/// The memory that a run computes in. Grows when a run needs more than any before, and is kept.
final class Scratch {
  /// What the threads share, for a chunk of T tokens. D hidden size.
  struct Shared {
    /// [T] place of a token in its sequence
    var position: UnsafeMutablePointer<Int32>
    /// [T, D] the state between layers
    var hidden: UnsafeMutablePointer<Float>
    /// [T, 3D] query, key, value
    var queryKeyValue: UnsafeMutablePointer<Float>
    /// [T, D] what attention gives
    var context: UnsafeMutablePointer<Float>
    /// [T, D] the mix of the states after all layers, where the model's head reads one
    var mixed: UnsafeMutablePointer<Float>
    /// [T, D] rows that a head reads, and what it makes of them
    var headInput: UnsafeMutablePointer<Float>
    var headOutput: UnsafeMutablePointer<Float>
  }

  /// What one thread works with, for a block of R rows. F intermediate size.
  struct PerThread {
    /// rows of a block, packed
    var packed: cloze_packed_rows
    /// [R, F]
    var intermediate: UnsafeMutablePointer<Float>
    /// [R, D]
    var block: UnsafeMutablePointer<Float>
    /// a row of the word table
    var word: UnsafeMutableRawPointer
    var attention: UnsafeMutableRawPointer
  }

  private var memory: AlignedMemory?
  private(set) var tokens = 0
  private(set) var longest = 0
  private(set) var shared: Shared?
  private(set) var perThread: [PerThread] = []

  /// Makes room for chunks of `tokens` tokens in sequences of at most `longest`.
  func reserve(tokens: Int, longest: Int, model: Model, threads: Int) throws(ClozeError) {
    guard tokens > self.tokens || longest > self.longest || perThread.count != threads else { return }
    let tokens = max(tokens, self.tokens)
    let longest = max(longest, self.longest)
    // Old memory goes first, so that the peak is one size and not two.
    shared = nil
    perThread = []
    memory = nil
    self.tokens = 0
    self.longest = 0

    let info = model.info
    let matrix = model.kernels.matrix(info.precision)
    let width = info.hiddenSize
    let rows = model.blockRows
    let inner = max(info.intermediateSize, width, model.weights.sentence.widestInput).roundedUp(to: Int(matrix.kr))
    let attention = matrix.attention_scratch(longest, width / max(info.numAttentionHeads, 1))

    var at = 0
    func place(_ factors: Int...) throws(ClozeError) -> Int {
      var size = 1
      for factor in factors { size = try bytes(size, factor) }
      let start = at
      at = at &+ size.roundedUp(to: 64)
      return start
    }
    let float = MemoryLayout<Float>.size
    let position = try place(tokens, MemoryLayout<Int32>.size)
    let hidden = try place(tokens, width, float)
    let queryKeyValue = try place(tokens, 3 * width, float)
    let context = try place(tokens, width, float)
    let mixed = try place(model.taskHead?.head.mix == nil ? 0 : tokens, width, float)
    let headInput = try place(tokens, width, float)
    let headOutput = try place(tokens, width, float)
    let first = at
    let ofHeads = model.kernels.float32.packed_rows_size(rows, model.weights.widestHeadInput)
    let packed = try place(max(matrix.packed_rows_size(rows, inner), ofHeads))
    let scale = try place(rows, float)
    let zero = try place(rows, MemoryLayout<Int32>.size)
    let intermediate = try place(rows, inner, float)
    let block = try place(rows, width, float)
    let word = try place(max(width, inner), float)
    let heads = try place(attention)
    let each = at - first

    let memory = try AlignedMemory(bytes: bytes(threads - 1, each) + at)
    func pointer<T>(_ offset: Int, _ type: T.Type) -> UnsafeMutablePointer<T> {
      (memory.base + offset).assumingMemoryBound(to: type)
    }
    shared = Shared(
      position: pointer(position, Int32.self), hidden: pointer(hidden, Float.self),
      queryKeyValue: pointer(queryKeyValue, Float.self), context: pointer(context, Float.self),
      mixed: pointer(mixed, Float.self), headInput: pointer(headInput, Float.self),
      headOutput: pointer(headOutput, Float.self))
    for thread in 0..<threads {
      let base = thread * each
      perThread.append(
        PerThread(
          packed: cloze_packed_rows(
            panels: memory.base + (base + packed), scale: pointer(base + scale, Float.self),
            zero: pointer(base + zero, Int32.self)), intermediate: pointer(base + intermediate, Float.self),
          block: pointer(base + block, Float.self), word: memory.base + (base + word),
          attention: memory.base + (base + heads)))
    }
    self.memory = memory
    self.tokens = tokens
    self.longest = longest
  }
}
