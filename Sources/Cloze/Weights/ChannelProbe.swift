internal import CClozeKernels
internal import ClozeIO
internal import ClozeONNX

/// Measures the range of each channel of a model's hidden states, by running a few tokens through the layers
/// while they are packed.
///
/// Some channels of a BERT are many times larger than the rest, nearly the same ones for every token, and no
/// weight alone tells which. Arbitrary tokens of the vocabulary show it as well as calibration text does.
final class ChannelProbe {
  /// Tokens of the one sequence that is run. More do not improve the accuracy of embeddings.
  static let tokens = 16

  private let kernels: Kernels
  private let team: Team
  private let matrix: cloze_matrix_kernels
  private let width: Int
  private let heads: Int
  private let count: Int
  private let bias: AttentionBias?
  private let memory: AlignedMemory
  /// [count, D]
  private let hidden: UnsafeMutablePointer<Float>
  /// [count, 3D]
  private let queryKeyValue: UnsafeMutablePointer<Float>
  /// [count, D]
  private let context: UnsafeMutablePointer<Float>
  /// [count, F]
  private let intermediate: UnsafeMutablePointer<Float>
  private let packed: cloze_packed_rows
  private let attention: UnsafeMutableRawPointer

  init(_ configuration: BERTConfiguration, _ bias: AttentionBias?, kernels: Kernels, team: Team) throws(ClozeError) {
    self.bias = bias
    self.team = team
    self.kernels = kernels
    matrix = kernels.int8
    width = configuration.hiddenSize
    heads = max(configuration.numAttentionHeads, 1)
    count = min(Self.tokens, configuration.maxPositionEmbeddings)
    let inner = max(configuration.intermediateSize, width)
    var size = 0
    func reserve(_ bytes: Int) -> Int {
      defer { size &+= bytes.roundedUp(to: 64) }
      return size
    }
    let hidden = reserve(try bytes(count, width, 4))
    let queryKeyValue = reserve(try bytes(count, width, 12))
    let context = reserve(try bytes(count, width, 4))
    let intermediate = reserve(try bytes(count, inner, 4))
    let panels = reserve(matrix.packed_rows_size(count, inner))
    let scales = reserve(count &* 4)
    let zeroPoints = reserve(count &* 4)
    let attention = reserve(matrix.attention_scratch(count, width / heads))
    memory = try AlignedMemory(bytes: size)
    self.hidden = memory.floats(at: hidden)
    self.queryKeyValue = memory.floats(at: queryKeyValue)
    self.context = memory.floats(at: context)
    self.intermediate = memory.floats(at: intermediate)
    packed = cloze_packed_rows(
      panels: memory.base + panels, scale: memory.floats(at: scales),
      zero: (memory.base + zeroPoints).assumingMemoryBound(to: Int32.self))
    self.attention = memory.base + attention
  }

  /// Computes the embeddings of tokens spread over the vocabulary.
  func embed(
    _ word: Weights.WordTable, _ vocabulary: Int, _ position: UnsafePointer<Float>, _ tokenType: UnsafePointer<Float>,
    _ norm: Weights.Norm
  ) throws(ClozeError) {
    let row = try AlignedMemory(bytes: width)
    defer { withExtendedLifetime(row) {} }
    for place in 0..<count {
      // Multiples of an irrational number, the golden ratio, spread evenly.
      let spread = UInt64(UInt32(truncatingIfNeeded: place &+ 1) &* 0x9E37_79B9)
      let id = Int((spread &* UInt64(max(vocabulary, 0))) >> 32)
      kernels.rows.embedding_sum(
        word.row(id, width, matrix, row.base)?.assumingMemoryBound(to: Int8.self), word.scale?[id] ?? 1, nil,
        position + place &* width, tokenType, width, hidden + place &* width)
    }
    normalize(hidden, plus: nil, norm)
  }

  /// Computes the state between a layer's attention and its feed-forward block.
  func attend(_ queryKeyValue: Weights.Dense, scale: Float, _ output: Weights.Dense, _ norm: Weights.Norm)
    throws(ClozeError)
  {
    try apply(queryKeyValue, .identity, hidden, self.queryKeyValue)
    let size = width / heads
    for head in 0..<heads {
      let query = UnsafePointer(self.queryKeyValue + head &* size)
      matrix.attention(
        query, query + width, query + 2 &* width, 3 &* width, count, size, scale, bias?.ofHead(head), 0, count,
        context + head &* size, width, attention)
    }
    try apply(output, .identity, context, self.queryKeyValue)
    normalize(self.queryKeyValue, plus: hidden, norm)
  }

  /// Computes the state after the layer.
  func feedForward(_ intermediate: Weights.Dense, activation: Activation, _ output: Weights.Dense, _ norm: Weights.Norm)
    throws(ClozeError)
  {
    try apply(intermediate, activation, hidden, self.intermediate)
    try apply(output, .identity, self.intermediate, context)
    normalize(context, plus: hidden, norm)
  }

  private func apply(
    _ dense: Weights.Dense, _ activation: Activation, _ source: UnsafePointer<Float>,
    _ target: UnsafeMutablePointer<Float>
  ) throws(ClozeError) {
    matrix.pack_rows(source, dense.inputs, dense.inverseSmoothing, count, dense.inputs, packed)
    let step = 128
    try team.forEach((dense.outputs &+ step &- 1) / step) { i, _ throws(ClozeError) in
      let from = i &* step
      let slice = dense.columns(from, min(step, dense.outputs &- from), kernels)
      matrix.multiply(
        count, slice.outputs, slice.inputs, packed, slice.columns,
        cloze_epilogue(bias: slice.bias, activation: activation.kernel), target + from, dense.outputs)
    }
  }

  private func normalize(_ x: UnsafePointer<Float>, plus residual: UnsafePointer<Float>?, _ norm: Weights.Norm) {
    kernels.normalize(x, plus: residual, norm, rows: count, width: width, to: hidden)
  }

  /// The largest magnitude of each channel of the current state; [D].
  func ranges() -> [Float] {
    (0..<width).map { channel in (0..<count).reduce(0) { max($0, abs(hidden[$1 &* width &+ channel])) } }
  }
}
